#include "fleetctl/command/init.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "fleetctl/command/fleet_file.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemplate = "config.alloy.j2";
constexpr int kDeepest = 5;  // folders that are searched for it

constexpr std::string_view kHosts = R"(# The hosts. Any inventory of Ansible will do in this place.
all:
  hosts:
    first.example:
      # ansible_host: 192.0.2.10
      # ansible_user: admin
      # ansible_become: true
)";

constexpr std::string_view kVariables =
    R"(# Variables of all hosts; group_vars/GROUP.yml and host_vars/HOST.yml override them.
services: [alloy] # who gets the agent; with docker it may read Docker's socket
loki_url: http://localhost:3100/loki/api/v1/push
)";

constexpr std::string_view kConfiguration =
    R"(// What a host gets that has no folder of its own (templates/HOST/config.alloy.j2).

loki.source.journal "all" {
  forward_to = [loki.write.default.receiver]
  labels     = { job = "systemd", hostname = "{{ inventory_hostname }}" }
}

loki.write "default" {
  endpoint {
    url = "{{ loki_url }}"
  }
}
)";

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The first of the usual places; "": none.
fs::path inventory_in(const fs::path& root) {
  for (const char* name : {"inventory", "hosts", "hosts.yml", "hosts.yaml", "hosts.ini",
                           "inventory.yml", "inventory.yaml", "inventory.ini", "inventories"})
    if (is_there(root / name)) return name;
  return {};
}

// The folder of a configuration's template, the one nearest to the root; "": none.
fs::path templates_in(const fs::path& root) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator
           it(root, fs::directory_options::skip_permission_denied, error),
       end;
       !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    std::error_code unknown;
    if (it->is_directory(unknown)) {
      if (path.filename().string().front() == '.' || it.depth() >= kDeepest)
        it.disable_recursion_pending();
    } else if (path.filename() == kTemplate) {
      found.push_back(path.parent_path().lexically_relative(root));
    }
  }
  const auto depth = [](const fs::path& path) { return std::distance(path.begin(), path.end()); };
  const auto nearest =
      std::min_element(found.begin(), found.end(), [&](const fs::path& a, const fs::path& b) {
        return depth(a) != depth(b) ? depth(a) < depth(b) : a < b;
      });
  return nearest == found.end() ? fs::path() : *nearest;
}

bool has_variables(const fs::path& folder) {
  return is_there(folder / "all") || is_there(folder / "all.yml") ||
         is_there(folder / "all.yaml") || is_there(folder / "all.json");
}

}  // namespace

ExitCode init(const InitOptions& options, std::ostream& out, std::ostream& err) {
  const fs::path root = options.folder.empty() ? fs::path(".") : options.folder;
  bool failed = false;
  const auto write = [&](const fs::path& name, std::string_view text) {
    if (failed) return;
    const fs::path path = root / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (auto done = agent::write_file_atomic(path, text, 0644); !done) {
      err << "fleetctl: " << done.error().message << "\n";
      failed = true;
      return;
    }
    out << "wrote " << path.lexically_normal().string() << "\n";
  };

  fs::path inventory = inventory_in(root);
  const bool had_inventory = !inventory.empty();
  if (!had_inventory) {
    inventory = "inventory";
    write(inventory / "hosts.yml", kHosts);
  }
  fs::path templates = templates_in(root);
  if (templates.empty()) {
    templates = "templates";
    write(templates / kTemplate, kConfiguration);
  }
  std::error_code error;
  const fs::path beside = (root / inventory).parent_path();
  const bool had_variables =
      has_variables(root / "group_vars") || has_variables(beside / "group_vars") ||
      (fs::is_directory(root / inventory, error) && has_variables(root / inventory / "group_vars"));
  if (!had_variables) write("group_vars/all.yml", kVariables);
  if (failed) return ExitCode::kRefused;

  // Where they are elsewhere than fleetctl looks for them.
  std::vector<std::pair<std::string, std::string>> elsewhere;
  const auto note = [&](const char* option, const fs::path& path) {
    if (path != option) elsewhere.emplace_back(option, path.string());
  };
  note("inventory", inventory);
  note("templates", templates);
  std::string words;
  if (!elsewhere.empty() && is_there(root / kFleetFile)) {
    if (inventory != "inventory") words += " -i " + inventory.string();
    if (templates != "templates") words += " --templates " + templates.string();
  } else if (!elsewhere.empty()) {
    write(kFleetFile, fleet_file_text(elsewhere));
    if (failed) return ExitCode::kRefused;
  }
  out << "Next:\n";
  if (root != ".") out << "  cd " << root.string() << "\n";
  if (had_variables)
    out << "  give the hosts that shall have the agent `services: [alloy]`, in group_vars or "
           "host_vars\n";
  out << "  fleetctl inventory --graph" << words << "\n"
      << "  fleetctl lint" << words << "\n"
      << "  fleetctl doctor" << words << "\n"
      << "  fleetctl plan" << words << "\n";
  return ExitCode::kDone;
}

}  // namespace fleetctl::command
