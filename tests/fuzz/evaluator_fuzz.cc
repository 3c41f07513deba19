// Any configuration that parses: evaluating it neither crashes nor hangs, says the same twice, and
// every attribute has a value or the diagnostics have an error. Exports are of every kind, so that
// functions and operators meet them all.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "agent/lang/rendering.h"
#include "tests/support/fake_world.h"

namespace {

using agent::lang::Value;

struct Exports final : agent::lang::Resolver {
  Value object{Value::Object{
      {"receiver", Value(agent::lang::Capsule{"LogsReceiver", std::make_shared<int>(0)})},
      {"secret", Value(agent::Secret("s"))},
      {"unknown", Value(agent::lang::Placeholder{})},
      {"targets", Value(Value::List{Value(Value::Object{{"a", Value("b")}})})},
      {"number", Value(std::uint64_t{1} << 63)}}};

  std::optional<Found> resolve(std::span<const std::string_view> names) const override {
    if (names[0] != "x") return std::nullopt;
    return Found{object, 1};
  }
  std::vector<std::string> known() const override { return {"x"}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::lang;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const File file = parse(text, "x.alloy", diagnostics);
  if (diagnostics.has_errors()) return 0;
  agent::FakeWorld world;
  const Stdlib stdlib(world, {"v1.0.0", true});
  const Exports exports;
  const Scope scope{stdlib, &exports, "/etc"};
  const Body once = evaluate(file.body, *file.source, scope, diagnostics);
  Diagnostics again;
  const Body twice = evaluate(file.body, *file.source, scope, again);
  if (again.all().size() > diagnostics.all().size()) std::abort();
  if (once.attributes.size() != twice.attributes.size()) std::abort();
  for (std::size_t i = 0; i < once.attributes.size(); ++i)
    if (once.attributes[i].value.text() != twice.attributes[i].value.text()) std::abort();
  for (const Reference& reference : references(file.body))
    if (reference.names.empty()) std::abort();
  diagnostics.sort();
  if (render(diagnostics, file.source).empty() != diagnostics.empty()) std::abort();
  if (render_json(diagnostics).empty()) std::abort();
  return 0;
}
