// stage.template: an extracted value becomes what a template makes of all of them. An empty result
// removes the value; an error leaves it as it is.
#include "agent/process/stage.h"
#include "agent/process/template_data.h"
#include "agent/wire/go_template.h"

namespace agent::process {
namespace {

struct TemplateArgs {
  std::string source;
  std::string text;
  static component::Schema<TemplateArgs> schema() {
    return component::Schema<TemplateArgs>()
        .required("source", &TemplateArgs::source,
                  "Extracted value to set, made if it does not exist; .Value in the template.")
        .required("template", &TemplateArgs::text, "Template of Go's that writes the new value.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (source.empty()) diagnostics.error(body.span_of("source"), "source must not be empty");
    if (const auto program = wire::GoTemplate::parse(text); !program)
      diagnostics.error(body.span_of("template"), "template: " + program.error().message);
  }
};

class Template final : public Stage {
 public:
  using Arguments = TemplateArgs;
  Template(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        program_(wire::GoTemplate::parse(args_.text).value()),
        executor_(host.clock),
        log_(host.log) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      TemplateData data(item, batch.arena);
      data.entry = item.line;
      if (const auto value = item.find(args_.source)) data.value = to_text(*value, batch.arena);
      const auto text = executor_.execute(program_, data);
      if (!text) {
        log_.limited(Level::kDebug, "stage.template: a template cannot be executed",
                     {{"err", text.error().message}});
      } else if (text->empty()) {
        item.remove(args_.source);
      } else {
        item.set(args_.source, batch.arena.store(*text));
      }
    }
  }

 private:
  const Arguments args_;
  const wire::GoTemplate program_;
  wire::GoExecutor executor_;
  Log log_;
};

}  // namespace

StageDeclaration stage_template() {
  return declare_stage<Template>("template", "Sets an extracted value from a template.");
}

}  // namespace agent::process
