// rfc5424 := "<" PRI ">" VERSION SP TIMESTAMP SP HOSTNAME SP APP SP PROCID SP MSGID SP SD [SP MSG]
// "-" is absent SD      := "-" | { "[" ID { SP NAME "=" '"' VALUE '"' } "]" }        \" \\ \]
// escaped in VALUE rfc3164 := "<" PRI ">" ( "Mmm" SP day SP hh:mm:ss | RFC 3339 time ) SP [HOSTNAME
// SP] [TAG ["[" PID "]"] ":"] MSG
#include "agent/wire/syslog.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/wire/civil_time.h"

namespace agent::wire {
namespace {

constexpr std::array<std::string_view, 8> kSeverities = {
    "emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"};
constexpr std::array<std::string_view, 24> kFacilities = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog",   "lpr",     "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "security", "console", "cron2",
    "local0", "local1", "local2",   "local3", "local4", "local5",   "local6",  "local7"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::int64_t year_of(std::int64_t time_ns) {
  const std::int64_t days =
      (time_ns >= 0 ? time_ns : time_ns - 86'399'999'999'999) / 86'400'000'000'000;
  std::int64_t year = 1970 + days / 366;
  while (days_from_civil(year + 1, 1, 1) <= days) ++year;
  while (days_from_civil(year, 1, 1) > days) --year;
  return year;
}

// Reads from the front of `text`; each step takes what it has read away, and fails without taking
// anything else.
struct Reader {
  std::string_view text;

  bool take(char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  }
  bool number(std::size_t least, std::size_t most, int& out) {
    std::size_t n = 0;
    int value = 0;
    while (n < most && n < text.size() && is_digit(text[n])) value = value * 10 + (text[n++] - '0');
    if (n < least) return false;
    text.remove_prefix(n);
    out = value;
    return true;
  }
  // Up to the next blank, which is taken too.
  std::string_view word() {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view out = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return out;
  }
};

bool clock_time(Reader& in, std::int64_t& ns) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!in.number(2, 2, hour) || !in.take(':') || !in.number(2, 2, minute) || !in.take(':') ||
      !in.number(2, 2, second) || hour > 23 || minute > 59 || second > 60)
    return false;
  ns = (static_cast<std::int64_t>(hour) * 3600 + minute * 60 + second) * 1'000'000'000;
  if (!in.text.empty() && (in.text.front() == '.' || in.text.front() == ',')) {
    in.text.remove_prefix(1);
    std::int64_t unit = 100'000'000;
    if (in.text.empty() || !is_digit(in.text.front())) return false;
    while (!in.text.empty() && is_digit(in.text.front())) {
      ns += unit * (in.text.front() - '0');
      unit /= 10;
      in.text.remove_prefix(1);
    }
  }
  return true;
}

// RFC 3339; also with a blank zone, which is UTC.
bool full_time(Reader& in, std::int64_t& ns) {
  Reader r = in;
  int year = 0;
  int month = 0;
  int day = 0;
  std::int64_t clock = 0;
  if (!r.number(4, 4, year) || !r.take('-') || !r.number(2, 2, month) || !r.take('-') ||
      !r.number(2, 2, day) || month < 1 || month > 12 || day < 1 || day > 31 ||
      !(r.take('T') || r.take(' ')) || !clock_time(r, clock))
    return false;
  std::int64_t offset = 0;
  if (!r.take('Z') && !r.text.empty() && (r.text.front() == '+' || r.text.front() == '-')) {
    const int sign = r.text.front() == '+' ? 1 : -1;
    r.text.remove_prefix(1);
    int hour = 0;
    int minute = 0;
    if (!r.number(2, 2, hour)) return false;
    r.take(':');
    if (!r.number(2, 2, minute)) return false;
    offset = sign * (static_cast<std::int64_t>(hour) * 3600 + minute * 60) * 1'000'000'000;
  }
  // Beyond these years nanoseconds do not fit 64 bits.
  if (year < 1678 || year > 2261) return false;
  ns = days_from_civil(year, month, day) * 86'400'000'000'000 + clock - offset;
  in = r;
  return true;
}

// "Nov 21 09:55:12", "Nov  1 ...". The year is 1972, a leap year, until with_year() knows better.
bool stamp_time(Reader& in, std::int64_t& ns) {
  Reader r = in;
  if (r.text.size() < 15) return false;
  const auto month = std::find(kMonths.begin(), kMonths.end(), r.text.substr(0, 3));
  if (month == kMonths.end()) return false;
  r.text.remove_prefix(3);
  if (!r.take(' ')) return false;
  r.take(' ');
  int day = 0;
  std::int64_t clock = 0;
  if (!r.number(1, 2, day) || day < 1 || day > 31 || !r.take(' ') || !clock_time(r, clock))
    return false;
  ns = days_from_civil(1972, static_cast<int>(month - kMonths.begin()) + 1, day) *
           86'400'000'000'000 +
       clock;
  in = r;
  return true;
}

