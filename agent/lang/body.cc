#include "agent/lang/body.h"

#include <algorithm>

namespace agent::lang {

const Attribute* Body::find(std::string_view name) const {
  for (const Attribute& attribute : attributes)
    if (attribute.name == name) return &attribute;
  return nullptr;
}

const Span& Body::span_of(std::string_view name) const {
  if (const Attribute* attribute = find(name)) return attribute->value_span;
  for (const Block& block : blocks)
    if (block.name == name) return block.span;
  return span;
}

bool operator==(const Body& a, const Body& b) {
  return std::equal(a.attributes.begin(), a.attributes.end(), b.attributes.begin(),
                    b.attributes.end(),
                    [](const Attribute& x, const Attribute& y) {
                      return x.name == y.name && x.value == y.value;
                    }) &&
         a.blocks == b.blocks;
}

bool operator==(const Block& a, const Block& b) {
  return a.name == b.name && a.label == b.label && a.body == b.body;
}

}  // namespace agent::lang
