#include "agent/source/docker_cursor.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace agent::source {

std::int64_t DockerCursor::advance(std::size_t stream, std::int64_t time_ns) {
  Mark& mark = marks[stream];
  mark.count = mark.time_ns == time_ns ? mark.count + 1 : 1;
  mark.time_ns = time_ns;
  return time_ns + (mark.count - 1);
}

std::int64_t DockerCursor::since_ns() const {
  const std::int64_t newest = std::max(marks[0].time_ns, marks[1].time_ns);
  const std::int64_t oldest = std::min(marks[0].time_ns, marks[1].time_ns);
  return std::max<std::int64_t>(0, std::max(oldest, newest - kReorder));
}

std::string DockerCursor::text() const {
  std::string out;
  for (const Mark& mark : marks) {
    if (!out.empty()) out += ',';
    out += std::to_string(mark.time_ns) + "." + std::to_string(mark.count);
  }
  return out;
}

std::optional<DockerCursor> DockerCursor::parse(std::string_view text) {
  DockerCursor out;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](auto& value, char after) {
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || next == at) return false;
    at = next;
    if (after == '\0') return at == end;
    return at != end && *at++ == after;
  };
  if (!number(out.marks[0].time_ns, '.') || !number(out.marks[0].count, ',') ||
      !number(out.marks[1].time_ns, '.') || !number(out.marks[1].count, '\0'))
    return std::nullopt;
  return out;
}

std::optional<DockerCursor> DockerCursor::parse_seconds(std::string_view text) {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds <= 0 ||
      seconds > std::numeric_limits<std::int64_t>::max() / kNanoseconds - 1)
    return std::nullopt;
  DockerCursor out;
  for (Mark& mark : out.marks) mark.time_ns = seconds * kNanoseconds;
  return out;
}

std::string docker_since(std::int64_t time_ns) {
  std::string fraction = std::to_string(time_ns % 1'000'000'000);
  fraction.insert(0, 9 - fraction.size(), '0');
  return std::to_string(time_ns / 1'000'000'000) + "." + fraction;
}

bool DockerResume::already_read(std::size_t stream, std::int64_t time_ns) {
  const DockerCursor::Mark& mark = from_.marks[stream];
  if (past_[stream]) return false;
  if (time_ns < mark.time_ns) return true;
  if (time_ns == mark.time_ns && at_mark_[stream] < mark.count) {
    ++at_mark_[stream];
    return true;
  }
  past_[stream] = true;
  return false;
}

}  // namespace agent::source
