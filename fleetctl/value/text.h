// Values as text and back, in Python's notation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::value {

// str(value): True, None, 3.0, 1e+16, {'a': 1}. Output stops growing at `limit` bytes.
std::string str(const Value& value, std::size_t limit = 64U << 20);
// repr(value): as str, but strings are quoted.
std::string repr(const Value& value, std::size_t limit = 64U << 20);
std::string repr_string(std::string_view text);
std::string repr_float(double number);

// Python's ast.literal_eval: one literal (numbers, strings, lists, tuples, dicts, sets as lists,
// True, False, None, nested, with
// + and - before numbers). With `json_names` also true, false and null. nullopt: not a literal.
std::optional<Value> parse_literal(std::string_view text, bool json_names = false);

// JSON of any standard producer; NaN and Infinity as Python's json reads them; integers of any
// size; the last of equal keys wins. Errors say line and column.
agent::Result<Value> parse_json(std::string_view text);

struct JsonFormat {
  std::optional<int> indent;  // none: one line
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
  bool sort_keys = false;
  bool ascii = true;  // \uXXXX for everything else
};
// kInvalid for values that JSON cannot hold (objects, undefined).
agent::Result<std::string> to_json(const Value& value, const JsonFormat& format = {});

// UTF-8 <-> code points. Invalid bytes become U+DC80+(byte-0x80) and go back as they were.
std::u32string decode_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);
std::string encode_utf8(std::u32string_view text);
std::size_t count_code_points(std::string_view text);

}  // namespace fleetctl::value
