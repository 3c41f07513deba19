#include "fleetctl/remote/ssh_options.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/base/strings.h"

namespace fleetctl::remote {
namespace {

using agent::Error;
using agent::ErrorCode;
using agent::fail;
using agent::Result;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Result<std::uint16_t> to_number(std::string_view what, std::string_view text) {
  std::uint16_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) {
    return fail(ErrorCode::kInvalid, std::string(what) + ": not a number: " + std::string(text));
  }
  return value;
}

// Options that change nothing for one short command, or that we do anyway.
bool is_harmless(std::string_view key) {
  constexpr std::array<std::string_view, 24> kKeys{"addressfamily",
                                                   "batchmode",
                                                   "compression",
                                                   "connectionattempts",
                                                   "controlmaster",
                                                   "controlpath",
                                                   "controlpersist",
                                                   "escapechar",
                                                   "forwardagent",
                                                   "forwardx11",
                                                   "forwardx11trusted",
                                                   "gssapiauthentication",
                                                   "hashknownhosts",
                                                   "kbdinteractiveauthentication",
                                                   "loglevel",
                                                   "passwordauthentication",
                                                   "preferredauthentications",
                                                   "requesttty",
                                                   "sendenv",
                                                   "serveralivecountmax",
                                                   "serveraliveinterval",
                                                   "tcpkeepalive",
                                                   "updatehostkeys",
                                                   "visualhostkey"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

Result<> set_option(SshOptions& options, const std::string& key, const std::string& value) {
  const std::string name = lower(key);
  if (name == "identityfile") {
    options.identity_files.push_back(value);
  } else if (name == "user") {
    options.user = value;
  } else if (name == "port") {
    const auto port = to_number("Port", value);
    if (!port) return fail(port.error());
    options.port = *port;
  } else if (name == "userknownhostsfile") {
    options.known_hosts = value;
  } else if (name == "proxyjump") {
    options.proxy_jump = value;
  } else if (name == "proxycommand") {
    options.proxy_command = value;
  } else if (name == "identitiesonly") {
    options.identities_only = lower(value) == "yes" || lower(value) == "true";
  } else if (name == "stricthostkeychecking") {
    const std::string text = lower(value);
    options.host_keys = text == "no" || text == "off" ? HostKeys::kIgnore
                        : text == "accept-new"        ? HostKeys::kAcceptNew
                                                      : HostKeys::kStrict;
  } else if (name == "connecttimeout") {
    const auto seconds = to_number("ConnectTimeout", value);
    if (!seconds) return fail(seconds.error());
    options.connect_timeout = *seconds;
  } else if (name == "kexalgorithms") {
    options.kex = value;
  } else if (name == "ciphers") {
    options.ciphers = value;
  } else if (name == "hostkeyalgorithms") {
    options.host_key_algorithms = value;
  } else if (!is_harmless(name)) {
    options.unknown.push_back("-o " + key);
  }
  return {};
}

bool patterns_match(std::string_view patterns, const std::string& host) {
  bool matched = false;
  for (const std::string_view word : agent::split(patterns, ' ')) {
    const bool negated = !word.empty() && word[0] == '!';
    const std::string_view pattern = agent::trim(negated ? word.substr(1) : word);
    if (pattern.empty() || !ssh_pattern_matches(pattern, host)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

}  // namespace

bool ssh_pattern_matches(std::string_view pattern, std::string_view name) {
  std::string escaped;  // only these two mean something
  for (const char c : pattern) {
    if (c == '[' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return ::fnmatch(escaped.c_str(), std::string(name).c_str(), 0) == 0;
}

Result<SshOptions> parse_ssh_arguments(const std::vector<std::string>& words) {
  constexpr std::string_view kWithValue = "oilpJFcm";
  constexpr std::string_view kIgnored = "CTqvxaA46kn";
  SshOptions options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.size() < 2 || word[0] != '-') {
      options.unknown.push_back(word);
      continue;
    }
    const char letter = word[1];
    if (kIgnored.find(letter) != std::string_view::npos) continue;
    if (kWithValue.find(letter) == std::string_view::npos) {
      options.unknown.push_back(word);
      continue;
    }
    std::string value = word.substr(2);
    if (value.empty()) {
      if (++i == words.size())
        return fail(ErrorCode::kInvalid, "ssh arguments: " + word + " needs a value");
      value = words[i];
    }
    Result<> done;
    switch (letter) {
      case 'o': {
        const auto cut = value.find_first_of("= ");
        if (cut == std::string::npos) {
          return fail(ErrorCode::kInvalid, "ssh arguments: -o " + value + ": no value");
        }
        const std::string_view rest = agent::trim(std::string_view(value).substr(cut + 1));
        done = set_option(options, value.substr(0, cut), std::string(rest));
        break;
      }
      case 'i':
        done = set_option(options, "IdentityFile", value);
        break;
      case 'l':
        done = set_option(options, "User", value);
        break;
      case 'p':
        done = set_option(options, "Port", value);
        break;
      case 'J':
        done = set_option(options, "ProxyJump", value);
        break;
      case 'F':
        options.config_file = value;
        break;
      case 'c':
        done = set_option(options, "Ciphers", value);
        break;
      default:
        options.unknown.push_back(word);
        break;
    }
    if (!done) return fail(std::move(done.error()).within("ssh arguments"));
    if (letter != 'm') options.words.insert(options.words.end(), {{'-', letter}, value});
  }
  return options;
}

std::optional<std::string> ssh_config_value(std::string_view text, std::string_view host,
                                            std::string_view key) {
  const std::string wanted = lower(key);
  const std::string name(host);
  bool applies = true;  // what stands before the first Host applies to all
  for (const std::string_view raw : agent::split(text, '\n')) {
    const std::string_view line = agent::trim(raw);
    if (line.empty() || line[0] == '#') continue;
    const auto cut = line.find_first_of(" \t=");
    if (cut == std::string_view::npos) continue;
    const std::string word = lower(line.substr(0, cut));
    std::string_view value = line.substr(cut);
    value.remove_prefix(std::min(value.find_first_not_of(" \t="), value.size()));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (word == "host") {
      applies = patterns_match(value, name);
    } else if (word == "match") {
      applies = lower(agent::trim(value)) == "all";
    } else if (applies && word == wanted) {
      return std::string(value);
    }
  }
  return std::nullopt;
}

}  // namespace fleetctl::remote
