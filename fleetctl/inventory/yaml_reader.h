// YAML as Ansible reads it: PyYAML's YAML 1.1 scalars (yes is true, 0644 is 420, 12:30 is 750),
// merge keys, `!vault` and `!unsafe`; every value knows its line and column.
//
// Dates become the text Python prints for them. yaml-cpp does the syntax; it stays in the .cc file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

// One document; None when it is empty. JSON is tried first when the text starts like it. A key that
// is written twice: the last one wins and `warnings` gets a line. Errors are "file:line:column:
// ...".
agent::Result<value::Value> read_yaml(std::string_view text, const std::string& file,
                                      std::vector<std::string>& warnings);

// All documents of a stream, at most 10000; the warnings are not kept.
agent::Result<std::vector<value::Value>> read_yaml_documents(std::string_view text,
                                                             const std::string& file);

// What an unquoted scalar means: None, bool, int, float or string.
value::Value resolve_scalar(const std::string& text);

}  // namespace fleetctl::inventory
