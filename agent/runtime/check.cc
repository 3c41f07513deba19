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

}  // namespace

std::unique_ptr<lang::World> unknown_world() { return std::make_unique<UnknownWorld>(); }

CheckReport check(const std::vector<SourceText>& texts, const component::Registry& registry,
                  const lang::World& world, const Review& review, const Importer& importer) {
  CheckReport report;
  const lang::Stdlib stdlib(world);
  const Importer known = [&](const Import& import, lang::Diagnostics& diagnostics) {
    // What a server would send is its own affair, and nothing here refers to it.
    if (import.kind == kRemotecfg) return Result<std::optional<ImportedModule>>(std::nullopt);
    auto module = importer ? importer(import, diagnostics)
                           : Result<std::optional<ImportedModule>>(std::nullopt);
    if (module && !*module && !diagnostics.has_errors())
      diagnostics.warning(import.arguments.span,
                          import.id + " is not known here: what uses it is not checked");
    return module;
  };
  const ExportsOf exports_of = placeholder_exports;
  const Graph graph =
      build_graph(texts, {registry, stdlib, exports_of, known, true}, report.diagnostics);
  report.sources = graph.sources();
  Values values(graph, stdlib, exports_of);
  std::vector<lang::Body> bodies;
  for (const Node& node : graph.nodes) {
    lang::Diagnostics own;
    bodies.push_back(values.body(node, own));
    node.declaration->check(bodies.back(), own);
    report.diagnostics.add(Values::told_of(graph, node, std::move(own)));
  }
  values.check_members(report.diagnostics);
  for (const SettingsBlock& settings : graph.settings) {
    lang::Diagnostics own;
    const lang::Body body = values.body(*settings.block, *settings.source, 0, own);
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
