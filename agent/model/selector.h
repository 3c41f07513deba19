// LogQL stream selectors with line filters: {app="x", env!~"dev|test"} |= "error" !~ "health". They
// are what stage.match selects with. Matchers look at labels only and `=~` matches the whole value;
// line filters search the line, `|= "a" or "b"` for either, `!= "a" or "b"` for neither, |= ip(...)
// for an address, |> for a pattern. Source of the format: the log stream selector and line filter
// expressions of LogQL.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/labels.h"

namespace agent::model {

// Immutable; any thread.
class Selector {
 public:
  // kInvalid says what is expected at which byte.
  static Result<Selector> parse(std::string_view text);
  bool matches(const LabelSet& labels) const;
  bool matches_line(std::string_view line) const;
  bool has_line_filters() const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace agent::model
