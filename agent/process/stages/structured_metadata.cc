// stage.structured_metadata: structured metadata from extracted values and from labels. A label
// that is used goes from the labels.
//
// A name is set once: where the extracted value and the label of a name differ, the extracted one
// counts.
#include <algorithm>

#include "agent/model/expression.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct StructuredMetadataArgs {
  component::StringMap values;
  std::string regex;
  static component::Schema<StructuredMetadataArgs> schema() {
    return component::Schema<StructuredMetadataArgs>()
        .optional("values", &StructuredMetadataArgs::values,
                  "Names to set, each with the name of its extracted value or label; null or empty "
                  "is the same name.")
        .optional("regex", &StructuredMetadataArgs::regex,
                  "Extracted values and labels whose names this RE2 expression is found in are "
                  "used too.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    check_label_names(values, body, diagnostics);
    if (!regex.empty()) check_expression(regex, body, "regex", diagnostics);
  }
};

class StructuredMetadata final : public Stage {
 public:
  using Arguments = StructuredMetadataArgs;
  StructuredMetadata(Arguments args, const StageHost& host)
      : args_(std::move(args)), used_labels_(host.labels, [this](model::LabelBuilder& labels) {
          for (const model::Label& label : model::Labels(labels.labels()))
            if (is_used(label.name)) labels.remove(label.name);
        }) {
    for (auto& [name, source] : args_.values)
      if (source.empty()) source = name;
    if (!args_.regex.empty()) regex_ = model::Expression::compile(args_.regex).value();
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      for (const auto& [name, source] : args_.values) {
        if (const auto value = value_of(item, source, batch.arena))
          item.set_metadata(batch.arena.store(name), *value);
      }
      if (regex_) {
        // Labels that came after the initial ones first: what is extracted counts more.
        for (const model::Label& label : item.labels.labels())
          if (regex_->found_in(label.name))
            item.set_metadata(batch.arena.store(label.name), batch.arena.store(label.value));
        for (const auto& [name, value] : item.all_extracted()) {
          if (!regex_->found_in(name)) continue;
          if (const auto text = to_label_value(value, batch.arena))
            item.set_metadata(batch.arena.store(name), batch.arena.store(*text));
        }
      }
      item.labels = used_labels_.apply(item.labels);
    }
  }

 private:
  std::optional<std::string_view> value_of(const Item& item, const std::string& source,
                                           model::Arena& arena) const {
    if (const auto value = item.find(source)) {
      if (const auto text = to_label_value(*value, arena)) return text;
    }
    const std::string_view label = item.labels.get(source);
    if (label.empty()) return std::nullopt;
    return arena.store(label);
  }
  bool is_used(std::string_view label) const {
    return std::any_of(args_.values.begin(), args_.values.end(),
                       [&](const auto& pair) { return pair.second == label; }) ||
           (regex_ && regex_->found_in(label));
  }

  Arguments args_;
  std::optional<model::Expression> regex_;
  LabelChange used_labels_;
};

}  // namespace

StageDeclaration stage_structured_metadata() {
  return declare_stage<StructuredMetadata>(
      "structured_metadata", "Sets structured metadata from extracted values and labels.");
}

}  // namespace agent::process
