// stage.tenant: the entry's tenant, as the label __tenant_id__ that loki.write reads and removes.
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

constexpr std::string_view kTenantLabel = "__tenant_id__";

struct TenantArgs {
  std::string label;
  std::string source;
  std::string value;
  static component::Schema<TenantArgs> schema() {
    return component::Schema<TenantArgs>()
        .optional("label", &TenantArgs::label, "Label whose value is the tenant.")
        .optional("source", &TenantArgs::source, "Extracted value that is the tenant.")
        .optional("value", &TenantArgs::value, "The tenant itself.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const int given = static_cast<int>(!label.empty()) + static_cast<int>(!source.empty()) +
                      static_cast<int>(!value.empty());
    if (given != 1)
      diagnostics.error(body.span, "stage.tenant needs exactly one of label, source and value");
  }
};

class Tenant final : public Stage {
 public:
  using Arguments = TenantArgs;
  Tenant(Arguments args, const StageHost& host) : args_(std::move(args)), memo_(host.labels) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const std::string_view tenant = tenant_of(item, batch.arena);
      if (!tenant.empty()) item.labels = memo_.apply(item.labels, {{kTenantLabel, tenant}});
    }
  }

 private:
  std::string_view tenant_of(const Item& item, model::Arena& arena) const {
    if (!args_.value.empty()) return args_.value;
    if (!args_.label.empty()) return item.labels.get(args_.label);
    const auto value = item.find(args_.source);
    return value ? to_label_value(*value, arena).value_or("") : "";
  }

  const Arguments args_;
  LabelMemo memo_;
};

}  // namespace

StageDeclaration stage_tenant() {
  return declare_stage<Tenant>("tenant", "Says which tenant of Loki gets the entry.");
}

}  // namespace agent::process
