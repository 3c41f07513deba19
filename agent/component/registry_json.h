// The kinds of component for tools: editors, generators, reviews.
#pragma once

#include <string>

#include "agent/component/component.h"

namespace agent::component {

// [{"name", "doc", "fields": [{"kind": "attribute"|"block", "name", "type", "required", "default",
// "doc", "repeated", "fields"}], "exports": [{"name", "type", "doc"}]}]; `type` and `default` of
// attributes only, `repeated` and `fields` of blocks only. One component per line.
std::string registry_json(const Registry& registry);

}  // namespace agent::component
