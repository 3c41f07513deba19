// Values as YAML text, laid out as PyYAML does it (the bytes matter: files are compared).
#pragma once

#include <cstddef>
#include <string>

#include "fleetctl/template/outcome.h"
#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

struct YamlFormat {
  enum class Flow { kLeaves, kNever, kAlways };  // kLeaves: collections of scalars only
  Flow flow = Flow::kLeaves;
  int indent = 2;
  int width = 80;
  bool sort_keys = true;
  bool explicit_start = false;
  bool explicit_end = false;
  std::size_t limit = 64U << 20;
};
Outcome<std::string> write_yaml(const value::Value& value, const YamlFormat& format);

}  // namespace fleetctl::template_
