#include "agent/io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace agent::io {
namespace {

constexpr std::uint16_t kVersion = 20;  // deflate and folders
constexpr std::uint16_t kUtf8Names = 1 << 11;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint32_t kOwnersAlone = 0100600U << 16;  // the file's mode
constexpr std::uint16_t kMadeByUnix = 3 << 8;

void put16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value & 0xFF);
  out += static_cast<char>(value >> 8);
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value & 0xFFFF));
  put16(out, static_cast<std::uint16_t>(value >> 16));
}

// Two seconds are the smallest step of MS-DOS.
std::uint32_t dos_time(std::int64_t seconds) {
  const std::time_t at = static_cast<std::time_t>(seconds);
  std::tm tm{};
  gmtime_r(&at, &tm);
  const int year = std::clamp(tm.tm_year - 80, 0, 127);
  return static_cast<std::uint32_t>(year << 25 | (tm.tm_mon + 1) << 21 | tm.tm_mday << 16 |
                                    tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
}

}  // namespace

Result<> Zip::add(std::string_view name, std::string_view content) {
  z_stream stream{};
  // A negative size of the window: without zlib's own header.
  if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(ErrorCode::kExhausted, "zip: no memory");
  std::string packed(::deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int code = ::deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (code != Z_STREAM_END) return fail(ErrorCode::kExhausted, "zip: a file is too large");

  std::string head;  // what both places say of the file
  put16(head, kVersion);
  put16(head, kUtf8Names);
  put16(head, kDeflated);
  put32(head, dos_time(time_));
  put32(head, static_cast<std::uint32_t>(
                  ::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size())));
  put32(head, static_cast<std::uint32_t>(packed.size()));
  put32(head, static_cast<std::uint32_t>(content.size()));
  put16(head, static_cast<std::uint16_t>(name.size()));
  put16(head, 0);  // no extra fields

  const auto offset = static_cast<std::uint32_t>(files_.size());
  files_ += "PK\3\4";
  files_ += head;
  files_ += name;
  files_ += packed;

  directory_ += "PK\1\2";
  put16(directory_, kMadeByUnix | kVersion);
  directory_ += head;
  put16(directory_, 0);  // no comment
  put16(directory_, 0);  // the first disk
  put16(directory_, 0);  // nothing is said of the content
  put32(directory_, kOwnersAlone);
  put32(directory_, offset);
  directory_ += name;
  ++count_;
  return {};
}

std::string Zip::take() {
  std::string out = std::move(files_);
  const auto offset = static_cast<std::uint32_t>(out.size());
  const auto size = static_cast<std::uint32_t>(directory_.size());
  out += directory_;
  out += "PK\5\6";
  put32(out, 0);  // one disk
  put16(out, count_);
  put16(out, count_);
  put32(out, size);
  put32(out, offset);
  put16(out, 0);  // no comment
  files_.clear();
  directory_.clear();
  count_ = 0;
  return out;
}

}  // namespace agent::io
