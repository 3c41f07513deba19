// The encodings that files may be written in: their names, what ends a line in their bytes, and
// UTF-8 made of them. The names are those of the IANA registry, with its aliases.
//
// UTF-8 is passed on byte by byte, whatever it holds. Of every other encoding, what is not valid
// becomes U+FFFD, one for each code unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::io {

// One row of a table that lives as long as the program.
struct TextEncoding {
  const char* name;        // as the C library's converter knows it; "" for UTF-8
  const char* aliases;     // of letters and digits in lower case only, separated by spaces
  std::uint8_t width = 1;  // bytes of a code unit
  bool big_endian = false;
  char newline = '\n';  // its byte that is not 0

  bool is_utf8() const { return name[0] == '\0'; }
};

const TextEncoding& utf8();
// By name, whatever its case and punctuation; "" is UTF-8. Null: there is no such encoding here.
const TextEncoding* find_encoding(std::string_view name);
// All of them, for tests.
std::vector<const TextEncoding*> all_encodings();

struct ByteOrderMark {
  const TextEncoding* encoding;
  std::size_t size;  // bytes of the mark; 0 when there is none
};
// What a text that begins with `head` is written in: the byte order mark says so, else `wanted`
// holds. Four bytes of head are enough.
ByteOrderMark byte_order_mark(std::string_view head, const TextEncoding& wanted);

// Owned; one thread at a time.
class TextDecoder {
 public:
  // kUnavailable when this system's C library lacks the converter.
  static Result<TextDecoder> open(const TextEncoding& encoding);
  TextDecoder(TextDecoder&& other) noexcept;
  TextDecoder& operator=(TextDecoder&&) = delete;
  ~TextDecoder();

  // Appends `bytes`, a text of its own, as UTF-8.
  void decode(std::string_view bytes, std::string& out);

 private:
  TextDecoder(void* converter, std::size_t width) : converter_(converter), width_(width) {}
  void* converter_;
  std::size_t width_;
};

}  // namespace agent::io
