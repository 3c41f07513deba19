// The configuration that is being written, and where each part of it came from.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/convert/findings.h"

namespace agent::convert {

// Pieces of code of the configuration language.
std::string list_code(const std::vector<std::string>& items);
// Names that are no identifiers are quoted.
std::string object_code(const std::vector<std::pair<std::string, std::string>>& members);

class Output {
 public:
  void open(std::string_view block, std::string_view label, Mark from);
  void attribute(std::string_view name, std::string_view code, Mark from);
  void close();

  const std::string& text() const { return text_; }
  // Of every block and attribute, in the order of the text.
  const std::vector<Mark>& origins() const { return origins_; }

 private:
  std::string text_;
  std::vector<Mark> origins_;
};

}  // namespace agent::convert
