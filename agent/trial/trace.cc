#include "agent/trial/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <istream>
#include <map>
#include <optional>
#include <ostream>

#include "agent/base/strings.h"
#include "agent/component/receiver.h"
#include "agent/lang/stdlib.h"
#include "agent/model/json_value.h"
#include "agent/trial/rehearsal.h"

namespace agent::trial {
namespace {

using component::Sighting;
using component::Watch;
using model::Json;

constexpr std::size_t kMostLine = std::size_t{1} << 20;
// Longer than any stage keeps a line back by default.
constexpr auto kLater = std::chrono::minutes(10);

std::string in_quotes(std::string_view text) { return json_string(to_valid_utf8(text)); }

// The objects "labels" and "metadata" of an entry.
Result<std::vector<std::pair<std::string, std::string>>> texts_of(const Json& entry,
                                                                  std::string_view name) {
  std::vector<std::pair<std::string, std::string>> out;
  const Json* found = entry.find(name);
  if (found == nullptr) return out;
  const std::string wrong = std::string(name) + " is not an object of texts";
  if (found->kind() != Json::Kind::kObject) return fail(ErrorCode::kInvalid, wrong);
  for (const auto& [key, value] : found->object()) {
    if (value.kind() != Json::Kind::kString) return fail(ErrorCode::kInvalid, wrong);
    out.emplace_back(key, value.string());
  }
  return out;
}

Result<std::int64_t> time_of(const Json& entry, std::int64_t fallback) {
  const Json* time = entry.find("time_ns");
  if (time == nullptr) return fallback;
  if (time->kind() == Json::Kind::kInt) return time->integer();
  std::int64_t out = 0;
  if (time->kind() == Json::Kind::kString) {
    const std::string& text = time->string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return out;
  }
  return fail(ErrorCode::kInvalid, "time_ns is not a whole number of nanoseconds");
}

// Tells what changed from one sighting of an entry to the next.
class Writer {
 public:
  Writer(std::ostream& out, bool colour) : out_(out), colour_(colour) {}

  void begin(std::size_t number, std::string_view line) {
    out_ << (number > 1 ? "\n" : "") << paint("line " + std::to_string(number), kBold) << "  "
         << to_valid_utf8(line) << "\n";
    component_.clear();
  }
  void begin_later() {
    out_ << "\n" << paint("later", kBold) << "  what stages had kept back\n";
    component_.clear();
  }
  void nothing() { out_ << "  nothing took it\n"; }

  // `line`: the number of the line that the entry comes from, when it is another.
  void step(const Sighting& now, const Sighting* before, std::size_t line) {
    if (now.component != component_) out_ << "  " << paint(now.component, kBold) << "\n";
    component_ = now.component;
    std::vector<std::string> told;
    if (line > 0) told.push_back("from line " + std::to_string(line));
    if (before == nullptr) {
      told.push_back("labels " + pairs_text(now.labels));
      if (!now.metadata.empty()) told.push_back("metadata " + pairs_text(now.metadata));
    } else {
      if (now.line != before->line) told.push_back("line " + in_quotes(now.line));
      if (now.time_ns != before->time_ns && !now.held) told.push_back("time " + time_text(now));
      compare("", before->labels, now.labels, told);
      if (!now.held && now.at != "in") {
        compare("metadata ", before->metadata, now.metadata, told);
        compare("extracted ", before->extracted, now.extracted, told);
      }
    }
    if (now.held) told.push_back(paint("kept back, or a part of another now", kYellow));
    if (!now.dropped.empty()) told.push_back(paint("dropped: " + now.dropped, kRed));
    const bool same = told.empty();
    if (same) told.push_back(paint("unchanged", kFaint));
    std::string at = fmt::format("{:<18}", now.at);
    for (const std::string& one : told) {
      out_ << "    " << at << "  " << one << "\n";
      at.assign(at.size(), ' ');
    }
  }

 private:
  static constexpr char kBold[] = "\033[1m";
  static constexpr char kFaint[] = "\033[2m";
  static constexpr char kRed[] = "\033[31m";
  static constexpr char kYellow[] = "\033[33m";

  std::string paint(std::string text, const char* how) const {
    return colour_ ? how + std::move(text) + "\033[0m" : text;
  }

