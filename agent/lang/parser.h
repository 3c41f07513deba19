// Tokens -> tree. One pass reports every mistake it can tell from its predecessors, at most one a
// source line; a tree with errors is for looking at, not for evaluation.
//
// Bounds, each an ordinary diagnostic: Source::kMaxBytes of text, kMaxDepth of nesting, kMaxHeight
// of an expression (a chain of operators counts as deep as it is long).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/lang/ast.h"
#include "agent/lang/diagnostic.h"

namespace agent::lang {

inline constexpr int kMaxDepth = 256;
inline constexpr int kMaxHeight = 1024;

// `name` is the file's name as the person wrote it.
File parse(std::string_view text, std::string name, Diagnostics& diagnostics);

// One expression with nothing behind it.
struct ParsedExpr {
  std::shared_ptr<const Source> source;
  std::unique_ptr<Expr> expr;  // never null
};
ParsedExpr parse_expression(std::string_view text, std::string name, Diagnostics& diagnostics);

}  // namespace agent::lang
