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
                  const lang::World& world) {
  CheckReport report;
  const lang::Stdlib stdlib(world);
  const Graph graph = build_graph(texts, registry, report.diagnostics);
  report.sources = graph.sources();
  for (const Node& node : graph.nodes) {
    lang::Diagnostics own;
    const lang::Body body =
        evaluate_block(graph, *node.block, *node.source, stdlib, placeholders, own);
    node.declaration->check(body, own);
    report.diagnostics.add(std::move(own));
  }
  for (const SettingsBlock& settings : graph.settings) {
    lang::Diagnostics own;
    const lang::Body body =
        evaluate_block(graph, *settings.block, *settings.source, stdlib, placeholders, own);
    find_settings(settings.block->name)->decode(body, report.settings, own);
    report.diagnostics.add(std::move(own));
  }
  report.diagnostics.sort();
  return report;
}

}  // namespace agent::runtime
