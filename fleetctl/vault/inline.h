// Encrypted values inside a file of variables:
//   name: !vault |
//     $ANSIBLE_VAULT;1.1;AES256
//     3032...                          lines of hexadecimal digits, indented like the header
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fleetctl::vault {

struct InlineVault {
  std::size_t from = 0;  // the beginning of the header's line
  std::size_t to = 0;    // behind the last line of digits, before its line end
  std::string indent;    // of all its lines
  std::string envelope;  // without the indentation
  std::size_t tag = 0;   // where the "!vault |" before it begins; `from` when there is none
};

// In the order of the text. Pure.
std::vector<InlineVault> find_inline(std::string_view text);
// The envelope's lines behind `indent`, without a line end at the end.
std::string indented(std::string_view envelope, std::string_view indent);

}  // namespace fleetctl::vault
