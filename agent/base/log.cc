#include "agent/base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"

namespace agent {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};
constexpr auto kLimitInterval = std::chrono::seconds(10);

void append_escaped(std::string& out, std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
}

void append_time(std::string& out, std::int64_t ns) {
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  std::array<char, 64> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                              tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                              tm.tm_sec, static_cast<int>(ns / 1'000'000 % 1000));
  out.append(buffer.data(), static_cast<std::size_t>(n));
}

void append_json_member(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  append_escaped(out, key);
  out += "\":\"";
  append_escaped(out, value);
  out += '"';
}

void append_logfmt_member(std::string& out, std::string_view key, std::string_view value) {
  out += ' ';
  out += key;
  out += '=';
  append_logfmt_value(out, value);
}

}  // namespace

void append_logfmt_value(std::string& out, std::string_view value) {
  bool simple = !value.empty();
  for (char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '"' || c == '=' || c == '\\') {
      simple = false;
      break;
    }
  }
  if (simple) {
    out += value;
    return;
  }
  out += '"';
  append_escaped(out, value);
  out += '"';
}

bool parse_level(std::string_view text, Level& out) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (text == kLevelNames[i]) {
      out = static_cast<Level>(i);
      return true;
    }
  }
  return false;
}

struct Log::Shared {
  Shared(const Clock* c, Sink s) : clock(c), sink(std::move(s)) {}
  const Clock* clock;
  Sink sink;
  bool silent = false;
  std::atomic<Level> level{Level::kInfo};
  std::atomic<bool> json{false};
};

struct Log::Limits {
  struct Line {
    Mono next;
    std::uint64_t suppressed = 0;
  };
  Mutex mutex;
  std::map<std::string, Line, std::less<>> lines GUARDED_BY(mutex);
};

Log::Log(const Clock& clock, Sink sink)
    : shared_(std::make_shared<Shared>(&clock, std::move(sink))),
      limits_(std::make_shared<Limits>()) {}

Log Log::none() {
  static const SystemClock* const clock = new SystemClock();
  Log log(*clock);
  log.shared_->silent = true;
  return log;
}

Log Log::with(std::string_view key, std::string_view value) const {
  Log log = *this;
  log.limits_ = std::make_shared<Limits>();
  append_logfmt_member(log.context_, key, value);
  append_json_member(log.context_json_, key, value);
  return log;
}

void Log::set_level(Level level) { shared_->level.store(level, std::memory_order_relaxed); }
void Log::set_json(bool json) { shared_->json.store(json, std::memory_order_relaxed); }

bool Log::enabled(Level level) const {
  return !shared_->silent && level >= shared_->level.load(std::memory_order_relaxed);
}

void Log::write(Level level, std::string_view msg, const LogField* fields,
                std::size_t count) const {
  if (!enabled(level)) return;
  std::string line;
  line.reserve(256);
  const std::string_view name = kLevelNames[static_cast<std::size_t>(level)];
  if (shared_->json.load(std::memory_order_relaxed)) {
    line += "{\"ts\":\"";
    append_time(line, shared_->clock->wall_ns());
    line += '"';
    append_json_member(line, "level", name);
    line += context_json_;
    append_json_member(line, "msg", msg);
    for (std::size_t i = 0; i < count; ++i)
      append_json_member(line, fields[i].key, fields[i].value);
    line += "}\n";
  } else {
    line += "ts=";
    append_time(line, shared_->clock->wall_ns());
    append_logfmt_member(line, "level", name);
    line += context_;
    append_logfmt_member(line, "msg", msg);
    for (std::size_t i = 0; i < count; ++i)
      append_logfmt_member(line, fields[i].key, fields[i].value);
    line += '\n';
  }
  if (shared_->sink) {
    shared_->sink(line);
    return;
  }
  // Nobody is left to tell when standard error fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void Log::debug(std::string_view msg, std::initializer_list<LogField> f) const {
  write(Level::kDebug, msg, f.begin(), f.size());
}
void Log::info(std::string_view msg, std::initializer_list<LogField> f) const {
  write(Level::kInfo, msg, f.begin(), f.size());
}
void Log::warn(std::string_view msg, std::initializer_list<LogField> f) const {
  write(Level::kWarn, msg, f.begin(), f.size());
}
void Log::error(std::string_view msg, std::initializer_list<LogField> f) const {
  write(Level::kError, msg, f.begin(), f.size());
}

void Log::limited(Level level, std::string_view msg, std::initializer_list<LogField> f) const {
  if (!enabled(level)) return;
  std::uint64_t suppressed = 0;
  {
    const Mono now = shared_->clock->mono();
    MutexLock lock(limits_->mutex);
    auto it = limits_->lines.find(msg);
    if (it == limits_->lines.end())
      it = limits_->lines.emplace(std::string(msg), Limits::Line{now, 0}).first;
    if (now < it->second.next) {
      ++it->second.suppressed;
      return;
    }
    suppressed = std::exchange(it->second.suppressed, 0);
    it->second.next = now + kLimitInterval;
  }
  if (suppressed == 0) return write(level, msg, f.begin(), f.size());
  std::vector<LogField> fields(f);
  fields.emplace_back("suppressed", suppressed);
  write(level, msg, fields.data(), fields.size());
}

}  // namespace agent
