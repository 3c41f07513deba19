// stage.static_labels: sets labels to fixed values; null and empty values are left out.
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct StaticLabelsArgs {
  component::StringMap values;
  static component::Schema<StaticLabelsArgs> schema() {
    return component::Schema<StaticLabelsArgs>().required("values", &StaticLabelsArgs::values,
                                                          "Labels to set, with their values.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    check_label_names(values, body, diagnostics);
  }
};

class StaticLabels final : public Stage {
 public:
  using Arguments = StaticLabelsArgs;
  StaticLabels(const Arguments& args, const StageHost& host)
      : change_(host.labels, [values = args.values](model::LabelBuilder& labels) {
          for (const auto& [name, value] : values)
            if (!value.empty()) labels.set(name, value);
        }) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) item.labels = change_.apply(item.labels);
  }

 private:
  LabelChange change_;
};

}  // namespace

StageDeclaration stage_static_labels() {
  return declare_stage<StaticLabels>("static_labels", "Sets labels to fixed values.");
}

}  // namespace agent::process
