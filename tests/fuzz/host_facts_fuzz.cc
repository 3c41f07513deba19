// What a host tells, of itself and by the agent on it, and the diff and the masking of whatever
// configuration it shows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/base/strings.h"
#include "fleetctl/plan/container_logs.h"
#include "fleetctl/plan/diff.h"
#include "fleetctl/plan/host_facts.h"
#include "fleetctl/plan/installed.h"
#include "fleetctl/plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl::plan;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Facts facts;
  for (const std::string_view line : agent::split(text, '\n')) (void)read_fact(line, facts);
  Release release;
  release.archive = std::make_shared<const std::string>("x");
  const Wanted wanted{standard_files("a\n", "b\n"), {"adm"}, "0123456789abcdef"};
  (void)summary(make_plan(facts, wanted, release));

  if (const auto installed = read_installed(text); installed && installed->unhealthy.size() > size)
    std::abort();

  (void)read_host_facts(text, "ab");

  if (const auto log = read_container_log(text); log && *log && (*log)->container.size() > 128)
    std::abort();

  const std::string masked = mask_secrets(text, "key");
  const std::string other = mask_secrets(text.substr(size / 2), "key");
  if (unified_diff(masked, masked, "a", "b") != "") std::abort();
  (void)unified_diff(masked, other, "a", "b");
  return 0;
}
