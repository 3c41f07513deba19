// A configuration against every component's schema and rules: check() and the lints neither crash
// nor hang, say the same twice, and what is said can be shown. Input: a text; or, when it begins
// with NUL, choices with which a configuration is made from the registry's own names, so that the
// search gets past the parser: components, their attributes and blocks, and values that are right,
// wrong, or strange.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/printer.h"
#include "agent/lang/rendering.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"

namespace {

using agent::component::FieldInfo;

constexpr std::size_t kMaxText = std::size_t{64} << 10U;
constexpr std::size_t kMaxDepth = 6;

class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  bool left() const { return at_ < bytes_.size(); }
  std::size_t below(std::size_t limit) {
    if (!left() || limit == 0) return 0;
    return static_cast<unsigned char>(bytes_[at_++]) % limit;
  }
  // Some of the bytes as they are.
  std::string_view raw() {
    const std::size_t length = below(24);
    const std::string_view out = bytes_.substr(std::min(at_, bytes_.size()), length);
    at_ += out.size();
    return out;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

std::string quoted(std::string_view raw) {
  std::string out = "\"";
  for (const char c : raw) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? '.' : c;
  }
  return out + "\"";
}

std::string value(Choices& choices) {
  constexpr std::string_view kValues[] = {"[]",
                                          "{}",
                                          "true",
                                          "0",
                                          "-1",
                                          "9223372036854775807",
                                          "1e308",
                                          "null",
                                          "\"\"",
                                          "\"5s\"",
                                          "\"1MiB\"",
                                          "\".*\"",
                                          "\"(?P<a>x)\"",
                                          "\"http://localhost:1/x?y\"",
                                          "\"127.0.0.1:99999\"",
                                          "[\"a\", \"b\"]",
                                          "[{__address__ = \"a:1\", b = \"$1\"}]",
                                          "{\"a b\" = \"c\"}",
                                          "sys.env(\"HOME\")",
                                          "constants.hostname",
                                          "loki.write.c0.receiver",
                                          "loki.process.c1.receiver",
                                          "discovery.docker.c2.targets",
                                          "prometheus.remote_write.c3.receiver",
                                          "loki.relabel.c4.rules",
                                          "prometheus.exporter.unix.c5.targets",
                                          "nonsensitive(\"x\")",
                                          "encoding.from_json(\"[1\")",
                                          "\"{{ .Value | Replace }}\"",
                                          "\"{a=~\\\"b\\\"} |= \\\"c\\\"\"",
                                          "\"2006-01-02T15:04:05Z07:00\"",
                                          "concat([], [{}])"};
  const std::size_t kind = choices.below(std::size(kValues) + 4);
  return kind < std::size(kValues) ? std::string(kValues[kind]) : quoted(choices.raw());
}

void write_body(Choices& choices, const std::vector<FieldInfo>& fields, std::size_t depth,
                std::string& out) {
  for (const FieldInfo& field : fields) {
    if (out.size() > kMaxText) return;
    // What is required is mostly there, so that what comes behind it is reached.
    std::size_t times = choices.below(field.required ? 8 : 3);
    if (field.required) times = times == 0 ? 0 : 1;
    for (; times > 0 && choices.left(); --times) {
      if (field.kind == FieldInfo::Kind::kAttribute) {
        out += field.name + " = " + value(choices) + "\n";
        break;
      }
      if (depth >= kMaxDepth) break;
      out += field.name + " {\n";
      write_body(choices, field.fields, depth + 1, out);
      out += "}\n";
      if (!field.repeated && times < 3) break;
    }
  }
}

std::string made(Choices choices, const agent::component::Registry& registry) {
  std::string out;
  for (std::size_t n = 0; choices.left() && n < 12 && out.size() < kMaxText; ++n) {
    const auto& declaration = registry.all()[choices.below(registry.all().size())];
    out += declaration.name + " \"c" + std::to_string(n % 8) + "\" {\n";
    write_body(choices, declaration.fields(), 0, out);
    out += "}\n";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const agent::component::Registry* const registry = [] {
    auto* all = new agent::component::Registry;
    agent::register_components(*all);
    return all;
  }();
  std::string text(reinterpret_cast<const char*>(data), size);
  if (text.size() > kMaxText) return 0;
  if (!text.empty() && text[0] == '\0')
    text = made(Choices(std::string_view(text).substr(1)), *registry);

  const auto world = agent::runtime::unknown_world();
  const auto check = [&] {
    return agent::runtime::check({{"x.alloy", text}}, *registry, *world, agent::lint::review);
  };
  const agent::runtime::CheckReport once = check();
  const std::string said = agent::lang::render_json(once.diagnostics);
  if (said != agent::lang::render_json(check().diagnostics)) std::abort();
  if (agent::lang::render(once.diagnostics, once.sources).empty() != once.diagnostics.empty())
    std::abort();

  // What parses has one form, and the form means the same.
  agent::lang::Diagnostics diagnostics;
  const auto formatted = agent::lang::format(text, "x.alloy", diagnostics);
  if (!formatted) return 0;
  agent::lang::Diagnostics again;
  const auto twice = agent::lang::format(*formatted, "x.alloy", again);
  if (!twice || *twice != *formatted) std::abort();
  return 0;
}
