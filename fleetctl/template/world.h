// What a template can reach, as narrow interfaces that the caller implements. Nothing else is
// reachable: no files, no processes, no environment, unless one of these gives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace agent {
class Clock;
}

namespace fleetctl::template_ {

// The variables of one host, as they are written: strings may hold templates, which are rendered
// when they are read.
class Variables {
 public:
  virtual ~Variables() = default;
  virtual const value::Value* find(std::string_view name) const = 0;
  virtual std::vector<std::string> names() const = 0;
};

// Variables in one dict, which must outlive it.
class DictVariables final : public Variables {
 public:
  explicit DictVariables(const value::Dict& dict) : dict_(dict) {}
  const value::Value* find(std::string_view name) const override { return dict_.find(name); }
  std::vector<std::string> names() const override;

 private:
  const value::Dict& dict_;
};

// What `hostvars` shows. Each host's values are rendered with that host's variables only.
class Hosts {
 public:
  virtual ~Hosts() = default;
  virtual const Variables* find(std::string_view host) const = 0;  // nullptr: unknown host
  virtual std::vector<std::string> names() const = 0;
};

// Where include, import, extends and the `template` lookup find text. The search path and its fence
// are the loader's.
class TemplateLoader {
 public:
  virtual ~TemplateLoader() = default;
  // `name` as the template wrote it. nullopt: there is no such template.
  virtual agent::Result<std::optional<std::string>> load(std::string_view name) const = 0;
};

// Templates below folders, searched in order. A name that leaves them ("..", an absolute path, a
// symlink that points out) is refused.
class FolderLoader final : public TemplateLoader {
 public:
  explicit FolderLoader(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  agent::Result<std::optional<std::string>> load(std::string_view name) const override;

 private:
  std::vector<std::string> folders_;
};

// lookup('name', ...) beyond those that need nothing from outside (vars, template, dict, items,
// list, sequence, indexed_items).
class Lookups {
 public:
  using Named = std::vector<std::pair<std::string, value::Value>>;
  virtual ~Lookups() = default;
  // nullopt: this lookup is not offered.
  virtual std::optional<agent::Result<std::vector<value::Value>>> run(
      std::string_view name, const std::vector<value::Value>& terms,
      const Named& options) const = 0;
};

// `env`, `file`, `fileglob`, `unvault` and `first_found`, each only when enabled.
class BasicLookups final : public Lookups {
 public:
  struct Allow {
    bool env = false;
    // The others read below these; empty: not offered.
    std::vector<std::string> file_folders;
    // How: the text of a file, a vault decrypted, kTainted where it was one.
    std::function<agent::Result<value::Value>(const std::string& path)> read_file;
  };
  explicit BasicLookups(Allow allow) : allow_(std::move(allow)) {}
  std::optional<agent::Result<std::vector<value::Value>>> run(
      std::string_view name, const std::vector<value::Value>& terms,
      const Named& options) const override;

 private:
  Allow allow_;
};

struct Limits {
  std::size_t output_bytes = 64U << 20;  // of one render, and of any one string in it
  std::size_t work_bytes = 1U << 30;     // all strings and lists made on the way
  std::uint64_t steps = 20'000'000;      // statements, loop rounds and filtered items
  int depth = 150;  // macros, includes, blocks, recursive loops and variables inside each other
};

struct World {
  const TemplateLoader* loader = nullptr;
  const Hosts* hosts = nullptr;
  const Lookups* lookups = nullptr;
  const agent::Clock* clock = nullptr;                                     // now(), strftime
  std::function<agent::Result<value::Value>(std::string_view)> read_yaml;  // from_yaml
  std::function<agent::Result<std::vector<value::Value>>(std::string_view)>
      read_yaml_documents;  // from_yaml_all
  bool sees_files = false;  // filters and tests tell what files there are, never what they hold
  Limits limits;
};

}  // namespace fleetctl::template_
