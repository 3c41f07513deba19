// stage.labels: labels from extracted values, or from structured metadata. A missing value leaves
// its label as it is, an empty one removes it.
#include "agent/base/strings.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct LabelsArgs {
  component::StringMap values;
  std::string source_type = "extracted";
  static component::Schema<LabelsArgs> schema() {
    return component::Schema<LabelsArgs>()
        .required("values", &LabelsArgs::values,
                  "Labels to set, each with the name of its value; null or empty is the label's "
                  "own name.")
        .optional("source_type", &LabelsArgs::source_type,
                  "Where the values come from: extracted or structured_metadata.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    check_label_names(values, body, diagnostics);
    if (source_type != "extracted" && source_type != "structured_metadata")
      diagnostics.error(body.span_of("source_type"),
                        "source_type must be \"extracted\" or \"structured_metadata\", got " +
                            json_string(source_type));
  }
};

class Labels final : public Stage {
 public:
  using Arguments = LabelsArgs;
  Labels(Arguments args, const StageHost& host) : args_(std::move(args)), memo_(host.labels) {
    for (auto& [label, source] : args_.values)
      if (source.empty()) source = label;
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      changes_.clear();
      for (const auto& [label, source] : args_.values)
        if (const auto value = value_of(item, source, batch.arena))
          changes_.emplace_back(label, *value);
      if (!changes_.empty()) item.labels = memo_.apply(item.labels, changes_);
    }
  }

 private:
  std::optional<std::string_view> value_of(const Item& item, const std::string& source,
                                           model::Arena& arena) const {
    if (args_.source_type == "structured_metadata") {
      for (const model::MetadataPair& pair : item.metadata)
        if (pair.name == source) return to_label_value(pair.value, arena);
      return std::nullopt;
    }
    const auto value = item.find(source);
    return value ? to_label_value(*value, arena) : std::nullopt;
  }

  Arguments args_;
  LabelMemo memo_;
  LabelMemo::Changes changes_;
};

}  // namespace

StageDeclaration stage_labels() {
  return declare_stage<Labels>("labels", "Sets labels from extracted values.");
}

}  // namespace agent::process
