// What a receiver of pushes or of remote write answered. Any bytes may come in; what is not as it
// should be says nothing. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/io/http_client.h"
#include "agent/write/sample_queue.h"

namespace agent::write {

// What Loki's words for a refusal (status 400) say.
struct Refusal {
  std::string_view reason;  // of the dropped_entries metric
  // Entries that it certainly meant, as far as its numbers tell: 0 or none when it does not.
  std::int64_t oldest_ns = 0;  // older ones are refused
  std::size_t longest = 0;     // longer ones are refused
  std::string stream;          // the rule holds for this stream alone; "" for all
};
Refusal parse_refusal(std::string_view message);

// Seconds to wait as a Retry-After header says: a number, or an HTTP date. 0 when it says nothing,
// at most a day.
Duration parse_retry_after(std::string_view value, std::int64_t now_ns);

// What a receiver of remote write 2.0 says in its headers that it has written, no more of a kind
// than was sent; none: it says nothing.
std::optional<SampleCounts> parse_written(const io::HttpHeaders& headers, const SampleCounts& sent);

// What becomes of a request of remote write by the status of its answer.
enum class WriteAnswer {
  kAccepted,
  kLater,    // it is sent again
  kRefused,  // for good
  kOnly1,    // the receiver does not speak 2.0
};
// How a request was sent, and what is known of its receiver.
struct WriteAsked {
  bool version_2 = false;
  bool speaks_2 = false;  // it has said what it had written, to this request or an earlier one
  bool retry_on_429 = true;
};
WriteAnswer write_answer(int status, bool counted, const WriteAsked& asked);

// A request that has had no answer for so long makes its endpoint ill, also where remote_timeout is
// longer than people should be kept in the dark.
inline constexpr Duration kSilence = std::chrono::seconds(20);
inline constexpr std::string_view kSilent = "no answer for 20 s";

// The beginning of a body for people: at most 300 bytes of valid UTF-8 without blanks around it.
std::string answer_text(std::string_view body);

}  // namespace agent::write
