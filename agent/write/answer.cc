#include "agent/write/answer.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "agent/base/strings.h"

namespace agent::write {
namespace {

constexpr std::size_t kMaxText = 300;
constexpr std::int64_t kSecond = 1'000'000'000;
// A text may name any year, a number of nanoseconds ends in the year 2262.
constexpr std::int64_t kLastSecond = INT64_MAX / kSecond - 86'400;

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

std::optional<std::int64_t> nanoseconds(std::tm& tm, std::int64_t offset) {
  const std::int64_t seconds = static_cast<std::int64_t>(timegm(&tm)) - offset;
  if (seconds > kLastSecond || seconds < -kLastSecond) return std::nullopt;
  return seconds * kSecond;
}

// "2026-11-21T09:00:00Z", "2026-11-21T09:00:00.123+01:00" at the start of `text` -> ns; rounded
// down to whole seconds, which keeps entries that are near the limit.
std::optional<std::int64_t> rfc3339(std::string_view text) {
  const std::string copy(text.substr(0, 40));
  std::tm tm{};
  const char* behind = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (behind == nullptr) return std::nullopt;
  std::string_view rest(behind);
  if (rest.starts_with('.'))
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  if (rest.starts_with('Z')) return nanoseconds(tm, 0);
  // +01:00
  if (rest.size() < 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return std::nullopt;
  std::int64_t part[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    const char* digits = rest.data() + 1 + 3 * i;
    const auto parsed = std::from_chars(digits, digits + 2, part[i]);
    if (parsed.ec != std::errc() || parsed.ptr != digits + 2 || part[i] < 0) return std::nullopt;
  }
  return nanoseconds(tm, (rest[0] == '+' ? 1 : -1) * (part[0] * 3600 + part[1] * 60));
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

// The sentences are those of Loki's distributor and ingester (pkg/validation, pkg/ingester):
//  - Max entry size '262144' bytes exceeded for stream '{..}' while adding an entry with length '9'
//    bytes
//  - entry for stream '{..}' has timestamp too old: T, oldest acceptable timestamp is: T
//  - entry with timestamp T ignored, reason: 'entry too far behind, entry timestamp is: T, oldest
//    acceptable timestamp is: T', total ignored: 1 out of 2 for stream: {..}
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
  if (at == std::string_view::npos) return out;
  out.oldest_ns = rfc3339(message.substr(at + kOldest.size())).value_or(0);
  if (out.reason != "too_far_behind") return out;
  // Each stream has its own newest entry.
  constexpr std::string_view kStream = "for stream: ";
  const std::size_t stream = message.find(kStream, at);
  if (stream != std::string_view::npos) {
    const std::string_view rest = message.substr(stream + kStream.size());
    out.stream = trim(rest.substr(0, rest.find('}') + 1));
  }
  if (out.stream.empty()) out.oldest_ns = 0;
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
  const auto at = nanoseconds(tm, 0);
  if (!at || *at <= now_ns) return Duration::zero();
  return std::min<Duration>(Duration(*at - now_ns), std::chrono::hours(24));
}

std::optional<SampleCounts> parse_written(const io::HttpHeaders& headers,
                                          const SampleCounts& sent) {
  std::optional<SampleCounts> out;
  const auto number = [&](std::string_view what, std::uint32_t SampleCounts::*kind) {
    const std::string_view text =
        io::header_of(headers, "x-prometheus-remote-write-" + std::string(what) + "-written");
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return;
    if (!out) out.emplace();
    (*out).*kind = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, sent.*kind));
  };
  number("samples", &SampleCounts::samples);
  number("exemplars", &SampleCounts::exemplars);
  number("histograms", &SampleCounts::histograms);
  return out;
}

WriteAnswer write_answer(int status, bool counted, const WriteAsked& asked) {
  // Receivers of 1.0 say that they do not know this type, or that it is bad, or take it for an
  // empty request of 1.0. Those of 2.0 say what they have written.
  if (asked.version_2 &&
      (status == 415 || (!counted && (status / 100 == 2 || (status == 400 && !asked.speaks_2)))))
    return WriteAnswer::kOnly1;
  if (status / 100 == 2) return WriteAnswer::kAccepted;
  // A redirect that is not followed says nothing about samples.
  if (status / 100 != 4 || (status == 429 && asked.retry_on_429)) return WriteAnswer::kLater;
  return WriteAnswer::kRefused;
}

std::string answer_text(std::string_view body) {
  const std::string text = to_valid_utf8(body.substr(0, kMaxText));
  return std::string(trim(utf8_head(text, kMaxText)));
}

}  // namespace agent::write
