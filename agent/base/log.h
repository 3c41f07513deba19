// The agent's own log: one logfmt line per event on standard error.
//   ts=2026-11-21T09:00:00.000Z level=info component_id=loki.write.default msg="endpoint answers
//   again" url=...
// msg is constant text, whatever varies is a field. Secrets have no formatter, so that logging one
// does not compile. Thread-safe; a line is one write(2).
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace agent {

enum class Level { kDebug, kInfo, kWarn, kError };

// One key=value of a log line. Made from strings and numbers.
struct LogField {
  std::string_view key;
  std::string value;

  template <std::convertible_to<std::string_view> T>
  LogField(std::string_view k, const T& v) : key(k), value(std::string_view(v)) {}
  template <class T>
  requires std::integral<T> || std::floating_point<T> LogField(std::string_view k, T v)
      : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
};

// A cheap, copyable handle: the process's log plus the fields that every line of this part carries.
class Log {
 public:
  using Sink = std::function<void(std::string_view line)>;  // gets whole lines, newline included
  // A new log. Without a sink it writes to standard error. `clock` outlives it.
  explicit Log(const Clock& clock, Sink sink = {});
  // A log that writes nothing, for tests.
  static Log none();

  // This log with one more field on each line.
  Log with(std::string_view key, std::string_view value) const;

  void set_level(Level level);  // for all handles of this log; default info
  void set_json(bool json);     // format json instead of logfmt
  bool enabled(Level level) const;

  void debug(std::string_view msg, std::initializer_list<LogField> fields = {}) const;
  void info(std::string_view msg, std::initializer_list<LogField> fields = {}) const;
  void warn(std::string_view msg, std::initializer_list<LogField> fields = {}) const;
  void error(std::string_view msg, std::initializer_list<LogField> fields = {}) const;
  // At most one line per msg and handle every 10 s; the next one carries suppressed=N. For trouble
  // with single lines.
  void limited(Level level, std::string_view msg,
               std::initializer_list<LogField> fields = {}) const;

 private:
  struct Shared;
  struct Limits;
  void write(Level level, std::string_view msg, const LogField* fields, std::size_t count) const;

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Limits> limits_;
  std::string context_;       // rendered fields of with(), logfmt
  std::string context_json_;  // the same as JSON members
};

// "debug", "info", "warn", "error" -> Level; anything else -> nullptr-like false.
bool parse_level(std::string_view text, Level& out);

// Appends `value` as logfmt writes it: bare when simple, else quoted with escapes.
void append_logfmt_value(std::string& out, std::string_view value);

}  // namespace agent
