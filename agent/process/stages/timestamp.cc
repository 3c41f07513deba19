// stage.timestamp: the entry's time from an extracted value.
//
// action_on_failure fudge: an entry without a readable time gets the last good time of its labels
// plus 1 ns; skip leaves its time as it is. action_on_duplicate_timestamp fudge: entries that
// repeat a parsed time get 1 ns more each.
#include <list>
#include <unordered_map>

#include "agent/base/strings.h"
#include "agent/process/stage.h"
#include "agent/wire/time_layout.h"

namespace agent::process {
namespace {

constexpr std::size_t kMaxStreams = 10'000;  // whose last time is remembered

struct TimestampArgs {
  std::string source;
  std::string format;
  std::vector<std::string> fallback_formats;
  std::string location;
  std::string action_on_failure = "fudge";
  std::string action_on_duplicate_timestamp = "fudge";
  static component::Schema<TimestampArgs> schema() {
    return component::Schema<TimestampArgs>()
        .required("source", &TimestampArgs::source, "Extracted value that holds the time.")
        .required("format", &TimestampArgs::format,
                  "ANSIC, UnixDate, RubyDate, RFC822, RFC822Z, RFC850, RFC1123, RFC1123Z, RFC3339, "
                  "RFC3339Nano, Unix, "
                  "UnixMs, UnixUs, UnixNs, or a layout of Go's.")
        .optional("fallback_formats", &TimestampArgs::fallback_formats,
                  "Formats that are tried when format does not fit.")
        .optional("location", &TimestampArgs::location,
                  "IANA zone of times that do not say theirs; empty is UTC.")
        .optional("action_on_failure", &TimestampArgs::action_on_failure, "fudge or skip.")
        .optional("action_on_duplicate_timestamp", &TimestampArgs::action_on_duplicate_timestamp,
                  "fudge or skip.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const auto check_format = [&](const std::string& text, std::string_view argument) {
      if (auto layout = wire::TimeLayout::compile(text, nullptr); !layout)
        diagnostics.error(body.span_of(argument), layout.error().message);
    };
    check_format(format, "format");
    for (const std::string& text : fallback_formats) check_format(text, "fallback_formats");
    if (auto zone = wire::find_time_zone(location); !zone)
      diagnostics.error(body.span_of("location"), zone.error().message);
    const auto check_action = [&](const std::string& text, std::string_view argument) {
      if (text != "fudge" && text != "skip")
        diagnostics.error(
            body.span_of(argument),
            std::string(argument) + " must be \"fudge\" or \"skip\", got " + json_string(text));
    };
    check_action(action_on_failure, "action_on_failure");
    check_action(action_on_duplicate_timestamp, "action_on_duplicate_timestamp");
    if (source.empty()) diagnostics.error(body.span_of("source"), "source must not be empty");
  }
};

class Timestamp final : public Stage {
 public:
  using Arguments = TimestampArgs;
  Timestamp(Arguments args, const StageHost& host)
      : args_(std::move(args)), clock_(host.clock), log_(host.log) {
    const auto zone = wire::find_time_zone(args_.location).value();
    layouts_.push_back(wire::TimeLayout::compile(args_.format, zone).value());
    for (const std::string& format : args_.fallback_formats)
      layouts_.push_back(wire::TimeLayout::compile(format, zone).value());
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto value = item.find(args_.source);
      const auto text = value ? to_text(*value, batch.arena) : std::nullopt;
      const std::optional<std::int64_t> time = text ? parse(*text) : std::nullopt;
      if (!time) {
        if (args_.action_on_failure == "fudge") {
          if (Last* last = find(item.labels)) item.time_ns = ++last->given;
        }
        continue;
      }
      item.time_ns = *time;
      if (args_.action_on_failure != "fudge" && args_.action_on_duplicate_timestamp != "fudge")
        continue;
      Last& last = remember(item.labels);
      if (args_.action_on_duplicate_timestamp == "fudge" && last.parsed == *time &&
          last.given >= *time)
        item.time_ns = last.given + 1;
      last.parsed = *time;
      last.given = item.time_ns;
    }
  }

 private:
  struct Last {
    std::int64_t parsed = INT64_MIN;  // as the text had it
    std::int64_t given = INT64_MIN;   // as the entry got it
  };
  using Recent = std::list<std::pair<model::LabelSet, Last>>;  // newest first

  std::optional<std::int64_t> parse(std::string_view text) const {
    for (const wire::TimeLayout& layout : layouts_) {
      const auto time = layout.parse(text);
      if (time) return time->has_year ? time->ns : layout.with_year(*time, clock_.wall_ns());
    }
    log_.limited(Level::kDebug, "stage.timestamp: a time fits no format",
                 {{"time", text.substr(0, 100)}});
    return std::nullopt;
  }

  Last* find(const model::LabelSet& labels) {
    const auto it = index_.find(labels);
    if (it == index_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, it->second);
    return &it->second->second;
  }

  Last& remember(const model::LabelSet& labels) {
    if (Last* last = find(labels)) return *last;
    if (recent_.size() >= kMaxStreams) {
      index_.erase(recent_.back().first);
      recent_.pop_back();
    }
    recent_.emplace_front(labels, Last{});
    index_[labels] = recent_.begin();
    return recent_.front().second;
  }

  const Arguments args_;
  Clock& clock_;
  const Log log_;
  std::vector<wire::TimeLayout> layouts_;
  Recent recent_;
  std::unordered_map<model::LabelSet, Recent::iterator, model::LabelSetHash> index_;
};

}  // namespace

StageDeclaration stage_timestamp() {
  return declare_stage<Timestamp>("timestamp", "Sets the entry's time from an extracted value.");
}

}  // namespace agent::process
