// Configuration text -> the components it names and what each depends on. Knows kinds of components
// only through the Registry; starts nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/component/component.h"
#include "agent/lang/ast.h"
#include "agent/lang/body.h"
#include "agent/lang/diagnostic.h"

namespace agent::runtime {

// A configuration file as it was read.
struct SourceText {
  std::string name;  // for messages
  std::string text;
};

struct Node {
  std::string id;  // "loki.write.default"
  const component::Declaration* declaration = nullptr;
  const lang::BlockNode* block = nullptr;
  const lang::Source* source = nullptr;
  std::vector<std::size_t>
      dependencies;  // indices of nodes that it refers to, ascending, each once

  lang::Span header() const { return source->span(block->header()); }
};

// Blocks that configure the agent itself: logging, server, livedebugging ...
struct SettingsBlock {
  const lang::BlockNode* block = nullptr;
  const lang::Source* source = nullptr;
};

struct Graph {
  std::vector<lang::File> files;  // own what nodes point to
  std::vector<Node> nodes;        // dependencies before dependants, otherwise in source order
  std::vector<SettingsBlock> settings;
  std::map<std::string, std::size_t, std::less<>> index;  // id -> place in nodes

  // Ids of blocks that are no nodes because of an error: what refers to them is not wrong in
  // itself.
  std::set<std::string, std::less<>> refused;
  bool is_refused(std::span<const std::string_view> path) const;

  // The longest prefix of `path` that is a node's id: its place and the number of parts, or false.
  bool find(std::span<const std::string_view> path, std::size_t& place, std::size_t& parts) const;
  // The files' text, in the order given, for rendering diagnostics.
  std::vector<std::shared_ptr<const lang::Source>> sources() const;
};

// Looks a configuration without errors over and warns. `bodies`: of each node, in their order.
using Review = std::function<void(const Graph& graph, const std::vector<const lang::Body*>& bodies,
                                  lang::Diagnostics& diagnostics)>;

// Reports what is wrong with the structure: syntax, unknown components, missing labels, duplicates,
// cycles. With errors the graph is for looking at, not for
// running.
Graph build_graph(const std::vector<SourceText>& texts, const component::Registry& registry,
                  lang::Diagnostics& diagnostics);

}  // namespace agent::runtime
