#include "agent/runtime/evaluate.h"

#include <utility>

#include "agent/lang/evaluator.h"

namespace agent::runtime {
namespace {

constexpr int kMaxDepth = 200;

}  // namespace

class ScopeResolver final : public lang::Resolver {
 public:
  ScopeResolver(Values& values, std::size_t scope, lang::Diagnostics& diagnostics)
      : values_(values), scope_(scope), diagnostics_(diagnostics) {}

  std::optional<Found> resolve(std::span<const std::string_view> names) const override {
    const auto found = values_.graph_.find(scope_, names);
    if (!found) {
      if (values_.graph_.is_refused(scope_, names))
        return Found{lang::Value(lang::Placeholder{}), names.size()};
      return std::nullopt;
    }
    if (found->variable != nullptr) return Found{*found->variable, 1};
    lang::Value::Object members;
    if (found->named->node) {
      for (auto& [name, value] : values_.exports_of_(values_.graph_.nodes[*found->named->node]))
        members.emplace_back(name, std::move(value));
      return Found{lang::Value(std::move(members)), found->parts};
    }
    // Only the member that is asked for: another may lead back here.
    for (const Member& member : found->named->members) {
      if (found->parts < names.size() && member.name != names[found->parts]) continue;
      members.emplace_back(
          member.name,
          values_.member(member, diagnostics_).value_or(lang::Value(lang::Placeholder{})));
    }
    return Found{lang::Value(std::move(members)), found->parts};
  }

  std::vector<std::string> known() const override {
    std::vector<std::string> out;
    for (std::optional<std::size_t> at = scope_; at; at = values_.graph_.scopes[*at].outer) {
      for (const auto& [name, unused] : values_.graph_.scopes[*at].names) out.push_back(name);
      for (const auto& [name, unused] : values_.graph_.scopes[*at].variables) out.push_back(name);
    }
    return out;
  }

 private:
  Values& values_;
  const std::size_t scope_;
  lang::Diagnostics& diagnostics_;
};

lang::Body Values::body(const lang::BlockNode& block, const lang::Source& source, std::size_t scope,
                        lang::Diagnostics& diagnostics) {
  const ScopeResolver resolver(*this, scope, diagnostics);
  return lang::evaluate(block, source,
                        lang::Scope{stdlib_, &resolver, graph_.scopes[scope].module_path},
                        diagnostics);
}

lang::Body Values::body(const Node& node, lang::Diagnostics& diagnostics) {
  return body(*node.block, *node.source, node.scope, diagnostics);
}

std::optional<lang::Value> Values::value(const lang::Expr& expr, const lang::Source& source,
                                         std::size_t scope, lang::Diagnostics& diagnostics) {
  const ScopeResolver resolver(*this, scope, diagnostics);
  return lang::evaluate(
      expr, source, lang::Scope{stdlib_, &resolver, graph_.scopes[scope].module_path}, diagnostics);
}

std::optional<lang::Value> Values::member(const Member& member, lang::Diagnostics& diagnostics) {
  if (member.value == nullptr) return lang::Value();
  const auto [it, first] = kept_.try_emplace(&member);
  Kept& kept = it->second;  // stays where it is
  if (first && depth_ >= kMaxDepth) {
    kept.problems.error(member.source->span(member.value->range),
                        "custom components refer to each other through too many others");
  } else if (first) {
    ++depth_;
    kept.value = value(*member.value, *member.source, member.scope, kept.problems);
    --depth_;
  }
  diagnostics.add(kept.problems);
  return kept.value;
}

lang::Diagnostics Values::told_of(const Graph& graph, const Node& node,
                                  lang::Diagnostics problems) {
  const std::string module = graph.module_of(node).substr(1);
  if (module.empty()) return problems;
  lang::Diagnostics out;
  for (const lang::Diagnostic& d : problems.all()) {
    const std::string hint = d.hint.empty() ? "in " + module : d.hint + " (in " + module + ")";
    if (d.severity == lang::Severity::kError) {
      out.error(d.span, d.message, hint);
    } else {
      out.warning(d.span, d.message, hint);
    }
  }
  return out;
}

void Values::check_members(lang::Diagnostics& diagnostics) {
  for (const Scope& scope : graph_.scopes)
    for (const auto& [name, named] : scope.names)
      for (const Member& one : named.members) member(one, diagnostics);
}

}  // namespace agent::runtime
