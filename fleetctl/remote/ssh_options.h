// What OpenSSH's command line and configuration say about a connection, as far as libssh does not
// read it itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::remote {

enum class HostKeys {
  kStrict,     // an unknown key is an error
  kAcceptNew,  // an unknown key is written down, a changed one is an error
  kIgnore,     // any key will do
};

// From ansible_ssh_*_args: `-o Key=Value`, -i, -l, -p, -J, -F and what can be ignored.
struct SshOptions {
  std::vector<std::string> identity_files;
  std::string user;
  std::uint16_t port = 0;
  std::string config_file;  // -F; "none" reads no configuration
  std::string known_hosts;  // UserKnownHostsFile
  std::string proxy_jump;
  std::string proxy_command;
  std::optional<bool> identities_only;
  std::optional<HostKeys> host_keys;
  std::uint16_t connect_timeout = 0;  // seconds
  std::string kex, ciphers, host_key_algorithms;
  std::vector<std::string> unknown;  // not understood; for a warning
  // The options as ssh itself takes them, with those of `-o` that are not understood here.
  std::vector<std::string> words;
};

// A pattern with * and ? for the whole of `name`, see PATTERNS in ssh_config(5).
bool ssh_pattern_matches(std::string_view pattern, std::string_view name);

agent::Result<SshOptions> parse_ssh_arguments(const std::vector<std::string>& words);

// The value of `key` for `host` in the text of an ssh_config(5) file: the first one in a matching
// Host block (patterns with * ? and !) wins. Match blocks other than `Match all` and Include are
// not followed.
std::optional<std::string> ssh_config_value(std::string_view text, std::string_view host,
                                            std::string_view key);

}  // namespace fleetctl::remote
