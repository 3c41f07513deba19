// A graph's expressions with what its components export.
#pragma once

#include <map>
#include <optional>

#include "agent/component/component.h"
#include "agent/lang/body.h"
#include "agent/lang/stdlib.h"
#include "agent/runtime/graph.h"

namespace agent::runtime {

// One look at the values of a graph: arguments and exports of custom components are evaluated when
// they are first asked for, and kept. One thread. What the constructor is given outlives it.
class Values {
 public:
  Values(const Graph& graph, const lang::Stdlib& stdlib, const ExportsOf& exports_of)
      : graph_(graph), stdlib_(stdlib), exports_of_(exports_of) {}

  // Reports every expression that cannot be evaluated; the rest is in the body.
  lang::Body body(const Node& node, lang::Diagnostics& diagnostics);
  lang::Body body(const lang::BlockNode& block, const lang::Source& source, std::size_t scope,
                  lang::Diagnostics& diagnostics);
  // nullopt: reported.
  std::optional<lang::Value> value(const lang::Expr& expr, const lang::Source& source,
                                   std::size_t scope, lang::Diagnostics& diagnostics);
  // `problems` of a component, each with a hint to the use of the custom component that it is in.
  static lang::Diagnostics told_of(const Graph& graph, const Node& node,
                                   lang::Diagnostics problems);
  // Reports what is wrong with any argument or export of a custom component.
  void check_members(lang::Diagnostics& diagnostics);

 private:
  friend class ScopeResolver;
  struct Kept {
    std::optional<lang::Value> value;  // none while it is evaluated, and when it cannot be
    lang::Diagnostics problems;
  };
  std::optional<lang::Value> member(const Member& member, lang::Diagnostics& diagnostics);

  const Graph& graph_;
  const lang::Stdlib& stdlib_;
  const ExportsOf& exports_of_;
  std::map<const Member*, Kept> kept_;
  int depth_ = 0;  // of members within members
};

}  // namespace agent::runtime