bool priority(Reader& in, SyslogMessage& out) {
  Reader r = in;
  int value = 0;
  if (!r.take('<') || !r.number(1, 3, value) || !r.take('>') || value > 191) return false;
  out.priority = value;
  in = r;
  return true;
}

std::string_view absent(std::string_view word) { return word == "-" ? std::string_view() : word; }

bool structured_data(Reader& in, SyslogMessage& out) {
  if (in.take('-')) return true;
  if (in.text.empty() || in.text.front() != '[') return false;
  constexpr std::size_t kMaxParams = 256;
  while (in.take('[')) {
    const std::size_t id_end = in.text.find_first_of(" ]");
    if (id_end == std::string_view::npos || id_end == 0) return false;
    const std::string_view id = in.text.substr(0, id_end);
    in.text.remove_prefix(id_end);
    while (in.take(' ')) {
      const std::size_t equals = in.text.find('=');
      if (equals == std::string_view::npos || equals == 0) return false;
      const std::string_view name = in.text.substr(0, equals);
      in.text.remove_prefix(equals + 1);
      if (!in.take('"')) return false;
      std::string value;
      std::size_t i = 0;
      while (i < in.text.size() && in.text[i] != '"') {
        if (in.text[i] == '\\' && i + 1 < in.text.size() &&
            std::strchr("\"\\]", in.text[i + 1]) != nullptr)
          ++i;
        value += in.text[i++];
      }
      if (i == in.text.size()) return false;
      in.text.remove_prefix(i + 1);
      if (out.structured_data.size() < kMaxParams)
        out.structured_data.push_back({std::string(id), std::string(name), std::move(value)});
    }
    if (!in.take(']')) return false;
  }
  return true;
}

void parse_5424(Reader in, SyslogMessage& out) {
  std::int64_t ns = 0;
  if (in.text.starts_with("- ")) {
    in.text.remove_prefix(2);
  } else if (full_time(in, ns) && in.take(' ')) {
    out.time_ns = ns;
  } else {
    out.problem = "the timestamp is not RFC 3339";
    out.message = in.text;
    return;
  }
  out.hostname = absent(in.word());
  out.app_name = absent(in.word());
  out.proc_id = absent(in.word());
  out.msg_id = absent(in.word());
  const Reader before = in;
  if (!structured_data(in, out)) {
    out.problem = "the structured data is malformed";
    out.message = before.text;
    return;
  }
  in.take(' ');
  if (in.text.starts_with("\xEF\xBB\xBF")) in.text.remove_prefix(3);
  out.message = in.text;
}

void parse_3164(Reader in, SyslogMessage& out) {
  std::int64_t ns = 0;
  bool timed = false;
  if (stamp_time(in, ns)) {
    out.time_ns = ns;
    out.time_has_year = false;
    timed = true;
  } else if (full_time(in, ns)) {
    out.time_ns = ns;
    timed = true;
  }
  if (timed) in.take(' ');
  // TAG is what ends with a colon or a bracketed pid; a word before it is the host.
  const auto take_tag = [&](Reader r) {
    const std::size_t end = r.text.find_first_of(": [");
    if (end == std::string_view::npos || end == 0 || end > 128 || r.text[end] == ' ') return false;
    const std::string_view app = r.text.substr(0, end);
    std::string_view pid;
    r.text.remove_prefix(end);
    if (r.take('[')) {
      const std::size_t close = r.text.find(']');
      if (close == std::string_view::npos || close > 128) return false;
      pid = r.text.substr(0, close);
      r.text.remove_prefix(close + 1);
      if (!r.take(':')) return false;
    } else if (!r.take(':')) {
      return false;
    } else if (!r.text.empty() && r.text.front() != ' ') {
      return false;  // "http://..." is no tag
    }
    r.take(' ');
    out.app_name = app;
    out.proc_id = pid;
    out.message = r.text;
    return true;
  };
  if (take_tag(in)) return;
  if (timed) {
    Reader behind_host = in;
    const std::string_view host = behind_host.word();
    if (!host.empty() && take_tag(behind_host)) {
      out.hostname = host;
      return;
    }
  }
  out.message = in.text;
}

}  // namespace

std::string_view SyslogMessage::severity() const {
  return priority ? kSeverities[static_cast<std::size_t>(*priority % 8)] : std::string_view();
}
std::string_view SyslogMessage::facility() const {
  return priority ? kFacilities[static_cast<std::size_t>(*priority / 8)] : std::string_view();
}

