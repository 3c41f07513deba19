// stage.static_labels: sets labels to fixed values; null and empty values are left out.
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct StaticLabelsArgs {
  component::StringMap values;
  static component::Schema<StaticLabelsArgs> schema() {
    return component::Schema<StaticLabelsArgs>().required("values", &StaticLabelsArgs::values,
                                                          "Labels to set, with their values.");
  }
};

class StaticLabels final : public Stage {
 public:
  using Arguments = StaticLabelsArgs;
  StaticLabels(Arguments args, const StageHost& host)
      : args_(std::move(args)), interner_(host.labels) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      // Neighbours nearly always share their labels.
      if (!known_ || !(item.labels == before_)) {
        model::LabelBuilder builder(item.labels);
        for (const auto& [name, value] : args_.values)
          if (!value.empty()) builder.set(name, value);
        before_ = item.labels;
        after_ = interner_.intern(std::move(builder).take());
        known_ = true;
      }
      item.labels = after_;
    }
  }

 private:
  Arguments args_;
  model::Interner& interner_;
  bool known_ = false;
  model::LabelSet before_;
  model::LabelSet after_;
};

}  // namespace

StageDeclaration stage_static_labels() {
  return declare_stage<StaticLabels>("static_labels", "Sets labels to fixed values.");
}

}  // namespace agent::process
