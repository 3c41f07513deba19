#include "fleetctl/plan/host_facts.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/strings.h"

namespace fleetctl::plan {

extern const char* const kHostFactsScript;  // host_facts.sh, put into a .cc by the build

namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

constexpr std::string_view kPrefix = "ansible_";
constexpr std::array<std::string_view, 43> kFacts{"all_ipv4_addresses",
                                                  "all_ipv6_addresses",
                                                  "architecture",
                                                  "cgroup_version",
                                                  "date_time",
                                                  "default_ipv4",
                                                  "default_ipv6",
                                                  "distribution",
                                                  "distribution_major_version",
                                                  "distribution_release",
                                                  "distribution_version",
                                                  "docker_socket",
                                                  "domain",
                                                  "fqdn",
                                                  "hostname",
                                                  "kernel",
                                                  "kernel_version",
                                                  "libc",
                                                  "machine",
                                                  "machine_id",
                                                  "memfree_mb",
                                                  "memtotal_mb",
                                                  "nodename",
                                                  "os_family",
                                                  "pkg_mgr",
                                                  "processor_cores",
                                                  "processor_count",
                                                  "processor_nproc",
                                                  "processor_threads_per_core",
                                                  "processor_vcpus",
                                                  "service_mgr",
                                                  "swapfree_mb",
                                                  "swaptotal_mb",
                                                  "system",
                                                  "systemd",
                                                  "uptime_seconds",
                                                  "user_gid",
                                                  "user_id",
                                                  "user_uid",
                                                  "userspace_architecture",
                                                  "userspace_bits",
                                                  "distribution_minor_version",
                                                  "os_release_id"};

// os-release's ID -> Ansible's distribution and family.
struct Distribution {
  std::string_view id;
  std::string_view name;
  std::string_view family;
};
constexpr std::array<Distribution, 24> kDistributions{
    {{"debian", "Debian", "Debian"},
     {"ubuntu", "Ubuntu", "Debian"},
     {"linuxmint", "Linux Mint", "Debian"},
     {"kali", "Kali", "Debian"},
     {"pop", "Pop!_OS", "Debian"},
     {"raspbian", "Debian", "Debian"},
     {"fedora", "Fedora", "RedHat"},
     {"centos", "CentOS", "RedHat"},
     {"rhel", "RedHat", "RedHat"},
     {"rocky", "Rocky", "RedHat"},
     {"almalinux", "AlmaLinux", "RedHat"},
     {"ol", "OracleLinux", "RedHat"},
     {"amzn", "Amazon", "RedHat"},
     {"opensuse-leap", "openSUSE Leap", "Suse"},
     {"opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"},
     {"sles", "SLES", "Suse"},
     {"arch", "Archlinux", "Archlinux"},
     {"archarm", "Archlinux", "Archlinux"},
     {"manjaro", "Manjaro", "Archlinux"},
     {"alpine", "Alpine", "Alpine"},
     {"gentoo", "Gentoo", "Gentoo"},
     {"void", "Void", "Void"},
     {"nixos", "NixOS", "NixOS"},
     {"flatcar", "Flatcar", "Flatcar"}}};

std::string text_of(const Dict& facts, std::string_view name) {
  const Value* found = facts.find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string();
}

void set_distribution(const Dict& told, Dict& facts) {
  const std::string id = text_of(told, "os_id");
  if (id.empty()) return;
  const auto* known = std::find_if(kDistributions.begin(), kDistributions.end(),
                                   [&](const Distribution& d) { return d.id == id; });
  const bool is_known = known != kDistributions.end();
  const std::string name = is_known ? std::string(known->name) : text_of(told, "os_name");
  std::string family = is_known ? std::string(known->family) : name;
  if (!is_known) {
    const std::string likes = text_of(told, "os_like");
    for (const std::string_view like : agent::split(likes, ' ')) {
      if (like == "debian" || like == "ubuntu") family = "Debian";
      if (like == "rhel" || like == "fedora") family = "RedHat";
      if (like == "suse") family = "Suse";
    }
  }
  std::string version = text_of(told, "os_version");
  // Debian's own version has the point release, which its os-release leaves out.
  const std::string debian = text_of(told, "debian_version");
  if (id == "debian" && debian.rfind(version + ".", 0) == 0) version = debian;
  std::string release = text_of(told, "os_codename");
  if (release.empty()) {
    const std::string longer = text_of(told, "os_long_version");
    const auto open = longer.find('(');
    const auto close = longer.find(')', open == std::string::npos ? 0 : open);
    if (open != std::string::npos && close != std::string::npos)
      release = longer.substr(open + 1, close - open - 1);
  }
  const auto set = [&](std::string_view fact, std::string value) {
    facts.set(fact, Value::string(std::move(value), value::kUnsafe));
  };
  set("distribution", name);
  set("os_family", family);
  set("os_release_id", id);
  set("distribution_version", version);
  const std::size_t dot = version.find('.');
  set("distribution_major_version", version.substr(0, dot));
  if (dot != std::string::npos) set("distribution_minor_version", version.substr(dot + 1));
  set("distribution_release", release);
}

void set_names(const Dict& told, Dict& facts) {
  const std::string node = text_of(told, "nodename");
  if (node.empty()) return;
  // Python's getfqdn: the first name of the address that has a dot, else its first name.
  std::string whole;
  if (const Value* names = told.find("host_names"); names != nullptr && names->is_list()) {
    for (const Value& name : names->items()) {
      if (name.as_string().find('.') == std::string::npos) continue;
      whole = name.as_string();
      break;
    }
    if (whole.empty() && !names->items().empty()) whole = names->items()[0].as_string();
  }
  if (whole.empty()) whole = node;
  const std::size_t dot = whole.find('.');
  facts.set("hostname", Value::string(node.substr(0, node.find('.')), value::kUnsafe));
  facts.set("fqdn", Value::string(whole, value::kUnsafe));
  facts.set("domain",
            Value::string(dot == std::string::npos ? "" : whole.substr(dot + 1), value::kUnsafe));
}

void set_machine(const Dict& told, Dict& facts) {
  std::string machine = text_of(told, "machine");
  if (machine.empty()) return;
  const bool wide = machine.find("64") != std::string::npos || machine == "s390x";
  if (machine.size() == 4 && machine[0] == 'i' && machine.substr(2) == "86") machine = "i386";
  facts.set("architecture", Value::string(machine, value::kUnsafe));
  facts.set("userspace_bits", Value::string(wide ? "64" : "32"));
  facts.set("userspace_architecture", Value::string(machine, value::kUnsafe));
}

// "192.0.2.2" and "24" give the mask, the network and the broadcast address of IPv4.
void set_network(Dict& facts) {
  Value* found = facts.find_mutable(Value::string("default_ipv4"));
  if (found == nullptr || !found->is_dict()) return;
  Dict& of = found->mutable_dict();
  std::uint32_t address = 0;
  int parts = 0;
  const std::string text = text_of(of, "address");
  for (const std::string_view part : agent::split(text, '.')) {
    const auto number = value::Value::integer_text(part.empty() ? "256" : part);
    if (!number.is_int() || number.as_int() < 0 || number.as_int() > 255 || ++parts > 4) return;
    address = (address << 8U) | static_cast<std::uint32_t>(number.as_int());
  }
  const std::string prefix = text_of(of, "prefix");
  if (parts != 4 || prefix.empty() || prefix.size() > 2 ||
      prefix.find_first_not_of("0123456789") != std::string::npos)
    return;
  const int bits = std::stoi(prefix);
  if (bits > 32) return;
  const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << static_cast<unsigned>(32 - bits);
  const auto shown = [](std::uint32_t a) {
    return Value::string(std::to_string(a >> 24U) + "." + std::to_string((a >> 16U) & 255U) + "." +
                         std::to_string((a >> 8U) & 255U) + "." + std::to_string(a & 255U));
  };
  of.set("netmask", shown(mask));
  of.set("network", shown(address & mask));
  of.set("broadcast", shown(address | ~mask));
}

std::optional<Value> value_of(char type, std::string_view text) {
  if (type == 's') return Value::string(agent::to_valid_utf8(text), value::kUnsafe);
  if (type == 'i') {
    const std::string_view digits = text.substr(text.rfind('-') == 0 ? 1 : 0);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
    return Value::integer_text(text);
  }
  if (type != 'l') return std::nullopt;
  std::vector<Value> words;
  for (const std::string_view word : agent::split(text, ' ')) {
    if (!word.empty()) words.push_back(Value::string(agent::to_valid_utf8(word), value::kUnsafe));
  }
  return Value::list(std::move(words));
}

}  // namespace

