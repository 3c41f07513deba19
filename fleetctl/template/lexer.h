// Template text to tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/settings.h"
#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

enum class TokenKind : std::uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,  // `text` is unescaped
  kInteger,
  kFloat,
  kOperator,
  kEof,
};

struct Token {
  TokenKind kind = TokenKind::kEof;
  int line = 1;
  int column = 1;
  std::string text;
  value::Value number;   // kInteger, kFloat
  std::size_t from = 0;  // kString: its bytes in the source that was lexed
  std::size_t to = 0;
};

Outcome<std::vector<Token>> lex(std::string_view source, const Settings& settings);

// What Ansible does to a string of a variables file before it is a template: backslashes inside
// string literals of
// {{ }} are doubled.
std::string double_backslashes(std::string_view source, const Settings& settings);

}  // namespace fleetctl::template_
