// A thousand random reloads while lines flow and one sink takes nothing.
#include <algorithm>
#include <filesystem>
#include <random>

#include "tests/agent/runtime/parts.h"

namespace agent::runtime {
namespace {

using component::LogFanout;
using component::LogReceiver;

// The lines that arrived, by the life of the pump that sent them.
struct Record {
  Mutex mutex;
  std::map<std::string, std::uint64_t> next GUARDED_BY(mutex);
  std::vector<std::string> wrong GUARDED_BY(mutex);
  std::atomic<int> lives{0};

  void arrived(std::string_view line) {
    const std::size_t blank = line.find(' ');
    const std::string life(line.substr(0, blank));
    const std::uint64_t number = std::stoull(std::string(line.substr(blank + 1)));
    MutexLock lock(mutex);
    std::uint64_t& expected = next[life];
    if (number != expected)
      wrong.push_back(life + ": " + std::to_string(number) + " instead of " +
                      std::to_string(expected));
    expected = number + 1;
  }
  std::uint64_t of(const std::string& life) {
    MutexLock lock(mutex);
    return next[life];
  }
};

struct TargetArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::string text;
  static component::Schema<TargetArgs> schema() {
    return component::Schema<TargetArgs>()
        .optional("forward_to", &TargetArgs::forward_to, "To.")
        .optional("text", &TargetArgs::text, "Anything; \"wrong\" is refused.");
  }
};

class Sink final : public LogReceiver {
 public:
  explicit Sink(Record& record) : record_(record) {}
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    for (const model::Entry& entry : batch.entries) record_.arrived(entry.line);
    batch.settle();
    return {};
  }

 private:
  Record& record_;
};

class Stuck final : public LogReceiver {
 public:
  Result<> consume(model::EntryBatch, std::stop_token stop) override {
    Mutex mutex;
    Condition never;
    MutexLock lock(mutex);
    never.wait(lock, stop, [] { return false; });
    return fail(ErrorCode::kCancelled, "stopped");
  }
};

// Takes lines and passes them on, or ends the way; as a pump it makes them.
class Pipe final : public component::Configured<TargetArgs> {
 public:
  Pipe(component::Host host, std::shared_ptr<LogReceiver> end) : end_(std::move(end)) {
    const std::shared_ptr<LogReceiver> in = end_ ? end_ : fanout_;
    host.exports({{"receiver", component::capsule(in)}});
  }
  Result<component::Commit> prepare(TargetArgs args) override {
    if (args.text == "wrong") return fail(ErrorCode::kInvalid, "text is wrong");
    return component::Commit([this, args] { fanout_->set(args.forward_to); });
  }

 private:
  const std::shared_ptr<LogReceiver> end_;
  const std::shared_ptr<LogFanout> fanout_ = std::make_shared<LogFanout>();
};

class Pump final : public component::Configured<TargetArgs>, public component::Worker {
 public:
  Pump(component::Host host, Record& record)
      : host_(std::move(host)), life_(host_.id + "#" + std::to_string(record.lives++)) {}
  Result<component::Commit> prepare(TargetArgs args) override {
    if (args.text == "wrong") return fail(ErrorCode::kInvalid, "text is wrong");
    return component::Commit([this, args] { fanout_.set(args.forward_to); });
  }
  Result<> run(std::stop_token stop) override {
    while (!stop.stop_requested()) {
      model::EntryBatch batch;
      batch.entries.push_back(
          {{}, 0, batch.arena.store(life_ + " " + std::to_string(number_)), {}, {}});
      if (fanout_.consume(std::move(batch), stop)) ++number_;
      if (!host_.clock.sleep_for(std::chrono::milliseconds(1), stop)) break;
    }
    return {};
  }

 private:
  component::Host host_;
  const std::string life_;
  std::uint64_t number_ = 0;
  LogFanout fanout_;
};

struct Declared final : component::Configured<TargetArgs> {
  explicit Declared(component::Host) {}
  Result<component::Commit> prepare(TargetArgs) override {
    return component::Commit([] {});
  }
};

