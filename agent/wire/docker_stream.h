// A container's log as GET /containers/ID/logs?timestamps=1 sends it -> lines. Pure; one thread.
//
// Without a TTY a sequence of frames, one per message of the log driver:
//   byte 0: 1 stdout, 2 stderr, 3 error of the daemon; bytes 1-3: zero; bytes 4-7: length, big
//   endian; then so many bytes: RFC 3339 time with nanoseconds, one space, the content, "\n" unless
//   the message is a part of a line.
// With a TTY the same without the headers, everything counts as stdout and lines end in "\r\n".
// The daemon cuts lines into parts of 16 KiB, each with the time repeated; they are joined here.
// (Docker Engine API, ContainerAttach "Stream format"; moby daemon/logger/copier.go for the parts.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"

namespace agent::wire {

// Nanoseconds since 1970 of "2006-01-02T15:04:05.999999999Z" or with "+07:00"; none for anything
// else.
std::optional<std::int64_t> parse_docker_time(std::string_view text);

class DockerStream {
 public:
  enum class Source : std::uint8_t { kStdout = 1, kStderr = 2 };
  struct Line {
    Source source = Source::kStdout;
    std::int64_t time_ns = 0;  // of the line's first part
    std::string_view text;     // without line end; valid during the call
  };
  using Sink = std::function<void(const Line& line)>;

  // A longer line is cut to `max_line` bytes (at least 64), the last of which are kCutMarker.
  explicit DockerStream(bool tty, std::size_t max_line = 256U << 10)
      : tty_(tty), max_line_(max_line) {}

  // Calls `sink` for each line that is complete. Fails when the bytes are no such stream; then
  // nothing more can be read.
  Result<> feed(std::string_view bytes, const Sink& sink);
  // The stream has ended: a line without its end is complete now.
  void finish(const Sink& sink);

  std::uint64_t cut_lines() const { return cut_lines_; }
  std::uint64_t bad_times() const {
    return bad_times_;
  }  // messages without a readable time, dropped
  // The daemon's own words (frames of kind 3), newest last; empties the store.
  std::string take_daemon_error() { return std::exchange(daemon_error_, {}); }

  static constexpr std::string_view kCutMarker = " [line cut]";

 private:
  static constexpr std::size_t kHeader = 8;
  static constexpr std::size_t kPart = 16384;
  struct Pending {
    bool active = false;
    std::int64_t time_ns = 0;
    std::size_t length = 0;  // of the whole line so far, also what is not kept
    std::string text;
  };
  std::size_t keep_of_frame() const { return max_line_ + kPart; }
  void message(std::uint8_t kind, std::string_view payload, std::size_t length, const Sink& sink);
  void part(Source source, std::int64_t time_ns, std::string_view content, std::size_t length,
            bool whole, const Sink& sink);
  void emit(Source source, std::int64_t time_ns, std::string_view text, std::size_t length,
            const Sink& sink);
  void complete(Source source, const Sink& sink);
  void feed_tty(std::string_view bytes, const Sink& sink);
  void tty_line(const Sink& sink);

  const bool tty_;
  const std::size_t max_line_;
  std::array<char, kHeader> header_{};
  std::size_t header_size_ = 0;
  bool in_frame_ = false;
  std::size_t frame_length_ = 0;  // as the header says
  std::size_t frame_read_ = 0;
  std::string frame_;  // its beginning, at most keep_of_frame()
  bool frame_ends_line_ = false;
  std::size_t tty_length_ = 0;
  std::array<Pending, 2> pending_;
  std::string scratch_;
  std::string daemon_error_;
  std::uint64_t cut_lines_ = 0;
  std::uint64_t bad_times_ = 0;
};

}  // namespace agent::wire
