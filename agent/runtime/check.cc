#include "agent/runtime/check.h"

#include <utility>

#include "agent/runtime/evaluate.h"

namespace agent::runtime {
namespace {

class UnknownWorld final : public lang::World {
 public:
  std::string environment(const std::string&) const override { return {}; }
  std::string hostname() const override { return {}; }
  bool known() const override { return false; }
};

component::Exports placeholders(const Node& node) {
  component::Exports out;
  for (const component::ExportInfo& info : node.declaration->exports)
    out.emplace_back(info.name, lang::Value(lang::Placeholder{info.type}));
  return out;
}

}  // namespace

std::unique_ptr<lang::World> unknown_world() { return std::make_unique<UnknownWorld>(); }

CheckReport check(const std::vector<SourceText>& texts, const component::Registry& registry,
                  const lang::World& world, const Review& review) {
  CheckReport report;
  const lang::Stdlib stdlib(world);
  const Graph graph = build_graph(texts, registry, report.diagnostics);
  report.sources = graph.sources();
  std::vector<lang::Body> bodies;
  for (const Node& node : graph.nodes) {
    lang::Diagnostics own;
    bodies.push_back(evaluate_block(graph, *node.block, *node.source, stdlib, placeholders, own));
    node.declaration->check(bodies.back(), own);
    report.diagnostics.add(std::move(own));
  }
  for (const SettingsBlock& settings : graph.settings) {
    lang::Diagnostics own;
    const lang::Body body =
        evaluate_block(graph, *settings.block, *settings.source, stdlib, placeholders, own);
    find_settings(settings.block->name)->decode(body, report.settings, own);
    report.diagnostics.add(std::move(own));
  }
  if (review && report.ok()) {
    std::vector<const lang::Body*> all;
    for (const lang::Body& body : bodies) all.push_back(&body);
    review(graph, all, report.diagnostics);
  }
  report.diagnostics.sort();
  return report;
}

}  // namespace agent::runtime
