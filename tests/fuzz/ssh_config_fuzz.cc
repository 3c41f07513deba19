// ssh_config(5) and known_hosts files, and ssh's own arguments, as inventories hold them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/strings.h"
#include "fleetctl/remote/known_hosts.h"
#include "fleetctl/remote/ssh.h"
#include "fleetctl/remote/ssh_options.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* key : {"HostKeyAlias", "IdentitiesOnly", "Port"})
    for (const char* host : {"puck.incus", "10.0.0.1"})
      (void)remote::ssh_config_value(text, host, key);
  std::vector<std::string> words;
  for (const std::string_view word : agent::split(text, '\n')) words.emplace_back(word);
  (void)remote::parse_ssh_arguments(words);
  (void)remote::parse_jump(text);
  (void)remote::marked_in(text, "puck.incus", "AAAA");
  return 0;
}
