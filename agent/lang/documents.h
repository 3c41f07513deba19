// JSON and YAML texts from outside as values. Bounded: nested at most kMaxValueDepth deep, at most
// kMaxListItems parts (an alias of YAML counts what it stands for). Pure.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/lang/value.h"

namespace agent::lang {

// As Go's encoding/json reads it into untyped values.
Result<Value> value_of_json(const std::string& text);

enum class YamlScalars {
  kTyped,      // 1.10 is a number, as Go's yaml.v3 reads it into untyped values
  kAsWritten,  // 1.10 is the text "1.10": for readers that want texts; null stays null
};
// The first document. Memory while it is read is some hundred times the text's size.
Result<Value> value_of_yaml(const std::string& text, YamlScalars scalars);

}  // namespace agent::lang
