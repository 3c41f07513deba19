// Trees -> values. Evaluation has no effects and bounded work; what is wrong becomes a diagnostic
// at its place, and the rest is still evaluated, so that one mistake does not hide another.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/ast.h"
#include "agent/lang/body.h"
#include "agent/lang/diagnostic.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {

// A name of the configuration as an expression uses it: `loki.write.default.receiver`. It points
// into the Source.
struct Reference {
  std::vector<std::string_view> names;  // at least one
  Range range;

  std::string text() const;  // dotted
};

// In source order, with repetitions and with the names of the standard library. An index ends a
// name: of `a.b["c"].d` it is `a.b`.
std::vector<Reference> references(const Expr& expr);
std::vector<Reference> references(const std::vector<Statement>& body);

// Says what names stand for. Names that it does not find are looked for in the standard library.
class Resolver {
 public:
  virtual ~Resolver() = default;
  struct Found {
    Value value;
    std::size_t names = 1;  // how many of the names it stands for; the rest are keys in it
  };
  virtual std::optional<Found> resolve(std::span<const std::string_view> names) const = 0;
  // Dotted names for "did you mean".
  virtual std::vector<std::string> known() const { return {}; }
};

struct Scope {
  const Stdlib& stdlib;
  const Resolver* resolver = nullptr;  // may be null
  std::string module_path;             // what `module_path` stands for: the folder of the file
};

// nullopt: reported. `expr` comes from `source`.
std::optional<Value> evaluate(const Expr& expr, const Source& source, const Scope& scope,
                              Diagnostics& diagnostics);

// The body of `block` (or of a file) with all blocks in it. An attribute that cannot be evaluated
// is a placeholder in the result, so that checks of the body do not report it as missing; do not
// run what has errors.
Body evaluate(const BlockNode& block, const Source& source, const Scope& scope,
              Diagnostics& diagnostics);
Body evaluate(const std::vector<Statement>& body, const Source& source, const Scope& scope,
              Diagnostics& diagnostics);

// `did you mean "x"?` for the known name nearest to `name`, else "".
std::string suggestion(std::string_view name, const std::vector<std::string>& known);

}  // namespace agent::lang
