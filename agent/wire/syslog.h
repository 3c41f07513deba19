// Syslog: RFC 5424, RFC 3164 as it is found in the wild (Docker's, rsyslog's, BSD's, Cisco's), and
// the framings of RFC 6587. Pure; the views point into what was given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agent::wire {

struct SyslogMessage {
  std::optional<int> priority;  // 0..191
  std::optional<std::int64_t> time_ns;
  bool time_has_year = true;  // false: `time_ns` is in 1972 until with_year()
  bool time_has_zone = true;  // false: `time_ns` is local time taken for UTC
  std::string_view hostname;
  std::string_view app_name;
  std::string_view proc_id;
  std::string_view msg_id;
  std::string_view message_counter;  // Cisco's
  std::string_view sequence;         // Cisco's
  struct Param {
    std::string id;  // of its element
    std::string name;
    std::string value;  // unescaped
  };
  std::vector<Param> structured_data;
  std::string_view message;
  bool is_5424 = false;
  // Why it is not a syslog message, "" when it is. What was understood is set all the same;
  // `message` is the rest.
  std::string_view problem;

  std::string_view severity() const;  // "informational"; "" without a priority
  std::string_view facility() const;  // "daemon"
};

struct SyslogOptions {
  bool structured_data = true;  // false: checked, and not kept
  // What Cisco's IOS puts between the priority and the text, in this order: "189>77: 000073: sw1:
  // *Jan  1 23:12:00.975: ". Any of them makes an RFC 3164 message be read as Cisco's.
  bool cisco_message_counter = false;
  bool cisco_sequence_number = false;
  bool cisco_hostname = false;
};

// Tells the two formats apart by the version behind the priority. `text` has no framing.
SyslogMessage parse_syslog(std::string_view text, const SyslogOptions& options = {});

// Puts the year into a time without one: that of `now_ns`, or the one next to it at the turn of the
// year.
std::int64_t with_year(std::int64_t time_ns, std::int64_t now_ns);

// Cuts a byte stream into messages. The bytes are the caller's: it keeps what next() leaves over
// and calls it again with whatever came since behind that.
class SyslogSplitter {
 public:
  enum class Framing {
    // Found out anew for each message: a number and a priority begin an octet count ("42 <30>..."),
    // anything else ends with LF or NUL. Of a message without an end, see last().
    kDetect,
    kLine,  // LF
    kNull,  // NUL
  };
  explicit SyslogSplitter(std::size_t max_message, Framing framing = Framing::kDetect)
      : max_message_(max_message), framing_(framing) {}

  struct Message {
    std::string_view text;
    bool cut = false;  // there was more, beyond the limit
  };
  // Takes the next whole message off the front of `bytes`. None: more is needed, and at most about
  // the limit is left in `bytes`.
  std::optional<Message> next(std::string_view& bytes);

  // Takes off a message that has no end, because the peer closed, or because it paused (then a
  // counted one is still waited for). Where the next priority and time begin, a message ends.
  enum class End { kClosed, kPaused };
  std::optional<Message> last(std::string_view& bytes, End end);

 private:
  struct Count {  // an octet count at the start of a message
    bool found = false;
    bool incomplete = false;  // more bytes will tell
    std::size_t digits = 0;
    std::size_t octets = 0;
  };
  static Count count_of(std::string_view text);
  std::size_t find_end(std::string_view text, std::size_t from) const;
  bool is_between(char c) const;  // means nothing between messages
  bool skip(std::string_view& bytes);
  Message finish(std::string_view text, bool cut) const;

  std::size_t max_message_;
  Framing framing_;
  std::size_t searched_ = 0;  // bytes left over in which there is no end
  std::size_t skip_ = 0;      // octets of a counted message beyond the limit that are still to come
  bool skip_line_ = false;    // the rest of a message beyond the limit is still to come
};

}  // namespace agent::wire