  static std::string pairs_text(const Sighting::Pairs& pairs) {
    std::string out = "{";
    for (const auto& [name, value] : pairs)
      out += (out.size() > 1 ? ", " : "") + to_valid_utf8(name) + "=" + in_quotes(value);
    return out + "}";
  }

  static std::string time_text(const Sighting& now) {
    const std::int64_t after = now.time_ns - Rehearsal::kStart;
    return fmt::format("{} ns since 1970 ({}{:.3f} s from when it was read)", now.time_ns,
                       after < 0 ? "-" : "+", std::abs(static_cast<double>(after)) / 1e9);
  }

  static const std::string* find(const Sighting::Pairs& pairs, const std::string& name) {
    for (const auto& [key, value] : pairs)
      if (key == name) return &value;
    return nullptr;
  }

  static void compare(std::string_view what, const Sighting::Pairs& before,
                      const Sighting::Pairs& now, std::vector<std::string>& told) {
    const std::string kind(what);
    for (const auto& [name, value] : now) {
      const std::string* old = find(before, name);
      if (old == nullptr) {
        told.push_back("+ " + kind + to_valid_utf8(name) + "=" + in_quotes(value));
      } else if (*old != value) {
        told.push_back("~ " + kind + to_valid_utf8(name) + "=" + in_quotes(value) + ", was " +
                       in_quotes(*old));
      }
    }
    for (const auto& [name, value] : before)
      if (find(now, name) == nullptr)
        told.push_back("- " + kind + to_valid_utf8(name) + "=" + in_quotes(value));
  }

  std::ostream& out_;
  const bool colour_;
  std::string component_;  // that was told of last
};

class Trace {
 public:
  Trace(const component::Registry& real, const TraceOptions& options, std::ostream& out,
        std::ostream& complaints)
      : options_(options),
        out_(out),
        complaints_(complaints),
        rehearsal_(real, lang::system_world()),
        writer_(out, options.colour) {}

  bool run(std::vector<runtime::SourceText> texts, std::istream& input) {
    std::string said;
    const auto ran = rehearsal_.load(std::move(texts), said);
    complaints_ << said;
    if (!ran) return complain(ran.error().message);
    if (!*ran) return false;
    component_ = options_.component;
    if (component_.empty() && !choose()) return false;
    Watch::Options all;
    all.per_second = 0;
    all.max_sightings = 100'000;
    all.max_bytes = std::size_t{256} << 20;
    all.max_line = kMostLine;
    watch_ = rehearsal_.taps.watch("", all, rehearsal_.clock);

    bool good = true;
    for (std::string line; std::getline(input, line);) {
      ++number_;
      if (line.size() > kMostLine) {
        good = complain("line " + std::to_string(number_) + " is longer than 1 MiB");
        continue;
      }
      auto batch = entry_of(line);
      if (!batch) {
        good = complain("line " + std::to_string(number_) + ": " + batch.error().message);
        continue;
      }
      text_ = batch->entries.front().line;
      if (auto put = rehearsal_.put(component_, std::move(*batch)); !put)
        return complain(put.error().message);
      tell(watch_->take(), false);
    }
    rehearsal_.clock.advance(kLater);
    Watch::Seen later;
    const auto take = [&] {
      Watch::Seen more = watch_->take();
      const bool any = !more.sightings.empty();
      later.skipped += more.skipped;
      std::move(more.sightings.begin(), more.sightings.end(), std::back_inserter(later.sightings));
      return any;
    };
    // What is kept back comes from a component's own thread.
    SystemClock real;
    constexpr int kLooks = 1000;
    for (int looks = 0; !known_.empty() && looks < kLooks && !take(); ++looks)
      real.sleep_for(std::chrono::milliseconds(5), {});
    until_silent(take);
    if (!later.sightings.empty()) tell(later, true);
    return good;
  }

 private:
  using Key = std::pair<std::string, std::uint32_t>;  // component, entry

  bool complain(const std::string& what) const {
    complaints_ << what << (what.ends_with('\n') ? "" : "\n");
    return false;
  }

  // The only source of entries.
  bool choose() {
    const std::vector<std::string> sources = rehearsal_.ends->log_sources();
    if (sources.size() == 1) {
      component_ = sources.front();
      return true;
    }
    std::string known;
    for (const auto& status : rehearsal_.runtime()->status()) {
      const bool source = std::find(sources.begin(), sources.end(), status.id) != sources.end();
      const auto receiver = rehearsal_.receiver_of(status.id);
      if (source ||
          (receiver && receiver->type == component::CapsuleName<component::LogReceiver>::kName))
        known += "\n  " + status.id;
    }
    return complain("say with --component which one gets the lines:" + known);
  }

