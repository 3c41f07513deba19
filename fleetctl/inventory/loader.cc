#include "fleetctl/inventory/loader.h"

#include <algorithm>
#include <system_error>

#include "agent/base/file.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/encrypted.h"

namespace fleetctl::inventory {

namespace fs = std::filesystem;
using agent::fail;
using agent::Result;
using value::Value;

std::string shown_path(const fs::path& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) return path.string();
  const fs::path relative = fs::absolute(path, error).lexically_normal().lexically_relative(here);
  if (relative.empty() || *relative.begin() == "..") return path.lexically_normal().string();
  return relative.string();
}

Result<Loader::Text> Loader::text(const fs::path& path) {
  auto bytes = agent::read_file(path);
  if (!bytes) return fail(bytes.error());
  if (!value::is_vault_text(*bytes)) return Text{std::move(*bytes), false};
  auto plaintext = decrypt_(*bytes);
  if (!plaintext) return fail(std::move(plaintext.error()).within(shown_path(path)));
  return Text{std::move(*plaintext), true};
}

namespace {

void report_encrypted(const Value& value, int depth, const Loader::Encrypted& report) {
  if (depth > 200) return;
  if (value.is_object()) {
    report(value.as_object()->text());
  } else if (value.is_sequence()) {
    for (const Value& item : value.items()) report_encrypted(item, depth + 1, report);
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict()) report_encrypted(item, depth + 1, report);
  }
}

}  // namespace

Result<Value> Loader::yaml(const fs::path& path) {
  const std::string key = path.string();
  if (const auto known = documents_.find(key); known != documents_.end()) return known->second;
  const auto read = [&]() -> Result<Value> {
    auto contents = text(path);
    if (!contents) return fail(contents.error());
    auto document = read_yaml(contents->bytes, shown_path(path), warnings_);
    if (document && contents->decrypted) value::set_flag_deep(*document, value::kTainted);
    if (document && encrypted_ && contents->bytes.find(value::kVaultMagic) != std::string::npos)
      report_encrypted(*document, 0, encrypted_);
    return document;
  };
  return documents_.emplace(key, read()).first->second;
}

namespace {

bool is_variable_extension(const fs::path& extension) {
  return extension.empty() || extension == ".yml" || extension == ".yaml" || extension == ".json";
}

void add_folder(const fs::path& folder, int depth, std::vector<fs::path>& files) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    entries.push_back(it->path());
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    const std::string name = entry.filename().string();
    if (name.front() == '.' || name.back() == '~') continue;
    if (fs::is_directory(entry, error)) {
      if (!entry.has_extension() && depth < 32) add_folder(entry, depth + 1, files);
    } else if (fs::is_regular_file(entry, error) && is_variable_extension(entry.extension())) {
      files.push_back(entry);
    }
  }
}

}  // namespace

std::vector<fs::path> find_variable_files(const fs::path& folder, const std::string& name) {
  std::vector<fs::path> files;
  if (name.empty() || name.front() == '/') return files;
  for (const char* extension : {"", ".yml", ".yaml", ".json"}) {
    std::error_code error;
    const fs::path path = folder / (name + extension);
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) continue;
    if (fs::is_directory(status)) {
      add_folder(path, 0, files);
    } else {
      files.push_back(path);
    }
    break;
  }
  return files;
}

}  // namespace fleetctl::inventory
