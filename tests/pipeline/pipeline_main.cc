// Runs one .test file (README.md tells the format). Exit status 0 when everything came out as it
// says.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/receiver.h"
#include "agent/lang/rendering.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "agent/runtime/runtime.h"
#include "agent/wire/loki_push.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent {
namespace {

constexpr std::int64_t kStart = 1'704'067'200'000'000'000;  // 2024-01-01T00:00:00Z

struct Section {
  std::string verb;  // "config", "input", ...
  std::string rest;  // of the header line
  std::vector<std::string> lines;
  int line = 0;
};

std::vector<Section> parse_sections(const std::string& text) {
  std::vector<Section> out;
  int number = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with("-- ") && line.ends_with(" --") && line.size() > 6) {
      const std::string header = line.substr(3, line.size() - 6);
      const std::size_t blank = header.find(' ');
      out.push_back({header.substr(0, blank),
                     blank == std::string::npos ? "" : header.substr(blank + 1),
                     {},
                     number});
    } else if (!out.empty()) {
      out.back().lines.push_back(line);
    } else if (!line.empty() && line[0] != '#') {
      std::cerr << "line " << number << ": text before the first section\n";
      std::exit(2);
    }
  }
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i] == 't' ? '\t' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out;
}

// The end of every tested pipeline.
class Sink final : public component::LogReceiver {
 public:
  explicit Sink(Clock& clock) : clock_(clock) {}
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    MutexLock lock(mutex_);
    for (const model::Entry& entry : batch.entries) {
      std::string line = entry.labels.text();
      if (entry.time_ns != clock_.wall_ns()) {
        const std::int64_t after = entry.time_ns - kStart;
        std::string seconds =
            fmt::format("{}{}.{:09}", after < 0 ? "-" : "+", std::abs(after) / 1'000'000'000,
                        std::abs(after) % 1'000'000'000);
        while (seconds.back() == '0') seconds.pop_back();
        if (seconds.back() == '.') seconds.pop_back();
        line += " " + seconds;
      }
      line += " " + escape(entry.line);
      for (std::size_t i = 0; i < entry.metadata.size(); ++i)
        line += std::string(i == 0 ? " | " : " ") + std::string(entry.metadata[i].name) + "=" +
                escape(entry.metadata[i].value);
      lines_.push_back(std::move(line));
    }
    batch.settle();
    return {};
  }
  std::vector<std::string> take() {
    MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  Clock& clock_;
  Mutex mutex_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
};

struct SinkArgs {
  static component::Schema<SinkArgs> schema() { return component::Schema<SinkArgs>(); }
};
struct SinkComponent final : component::Configured<SinkArgs> {
  explicit SinkComponent(component::Host) {}
  SinkComponent(const component::Host& host, const std::shared_ptr<Sink>& sink) {
    host.exports({{"receiver", component::capsule<component::LogReceiver>(sink)}});
  }
  Result<component::Commit> prepare(SinkArgs) override {
    return component::Commit([] {});
  }
};

class Case {
 public:
  explicit Case(std::string path) : path_(std::move(path)) {
    register_components(registry_);
    component::Declaration sink = component::declare<SinkComponent>(
        "test.sink", "Keeps what it gets.", {{"receiver", "LogsReceiver", "In."}});
    sink.make = [this](component::Host host) -> std::unique_ptr<component::Component> {
      return std::make_unique<SinkComponent>(host, sink_);
    };
    registry_.add(std::move(sink));
  }

  int run() {
    const auto text = read_file(path_);
    if (!text) return complain(0, text.error().message);
    std::vector<Section> sections = parse_sections(*text);
    int status = 0;
    for (Section& section : sections) status |= run_section(section);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) return rewrite(*text, sections);
    if (!checked_) status |= complain(0, "nothing is checked");
    return status;
  }

 private:
  int complain(int line, const std::string& what) const {
    std::cerr << path_ << ":" << line << ": " << what << "\n";
    return 1;
  }

  int run_section(Section& section) {
    if (section.verb == "config") return load(section);
    if (section.verb == "input") return push(section);
    if (section.verb == "advance") return advance(section);
    if (section.verb == "output") return compare(section, settled_output());
    if (section.verb == "metric") return metric(section);
    if (section.verb == "error") return compare(section, problems_);
    return complain(section.line, "unknown section " + section.verb);
  }

  int load(const Section& section) {
    std::string config;
    for (const std::string& line : section.lines) config += line + "\n";
    const runtime::CheckReport checked = runtime::check({{"config", config}}, registry_, *world_);
    const std::string rendered = lang::render(checked.diagnostics, checked.sources.front());
    std::istringstream in(rendered);
    problems_.clear();
    for (std::string line; std::getline(in, line);) problems_.push_back(line);
    if (!checked.ok()) {
      refused_ = true;
      return 0;
    }
    runtime_ = std::make_unique<runtime::Runtime>(runtime::Runtime::Environment{
        registry_, stdlib_, clock_, labels_, Log::none(), metrics_, dir_.path()});
    const runtime::LoadReport report = runtime_->load({{"config", config}});
    if (report.ok()) return 0;
    return complain(section.line, lang::render(report.diagnostics, report.sources.front()));
  }

