// Small text functions that the standard library lacks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace agent {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);  // ASCII white space at both ends
bool is_valid_utf8(std::string_view text);
// Invalid bytes become U+FFFD.
std::string to_valid_utf8(std::string_view text);
// The longest beginning of at most `limit` bytes that does not end inside a character.
std::string_view utf8_head(std::string_view text, std::size_t limit);
// Its characters; a byte that is in none is one of its own.
std::vector<std::string_view> utf8_characters(std::string_view text);
// `"text"` with JSON escapes.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);
// Number of single-character edits from a to b (insert, delete, replace, swap neighbours).
std::size_t edit_distance(std::string_view a, std::string_view b);
// The candidate nearest to `name` when it is near enough to be a slip of the pen, else "".
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);
std::string to_hex(std::string_view bytes);
// The shortest text that reads back as `value`, in the form that Prometheus' tools write (Go's
// 'g'): 0.1, 100000, 1e+06, +Inf, NaN.
void append_number(std::string& out, double value);
std::string format_number(double value);
// The fewest digits that give `number` again, without an exponent: Go's format 'f' with precision
// -1. `number` is finite.
std::string plain_number(double number);
// `number` as Go writes it in JSON: plain, with an exponent below 1e-6 and from 1e21 on. Finite.
std::string json_number(double number);

}  // namespace agent
