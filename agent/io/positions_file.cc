#include "agent/io/positions_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/replace_file.h"
#include "agent/base/strings.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLargestFile = 64U << 20;
constexpr std::size_t kBytes = 4096;
constexpr std::size_t kBytesPerKey = 128;
constexpr std::string_view kTitle = "# read positions; checksum, last seen, key, value\n";

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

}  // namespace

ParsedPositions parse_positions(std::string_view text) {
  ParsedPositions out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (end == std::string_view::npos) out.torn = true;
    if (line.empty() || line[0] == '#') continue;
    if (!parse_line(line, out.map) && !out.torn) ++out.damaged;
  }
  return out;
}

void append_position(std::string_view key, std::string_view value, std::int64_t seen_s,
                     std::string& out) {
  std::string rest = std::to_string(seen_s);
  rest += ' ';
  append_escaped(rest, key);
  rest += ' ';
  append_escaped(rest, value);
  out += checksum(rest);
  out += ' ';
  out += rest;
  out += '\n';
}

std::string print_positions(const PositionMap& map) {
  std::string out;
  for (const auto& [key, position] : map)
    append_position(key, position.value, position.seen_s, out);
  return out;
}

PositionsFile::Loaded PositionsFile::load(const Log& log) {
  remove_half_written(file_);
  Loaded out;
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
    if (text.error().code != ErrorCode::kNotFound) set_aside(text.error().message);
    return out;
  }
  ParsedPositions parsed = parse_positions(*text);
  out.damaged = parsed.damaged;
  if (parsed.map.empty() && (parsed.damaged > 0 || parsed.torn)) {
    out.damaged += parsed.torn ? 1 : 0;
    set_aside("no line of it is whole");
    return out;
  }
  if (parsed.damaged > 0)
    log.warn("some positions are lost", {{"file", file_.string()}, {"lines", parsed.damaged}});
  out.fresh = false;
  out.map = std::move(parsed.map);
  struct stat info {};
  known_ = !parsed.torn && parsed.damaged == 0 && ::stat(file_.c_str(), &info) == 0 &&
           static_cast<std::uint64_t>(info.st_size) == text->size();
  inode_ = info.st_ino;
  size_ = text->size();
  return out;
}

Result<bool> PositionsFile::append(std::string_view lines, std::size_t keys) {
  if (!known_ || size_ + lines.size() > kBytes + keys * kBytesPerKey) return false;
  known_ = false;
  const FileDescriptor fd(
      ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || info.st_ino != inode_ ||
      static_cast<std::uint64_t>(info.st_size) != size_)
    return false;
  if (auto written = write_all(fd.get(), lines); !written)
    return fail(std::move(written.error()).within("append to " + file_.string()));
  if (::fdatasync(fd.get()) != 0) return fail_errno("sync " + file_.string(), errno);
  size_ += lines.size();
  known_ = true;
  return true;
}

Result<> PositionsFile::rewrite(std::string_view text) {
  known_ = false;
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const std::string all = std::string(kTitle).append(text);
  if (auto written = write_file_atomic(file_, all); !written) return written;
  struct stat info {};
  if (::stat(file_.c_str(), &info) != 0) return fail_errno("stat " + file_.string(), errno);
  inode_ = info.st_ino;
  size_ = all.size();
  known_ = true;
  return {};
}

}  // namespace agent::io
