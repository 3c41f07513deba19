// stage.label_keep: removes all labels but those of the given names.
#include <algorithm>

#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct LabelKeepArgs {
  std::vector<std::string> values;
  static component::Schema<LabelKeepArgs> schema() {
    return component::Schema<LabelKeepArgs>().required("values", &LabelKeepArgs::values,
                                                       "Names of the labels to keep.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (values.empty()) diagnostics.error(body.span_of("values"), "stage.label_keep needs a label");
  }
};

class LabelKeep final : public Stage {
 public:
  using Arguments = LabelKeepArgs;
  LabelKeep(const Arguments& args, const StageHost& host)
      : change_(host.labels, [names = args.values](model::LabelBuilder& labels) {
          for (const model::Label& label : model::Labels(labels.labels()))
            if (std::find(names.begin(), names.end(), label.name) == names.end())
              labels.remove(label.name);
        }) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) item.labels = change_.apply(item.labels);
  }

 private:
  LabelChange change_;
};

}  // namespace

StageDeclaration stage_label_keep() {
  return declare_stage<LabelKeep>("label_keep", "Removes all labels but some.");
}

}  // namespace agent::process
