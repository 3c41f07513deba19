#include "agent/runtime/evaluate.h"

#include <filesystem>
#include <utility>

#include "agent/lang/evaluator.h"

namespace agent::runtime {
namespace {

class ExportResolver final : public lang::Resolver {
 public:
  ExportResolver(const Graph& graph, const ExportsOf& exports_of)
      : graph_(graph), exports_of_(exports_of) {}

  std::optional<Found> resolve(std::span<const std::string_view> names) const override {
    std::size_t place = 0;
    std::size_t parts = 0;
    if (!graph_.find(names, place, parts)) {
      if (graph_.is_refused(names)) return Found{lang::Value(lang::Placeholder{}), names.size()};
      return std::nullopt;
    }
    lang::Value::Object members;
    for (auto& [name, value] : exports_of_(graph_.nodes[place]))
      members.emplace_back(name, std::move(value));
    return Found{lang::Value(std::move(members)), parts};
  }

  std::vector<std::string> known() const override {
    std::vector<std::string> out;
    out.reserve(graph_.nodes.size());
    for (const Node& node : graph_.nodes) out.push_back(node.id);
    return out;
  }

 private:
  const Graph& graph_;
  const ExportsOf& exports_of_;
};

}  // namespace

lang::Body evaluate_block(const Graph& graph, const lang::BlockNode& block,
                          const lang::Source& source, const lang::Stdlib& stdlib,
                          const ExportsOf& exports_of, lang::Diagnostics& diagnostics) {
  const ExportResolver resolver(graph, exports_of);
  const lang::Scope scope{stdlib, &resolver,
                          std::filesystem::path(source.name()).parent_path().string()};
  return lang::evaluate(block, source, scope, diagnostics);
}

}  // namespace agent::runtime
