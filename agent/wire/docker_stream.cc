#include "agent/wire/docker_stream.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/wire/civil_time.h"

namespace agent::wire {
namespace {

constexpr std::size_t kMaxTime = 40;               // bytes of a time, generously
constexpr std::int64_t kPartSpread = 100'000'000;  // parts of one line are not further apart, ns

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// `count` digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (!is_digit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// The time that `payload` begins with and the bytes it takes, the space included.
std::optional<std::pair<std::int64_t, std::size_t>> leading_time(std::string_view payload) {
  const std::size_t space = payload.substr(0, kMaxTime).find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto time = parse_docker_time(payload.substr(0, space));
  if (!time) return std::nullopt;
  return std::pair(*time, space + 1);
}

}  // namespace

std::optional<std::int64_t> parse_docker_time(std::string_view text) {
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
      minute < 0 || minute > 59 || second < 0 || second > 60 || text[4] != '-' || text[7] != '-' ||
      text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  // What fits into 64 bits of nanoseconds.
  if (year < 1678 || year > 2261)
    return year == 1 ? std::optional<std::int64_t>(0) : std::nullopt;  // Go's zero time
  std::size_t at = 19;
  std::int64_t nanoseconds = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    const std::size_t begin = at;
    for (; at < text.size() && is_digit(text[at]); ++at)
      if (at - begin < 9) nanoseconds = nanoseconds * 10 + (text[at] - '0');
    if (at == begin) return std::nullopt;
    for (std::size_t n = at - begin; n < 9; ++n) nanoseconds *= 10;
  }
  std::int64_t offset = 0;
  if (at + 1 == text.size() && text[at] == 'Z') {
    ++at;
  } else if (at + 6 == text.size() && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
    const int oh = digits(text, at + 1, 2);
    const int om = digits(text, at + 4, 2);
    if (oh < 0 || oh > 23 || om < 0 || om > 59) return std::nullopt;
    offset = (oh * 60 + om) * 60 * (text[at] == '-' ? -1 : 1);
    at += 6;
  }
  if (at != text.size() || at == 19) return std::nullopt;
  const std::int64_t seconds =
      days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  return seconds * 1'000'000'000 + nanoseconds;
}

