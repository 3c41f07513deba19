// Renders the input as a template file and as a variable, with small limits and a few variables.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fleetctl/template/engine.h"
#include "fleetctl/value/text.h"

namespace {

using namespace fleetctl;

class OneTemplate final : public template_::TemplateLoader {
 public:
  explicit OneTemplate(std::string_view text) : text_(text) {}
  agent::Result<std::optional<std::string>> load(std::string_view name) const override {
    if (name != "t") return std::optional<std::string>();
    return std::optional<std::string>(text_);
  }

 private:
  std::string text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto context = value::parse_json(
      R"({"a": "text", "n": 3, "l": [1, "b", null], "d": {"k": [2.5], "items": 1}, "u": "{{ a }}", "e": ""})");
  const template_::DictVariables variables(context->as_dict());
  const OneTemplate loader(text);
  template_::World world;
  world.loader = &loader;
  world.limits.steps = 3000;
  world.limits.output_bytes = 1U << 16;
  world.limits.work_bytes = 1U << 20;
  world.limits.depth = 20;
  const template_::Engine engine(world);
  if (const auto made = engine.render(text, "t", variables)) {
    const auto lines = made->text.empty() ? 0 : made->lines.size();
    if (!made->text.empty() && lines == 0) __builtin_trap();
    for (const auto& [from, to] : made->tainted) {
      if (from > to || to > made->text.size()) __builtin_trap();
    }
  }
  (void)engine.undefined_names(text, "t", variables);
  (void)engine.resolve(value::Value::string(std::string(text)), variables);
  (void)engine.evaluate(text, variables);
  return 0;
}
