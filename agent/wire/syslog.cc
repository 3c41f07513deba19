// rfc5424 := "<" PRI ">" VERSION SP TIMESTAMP SP HOSTNAME SP APP SP PROCID SP MSGID SP SD [SP MSG]
//   "-" is absent; SD := "-" | { "[" ID { SP NAME "=" '"' VALUE '"' } "]" }; \" \\ \] in VALUE
// rfc3164 := "<" PRI ">" STAMP SP [HOSTNAME SP] [TAG ["[" PID "]"] ":"] MSG
//   STAMP := "Mmm" SP DAY SP [YEAR SP] hh:mm:ss[.fraction] | RFC 3339 time
// cisco   := "<" PRI ">" [COUNTER ": "] [SEQUENCE ": "] [HOSTNAME ": "] ["[" SD "]: "] ["*" | "."]
//            STAMP [SP ZONE] ": " MSG           (IOS: "logging message-counter", "service
//            sequence-numbers", "logging origin-id", "service timestamps log datetime")
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

// RFC 3339; also without a zone.
bool full_time(Reader& in, std::int64_t& ns, bool& has_zone) {
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
  has_zone = r.take('Z');
  if (!has_zone && !r.text.empty() && (r.text.front() == '+' || r.text.front() == '-')) {
    has_zone = true;
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

// "Nov 21 09:55:12", "Nov  1 ...", "Nov  1 2026 ...". Without a year it is 1972, a leap year, until
// with_year() knows better.
bool stamp_time(Reader& in, std::int64_t& ns, bool& has_year) {
  Reader r = in;
  if (r.text.size() < 15) return false;
  const auto month = std::find(kMonths.begin(), kMonths.end(), r.text.substr(0, 3));
  if (month == kMonths.end()) return false;
  r.text.remove_prefix(3);
  if (!r.take(' ')) return false;
  r.take(' ');
  int day = 0;
  int year = 1972;
  std::int64_t clock = 0;
  if (!r.number(1, 2, day) || day < 1 || day > 31 || !r.take(' ')) return false;
  Reader behind_year = r;
  has_year = behind_year.number(4, 4, year) && behind_year.take(' ');
  if (has_year) r = behind_year;
  if (!has_year) year = 1972;
  if (!clock_time(r, clock) || year < 1678 || year > 2261) return false;
  ns = days_from_civil(year, static_cast<int>(month - kMonths.begin()) + 1, day) *
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

bool structured_data(Reader& in, SyslogMessage& out, bool keep) {
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
      std::size_t end = 0;
      while (end < in.text.size() && in.text[end] != '"') end += in.text[end] == '\\' ? 2 : 1;
      if (end >= in.text.size()) return false;
      if (keep && out.structured_data.size() < kMaxParams) {
        std::string value;
        value.reserve(end);
        for (std::size_t i = 0; i < end; ++i) {
          const bool escape =
              in.text[i] == '\\' && i + 1 < end && std::strchr("\"\\]", in.text[i + 1]) != nullptr;
          value += in.text[escape ? ++i : i];
        }
        out.structured_data.push_back({std::string(id), std::string(name), std::move(value)});
      }
      in.text.remove_prefix(end + 1);
    }
    if (!in.take(']')) return false;
  }
  return true;
}

void parse_5424(Reader in, SyslogMessage& out, const SyslogOptions& options) {
  out.is_5424 = true;
  std::int64_t ns = 0;
  bool zone = true;
  if (in.text.starts_with("- ")) {
    in.text.remove_prefix(2);
  } else if (full_time(in, ns, zone) && in.take(' ')) {
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
  if (!structured_data(in, out, options.structured_data)) {
    out.problem = "the structured data is malformed";
    out.message = before.text;
    return;
  }
  in.take(' ');
  if (in.text.starts_with("\xEF\xBB\xBF")) in.text.remove_prefix(3);
  out.message = in.text;
}

bool time_3164(Reader& in, SyslogMessage& out) {
  std::int64_t ns = 0;
  bool year = true;
  bool zone = false;
  if (!stamp_time(in, ns, year) && !full_time(in, ns, zone)) return false;
  out.time_ns = ns;
  out.time_has_year = year;
  out.time_has_zone = zone;
  return true;
}

// "77: " -> "77"
std::string_view number_and_colon(Reader& in) {
  std::size_t digits = 0;
  while (digits < in.text.size() && digits < 20 && is_digit(in.text[digits])) ++digits;
  if (digits == 0 || in.text.substr(digits, 2) != ": ") return {};
  const std::string_view out = in.text.substr(0, digits);
  in.text.remove_prefix(digits + 2);
  return out;
}

// False: it does not look like Cisco's, and `out` is as it was.
bool parse_cisco(Reader in, SyslogMessage& out, const SyslogOptions& options) {
  SyslogMessage found = out;
  if (options.cisco_message_counter) found.message_counter = number_and_colon(in);
  if (options.cisco_sequence_number) found.sequence = number_and_colon(in);
  const auto at_time = [](Reader r) {
    if (!r.take('*')) r.take('.');
    SyslogMessage unused;
    return time_3164(r, unused);
  };
  if (options.cisco_hostname && !at_time(in)) {
    const std::size_t end = in.text.find(": ");
    const std::string_view host = in.text.substr(0, end);
    if (end != std::string_view::npos && end > 0 && end <= 255 && host.front() != '%' &&
        host.front() != '[' && host.find(' ') == std::string_view::npos) {
      found.hostname = host;
      in.text.remove_prefix(end + 2);
    }
  }
  if (in.text.starts_with('[')) {
    const std::size_t end = in.text.find("]: ");
    if (end != std::string_view::npos) in.text.remove_prefix(end + 3);
  }
  if (!in.take('*')) in.take('.');
  const bool timed = time_3164(in, found);
  if (timed) {
    const std::size_t end = in.text.find(": ");  // behind a zone such as " UTC"
    if (end == std::string_view::npos || end > 8) return false;
    in.text.remove_prefix(end + 2);
  }
  if (!timed && found.message_counter.empty() && found.sequence.empty() && found.hostname.empty())
    return false;
  found.message = in.text;
  if (in.text.starts_with('%')) {  // "%SYS-5-CONFIG_I: Configured from console"
    const std::size_t end = in.text.find(": ");
    if (end != std::string_view::npos && end <= 64) found.app_name = in.text.substr(0, end);
  }
  out = std::move(found);
  return true;
}

void parse_3164(Reader in, SyslogMessage& out, const SyslogOptions& options) {
  const bool cisco =
      options.cisco_message_counter || options.cisco_sequence_number || options.cisco_hostname;
  if (cisco && parse_cisco(in, out, options)) return;
  const bool timed = time_3164(in, out);
  if (timed) in.take(' ');
  // TAG is what ends with a colon or a bracketed pid; a word before it is the host.
  const auto take_tag = [&](Reader r) {
    const std::size_t end = r.text.find_first_of(": [");
    if (end == std::string_view::npos || end == 0 || end > 128 || r.text[end] == ' ') return false;
    const std::string_view app = r.text.substr(0, end);
    if (std::all_of(app.begin(), app.end(), is_digit)) return false;  // a counter
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

SyslogMessage parse_syslog(std::string_view text, const SyslogOptions& options) {
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
    parse_5424(version, out, options);
  } else {
    parse_3164(in, out, options);
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

SyslogSplitter::Count SyslogSplitter::count_of(std::string_view text) {
  // Seven digits are all that a sane peer sends. The priority behind them tells a count from a line
  // that begins with a number.
  constexpr std::size_t kMaxDigits = 7;
  Count out;
  if (text.empty() || text.front() < '1' || text.front() > '9') return out;
  while (out.digits < text.size() && out.digits <= kMaxDigits && is_digit(text[out.digits]))
    out.octets = out.octets * 10 + static_cast<std::size_t>(text[out.digits++] - '0');
  if (out.digits > kMaxDigits) return out;
  std::string_view rest = text.substr(out.digits);
  if (rest.empty()) {
    out.incomplete = true;
    return out;
  }
  if (rest.front() != ' ') return out;
  rest.remove_prefix(1);
  std::size_t at = rest.starts_with('<') ? 1 : 0;
  if (at == 1) {
    while (at < rest.size() && at < 4 && is_digit(rest[at])) ++at;
  }
  out.incomplete = at == rest.size();
  out.found = at > 1 && at < rest.size() && rest[at] == '>';
  return out;
}

bool SyslogSplitter::is_between(char c) const {
  if (framing_ == Framing::kNull) return c == '\0';
  return c == '\n' || c == '\r' || (c == '\0' && framing_ == Framing::kDetect);
}

// A NUL inside a line is a byte like any other: it ends a message at the end of what has come, or
// where another message begins.
std::size_t SyslogSplitter::find_end(std::string_view text, std::size_t from) const {
  if (framing_ == Framing::kNull) return text.find('\0', from);
  const std::size_t line = text.find('\n', from);
  if (framing_ == Framing::kLine) return line;
  const std::string_view before = text.substr(0, line);
  for (std::size_t at = before.find('\0', from); at != std::string_view::npos;
       at = before.find('\0', at + 1)) {
    const std::string_view behind = text.substr(at + 1);
    if (behind.empty() || behind.front() == '<' || is_between(behind.front()) ||
        count_of(behind).found)
      return at;
  }
  return line;
}

SyslogSplitter::Message SyslogSplitter::finish(std::string_view text, bool cut) const {
  while (!text.empty() && is_between(text.back())) text.remove_suffix(1);
  return Message{text, cut};
}

namespace {

// Where a priority and a time, or a priority and a version, begin: the start of a message, as far
// as one can tell. npos when nowhere.
std::size_t find_start(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find('<', from); at != std::string_view::npos;
       at = text.find('<', at + 1)) {
    Reader in{text.substr(at)};
    SyslogMessage message;
    if (!priority(in, message)) continue;
    if (in.text.starts_with("1 - ")) return at;
    if (in.text.starts_with("1 ")) in.text.remove_prefix(2);
    if (time_3164(in, message)) return at;
  }
  return std::string_view::npos;
}

// A start is never longer than this.
constexpr std::size_t kStart = 64;

}  // namespace

// Passes over the rest of a message that was cut. False when more of it is to come.
bool SyslogSplitter::skip(std::string_view& bytes) {
  if (skip_ > 0) {
    const std::size_t n = std::min(skip_, bytes.size());
    skip_ -= n;
    bytes.remove_prefix(n);
    return skip_ == 0;
  }
  if (!skip_line_) return true;
  std::size_t end = find_end(bytes, 0);
  if (framing_ == Framing::kDetect) end = std::min(end, find_start(bytes.substr(0, end), 0));
  if (end == std::string_view::npos) {
    bytes.remove_prefix(bytes.size() - std::min(bytes.size(), kStart));
    return false;
  }
  bytes.remove_prefix(end);
  skip_line_ = false;
  return true;
}

std::optional<SyslogSplitter::Message> SyslogSplitter::next(std::string_view& bytes) {
  if (!skip(bytes)) return std::nullopt;
  if (searched_ == 0) {
    while (!bytes.empty() && is_between(bytes.front())) bytes.remove_prefix(1);
  }
  if (bytes.empty()) return std::nullopt;
  if (framing_ == Framing::kDetect && is_digit(bytes.front())) {
    const Count count = count_of(bytes);
    if (count.incomplete) return std::nullopt;
    if (count.found) {
      const std::size_t wanted = std::min(count.octets, max_message_);
      if (bytes.size() < count.digits + 1 + wanted) return std::nullopt;
      const std::string_view text = bytes.substr(count.digits + 1, wanted);
      bytes.remove_prefix(count.digits + 1 + wanted);
      skip_ = count.octets - wanted;
      return finish(text, skip_ > 0);
    }
  }
  const std::size_t end = find_end(bytes, searched_);
  if (end == std::string_view::npos && bytes.size() <= max_message_) {
    searched_ = bytes.size();
    return std::nullopt;
  }
  searched_ = 0;
  if (end != std::string_view::npos && end <= max_message_) {
    const std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    return finish(text, false);
  }
  // Beyond the limit; unless it is several without ends.
  if (framing_ == Framing::kDetect) {
    const std::size_t start = find_start(bytes.substr(0, max_message_ + kStart), 1);
    if (start != std::string_view::npos && start <= max_message_) {
      const std::string_view text = bytes.substr(0, start);
      bytes.remove_prefix(start);
      return finish(text, false);
    }
  }
  const std::string_view text = bytes.substr(0, max_message_);
  bytes.remove_prefix(max_message_);
  skip_line_ = true;
  return Message{text, true};
}

std::optional<SyslogSplitter::Message> SyslogSplitter::last(std::string_view& bytes, End end) {
  if (auto message = next(bytes)) return message;
  if (skip_ > 0 || skip_line_ || bytes.empty()) return std::nullopt;
  if (framing_ == Framing::kDetect && is_digit(bytes.front())) {
    const Count count = count_of(bytes);
    if (end == End::kPaused && (count.found || count.incomplete)) return std::nullopt;
    if (count.found) bytes.remove_prefix(count.digits + 1);
  }
  searched_ = 0;
  const std::size_t start =
      framing_ == Framing::kDetect ? std::min(find_start(bytes, 1), bytes.size()) : bytes.size();
  const std::string_view text = bytes.substr(0, start);
  bytes.remove_prefix(start);
  return finish(text.substr(0, max_message_), text.size() > max_message_);
}

}  // namespace agent::wire
