#include "agent/wire/logfmt.h"

#include <cstdint>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"

namespace agent::wire {
namespace {

bool is_blank(char c) { return static_cast<unsigned char>(c) <= 0x20; }

// The four hexadecimal digits at the start of `text`; -1 when they are not there.
std::int32_t hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  std::int32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace

bool LogfmtReader::fail() {
  failed_ = true;
  return false;
}

bool LogfmtReader::next() {
  if (failed_) return false;
  value_ = {};
  is_copy_ = false;
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  if (at_ == text_.size()) return false;
  const std::size_t begin = at_;
  bool ascii = true;
  for (; at_ < text_.size() && text_[at_] != '=' && !is_blank(text_[at_]); ++at_) {
    if (text_[at_] == '"') return fail();
    if (static_cast<unsigned char>(text_[at_]) >= 0x80) ascii = false;
  }
  key_ = text_.substr(begin, at_ - begin);
  if (key_.empty()) return fail();
  if (!ascii && (!is_valid_utf8(key_) || key_.find("\xEF\xBF\xBD") != std::string_view::npos))
    return fail();
  if (at_ == text_.size() || text_[at_] != '=') return true;
  ++at_;
  if (at_ < text_.size() && text_[at_] == '"') return read_quoted();
  const std::size_t value = at_;
  for (; at_ < text_.size() && !is_blank(text_[at_]); ++at_)
    if (text_[at_] == '=' || text_[at_] == '"') return fail();
  value_ = text_.substr(value, at_ - value);
  return true;
}

bool LogfmtReader::read_quoted() {
  const std::size_t begin = ++at_;
  bool escaped = false;
  for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\n') return fail();
    if (text_[at_] != '\\') continue;
    escaped = true;
    if (++at_ == text_.size() || text_[at_] == '\n') return fail();
  }
  if (at_ == text_.size()) return fail();
  const std::string_view inside = text_.substr(begin, at_ - begin);
  ++at_;
  if (escaped) return unescape(inside);
  value_ = inside;
  return true;
}

bool LogfmtReader::unescape(std::string_view inside) {
  scratch_.clear();
  for (std::size_t i = 0; i < inside.size();) {
    const char c = inside[i];
    if (static_cast<unsigned char>(c) < 0x20) return fail();
    if (c != '\\') {
      if (static_cast<unsigned char>(c) < 0x80) {
        scratch_ += c;
        ++i;
        continue;
      }
      const CodePoint point = decode_utf8(inside.substr(i));
      append_utf8(scratch_, point.valid ? point.value : U'\uFFFD');
      i += point.length;
      continue;
    }
    constexpr std::string_view kLetters = "\"\\/'bfnrt";
    constexpr std::string_view kMeanings = "\"\\/'\b\f\n\r\t";
    const char letter = inside[i + 1];
    i += 2;
    if (const std::size_t known = kLetters.find(letter); known != std::string_view::npos) {
      scratch_ += kMeanings[known];
      continue;
    }
    if (letter != 'u') return fail();
    std::int32_t point = hex4(inside.substr(i));
    if (point < 0) return fail();
    i += 4;
    if (point >= 0xD800 && point < 0xE000) {
      // A pair of surrogates is one character; what is no pair is none.
      const std::int32_t low = inside.substr(i, 2) == "\\u" ? hex4(inside.substr(i + 2)) : -1;
      if (point < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      } else {
        point = 0xFFFD;
      }
    }
    append_utf8(scratch_, static_cast<char32_t>(point));
  }
  value_ = scratch_;
  is_copy_ = true;
  return true;
}

}  // namespace agent::wire
