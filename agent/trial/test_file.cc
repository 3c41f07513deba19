#include "agent/trial/test_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ostream>
#include <sstream>
#include <utility>
#include <vector>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/receiver.h"
#include "agent/runtime/check.h"
#include "agent/trial/rehearsal.h"
#include "agent/wire/loki_push.h"

namespace agent::trial {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTest = 64U << 20;

struct Section {
  std::string verb;  // "config", "input", ...
  std::string rest;  // of the header line
  std::vector<std::string> lines;
  int line = 0;
};

// nullopt: `wrong` is the line of text before the first section.
std::optional<std::vector<Section>> parse_sections(const std::string& text, int& wrong) {
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
      wrong = number;
      return std::nullopt;
    }
  }
  return out;
}

class Trial {
 public:
  Trial(std::string path, const component::Registry& real, bool update, std::ostream& complaints)
      : path_(std::move(path)),
        update_(update),
        complaints_(complaints),
        rehearsal_(real, runtime::unknown_world()) {}

  bool run() {
    const auto text = read_file(path_, kMaxTest);
    if (!text) return complain(0, text.error().message);
    int wrong = 0;
    auto sections = parse_sections(*text, wrong);
    if (!sections) return complain(wrong, "text before the first section");
    bool good = true;
    for (Section& section : *sections) good = run_section(section) && good;
    if (update_) return rewrite(*text, *sections) && good;
    if (!checked_) good = complain(0, "nothing is checked");
    return good;
  }

 private:
  bool complain(int line, const std::string& what) const {
    complaints_ << path_ << ":" << line << ": " << what << (what.ends_with('\n') ? "" : "\n");
    return false;
  }

  bool run_section(Section& section) {
    if (section.verb == "config") return load(section);
    if (section.verb == "input") return put(section);
    if (section.verb == "targets") return publish(section);
    if (section.verb == "advance") return advance(section);
    if (section.verb == "output") return compare(section, output(section.rest));
    if (section.verb == "metric") return metric(section);
    if (section.verb == "error") return compare(section, problems_);
    return complain(section.line, "unknown section " + section.verb);
  }

  // The files that "config FILE" names, beside the test file; or the section's own text.
  Result<std::vector<runtime::SourceText>> texts(const Section& section) const {
    if (section.rest.empty()) {
      std::string config;
      for (const std::string& line : section.lines) config += line + "\n";
      return std::vector<runtime::SourceText>{{"config", std::move(config)}};
    }
    const fs::path file = fs::path(path_).parent_path() / section.rest;
    auto text = read_file(file, kMaxTest);
    if (!text) return fail(std::move(text.error()));
    return std::vector<runtime::SourceText>{{file.string(), std::move(*text)}};
  }

  bool load(const Section& section) {
    auto texts = this->texts(section);
    if (!texts) return complain(section.line, texts.error().message);
    std::string said;
    const auto ran = rehearsal_.load(std::move(*texts), said);
    std::istringstream in(said);
    problems_.clear();
    for (std::string line; std::getline(in, line);) problems_.push_back(line);
    refused_ = ran && !*ran;
    return ran ? true : complain(section.line, ran.error().message);
  }

  bool put(const Section& section) {
    if (refused_ || rehearsal_.runtime() == nullptr) {
      for (const std::string& line : problems_) complaints_ << line << "\n";
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
      sets[i] = rehearsal_.labels.intern(std::move(*parsed));
    }
    model::EntryBatch batch;
    for (const std::string& line : section.lines)
      if (!line.empty())
        batch.entries.push_back(
            {sets[0], rehearsal_.clock.wall_ns(), batch.arena.store(unescape(line)), {}, sets[1]});
    const auto receiver = rehearsal_.receiver_of(target);
    if (receiver && receiver->type == component::CapsuleName<component::MetricsReceiver>::kName)
      return put_samples(section,
                         std::static_pointer_cast<component::MetricsReceiver>(receiver->object));
    if (!receiver && target.starts_with("prometheus.")) return put_samples(section, nullptr);
    const Result<> sent = rehearsal_.put(target, std::move(batch));
    return sent ? true : complain(section.line, sent.error().message);
  }

  // Lines as `name{label="value"} 3`.
  bool put_samples(const Section& section,
                   const std::shared_ptr<component::MetricsReceiver>& receiver) {
    model::SampleBatch batch;
    for (const std::string& line : section.lines) {
      if (line.empty()) continue;
      const std::size_t blank = line.rfind(' ');
      const std::size_t brace = std::min(line.find('{'), blank);
      if (blank == std::string::npos)
        return complain(section.line, "a sample is name{label=\"value\"} 3, not " + line);
      model::LabelBuilder series;
      if (brace < blank) {
        auto parsed = wire::parse_labels_text(line.substr(brace, blank - brace));
        if (!parsed) return complain(section.line, parsed.error().message);
        for (const model::Label& label : *parsed) series.set(label.name, label.value);
      }
      series.set(model::kMetricNameLabel, line.substr(0, brace));
      char* end = nullptr;
      const double value = std::strtod(line.c_str() + blank + 1, &end);
      if (*end != '\0') return complain(section.line, line.substr(blank + 1) + " is not a number");
      batch.samples.push_back({rehearsal_.labels.intern(std::move(series).take()),
                               rehearsal_.clock.wall_ns() / 1'000'000, value});
    }
    const std::string target = section.rest.substr(0, section.rest.find(' '));
    const Result<> sent = receiver ? receiver->consume(std::move(batch), {})
                                   : rehearsal_.ends->put(target, std::move(batch));
    return sent ? true : complain(section.line, sent.error().message);
  }

