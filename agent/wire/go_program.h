// A parsed template: what go_parser.cc makes and go_template.cc walks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/go_functions.h"
#include "agent/wire/go_template.h"

namespace agent::wire {

struct GoPipeline;

struct GoTerm {
  enum class Kind { kDot, kNil, kBool, kNumber, kString, kField, kVariable, kFunction, kPipeline };
  Kind kind = Kind::kDot;
  std::size_t at = 0;  // byte of the template
  std::string text;    // of a string its value, of a variable its name with the $
  bool boolean = false;
  bool is_int = false;  // of a number: it may be an int
  bool floats = false;  // of a number: where nothing else is asked for, it is a float
  std::int64_t integer = 0;
  double number = 0;
  const GoFunction* function = nullptr;
  std::unique_ptr<GoPipeline> pipeline;
  std::vector<std::string> fields;  // behind it: .a.b; of kField the whole
};

struct GoCommand {
  std::vector<GoTerm> terms;
};

struct GoPipeline {
  std::size_t at = 0;
  std::vector<std::string> variables;  // with the $
  bool assigns = false;                // "=" rather than ":="
  std::vector<GoCommand> commands;
};

struct GoNode {
  enum class Kind { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };
  Kind kind = Kind::kText;
  std::size_t at = 0;
  std::string text;  // or the name of a template
  std::unique_ptr<GoPipeline> pipeline;
  std::vector<GoNode> body;
  std::vector<GoNode> otherwise;
};

struct GoProgram {
  std::string source;
  std::vector<GoNode> root;
  std::map<std::string, std::vector<GoNode>, std::less<>> defined;
  bool reads_fields = false;

  // "line 2, column 5"
  std::string place(std::size_t at) const;
};

}  // namespace agent::wire
