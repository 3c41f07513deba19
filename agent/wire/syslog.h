// Syslog: RFC 5424, RFC 3164 as it is found in the wild (Docker's, rsyslog's, BSD's), and the
// framings of RFC 6587.
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
  bool time_has_year = true;  // false: RFC 3164, whose time lacks it; `time_ns` is in year 0 then
  std::string_view hostname;
  std::string_view app_name;
  std::string_view proc_id;
  std::string_view msg_id;
  struct Param {
    std::string id;  // of its element
    std::string name;
    std::string value;  // unescaped
  };
  std::vector<Param> structured_data;
  std::string_view message;
  // Why it is not a syslog message, "" when it is. What was understood is set all the same;
  // `message` is the rest.
  std::string_view problem;

  std::string_view severity() const;  // "informational"; "" without a priority
  std::string_view facility() const;  // "daemon"
};

// Tells the two formats apart by the version behind the priority. The views point into `text`,
// which has no framing.
SyslogMessage parse_syslog(std::string_view text);

// Puts the year into an RFC 3164 time: that of `now_ns`, or the one next to it at the turn of the
// year.
std::int64_t with_year(std::int64_t time_ns, std::int64_t now_ns);

// Cuts a byte stream into messages. The framing is found out anew for each message: a digit begins
// an octet count
// ("42 <30>..."), anything else a message that ends with LF or NUL.
class SyslogSplitter {
 public:
  explicit SyslogSplitter(std::size_t max_message) : max_message_(max_message) {}

  // The room for the next read: at least `size` bytes. commit() tells how many of them were filled.
  char* room(std::size_t size);
  void commit(std::size_t size) { end_ += size; }
  // The next whole message, cut at the limit (then `cut` is true). Valid until room() is called.
  struct Message {
    std::string_view text;
    bool cut = false;
  };
  std::optional<Message> next();
  // What is left when the peer has closed: a last message without its end.
  std::optional<Message> rest();

 private:
  std::optional<Message> finish(std::string_view text, bool cut) const;
  std::size_t max_message_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t skip_ = 0;    // octets of a counted message beyond the limit that are still to come
  bool skip_line_ = false;  // the rest of a line beyond the limit is still to come
};

}  // namespace agent::wire