SyslogMessage parse_syslog(std::string_view text) {
  SyslogMessage out;
  Reader in{text};
  if (!priority(in, out)) {
    out.message = text;
    out.problem = "there is no priority";
    return out;
  }
  // RFC 5424 has a version, a number of one to three digits that does not begin with 0, behind the
  // priority.
  Reader version = in;
  int number = 0;
  const bool zero = !version.text.empty() && version.text.front() == '0';
  if (!zero && version.number(1, 3, number) && version.take(' ')) {
    parse_5424(version, out);
  } else {
    parse_3164(in, out);
  }
  return out;
}

std::int64_t with_year(std::int64_t time_ns, std::int64_t now_ns) {
  constexpr std::int64_t kDay = 86'400'000'000'000;
  // From the leap year 1972 into `year`: days behind February move by one where there is no leap
  // day.
  const auto in_year = [&](std::int64_t year) {
    const std::int64_t day = time_ns / kDay - days_from_civil(1972, 1, 1);
    const bool leap = days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1) == 366;
    const std::int64_t shifted = !leap && day >= 60 ? day - 1 : day;
    return (days_from_civil(year, 1, 1) + shifted) * kDay + time_ns % kDay;
  };
  const std::int64_t year = year_of(now_ns);
  const std::int64_t half = 183 * kDay;
  const std::int64_t same = in_year(year);
  if (same - now_ns > half) return in_year(year - 1);
  if (now_ns - same > half) return in_year(year + 1);
  return same;
}

char* SyslogSplitter::room(std::size_t size) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + size) buffer_.resize(end_ + size);
  return buffer_.data() + end_;
}

std::optional<SyslogSplitter::Message> SyslogSplitter::finish(std::string_view text,
                                                              bool cut) const {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
    text.remove_suffix(1);
  return Message{text, cut};
}

std::optional<SyslogSplitter::Message> SyslogSplitter::next() {
  for (;;) {
    std::string_view text(buffer_.data() + begin_, end_ - begin_);
    if (skip_ > 0) {
      const std::size_t n = std::min(skip_, text.size());
      skip_ -= n;
      begin_ += n;
      if (skip_ > 0) return std::nullopt;
      continue;
    }
    if (skip_line_) {
      const std::size_t end = text.find_first_of(std::string_view("\n\0", 2));
      if (end == std::string_view::npos) {
        begin_ = end_;
        return std::nullopt;
      }
      begin_ += end + 1;
      skip_line_ = false;
      continue;
    }
    // Between messages line ends, NULs and blanks mean nothing.
    const std::size_t first = text.find_first_not_of(std::string_view("\n\r\0", 3));
    if (first == std::string_view::npos) {
      begin_ = end_;
      return std::nullopt;
    }
    begin_ += first;
    text.remove_prefix(first);

    if (text.front() >= '1' && text.front() <= '9') {
      std::size_t digits = 0;
      std::size_t count = 0;
      while (digits < text.size() && digits < 9 && is_digit(text[digits]))
        count = count * 10 + static_cast<std::size_t>(text[digits++] - '0');
      // Seven digits of count are all that a sane peer sends; without "N <" it is a line that
      // begins with a number.
      if (digits == text.size() && digits < 8) return std::nullopt;
      const bool counted = digits <= 8 && text.size() > digits && text[digits] == ' ';
      if (counted && text.size() == digits + 1) return std::nullopt;
      if (counted && text[digits + 1] == '<') {
        const std::size_t wanted = std::min(count, max_message_);
        if (text.size() < digits + 1 + wanted) return std::nullopt;
        begin_ += digits + 1 + wanted;
        skip_ = count - wanted;
        return finish(text.substr(digits + 1, wanted), skip_ > 0);
      }
    }
    const std::size_t end = text.find_first_of(std::string_view("\n\0", 2));
    if (end == std::string_view::npos) {
      if (text.size() <= max_message_) return std::nullopt;
      begin_ += max_message_;
      skip_line_ = true;
      return finish(text.substr(0, max_message_), true);
    }
    begin_ += end + 1;
    if (end > max_message_) return finish(text.substr(0, max_message_), true);
    return finish(text.substr(0, end), false);
  }
}

std::optional<SyslogSplitter::Message> SyslogSplitter::rest() {
  const std::string_view text(buffer_.data() + begin_, end_ - begin_);
  begin_ = end_;
  if (text.empty() || skip_ > 0 || skip_line_) return std::nullopt;
  return finish(text.substr(0, max_message_), text.size() > max_message_);
}

}  // namespace agent::wire
