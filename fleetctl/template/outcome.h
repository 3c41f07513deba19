// What can go wrong in a template, with the place in it. Problems are values on the way up:
// Outcome<T>.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::template_ {

struct Place {
  std::string file;  // the template's name; for a variable: where it was written, when known
  int line = 0;      // from 1; 0: not known
  int column = 0;
};

enum class ProblemKind {
  kSyntax,
  kUndefined,  // a name, attribute or key that is not there was used
  kRuntime,    // a wrong type, a failing filter, ...
  kNotFound,   // include, import or extends of a template that does not exist
  kLimit,      // recursion, output size or work beyond the limits
};

struct Problem {
  ProblemKind kind = ProblemKind::kRuntime;
  std::string message;
  Place place;  // the innermost
  std::vector<Place>
      through;  // includes, imports, macro calls and variables on the way to it, innermost first
  std::string name;                  // kUndefined: the name that is missing
  std::vector<std::string> nearest;  // kUndefined: defined names like it

  // file:line:column: message (did you mean ...?)
  std::string text() const;
};

template <class T = void>
using Outcome = tl::expected<T, std::shared_ptr<Problem>>;

inline tl::unexpected<std::shared_ptr<Problem>> problem(ProblemKind kind, std::string message) {
  auto p = std::make_shared<Problem>();
  p->kind = kind;
  p->message = std::move(message);
  return tl::unexpected<std::shared_ptr<Problem>>(std::move(p));
}
inline tl::unexpected<std::shared_ptr<Problem>> bad(std::string message) {
  return problem(ProblemKind::kRuntime, std::move(message));
}
inline tl::unexpected<std::shared_ptr<Problem>> pass_on(std::shared_ptr<Problem> p) {
  return tl::unexpected<std::shared_ptr<Problem>>(std::move(p));
}

}  // namespace fleetctl::template_

// TEMPLATE_TRY(x, f()) declares x as f()'s value, or returns f()'s problem from the calling
// function.
#define TEMPLATE_TRY(target, expression)                                        \
  auto&& target##_outcome = (expression);                                       \
  if (!target##_outcome) {                                                      \
    return ::fleetctl::template_::pass_on(std::move(target##_outcome.error())); \
  }                                                                             \
  auto& target = *target##_outcome
#define TEMPLATE_CHECK(expression)                                           \
  if (auto check_outcome = (expression); !check_outcome) {                   \
    return ::fleetctl::template_::pass_on(std::move(check_outcome.error())); \
  }
