// Rules for secrets made of arbitrary TOML, looked for in a line made of arbitrary text, and what
// was found replaced. Input: the configuration, NUL, the line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/process/secret_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::process;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = text.find('\0');
  const auto load = [](const std::string&) -> agent::Result<std::string> {
    return std::string("[[rules]]\nid = 'a'\nregex = 'a+'\n");
  };
  const auto rules = parse_gitleaks_config(text.substr(0, middle), load);
  if (!rules) return 0;
  const auto finder = SecretFinder::compile(*rules);
  if (!finder) return 0;
  const std::string_view line =
      middle == std::string_view::npos ? std::string_view() : text.substr(middle + 1);
  bool stopped = false;
  const auto findings = finder->find(line, {}, stopped);
  for (const auto& one : findings)
    if (one.secret.data() < line.data() ||
        one.secret.data() + one.secret.size() > line.data() + line.size())
      std::abort();
  const std::string clean = redact(line, findings, [](const auto&) { return std::string(); });
  if (clean.size() > line.size()) std::abort();
  return 0;
}
