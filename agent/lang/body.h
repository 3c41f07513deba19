// The evaluated body of a block: what a component is configured with.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/diagnostic.h"
#include "agent/lang/value.h"

namespace agent::lang {

struct Attribute {
  std::string name;
  Value value;
  Span name_span;
  Span value_span;
};

struct Block;

struct Body {
  std::vector<Attribute> attributes;  // in source order
  std::vector<Block> blocks;          // in source order, which is the order of execution for stages
  Span span;                          // the block's header, for "missing required attribute"

  const Attribute* find(std::string_view name) const;
  // What a message about the argument `name` points at: the attribute's value, the block of that
  // name, or, when there is neither, this body's own header.
  const Span& span_of(std::string_view name) const;
};

struct Block {
  std::string name;  // dotted: "stage.docker"
  std::string label;
  Body body;
  Span span;  // the header
};

// Equal in names, labels and values; places do not count.
bool operator==(const Body& a, const Body& b);
bool operator==(const Block& a, const Block& b);

}  // namespace agent::lang
