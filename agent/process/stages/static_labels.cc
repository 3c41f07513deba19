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
  StaticLabels(Arguments args, const StageHost& host) : args_(std::move(args)), memo_(host.labels) {
    for (const auto& [name, value] : args_.values)
      if (!value.empty()) changes_.emplace_back(name, value);
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      // Neighbours nearly always share their labels.
      if (!known_ || !(item.labels == before_)) {
        before_ = item.labels;
        after_ = memo_.apply(item.labels, changes_);
        known_ = true;
      }
      item.labels = after_;
    }
  }

 private:
  const Arguments args_;
  LabelMemo::Changes changes_;  // views of args_
  LabelMemo memo_;
  bool known_ = false;
  model::LabelSet before_;
  model::LabelSet after_;
};

}  // namespace

StageDeclaration stage_static_labels() {
  return declare_stage<StaticLabels>("static_labels", "Sets labels to fixed values.");
}

}  // namespace agent::process
