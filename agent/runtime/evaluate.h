// A block's expressions with what the graph's components export.
#pragma once

#include <functional>

#include "agent/component/component.h"
#include "agent/lang/body.h"
#include "agent/lang/stdlib.h"
#include "agent/runtime/graph.h"

namespace agent::runtime {

// The exports of a node: its real ones, or placeholders of their types.
using ExportsOf = std::function<component::Exports(const Node& node)>;

// Reports every expression that cannot be evaluated; the rest is in the body.
lang::Body evaluate_block(const Graph& graph, const lang::BlockNode& block,
                          const lang::Source& source, const lang::Stdlib& stdlib,
                          const ExportsOf& exports_of, lang::Diagnostics& diagnostics);

}  // namespace agent::runtime
