// Components of the runtime's tests: each exports a receiver and its note, and a diary tells what
// happens to them.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/component/receiver.h"
#include "agent/runtime/check.h"
#include "agent/runtime/runtime.h"
#include "tests/support/temp_dir.h"

namespace agent::runtime {

// What the test's components did, in order.
struct Diary {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  std::map<std::string, bool> blocked;  // prepare() of this id fails with kUnavailable

  void write(const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
    changed.notify_all();
  }
  bool wait_for(const std::string& line) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::find(lines.begin(), lines.end(), line) != lines.end();
    });
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  }
};

struct PartArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::string text;
  std::string note;  // published by prepare()
  static component::Schema<PartArgs> schema() {
    return component::Schema<PartArgs>()
        .optional("forward_to", &PartArgs::forward_to, "To.")
        .optional("text", &PartArgs::text, "Text.")
        .optional("note", &PartArgs::note, "Exported as note.");
  }
};

class SettlingReceiver final : public component::LogReceiver {
 public:
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    batch.settle();
    return {};
  }
};

// A component of the test: exports a receiver and its note, tells the diary what happens to it.
class Part final : public component::Configured<PartArgs>, public component::Worker {
 public:
  Part(component::Host host, Diary& diary) : host_(std::move(host)), diary_(diary) {
    host_.exports({{"receiver", component::capsule<component::LogReceiver>(receiver_)},
                   {"note", lang::Value("")}});
  }
  ~Part() override { diary_.write("destroy " + host_.id); }

  Result<component::Commit> prepare(PartArgs args) override {
    {
      const std::lock_guard lock(diary_.mutex);
      if (diary_.blocked[host_.id]) return fail(ErrorCode::kUnavailable, "the port is taken");
    }
    if (args.text == "wrong") return fail(ErrorCode::kInvalid, "text is wrong");
    host_.exports({{"receiver", component::capsule<component::LogReceiver>(receiver_)},
                   {"note", lang::Value(args.note)}});
    return component::Commit(
        [this, args] { diary_.write("commit " + host_.id + " " + args.text); });
  }
  Result<> run(std::stop_token stop) override {
    diary_.write("run " + host_.id);
    Mutex mutex;
    Condition never;
    MutexLock lock(mutex);
    never.wait(lock, stop, [] { return false; });
    diary_.write("stop " + host_.id);
    return {};
  }
  void flush() override { diary_.write("flush " + host_.id); }

 private:
  component::Host host_;
  Diary& diary_;
  std::shared_ptr<component::LogReceiver> receiver_ = std::make_shared<SettlingReceiver>();
};

struct Fixture {
  Diary diary;
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Registry registry;
  std::unique_ptr<lang::World> world = unknown_world();
  lang::Stdlib stdlib{*world};
  std::unique_ptr<Runtime> runtime;

  Fixture() {
    component::Declaration part = component::declare<PartWithDiary>("test.part", "A part.");
    part.make = [this](component::Host host) -> std::unique_ptr<component::Component> {
      return std::make_unique<Part>(std::move(host), diary);
    };
    part.exports = {{"receiver", "LogsReceiver", "In."}, {"note", "string", "Note."}};
    registry.add(std::move(part));
    restart();
  }

  // As if the agent had been started anew, on the same disk.
  void restart() {
    runtime.reset();
    runtime = std::make_unique<Runtime>(
        Runtime::Environment{registry, stdlib, clock, labels, Log::none(), metrics, dir.path()});
  }

  // Waits up to 20 s for `holds`, which the runtime's own threads make true.
  bool eventually(const std::function<bool()>& holds) {
    const Mono limit = clock.mono() + std::chrono::seconds(20);
    while (!holds()) {
      if (clock.mono() > limit) return false;
      clock.sleep_for(std::chrono::milliseconds(5), {});
    }
    return true;
  }

  // "" or the messages, joined.
  std::string load(const std::string& text) {
    const LoadReport report = runtime->load({{"test.alloy", text}});
    std::string out;
    for (const auto& d : report.diagnostics.all())
      if (d.severity == lang::Severity::kError) out += d.span.begin.text() + " " + d.message + "\n";
    return out;
  }
  std::string message_of(const std::string& id) const {
    for (const auto& status : runtime->status())
      if (status.id == id) return status.healthy ? "" : status.message;
    return "(none)";
  }

 private:
  // Only its schema is used.
  struct PartWithDiary final : component::Configured<PartArgs> {
    explicit PartWithDiary(component::Host) {}
    Result<component::Commit> prepare(PartArgs) override {
      return component::Commit([] {});
    }
  };
};

}  // namespace agent::runtime
