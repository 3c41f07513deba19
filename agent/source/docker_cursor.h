// How far a container's log has been read, and how to go on from there. Pure.
//
// The daemon can be asked for messages "since" a time, that very nanosecond included. Per stream
// (stdout, stderr) the times only grow; between the streams they do not: a message may stand in the
// log some time after a younger one of the other stream, and a daemon asked since a time leaves out
// older ones wherever they stand. So each stream has a mark of its own, the daemon is asked from
// kReorder before the newest mark at most, and what lies below a stream's mark, or is one of the
// `count` messages at it, is skipped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agent::source {

struct DockerCursor {
  struct Mark {
    std::int64_t time_ns = 0;
    std::uint32_t count = 0;  // messages read at that very time
    bool operator==(const Mark&) const = default;
  };
  std::array<Mark, 2> marks;  // stdout, stderr

  // By how much a message of one stream may come after a younger one of the other.
  static constexpr std::int64_t kReorder = 5'000'000'000;

  // Marks a message as read; its entry's time: equal times become distinct by a nanosecond each,
  // the same ones at every reading.
  std::int64_t advance(std::size_t stream, std::int64_t time_ns);
  // From which time to ask; 0: everything.
  std::int64_t since_ns() const;
  // "1795254494882260796.1,0.0"
  std::string text() const;
  static std::optional<DockerCursor> parse(std::string_view text);
  // Of the whole seconds of the last line, which is what Promtail and Alloy keep: that second's
  // lines come again, with the times they had.
  static std::optional<DockerCursor> parse_seconds(std::string_view text);
  bool operator==(const DockerCursor&) const = default;
};

// The seconds.nanoseconds of the logs request.
std::string docker_since(std::int64_t time_ns);

// Tells, for the messages that follow a request, which were read before.
class DockerResume {
 public:
  explicit DockerResume(const DockerCursor& from) : from_(from) {}
  bool already_read(std::size_t stream, std::int64_t time_ns);

 private:
  DockerCursor from_;
  std::array<std::uint32_t, 2> at_mark_{};
  std::array<bool, 2> past_{};
};

}  // namespace agent::source