std::string host_facts_script(std::string_view nonce) {
  return "N=" + std::string(nonce) + "\n" + kHostFactsScript;
}

Result<Dict> read_host_facts(std::string_view output, std::string_view nonce) {
  Dict told;
  bool ended = false;
  for (const std::string_view line : agent::split(output, '\n')) {
    if (line.substr(0, nonce.size()) != nonce || line.size() <= nonce.size() + 1) continue;
    std::string_view rest = line.substr(nonce.size() + 1);
    if (rest == "end") ended = true;
    if (rest.size() < 4 || rest[1] != ' ') continue;
    const char type = rest[0];
    rest.remove_prefix(2);
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string_view name = rest.substr(0, space);
    auto value = value_of(type, agent::trim(rest.substr(space + 1)));
    if (!value) continue;
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) {
      told.set(name, std::move(*value));
      continue;
    }
    const Value outer = Value::string(std::string(name.substr(0, dot)));
    if (told.find_mutable(outer) == nullptr) told.set(outer, Value::dict());
    if (Value* inner = told.find_mutable(outer); inner->is_dict())
      inner->mutable_dict().set(name.substr(dot + 1), std::move(*value));
  }
  if (!ended) return fail(ErrorCode::kIo, "the host did not tell its facts to the end");
  Dict facts;
  for (const auto& [key, value] : told) {
    const std::string& name = key.as_string();
    if (std::find(kFacts.begin(), kFacts.end(), name) != kFacts.end()) facts.set(key, value);
  }
  set_machine(told, facts);
  set_names(told, facts);
  set_distribution(told, facts);
  set_network(facts);
  return facts;
}

bool is_fact_variable(std::string_view variable) {
  if (variable == "ansible_facts") return true;
  if (variable.substr(0, kPrefix.size()) != kPrefix) return false;
  variable.remove_prefix(kPrefix.size());
  return std::find(kFacts.begin(), kFacts.end(), variable) != kFacts.end();
}

}  // namespace fleetctl::plan
