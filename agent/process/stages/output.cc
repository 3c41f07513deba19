// stage.output: the line becomes an extracted value, when there is one that has a text form.
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct OutputArgs {
  std::string source;
  static component::Schema<OutputArgs> schema() {
    return component::Schema<OutputArgs>().required("source", &OutputArgs::source,
                                                    "Extracted value that becomes the line.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (source.empty()) diagnostics.error(body.span_of("source"), "source must not be empty");
  }
};

class Output final : public Stage {
 public:
  using Arguments = OutputArgs;
  Output(Arguments args, const StageHost&) : args_(std::move(args)) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto value = item.find(args_.source);
      if (!value) continue;
      if (const auto text = to_text(*value, batch.arena)) item.line = *text;
    }
  }

 private:
  Arguments args_;
};

}  // namespace

StageDeclaration stage_output() {
  return declare_stage<Output>("output", "Replaces the line by an extracted value.");
}

}  // namespace agent::process
