// JMESPath: a language of expressions that take a JSON value apart and make another of it
// (https://jmespath.org/specification.html), as the Go implementation has it: < and its like
// compare numbers only, a literal in backticks is JSON. Beyond the specification, as in the
// community's edition: slices and more functions for strings, `$` for the whole document, items,
// from_items, group_by, zip. Its arithmetic and `let` are not there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/json_value.h"

namespace agent::model {

// Immutable; any thread.
class JmesPath {
 public:
  // Names, counts of arguments and types that can be known are checked here. An error says at which
  // byte.
  static Result<JmesPath> compile(std::string_view expression);

  // What the expression gives; null when it finds nothing. An error when a function gets a value of
  // the wrong type, or when it would take more than about a million steps or make more than a few
  // MiB of text.
  Result<Json> search(const Json& document) const;

  // An expression that is nothing but names and indices (a.b[0]) can be followed without a tree.
  // Null for any other. A negative index counts from the end.
  using Path = std::vector<std::variant<std::string, std::int64_t>>;
  const Path* path() const { return path_.get(); }

  struct Node;  // jmespath_node.h

 private:
  explicit JmesPath(std::shared_ptr<const Node> root);
  std::shared_ptr<const Node> root_;
  std::shared_ptr<const Path> path_;
};

}  // namespace agent::model