Result<> DockerStream::feed(std::string_view bytes, const Sink& sink) {
  if (tty_) {
    feed_tty(bytes, sink);
    return {};
  }
  while (!bytes.empty()) {
    if (!in_frame_) {
      const std::size_t take = std::min(kHeader - header_size_, bytes.size());
      std::copy_n(bytes.begin(), take, header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
      header_size_ += take;
      bytes.remove_prefix(take);
      if (header_size_ < kHeader) return {};
      header_size_ = 0;
      const auto kind = static_cast<std::uint8_t>(header_[0]);
      if (kind < 1 || kind > 3 || header_[1] != 0 || header_[2] != 0 || header_[3] != 0)
        return fail(ErrorCode::kInvalid, "not a Docker log stream");
      frame_length_ = 0;
      for (std::size_t i = 4; i < kHeader; ++i)
        frame_length_ = frame_length_ << 8U | static_cast<unsigned char>(header_[i]);
      frame_read_ = 0;
      frame_ends_line_ = false;
      in_frame_ = true;
    }
    const auto kind = static_cast<std::uint8_t>(header_[0]);
    if (frame_read_ == 0 && bytes.size() >= frame_length_) {  // mostly a frame is there as a whole
      in_frame_ = false;
      message(kind, bytes.substr(0, frame_length_), frame_length_, sink);
      bytes.remove_prefix(frame_length_);
      continue;
    }
    const std::size_t take = std::min(frame_length_ - frame_read_, bytes.size());
    const std::size_t room = keep_of_frame() - std::min(keep_of_frame(), frame_.size());
    frame_.append(bytes.substr(0, std::min(take, room)));
    frame_read_ += take;
    if (take > 0) frame_ends_line_ = bytes[take - 1] == '\n';
    bytes.remove_prefix(take);
    if (frame_read_ < frame_length_) return {};
    in_frame_ = false;
    // The end of a frame too long to keep still says whether the line goes on.
    if (frame_.size() < frame_length_ && frame_ends_line_) frame_ += '\n';
    const std::string frame = std::move(frame_);
    frame_.clear();
    message(kind, frame, frame_length_, sink);
  }
  return {};
}

void DockerStream::message(std::uint8_t kind, std::string_view payload, std::size_t length,
                           const Sink& sink) {
  if (kind == 3) {
    if (daemon_error_.size() < 4096) daemon_error_.append(payload.substr(0, 4096));
    return;
  }
  const auto time = leading_time(payload);
  if (!time) {
    ++bad_times_;
    return;
  }
  payload.remove_prefix(time->second);
  length -= std::min(length, time->second);
  const bool whole = !payload.empty() && payload.back() == '\n';
  if (whole) {
    payload.remove_suffix(1);
    if (length > 0) --length;
  }
  part(static_cast<Source>(kind), time->first, payload, length, whole, sink);
}

void DockerStream::part(Source source, std::int64_t time_ns, std::string_view content,
                        std::size_t length, bool whole, const Sink& sink) {
  Pending& pending = pending_[source == Source::kStdout ? 0 : 1];
  // A line that its container never ended, and the first one of the container's next life.
  if (pending.active && (time_ns < pending.time_ns || time_ns - pending.time_ns > kPartSpread))
    complete(source, sink);
  if (!pending.active && (whole || length < kPart))
    return emit(source, time_ns, content, length, sink);
  if (!pending.active) pending = {true, time_ns, 0, {}};
  const std::size_t room = max_line_ + 4 - std::min(max_line_ + 4, pending.text.size());
  pending.text.append(content.substr(0, room));
  pending.length += length;
  if (whole || length < kPart) complete(source, sink);
}

void DockerStream::complete(Source source, const Sink& sink) {
  Pending& pending = pending_[source == Source::kStdout ? 0 : 1];
  pending.active = false;
  emit(source, pending.time_ns, pending.text, pending.length, sink);
  pending.text.clear();
  if (pending.text.capacity() > 4 * kPart) pending.text.shrink_to_fit();
}

void DockerStream::emit(Source source, std::int64_t time_ns, std::string_view text,
                        std::size_t length, const Sink& sink) {
  if (length <= max_line_) return sink({source, time_ns, text});
  ++cut_lines_;
  scratch_ = utf8_head(text, max_line_ - kCutMarker.size());
  scratch_ += kCutMarker;
  sink({source, time_ns, scratch_});
}

void DockerStream::feed_tty(std::string_view bytes, const Sink& sink) {
  // Room for the times that are repeated inside the line.
  const std::size_t limit = max_line_ + (max_line_ / kPart + 2) * kMaxTime;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    const std::size_t room = limit - std::min(limit, frame_.size());
    frame_.append(piece.substr(0, room));
    tty_length_ += piece.size();
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    tty_line(sink);
  }
}

void DockerStream::tty_line(const Sink& sink) {
  std::string line = std::move(frame_);
  frame_.clear();
  std::size_t length = std::exchange(tty_length_, 0);
  const auto time = leading_time(line);
  if (!time) {
    ++bad_times_;
    return;
  }
  const std::string stamp = line.substr(0, time->second);
  line.erase(0, stamp.size());
  length -= stamp.size();
  for (std::size_t at = kPart; line.compare(std::min(at, line.size()), stamp.size(), stamp) == 0;
       at += kPart) {
    line.erase(at, stamp.size());
    length -= stamp.size();
  }
  if (!line.empty() && line.back() == '\r' && line.size() == length) {
    line.pop_back();
    --length;
  }
  emit(Source::kStdout, time->first, line, length, sink);
}

void DockerStream::finish(const Sink& sink) {
  if (tty_ && tty_length_ > 0) tty_line(sink);
  for (const Source source : {Source::kStdout, Source::kStderr})
    if (pending_[source == Source::kStdout ? 0 : 1].active) complete(source, sink);
}

}  // namespace agent::wire
