// stage.structured_metadata_drop: removes structured metadata by its exact names.
#include <algorithm>

#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct StructuredMetadataDropArgs {
  std::vector<std::string> values;
  static component::Schema<StructuredMetadataDropArgs> schema() {
    return component::Schema<StructuredMetadataDropArgs>().required(
        "values", &StructuredMetadataDropArgs::values,
        "Names of the structured metadata to remove.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (values.empty())
      diagnostics.error(body.span_of("values"), "stage.structured_metadata_drop needs a name");
  }
};

class StructuredMetadataDrop final : public Stage {
 public:
  using Arguments = StructuredMetadataDropArgs;
  StructuredMetadataDrop(Arguments args, const StageHost&) : args_(std::move(args)) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      std::erase_if(item.metadata, [&](const model::MetadataPair& pair) {
        return std::find(args_.values.begin(), args_.values.end(), pair.name) != args_.values.end();
      });
    }
  }

 private:
  const Arguments args_;
};

}  // namespace

StageDeclaration stage_structured_metadata_drop() {
  return declare_stage<StructuredMetadataDrop>("structured_metadata_drop",
                                               "Removes structured metadata.");
}

}  // namespace agent::process