std::size_t entries(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

constexpr char kSteady[] = R"(
test.pump "steady" { forward_to = [test.pipe.steady.receiver] }
test.pipe "steady" { forward_to = [test.sink.steady.receiver] }
test.sink "steady" { }
test.stuck "stuck" { }
test.pump "held" { forward_to = [test.stuck.stuck.receiver] }
)";

// Pumps and pipes at random, each with one way onwards that leads to a sink or gets stuck.
std::string random_text(std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::string out = kSteady;
  std::vector<std::string> ends = {"test.sink.steady", "test.sink.other", "test.stuck.stuck"};
  out += "test.sink \"other\" { text = \"" + std::to_string(below(3)) + "\" }\n";
  for (int i = 0; i < below(6); ++i) {
    const std::string name = "n" + std::to_string(below(8));
    if (out.find("test.pipe \"" + name + "\"") != std::string::npos) continue;
    out += "test.pipe \"" + name + "\" { forward_to = [" +
           ends[static_cast<std::size_t>(below(static_cast<int>(ends.size())))] + ".receiver] }\n";
    ends.push_back("test.pipe." + name);
  }
  for (int i = 0; i < below(5); ++i) {
    const std::string name = "m" + std::to_string(below(6));
    if (out.find("test.pump \"" + name + "\"") != std::string::npos) continue;
    out += "test.pump \"" + name + "\" { forward_to = [" +
           ends[static_cast<std::size_t>(below(static_cast<int>(ends.size())))] + ".receiver] }\n";
  }
  switch (below(8)) {
    case 0:
      return out + "test.pipe \"broken\" {";
    case 1:
      return out + "test.pipe \"broken\" { text = \"wrong\" }";
    case 2:
      return out + "test.pump \"broken\" { forward_to = [test.pipe.nobody.receiver] }";
    default:
      return out;
  }
}

}  // namespace

TEST_CASE("runtime: a thousand reloads lose nothing, repeat nothing and leave nothing behind") {
  Fixture f;
  Record record;
  const auto add = [&](const char* name, auto make) {
    component::Declaration d = component::declare<Declared>(name, "Of the test.");
    d.make = make;
    d.exports = {{"receiver", "LogsReceiver", "In."}};
    f.registry.add(std::move(d));
  };
  add("test.pump", [&](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<Pump>(std::move(host), record);
  });
  add("test.pipe", [](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<Pipe>(std::move(host), nullptr);
  });
  add("test.sink", [&](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<Pipe>(std::move(host), std::make_shared<Sink>(record));
  });
  add("test.stuck", [](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<Pipe>(std::move(host), std::make_shared<Stuck>());
  });

  REQUIRE(f.load(kSteady).empty());
  const std::string steady = "test.pump.steady#0";
  REQUIRE(f.eventually([&] { return record.of(steady) > 3; }));
  const std::size_t threads = entries("/proc/self/task");
  const std::size_t descriptors = entries("/proc/self/fd");

  std::mt19937 random(20240101);
  std::vector<double> took;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    const Mono begin = f.clock.mono();
    if (!f.load(random_text(random)).empty()) ++refused;
    took.push_back(std::chrono::duration<double, std::milli>(f.clock.mono() - begin).count());
  }
  REQUIRE(f.load(kSteady).empty());
  std::sort(took.begin(), took.end());
  WARN("a reload takes " << took[500] << " ms, one in a hundred " << took[990] << " ms, at most "
                         << took.back() << " ms; " << refused << " of 1000 were refused");
  CHECK(refused > 200);
  CHECK(refused < 600);

  // The pump that no reload touched is the first of its name, and goes on.
  const std::uint64_t before = record.of(steady);
  CHECK(f.eventually([&] { return record.of(steady) > before + 3; }));
  CHECK(f.eventually([&] { return entries("/proc/self/task") == threads; }));
  CHECK(entries("/proc/self/fd") == descriptors);
  f.runtime->stop();
  MutexLock lock(record.mutex);
  CHECK(record.wrong == std::vector<std::string>{});
  CHECK(record.next.size() > 20);
}

}  // namespace agent::runtime
