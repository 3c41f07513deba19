// Files of an inventory: read once, decrypted when the whole file is a vault, parsed as YAML.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

class Loader {
 public:
  using Decrypt = std::function<agent::Result<std::string>(std::string_view vault_text)>;
  // Gets each encrypted value of a document that was read.
  using Encrypted = std::function<void(std::string vault_text)>;
  // `warnings` outlives the loader.
  Loader(Decrypt decrypt, Encrypted encrypted, std::vector<std::string>& warnings)
      : decrypt_(std::move(decrypt)), encrypted_(std::move(encrypted)), warnings_(warnings) {}
  Loader(Decrypt decrypt, std::vector<std::string>& warnings)
      : Loader(std::move(decrypt), {}, warnings) {}

  // The text, decrypted. Files of more than 64 MiB are refused.
  struct Text {
    std::string bytes;
    bool decrypted = false;
  };
  agent::Result<Text> text(const std::filesystem::path& path);
  // The document; everything in it is tainted when it came out of a vault. Parsed once per path.
  agent::Result<value::Value> yaml(const std::filesystem::path& path);

 private:
  Decrypt decrypt_;
  Encrypted encrypted_;
  std::vector<std::string>& warnings_;
  std::map<std::string, agent::Result<value::Value>> documents_;
};

// The path as the person would write it: relative to the working folder when it lies below it.
std::string shown_path(const std::filesystem::path& path);

// The variable files of `name` in `folder` (a group_vars or host_vars), in the order in which they
// override each other: `name` itself (file or folder), else name.yml, name.yaml, name.json.
std::vector<std::filesystem::path> find_variable_files(const std::filesystem::path& folder,
                                                       const std::string& name);

}  // namespace fleetctl::inventory
