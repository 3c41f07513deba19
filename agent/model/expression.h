// A regular expression in Go's syntax (RE2; named groups also as (?<name>...)).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::model {

// The same expression in the syntax of the RE2 that is linked, which knows (?P<name>...) only.
std::string re2_syntax(std::string_view expression);

// Immutable; any thread.
class Expression {
 public:
  // "the regular expression is wrong: missing ): (". At most 64 KiB.
  static Result<Expression> compile(const std::string& text);

  // Whether it matches anywhere in `text`.
  bool found_in(std::string_view text) const;
  // The first match at or after byte `from`; its data() is null when there is none.
  std::string_view find(std::string_view text, std::size_t from) const;

  // The groups that have a name, in the order of the expression.
  const std::vector<std::string>& names() const { return names_; }
  // What the named groups of the first match hold, in the order of names(): views of `text`, empty
  // for a group that took no part. False when there is no match.
  bool extract(std::string_view text, std::vector<std::string_view>& values) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
  std::vector<std::string> names_;
};

}  // namespace agent::model
