#include "agent/io/positions.h"

#include <zlib.h>

#include <array>
#include <charconv>
#include <system_error>

#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLargestFile = 64U << 20;
// A key that is only seen again rewrites the file no more often than this.
constexpr std::int64_t kSeenStep = 3600;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

void append_hex_byte(std::string& out, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 15U];
}

void append_escaped(std::string& out, std::string_view text) {
  if (text.empty()) out += '%';  // alone: nothing
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '%' || byte == 0x7F) {
      out += '%';
      append_hex_byte(out, byte);
    } else {
      out += c;
    }
  }
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  if (text == "%") return out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string checksum(std::string_view text) {
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size());
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    append_hex_byte(out, static_cast<unsigned char>((crc >> shift) & 0xFFU));
  return out;
}

bool parse_line(std::string_view line, PositionMap& map) {
  constexpr std::size_t kChecksum = 8;
  if (line.size() <= kChecksum || line[kChecksum] != ' ') return false;
  const std::string_view rest = line.substr(kChecksum + 1);
  if (checksum(rest) != line.substr(0, kChecksum)) return false;
  const auto words = split(rest, ' ');
  if (words.size() < 3 || words[1].empty() || words[2].empty()) return false;
  Position position;
  const char* end = words[0].data() + words[0].size();
  if (std::from_chars(words[0].data(), end, position.seen_s).ptr != end) return false;
  auto key = unescape(words[1]);
  auto value = unescape(words[2]);
  if (!key || !value) return false;
  position.value = std::move(*value);
  map.insert_or_assign(std::move(*key), std::move(position));
  return true;
}

std::int64_t seconds(const Clock& clock) { return clock.wall_ns() / 1'000'000'000; }

// A process that was killed while it saved leaves its temporary file (see write_file_atomic).
void remove_temporaries(const fs::path& file) {
  constexpr std::size_t kSuffix = 7;  // ".XXXXXX"
  const std::string name = file.filename().string();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(file.parent_path(), error)) {
    const std::string other = entry.path().filename().string();
    if (other.size() == name.size() + kSuffix && other.compare(0, name.size(), name) == 0 &&
        other[name.size()] == '.')
      fs::remove(entry.path(), error);
  }
}

}  // namespace

ParsedPositions parse_positions(std::string_view text) {
  ParsedPositions out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#') continue;
    if (!parse_line(line, out.map)) ++out.damaged;
  }
  return out;
}

std::string print_positions(const PositionMap& map) {
  std::string out = "# read positions; checksum, last seen, key, value\n";
  std::string rest;
  for (const auto& [key, position] : map) {
    rest = std::to_string(position.seen_s);
    rest += ' ';
    append_escaped(rest, key);
    rest += ' ';
    append_escaped(rest, position.value);
    out += checksum(rest);
    out += ' ';
    out += rest;
    out += '\n';
  }
  return out;
}

Positions::Positions(const Clock& clock, fs::path file, const Log& log)
    : clock_(clock), file_(std::move(file)) {
  load(log);
}

void Positions::load(const Log& log) {
  remove_temporaries(file_);
  const auto set_aside = [&](std::string_view why) {
    fs::path aside = file_;
    aside += ".damaged";
    std::error_code error;
    fs::rename(file_, aside, error);
    log.warn("positions are lost: the file is set aside",
             {{"file", file_.string()}, {"aside", aside.string()}, {"err", why}});
  };
  auto text = read_file(file_, kLargestFile);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return;
    return set_aside(text.error().message);
  }
  ParsedPositions parsed = parse_positions(*text);
  damaged_ = parsed.damaged;
  if (parsed.map.empty() && parsed.damaged > 0) return set_aside("no line of it is whole");
  if (parsed.damaged > 0)
    log.warn("some positions are lost", {{"file", file_.string()}, {"lines", parsed.damaged}});
  fresh_ = false;
  MutexLock lock(mutex_);
  map_ = std::move(parsed.map);
}

std::optional<std::string> Positions::get(std::string_view key) const {
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end()) return std::nullopt;
  return it->second.value;
}

void Positions::set(std::string_view key, std::string_view value) {
  const std::int64_t now = seconds(clock_);
  MutexLock lock(mutex_);
  auto it = map_.find(key);
  if (it == map_.end()) {
    it = map_.emplace(std::string(key), Position{}).first;
  } else if (it->second.value == value && now - it->second.seen_s < kSeenStep) {
    return;
  }
  it->second.value = value;
  it->second.seen_s = now;
  ++change_;
}

void Positions::touch(std::string_view key) {
  const std::int64_t now = seconds(clock_);
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end() || now - it->second.seen_s < kSeenStep) return;
  it->second.seen_s = now;
  ++change_;
}

void Positions::erase(std::string_view key) {
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end()) return;
  map_.erase(it);
  ++change_;
}

std::size_t Positions::prune(Duration unseen) {
  const std::int64_t oldest =
      seconds(clock_) - std::chrono::duration_cast<std::chrono::seconds>(unseen).count();
  MutexLock lock(mutex_);
  std::size_t count = 0;
  for (auto it = map_.begin(); it != map_.end();) {
    if (it->second.seen_s >= oldest) {
      ++it;
      continue;
    }
    it = map_.erase(it);
    ++count;
  }
  if (count > 0) ++change_;
  return count;
}

std::vector<std::pair<std::string, std::string>> Positions::all() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(map_.size());
  for (const auto& [key, position] : map_) out.emplace_back(key, position.value);
  return out;
}

bool Positions::unsaved() const {
  MutexLock lock(mutex_);
  return change_ != saved_;
}

Result<> Positions::save() {
  MutexLock one_writer(file_mutex_);
  std::string text;
  std::uint64_t change = 0;
  {
    MutexLock lock(mutex_);
    if (change_ == saved_) return {};
    change = change_;
    text = print_positions(map_);
  }
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  if (auto written = write_file_atomic(file_, text); !written)
    return fail(std::move(written.error()).within("save positions"));
  MutexLock lock(mutex_);
  saved_ = change;
  return {};
}

Result<> Positions::save_if_due(Duration interval) {
  const Mono now = clock_.mono();
  {
    MutexLock lock(mutex_);
    if (change_ == saved_ || now < next_save_) return {};
    next_save_ = now + interval;
  }
  return save();
}

}  // namespace agent::io
