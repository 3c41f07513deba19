// How template text is read. The defaults are Ansible's template module.
#pragma once

#include <string>
#include <string_view>

#include "fleetctl/template/outcome.h"

namespace fleetctl::template_ {

struct Settings {
  std::string block_start = "{%";
  std::string block_end = "%}";
  std::string variable_start = "{{";
  std::string variable_end = "}}";
  std::string comment_start = "{#";
  std::string comment_end = "#}";
  std::string line_statement_prefix;  // "" = none
  std::string line_comment_prefix;
  std::string newline_sequence = "\n";
  bool trim_blocks = true;
  bool lstrip_blocks = false;
  bool keep_trailing_newline = false;
  bool ansible = true;             // None prints as nothing; false: as plain Jinja2 does
  bool lenient_undefined = false;  // plain Jinja2's default: an undefined name prints as nothing

  bool operator==(const Settings&) const = default;
};

// Takes a first line `#jinja2: lstrip_blocks: True, ...` off `text` and applies it. Returns whether
// there was one.
Outcome<bool> apply_header(std::string_view& text, Settings& settings);

}  // namespace fleetctl::template_
