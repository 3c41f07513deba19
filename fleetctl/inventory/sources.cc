#include "fleetctl/inventory/sources.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <system_error>

#include "agent/base/program_output.h"
#include "agent/base/strings.h"
#include "fleetctl/inventory/address.h"
#include "fleetctl/inventory/ini.h"
#include "fleetctl/inventory/script_inventory.h"
#include "fleetctl/inventory/yaml_inventory.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::Result;

bool ignored_in_folder(const std::string& name) {
  static constexpr std::array<std::string_view, 13> kEndings = {
      ".pyc", ".pyo", ".swp",  ".bak", "~",      ".rpm", ".md",
      ".txt", ".rst", ".orig", ".cfg", ".retry", ".toml"};
  return name.front() == '.' || name == "host_vars" || name == "group_vars" ||
         name == "vars_plugins" ||
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

fs::path absolute_path(const std::string& source) {
  std::string text = source;
  if (const char* home = std::getenv("HOME");
      home != nullptr && (text == "~" || text.substr(0, 2) == "~/"))
    text.replace(0, 1, home);
  std::error_code error;
  fs::path path = fs::absolute(text, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // no slash at the end
  return path;
}

bool is_host_list(const std::string& source) {
  std::error_code error;
  return source.find(',') != std::string::npos && !fs::exists(source, error);
}

Result<> read_host_list(const std::string& source, Inventory& inventory) {
  inventory.set_source(source, "None");  // Ansible's inventory_dir of such a host is that text
  for (const std::string_view part : agent::split(source, ',')) {
    const std::string_view text = agent::trim(part);
    if (text.empty()) continue;
    const auto address = parse_address(text, false);
    const std::string name = address ? address->host : std::string(text);
    if (inventory.host(name) != nullptr) continue;
    auto host = inventory.add_host(name, inventory.group("ungrouped"),
                                   address ? address->port : std::nullopt);
    if (!host) return fail(host.error());
  }
  return {};
}

// The first line that is neither empty nor a comment.
std::string_view first_line(std::string_view text) {
  for (std::string_view line : agent::split(text, '\n')) {
    line = agent::trim(line);
    if (!line.empty() && line[0] != '#' && line[0] != ';') return line;
  }
  return {};
}

constexpr std::size_t kMaxPrinted = 64U << 20;

Result<> run_program(const fs::path& path, Inventory& inventory) {
  const auto ask = [&](std::vector<std::string> words) -> Result<value::Value> {
    words.insert(words.begin(), path.string());
    auto printed = agent::program_output(std::move(words), kMaxPrinted);
    if (!printed) return fail(std::move(printed.error()).within("inventory"));
    if (agent::trim(*printed).empty()) return value::Value::dict();
    auto document = value::parse_json(*printed);
    if (!document)
      return fail(std::move(document.error()).within("inventory " + shown_path(path) + " prints"));
    return document;
  };
  auto document = ask({"--list"});
  if (!document) return fail(document.error());
  return read_script_inventory(
      *document, shown_path(path),
      [&](const std::string& host) {
        return ask({"--host", host});
      },
      inventory);
}

Result<> read_file_source(const fs::path& path, Loader& loader, Inventory& inventory,
                          Programs programs) {
  const std::string shown = shown_path(path);
  inventory.set_source(path.string(), path.parent_path().string());
  auto text = loader.text(path);
  if (!text) return fail(std::move(text.error()).within("inventory"));
  if (text->bytes.substr(0, 2) == "#!" && ::access(path.c_str(), X_OK) == 0) {
    if (programs == Programs::kAllowed) return run_program(path, inventory);
    return fail(ErrorCode::kInvalid,
                "inventory " + shown +
                    " is a program; --allow-inventory-script runs it, or save what it prints with "
                    "`ansible-inventory --list --export -y --output hosts.yml`");
  }
  const std::string extension = path.extension().string();
  if (extension == ".toml")
    return fail(ErrorCode::kInvalid, "inventory " + shown + ": TOML is not read; use YAML or INI");
  const std::string_view first = first_line(text->bytes);
  if (first.empty()) return {};
  const bool may_be_yaml =
      extension.empty() || extension == ".yml" || extension == ".yaml" || extension == ".json";
  // A section header is no YAML map, and a map is no line of an INI file.
  const bool header = first[0] == '[' && extension != ".json";
  if (!may_be_yaml || header) return read_ini(text->bytes, shown, inventory);
  auto document = loader.yaml(path);
  if (document && (document->is_dict() || !extension.empty()))
    return read_yaml_inventory(*document, shown, inventory);
  if (!extension.empty()) return fail(document.error());
  auto as_ini = read_ini(text->bytes, shown, inventory);
  if (as_ini || document) return as_ini;
  return fail(ErrorCode::kInvalid, "neither YAML nor INI\n  as YAML: " + document.error().message +
                                       "\n  as INI:  " + as_ini.error().message);
}

Result<> read_source(const fs::path& path, int depth, Loader& loader, Inventory& inventory,
                     Programs programs) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    return fail(ErrorCode::kNotFound, "inventory " + shown_path(path) + ": " + error.message());
  if (!fs::is_directory(status)) return read_file_source(path, loader, inventory, programs);
  if (depth > 32)
    return fail(ErrorCode::kExhausted, "inventory " + shown_path(path) + ": nested too deeply");
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    entries.push_back(it->path());
  if (error) return fail(ErrorCode::kIo, "inventory " + shown_path(path) + ": " + error.message());
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    if (ignored_in_folder(entry.filename().string())) continue;
    if (auto done = read_source(entry, depth + 1, loader, inventory, programs); !done) return done;
  }
  return {};
}

}  // namespace

Result<> read_sources(const std::vector<std::string>& sources, Loader& loader, Inventory& inventory,
                      Programs programs) {
  for (const std::string& source : sources) {
    auto done = is_host_list(source)
                    ? read_host_list(source, inventory)
                    : read_source(absolute_path(source), 0, loader, inventory, programs);
    if (!done) return done;
  }
  return inventory.reconcile();
}

std::vector<fs::path> variable_folders(const std::vector<std::string>& sources) {
  std::vector<fs::path> folders;
  for (const std::string& source : sources) {
    if (is_host_list(source)) continue;
    std::error_code error;
    const fs::path path = absolute_path(source);
    folders.push_back(fs::is_directory(path, error) ? path : path.parent_path());
  }
  return folders;
}

}  // namespace fleetctl::inventory
