// stage.label_drop: removes labels by their exact names.
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct LabelDropArgs {
  std::vector<std::string> values;
  static component::Schema<LabelDropArgs> schema() {
    return component::Schema<LabelDropArgs>().required("values", &LabelDropArgs::values,
                                                       "Names of the labels to remove.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (values.empty()) diagnostics.error(body.span_of("values"), "stage.label_drop needs a label");
  }
};

class LabelDrop final : public Stage {
 public:
  using Arguments = LabelDropArgs;
  LabelDrop(const Arguments& args, const StageHost& host)
      : change_(host.labels, [names = args.values](model::LabelBuilder& labels) {
          for (const std::string& name : names) labels.remove(name);
        }) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) item.labels = change_.apply(item.labels);
  }

 private:
  LabelChange change_;
};

}  // namespace

StageDeclaration stage_label_drop() {
  return declare_stage<LabelDrop>("label_drop", "Removes labels.");
}

}  // namespace agent::process