  bool advance(const Section& section) {
    const auto duration = parse_duration(section.rest);
    if (!duration) return complain(section.line, duration.error().message);
    rehearsal_.clock.advance(*duration);
    advanced_ = true;
    return true;
  }

  bool publish(const Section& section) {
    std::vector<model::Target> targets;
    for (const std::string& line : section.lines) {
      if (line.empty()) continue;
      auto parsed = wire::parse_labels_text(line);
      if (!parsed) return complain(section.line, parsed.error().message);
      targets.push_back(std::move(*parsed));
    }
    const Result<> done = rehearsal_.ends->publish(section.rest, targets);
    advanced_ = true;
    return done ? true : complain(section.line, done.error().message);
  }

  // The targets that a component exports; nullopt when it exports none.
  std::optional<std::vector<std::string>> targets_of(const std::string& component) {
    if (rehearsal_.runtime() == nullptr) return std::nullopt;
    for (const auto& status : rehearsal_.runtime()->status()) {
      if (status.id != component) continue;
      for (const auto& [name, value] : status.exports) {
        if (value.kind() != lang::Value::Kind::kList) continue;
        std::vector<std::string> out;
        std::vector<model::Target> targets;
        lang::Diagnostics ignored;
        component::Decoder<std::vector<model::Target>>::decode(value, {}, targets, ignored);
        for (model::Target& target : targets)
          out.push_back(rehearsal_.labels.intern(std::move(target)).text());
        return out;
      }
    }
    return std::nullopt;
  }

  // What has arrived at `component`, or anywhere when it is ""; or the targets that it exports.
  std::vector<std::string> output(const std::string& component) {
    settle();
    if (auto targets = targets_of(component)) return std::move(*targets);
    std::vector<std::string> out;
    std::vector<Ends::Arrival> others;
    for (Ends::Arrival& arrival : arrived_) {
      if (component.empty() || arrival.component == component) {
        out.push_back(std::move(arrival.text));
      } else {
        others.push_back(std::move(arrival));
      }
    }
    arrived_ = std::move(others);
    return out;
  }

  void settle() {
    const auto take = [this] {
      auto fresh = rehearsal_.ends->take();
      const bool any = !fresh.empty();
      std::move(fresh.begin(), fresh.end(), std::back_inserter(arrived_));
      return any;
    };
    take();
    if (std::exchange(advanced_, false)) until_silent(take);
  }

  bool compare(Section& section, const std::vector<std::string>& got) {
    checked_ = true;
    while (!section.lines.empty() && section.lines.back().empty()) section.lines.pop_back();
    if (update_) {
      section.lines = got;
      return true;
    }
    if (section.lines == got) return true;
    complain(section.line, section.verb + " differs");
    for (const std::string& line : section.lines)
      if (std::find(got.begin(), got.end(), line) == got.end())
        complaints_ << "  - " << line << "\n";
    for (const std::string& line : got)
      if (std::find(section.lines.begin(), section.lines.end(), line) == section.lines.end())
        complaints_ << "  + " << line << "\n";
    if (std::is_permutation(got.begin(), got.end(), section.lines.begin(), section.lines.end()))
      complaints_ << "  the order differs\n";
    return false;
  }

  bool metric(const Section& section) {
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
    for (const auto& family : rehearsal_.metrics.collect()) {
      if (family.name != series.substr(0, brace)) continue;
      for (const auto& point : family.points) {
        const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const model::Label& label) {
          return std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
        });
        if (fits) sum += point.value;
      }
    }
    const double expected = std::strtod(section.rest.c_str() + blank + 1, nullptr);
    if (sum == expected) return true;
    return complain(section.line, fmt::format("{} is {}", series, sum));
  }

  bool rewrite(const std::string& before, const std::vector<Section>& sections) const {
    std::string out = before.substr(0, before.find("-- "));
    for (const Section& section : sections) {
      out += "-- " + section.verb + (section.rest.empty() ? "" : " " + section.rest) + " --\n";
      for (const std::string& line : section.lines) out += line + "\n";
    }
    auto written = write_file_atomic(path_, out, 0644);
    return written ? true : complain(0, written.error().message);
  }

  const std::string path_;
  const bool update_;
  std::ostream& complaints_;
  Rehearsal rehearsal_;
  std::vector<Ends::Arrival> arrived_;  // and not asked for yet
  std::vector<std::string> problems_;
  bool refused_ = false;
  bool advanced_ = false;
  bool checked_ = false;
};

}  // namespace

bool run_test_file(const std::string& path, const component::Registry& real, bool update,
                   std::ostream& complaints) {
  return Trial(path, real, update, complaints).run();
}

}  // namespace agent::trial
