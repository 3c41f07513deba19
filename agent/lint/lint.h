// Warnings about a configuration that is right and will hardly do what its author means.
#pragma once

#include <vector>

#include "agent/lang/body.h"
#include "agent/lang/diagnostic.h"
#include "agent/runtime/graph.h"

namespace agent::lint {

// A runtime::Review: `bodies` are those of graph.nodes, one by one, without errors.
void review(const runtime::Graph& graph, const std::vector<const lang::Body*>& bodies,
            lang::Diagnostics& diagnostics);

}  // namespace agent::lint
