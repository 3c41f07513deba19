#include "agent/runtime/graph.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {
namespace {

std::string join(std::span<const std::string_view> path, std::size_t parts) {
  std::string out;
  for (std::size_t i = 0; i < parts; ++i) {
    if (i > 0) out += '.';
    out += path[i];
  }
  return out;
}

// Components of Alloy's that other agents run, so that the message is not "unknown".
std::string unknown_hint(const component::Registry& registry, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& declaration : registry.all()) names.push_back(declaration.name);
  for (const auto& settings : settings_declarations()) names.push_back(settings.name);
  const std::string_view near = nearest(name, names);
  return near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?";
}

class Builder {
 public:
  Builder(const component::Registry& registry, lang::Diagnostics& diagnostics)
      : registry_(registry), diagnostics_(diagnostics) {}

  Graph build(const std::vector<SourceText>& texts) {
    Graph graph;
    for (const SourceText& text : texts)
      graph.files.push_back(lang::parse(text.text, text.name, diagnostics_));
    for (const lang::File& file : graph.files)
      for (const lang::Statement& statement : file.body) add(graph, *file.source, statement);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) graph.index.emplace(graph.nodes[i].id, i);
    for (Node& node : graph.nodes) resolve(graph, node);
    order(graph);
    return graph;
  }

 private:
  void add(Graph& graph, const lang::Source& source, const lang::Statement& statement) {
    if (statement.block == nullptr) {
      diagnostics_.error(source.span(statement.name_range),
                         "attribute \"" + std::string(statement.name) + "\" is not allowed here",
                         "a configuration consists of blocks");
      return;
    }
    const lang::BlockNode& block = *statement.block;
    const lang::Span header = source.span(block.header());
    if (find_settings(block.name) != nullptr) {
      if (!block.label.empty())
        diagnostics_.error(header, "block \"" + block.name + "\" does not take a label");
      const auto [it, first] = settings_.emplace(block.name, header.begin);
      if (!first)
        diagnostics_.error(header, "block \"" + block.name + "\" may only be specified once",
                           "the first one is at " + it->second.text());
      graph.settings.push_back({&block, &source});
      return;
    }
    const component::Declaration* declaration = registry_.find(block.name);
    if (declaration == nullptr) {
      diagnostics_.error(header, "unknown component \"" + block.name + "\"",
                         unknown_hint(registry_, block.name));
      graph.refused.insert(block.name + "." + block.label);
      return;
    }
    if (block.label.empty()) {
      diagnostics_.error(header, "component \"" + block.name + "\" must have a label",
                         "write " + block.name + " \"default\" { ... }");
      return;
    }
    if (!lang::is_identifier(block.label)) {
      diagnostics_.error(header, "label \"" + block.label + "\" is not a valid identifier");
      return;
    }
    Node node;
    node.id = block.name + "." + block.label;
    node.declaration = declaration;
    node.block = &block;
    node.source = &source;
    const auto [it, first] = places_.emplace(node.id, header.begin);
    if (!first) {
      diagnostics_.error(header,
                         "component \"" + node.id + "\" already declared at " + it->second.text());
      return;
    }
    graph.nodes.push_back(std::move(node));
  }

  // Names that are nobody's are for the evaluator to report.
  static void resolve(const Graph& graph, Node& node) {
    std::set<std::size_t> dependencies;
    for (const lang::Reference& reference : lang::references(node.block->body)) {
      std::size_t place = 0;
      std::size_t parts = 0;
      if (graph.find(reference.names, place, parts)) dependencies.insert(place);
    }
    node.dependencies.assign(dependencies.begin(), dependencies.end());
  }

  // Kahn's algorithm, taking the earliest in source order first.
  void order(Graph& graph) {
    const std::size_t n = graph.nodes.size();
    std::vector<std::size_t> missing(n, 0);
    std::vector<std::vector<std::size_t>> dependants(n);
    for (std::size_t i = 0; i < n; ++i) {
      missing[i] = graph.nodes[i].dependencies.size();
      for (std::size_t d : graph.nodes[i].dependencies) dependants[d].push_back(i);
    }
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < n; ++i)
      if (missing[i] == 0) ready.push(i);
    std::vector<std::size_t> sorted;
    while (!ready.empty()) {
      const std::size_t i = ready.top();
      ready.pop();
      sorted.push_back(i);
      for (std::size_t d : dependants[i])
        if (--missing[d] == 0) ready.push(d);
    }
    if (sorted.size() < n) {
      report_cycle(graph, missing);
      return;
    }
    std::vector<std::size_t> place(n);
    for (std::size_t i = 0; i < n; ++i) place[sorted[i]] = i;
    std::vector<Node> nodes;
    nodes.reserve(n);
    for (std::size_t i : sorted) {
      Node node = std::move(graph.nodes[i]);
      for (std::size_t& d : node.dependencies) d = place[d];
      std::sort(node.dependencies.begin(), node.dependencies.end());
      nodes.push_back(std::move(node));
    }
    graph.nodes = std::move(nodes);
    for (std::size_t i = 0; i < n; ++i) graph.index[graph.nodes[i].id] = i;
  }

  void report_cycle(const Graph& graph, const std::vector<std::size_t>& missing) {
    // Every node left over lies on or behind a cycle; walking to what it waits for finds one.
    std::size_t at = 0;
    while (missing[at] == 0) ++at;
    std::vector<std::size_t> walk;
    std::map<std::size_t, std::size_t> seen;
    while (!seen.contains(at)) {
      seen.emplace(at, walk.size());
      walk.push_back(at);
      for (std::size_t d : graph.nodes[at].dependencies) {
        if (missing[d] > 0) {
          at = d;
          break;
        }
      }
    }
    std::string chain;
    for (std::size_t i = seen[at]; i < walk.size(); ++i) chain += graph.nodes[walk[i]].id + " -> ";
    chain += graph.nodes[at].id;
    diagnostics_.error(graph.nodes[at].header(),
                       "components refer to each other in a cycle: " + chain);
  }

  const component::Registry& registry_;
  lang::Diagnostics& diagnostics_;
  std::map<std::string, lang::Position> places_;
  std::map<std::string, lang::Position> settings_;
};

}  // namespace

std::vector<std::shared_ptr<const lang::Source>> Graph::sources() const {
  std::vector<std::shared_ptr<const lang::Source>> out;
  for (const lang::File& file : files) out.push_back(file.source);
  return out;
}

bool Graph::is_refused(std::span<const std::string_view> path) const {
  for (std::size_t n = path.size(); n >= 2 && !refused.empty(); --n)
    if (refused.contains(join(path, n))) return true;
  return false;
}

bool Graph::find(std::span<const std::string_view> path, std::size_t& place,
                 std::size_t& parts) const {
  for (std::size_t n = path.size(); n >= 2; --n) {
    const auto it = index.find(join(path, n));
    if (it == index.end()) continue;
    place = it->second;
    parts = n;
    return true;
  }
  return false;
}

Graph build_graph(const std::vector<SourceText>& texts, const component::Registry& registry,
                  lang::Diagnostics& diagnostics) {
  return Builder(registry, diagnostics).build(texts);
}

}  // namespace agent::runtime
