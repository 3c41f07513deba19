// discovery.relabel: rewrites or drops targets by rules. Works when its arguments change, has no
// thread.
#include <memory>
#include <utility>
#include <vector>

#include "agent/component/component.h"
#include "agent/component/relabel_args.h"
#include "agent/model/relabel.h"

namespace agent::discovery {
namespace {

struct DiscoveryRelabelArgs {
  std::vector<model::Target> targets;
  component::RelabelArgs relabel;

  static component::Schema<DiscoveryRelabelArgs> schema() {
    return component::Schema<DiscoveryRelabelArgs>()
        .required("targets", &DiscoveryRelabelArgs::targets, "Targets to relabel.")
        .include(&DiscoveryRelabelArgs::relabel);
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    relabel.validate(body, diagnostics);
  }
};

class DiscoveryRelabel final : public component::Configured<DiscoveryRelabelArgs> {
 public:
  explicit DiscoveryRelabel(component::Host host) : host_(std::move(host)) {
    host_.exports({{"output", component::targets_value({})},
                   {"rules", component::capsule(std::make_shared<model::RelabelRules>())}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(DiscoveryRelabelArgs args) override {
    auto rules = component::share_rules(args.relabel, rules_);
    if (!rules) return fail(std::move(rules.error()));
    std::vector<model::Target> output;
    output.reserve(args.targets.size());
    for (model::Target& target : args.targets) {
      model::LabelBuilder labels(std::move(target));
      if ((*rules)->apply(labels) && !labels.labels().empty())
        output.push_back(std::move(labels).take());
    }
    // Published here, so that whatever refers to them is evaluated with the new ones.
    host_.exports(
        {{"output", component::targets_value(output)}, {"rules", component::capsule(*rules)}});
    return component::Commit([this, rules = std::move(*rules)] { rules_ = rules; });
  }

 private:
  component::Host host_;
  std::shared_ptr<model::RelabelRules> rules_;  // written by commit
};

}  // namespace

component::Declaration discovery_relabel() {
  return component::declare<DiscoveryRelabel>(
      "discovery.relabel", "Rewrites the labels of targets by rules, or drops targets by them.",
      {{"output", "list(map(string))", "The targets that are left, in the order of the input."},
       {"rules", "RelabelRules", "The rules, for components that apply them themselves."}});
}

}  // namespace agent::discovery
