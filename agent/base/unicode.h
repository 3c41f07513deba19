// Unicode 14: code points in UTF-8, their categories, and their cases (simple mappings: one code
// point to one code point, as Go's strings.ToLower has them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace agent {

struct CodePoint {
  char32_t value = 0xFFFD;
  std::size_t length = 1;  // bytes; 1 for an invalid byte
  bool valid = false;
};

// The first code point of `text`, which is not empty.
CodePoint decode_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t c);
std::size_t count_code_points(std::string_view text);

bool is_letter(char32_t c);  // category L
bool is_digit(char32_t c);   // category Nd
bool is_space(char32_t c);   // White_Space
char32_t to_lower(char32_t c);
char32_t to_upper(char32_t c);
// The text with each code point mapped; an invalid byte becomes U+FFFD.
std::string map_code_points(std::string_view text, char32_t (*map)(char32_t));

}  // namespace agent