  Result<model::EntryBatch> entry_of(const std::string& text) {
    model::EntryBatch batch;
    if (!options_.entries) {
      batch.entries.push_back({rehearsal_.labels.intern(options_.labels),
                               rehearsal_.clock.wall_ns(), batch.arena.store(text)});
      return batch;
    }
    auto entry = Json::parse(text);
    if (!entry) return fail(std::move(entry.error()));
    if (entry->kind() != Json::Kind::kObject) return fail(ErrorCode::kInvalid, "no JSON object");
    const Json* line = entry->find("line");
    if (line == nullptr || line->kind() != Json::Kind::kString)
      return fail(ErrorCode::kInvalid, "it has no text \"line\"");
    auto time = time_of(*entry, rehearsal_.clock.wall_ns());
    if (!time) return fail(std::move(time.error()));
    auto labels = texts_of(*entry, "labels");
    if (!labels) return fail(std::move(labels.error()));
    auto metadata = texts_of(*entry, "metadata");
    if (!metadata) return fail(std::move(metadata.error()));
    model::LabelBuilder builder(options_.labels);
    for (const auto& [name, value] : *labels) builder.set(name, value);
    std::vector<model::MetadataPair> pairs;
    for (const auto& [name, value] : *metadata) pairs.push_back({name, value});
    batch.entries.push_back({rehearsal_.labels.intern(std::move(builder).take()), *time,
                             batch.arena.store(line->string()),
                             batch.arena.store(std::span<const model::MetadataPair>(pairs))});
    return batch;
  }

  // What was seen of the line `number_`; `late`: of what stages had kept back, at the end.
  void tell(const Watch::Seen& seen, bool late) {
    if (options_.json) {
      out_ << "{" << (late ? "" : "\"number\":" + std::to_string(number_) + ",")
           << (late ? "\"late\":true" : "\"line\":" + in_quotes(text_)) << ",\"steps\":[";
      const char* comma = "";
      for (const Sighting& sighting : seen.sightings) {
        out_ << comma << component::to_json(sighting);
        comma = ",";
      }
      out_ << "]" << (seen.skipped > 0 ? ",\"skipped\":" + std::to_string(seen.skipped) : "")
           << "}\n";
      return;
    }
    if (late) {
      writer_.begin_later();
    } else {
      writer_.begin(number_, text_);
    }
    if (seen.sightings.empty()) writer_.nothing();
    const Sighting* last = nullptr;
    const Sighting* left = nullptr;  // as it left the component before
    for (const Sighting& sighting : seen.sightings) {
      const Sighting* before = sighting.at == "in" ? left : last;
      std::size_t from = 0;
      if (sighting.entry != 0) {
        Known& known = known_[{sighting.component, sighting.entry}];
        if (known.line == 0) known.line = late ? 0 : number_;
        if (known.line != number_ || late) from = known.line;
        if (known.last) before = &*known.last;
        writer_.step(sighting, before, from);
        if (sighting.held && known.last) {
          known.last->held = true;  // it is told with its line and labels alone
        } else {
          known.last = sighting;
        }
      } else {
        writer_.step(sighting, before, 0);
      }
      last = &sighting;
      if (sighting.at == "out") left = last;
    }
    // Only what was kept back is told of again.
    std::erase_if(known_, [](const auto& one) { return !one.second.last->held; });
    if (seen.skipped > 0) complain(std::to_string(seen.skipped) + " steps are missing here");
  }

  struct Known {
    std::size_t line = 0;  // that it came with
    std::optional<Sighting> last;
  };

  const TraceOptions& options_;
  std::ostream& out_;
  std::ostream& complaints_;
  Rehearsal rehearsal_;
  Writer writer_;
  std::string component_;
  std::shared_ptr<Watch> watch_;
  std::size_t number_ = 0;
  std::string text_;  // of the line
  std::map<Key, Known> known_;
};

}  // namespace

bool trace(std::vector<runtime::SourceText> texts, const component::Registry& real,
           const TraceOptions& options, std::istream& input, std::ostream& out,
           std::ostream& complaints) {
  return Trace(real, options, out, complaints).run(std::move(texts), input);
}

}  // namespace agent::trial