  int push(const Section& section) {
    if (refused_ || runtime_ == nullptr) {
      for (const std::string& line : problems_) std::cerr << line << "\n";
      return complain(section.line, "there is no configuration that runs");
    }
    const std::size_t blank = section.rest.find(' ');
    const std::string target = section.rest.substr(0, blank);
    const std::size_t bar = section.rest.find("} | {");
    std::array<model::LabelSet, 2> sets;  // labels, context
    const std::array<std::size_t, 3> at = {blank, bar == std::string::npos ? bar : bar + 3,
                                           std::string::npos};
    for (std::size_t i = 0; i < sets.size() && at[i] != std::string::npos; ++i) {
      const std::size_t end = i == 0 && bar != std::string::npos ? bar + 1 : std::string::npos;
      auto parsed = wire::parse_labels_text(section.rest.substr(at[i] + 1, end - at[i] - 1));
      if (!parsed) return complain(section.line, parsed.error().message);
      sets[i] = labels_.intern(std::move(*parsed));
    }
    for (const auto& status : runtime_->status()) {
      if (status.id != target) continue;
      for (const auto& [name, value] : status.exports) {
        if (name != "receiver") continue;
        const auto receiver =
            std::static_pointer_cast<component::LogReceiver>(value.capsule().object);
        model::EntryBatch batch;
        for (const std::string& line : section.lines)
          if (!line.empty())
            batch.entries.push_back(
                {sets[0], clock_.wall_ns(), batch.arena.store(unescape(line)), {}, sets[1]});
        if (auto sent = receiver->consume(std::move(batch), {}); !sent)
          return complain(section.line, sent.error().message);
        return 0;
      }
    }
    return complain(section.line, "there is no receiver " + target);
  }

  int advance(const Section& section) {
    const auto duration = parse_duration(section.rest);
    if (!duration) return complain(section.line, duration.error().message);
    clock_.advance(*duration);
    advanced_ = true;
    return 0;
  }

  // After the clock has moved a component's own thread may have something to say: waits until it
  // has been silent.
  std::vector<std::string> settled_output() {
    std::vector<std::string> out = sink_->take();
    if (!std::exchange(advanced_, false)) return out;
    SystemClock real;
    for (int silent = 0; silent < 20; ++silent) {
      real.sleep_for(std::chrono::milliseconds(5), {});
      for (std::string& line : sink_->take()) {
        out.push_back(std::move(line));
        silent = 0;
      }
    }
    return out;
  }

  int compare(Section& section, const std::vector<std::string>& got) {
    checked_ = true;
    while (!section.lines.empty() && section.lines.back().empty()) section.lines.pop_back();
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      section.lines = got;
      return 0;
    }
    if (section.lines == got) return 0;
    complain(section.line, section.verb + " differs");
    for (const std::string& line : section.lines)
      if (std::find(got.begin(), got.end(), line) == got.end()) std::cerr << "  - " << line << "\n";
    for (const std::string& line : got)
      if (std::find(section.lines.begin(), section.lines.end(), line) == section.lines.end())
        std::cerr << "  + " << line << "\n";
    if (std::is_permutation(got.begin(), got.end(), section.lines.begin(), section.lines.end()))
      std::cerr << "  the order differs\n";
    return 1;
  }

  int metric(const Section& section) {
    checked_ = true;
    const std::size_t blank = section.rest.rfind(' ');
    const std::string series = section.rest.substr(0, blank);
    const std::size_t brace = series.find('{');
    model::Labels wanted;
    if (brace != std::string::npos) {
      auto parsed = wire::parse_labels_text(series.substr(brace));
      if (!parsed) return complain(section.line, parsed.error().message);
      wanted = std::move(*parsed);
    }
    double sum = 0;
    for (const auto& family : metrics_.collect()) {
      if (family.name != series.substr(0, brace)) continue;
      for (const auto& point : family.points) {
        const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const model::Label& label) {
          return std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
        });
        if (fits) sum += point.value;
      }
    }
    const double expected = std::strtod(section.rest.c_str() + blank + 1, nullptr);
    if (sum == expected) return 0;
    return complain(section.line, fmt::format("{} is {}", series, sum));
  }

  int rewrite(const std::string& before, const std::vector<Section>& sections) const {
    std::string out = before.substr(0, before.find("-- "));
    for (const Section& section : sections) {
      out += "-- " + section.verb + (section.rest.empty() ? "" : " " + section.rest) + " --\n";
      for (const std::string& line : section.lines) out += line + "\n";
    }
    return write_file_atomic(path_, out, 0644) ? 0 : 1;
  }

  const std::string path_;
  FakeClock clock_{kStart};
  TempDir dir_;
  model::Interner labels_;
  component::Metrics metrics_;
  component::Registry registry_;
  std::shared_ptr<Sink> sink_ = std::make_shared<Sink>(clock_);
  std::unique_ptr<lang::World> world_ = runtime::unknown_world();
  lang::Stdlib stdlib_{*world_};
  std::unique_ptr<runtime::Runtime> runtime_;
  std::vector<std::string> problems_;
  bool refused_ = false;
  bool advanced_ = false;
  bool checked_ = false;
};

}  // namespace
}  // namespace agent

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: pipeline FILE.test\n";
    return 2;
  }
  return agent::Case(argv[1]).run();
}
