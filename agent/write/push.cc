#include "agent/write/push.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "agent/base/strings.h"

namespace agent::write {

using model::Entry;
using model::LabelSet;
using model::MetadataPair;

namespace {

// A stream costs about 300 bytes here.
constexpr std::size_t kMostKnown = 4096;
constexpr std::string_view kTenantLabel = "__tenant_id__";

// The number behind `marker`, if it is there.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view marker) {
  const std::size_t at = text.find(marker);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + marker.size());
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
    return std::nullopt;
  return value;
}

// "2026-11-21T09:00:00Z", "2026-11-21T09:00:00.123+01:00" at the start of `text` -> ns; rounded
// down to whole seconds, which keeps entries that are near the limit.
std::optional<std::int64_t> rfc3339(std::string_view text) {
  const std::string copy(text.substr(0, 40));
  std::tm tm{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return std::nullopt;
  if (*rest == '.') {
    ++rest;
    while (*rest >= '0' && *rest <= '9') ++rest;
  }
  std::int64_t offset = 0;
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::from_chars(rest + 1, rest + 3, hours).ec != std::errc() || rest[3] != ':' ||
        std::from_chars(rest + 4, rest + 6, minutes).ec != std::errc())
      return std::nullopt;
    offset = (*rest == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
  } else if (*rest != 'Z') {
    return std::nullopt;
  }
  return (static_cast<std::int64_t>(timegm(&tm)) - offset) * 1'000'000'000;
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

Held::~Held() {
  const bool delivered = open_parts_ == 0;
  if (delivered) batch.settle();
  done_(*this, delivered);
}

std::shared_ptr<const Outgoing> OutgoingLabels::of(const LabelSet& labels) {
  const auto it = known_.find(labels);
  if (it != known_.end()) return it->second;
  if (known_.size() >= kMostKnown) known_.clear();
  auto out = std::make_shared<Outgoing>();
  out->tenant = labels.get(kTenantLabel);
  if (out->tenant.empty()) out->tenant = tenant_;
  model::LabelBuilder builder(labels);
  builder.remove_prefix("__");
  for (const model::Label& label : external_) {
    if (builder.get(label.name).empty()) builder.set(label.name, label.value);
  }
  out->labels = interner_.intern(std::move(builder).take());
  out->text = out->labels.text();
  known_.emplace(labels, out);
  return out;
}

std::size_t counted_bytes(const Entry& entry) {
  std::size_t bytes = entry.line.size();
  for (const MetadataPair& pair : entry.metadata) bytes += pair.name.size() + pair.value.size();
  return bytes;
}

bool Push::add(const std::shared_ptr<const Outgoing>& to, const Entry& entry,
               const std::shared_ptr<Held>& held, std::size_t max_streams) {
  if (last_ != to.get()) {
    const auto it = index_.find(to->labels);
    if (it != index_.end()) {
      last_stream_ = it->second;
    } else {
      if (max_streams > 0 && streams_.size() >= max_streams) return false;
      last_stream_ = static_cast<std::uint32_t>(streams_.size());
      index_.emplace(to->labels, last_stream_);
      streams_.push_back({to, {}});
    }
    last_ = to.get();
  }
  // Batches come one after another, so the newest one is always the last.
  if (held_.empty() || held_.back() != held) {
    held->add_part();
    held_.push_back(held);
  }
  streams_[last_stream_].entries.push_back(&entry);
  bytes_ += counted_bytes(entry);
  ++entries_;
  return true;
}

void Push::settle() {
  for (const auto& held : held_) held->settle_part();
  held_.clear();
}

std::vector<Push::Ref> Push::refs() const {
  std::vector<Ref> out;
  out.reserve(entries_);
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    for (const Entry* entry : streams_[i].entries) out.push_back({i, entry});
  }
  return out;
}

void Push::encode(wire::LokiPushEncoder& encoder) const {
  encoder.clear();
  for (const Stream& stream : streams_) encoder.add_stream(stream.to->text, stream.entries);
}

void Push::encode(std::span<const Ref> part, wire::LokiPushEncoder& encoder) const {
  encoder.clear();
  std::vector<const Entry*> entries;
  for (std::size_t i = 0; i < part.size();) {
    const std::uint32_t stream = part[i].stream;
    entries.clear();
    for (; i < part.size() && part[i].stream == stream; ++i) entries.push_back(part[i].entry);
    encoder.add_stream(streams_[stream].to->text, entries);
  }
}

// The sentences are those of Loki's distributor and ingester (pkg/validation, pkg/ingester):
//   Max entry size '262144' bytes exceeded for stream '{..}' while adding an entry with length '9'
//   bytes entry for stream '{..}' has timestamp too old: T, oldest acceptable timestamp is: T entry
//   with timestamp T ignored, reason: 'entry too far behind, entry timestamp is: T, oldest
//     acceptable timestamp is: T', total ignored: 1 out of 2 for stream: {..}
Refusal parse_refusal(std::string_view message) {
  Refusal out;
  out.reason = "ingester_error";
  constexpr std::string_view kOldest = "oldest acceptable timestamp is: ";
  if (holds(message, "Max entry size") || holds(message, "max entry size")) {
    out.reason = "line_too_long";
    out.longest = static_cast<std::size_t>(number_after(message, "ax entry size '").value_or(0));
  } else if (holds(message, "has timestamp too old")) {
    out.reason = "greater_than_max_sample_age";
  } else if (holds(message, "too far behind") || holds(message, "out of order")) {
    out.reason = "too_far_behind";
  } else if (holds(message, "tream limit")) {
    out.reason = "stream_limited";
  }
  const std::size_t at = message.find(kOldest);
  if (at != std::string_view::npos) {
    out.oldest_ns = rfc3339(message.substr(at + kOldest.size())).value_or(0);
    if (out.reason == "too_far_behind") {
      constexpr std::string_view kStream = "for stream: ";
      const std::size_t stream = message.find(kStream, at);
      if (stream == std::string_view::npos) {
        out.oldest_ns = 0;
      } else {
        const std::string_view rest = message.substr(stream + kStream.size());
        out.stream = trim(rest.substr(0, rest.find('}') + 1));
      }
    }
  }
  return out;
}

Duration parse_retry_after(std::string_view value, std::int64_t now_ns) {
  std::int64_t seconds = 0;
  const char* end = value.data() + value.size();
  if (const auto parsed = std::from_chars(value.data(), end, seconds);
      parsed.ec == std::errc() && parsed.ptr == end) {
    return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 86'400));
  }
  const std::string copy(value.substr(0, 64));
  std::tm tm{};
  if (strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm) == nullptr) return Duration::zero();
  const std::int64_t at = static_cast<std::int64_t>(timegm(&tm)) * 1'000'000'000;
  return std::clamp<Duration>(Duration(at - now_ns), Duration::zero(), std::chrono::hours(24));
}

}  // namespace agent::write
