#include "fleetctl/template/world.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agent/base/file.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

namespace fs = std::filesystem;
using value::Value;

constexpr std::size_t kMaxFile = 16U << 20;

// The file `name` below one of `folders`; nullopt when there is none. Names that leave the folders
// are refused.
agent::Result<std::optional<fs::path>> below(const std::vector<std::string>& folders,
                                             std::string_view name) {
  const fs::path relative(name);
  if (name.empty() || name.find('\0') != std::string_view::npos) {
    return agent::fail(agent::ErrorCode::kInvalid, "the name is empty or holds a NUL");
  }
  if (relative.is_absolute()) {
    return agent::fail(agent::ErrorCode::kPermission, "an absolute path is not allowed");
  }
  for (const fs::path& part : relative) {
    if (part == "..") return agent::fail(agent::ErrorCode::kPermission, "'..' is not allowed");
  }
  for (const std::string& folder : folders) {
    std::error_code error;
    const fs::path root = fs::canonical(folder, error);
    if (error) continue;
    const fs::path file = fs::canonical(root / relative, error);
    if (error || !fs::is_regular_file(file, error)) continue;
    const auto [end, ignored] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
    if (end != root.end()) {
      return agent::fail(agent::ErrorCode::kPermission, "it is a link out of " + folder);
    }
    return std::optional<fs::path>(file);
  }
  return std::optional<fs::path>();
}

// The regular files that a pattern such as "conf.d/*.conf" matches below the first folder (or its
// files/) that has any. The folder's part is not a pattern.
agent::Result<std::vector<std::string>> matching(const std::vector<std::string>& folders,
                                                 const std::string& pattern) {
  const fs::path wanted(pattern);
  if (wanted.is_absolute())
    return agent::fail(agent::ErrorCode::kPermission, "an absolute path is not allowed");
  for (const fs::path& part : wanted) {
    if (part == "..") return agent::fail(agent::ErrorCode::kPermission, "'..' is not allowed");
  }
  std::vector<std::string> out;
  for (const std::string& root : folders) {
    for (const fs::path& folder : {fs::path(root) / "files", fs::path(root)}) {
      std::error_code error;
      for (fs::directory_iterator it(folder / wanted.parent_path(), error), end;
           !error && it != end; it.increment(error)) {
        if (::fnmatch(wanted.filename().c_str(), it->path().filename().c_str(), FNM_PERIOD) == 0 &&
            it->is_regular_file(error))
          out.push_back(it->path().string());
      }
      if (out.empty()) continue;
      std::sort(out.begin(), out.end());
      return out;
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> DictVariables::names() const {
  std::vector<std::string> out;
  for (const auto& [key, v] : dict_) out.push_back(value::str(key));
  return out;
}

agent::Result<std::optional<std::string>> FolderLoader::load(std::string_view name) const {
  auto file = below(folders_, name);
  if (!file) return tl::unexpected(std::move(file.error()));
  if (!*file) return std::optional<std::string>();
  auto text = agent::read_file(**file, kMaxFile);
  if (!text) return tl::unexpected(std::move(text.error()));
  return std::optional<std::string>(std::move(*text));
}

std::optional<agent::Result<std::vector<Value>>> BasicLookups::run(std::string_view name,
                                                                   const std::vector<Value>& terms,
                                                                   const Named& options) const {
  std::vector<Value> out;
  const auto option = [&options](std::string_view wanted, bool preset) {
    for (const auto& [key, v] : options) {
      if (key == wanted) return value::truthy(v);
    }
    return preset;
  };
  if (name == "env" && allow_.env) {
    for (const Value& term : terms) {
      const char* found =
          std::getenv(value::str(term).c_str());  // nothing here changes the environment
      out.push_back(Value::string(found != nullptr ? found : ""));
    }
    return out;
  }
  const bool reads = (name == "file" || name == "unvault") && allow_.read_file;
  if (name == "fileglob" && !allow_.file_folders.empty()) {
    for (const Value& term : terms) {
      auto files = matching(allow_.file_folders, value::str(term));
      if (!files) return tl::unexpected(std::move(files.error()).within(value::str(term)));
      for (std::string& file : *files) out.push_back(Value::string(std::move(file)));
    }
    return out;
  }
  if ((reads || name == "first_found") && !allow_.file_folders.empty()) {
    std::vector<std::string> names;
    for (const Value& term : terms) {
      if (term.is_sequence()) {
        for (const Value& each : term.items()) names.push_back(value::str(each));
      } else {
        names.push_back(value::str(term));
      }
    }
    for (const std::string& each : names) {
      auto file = below(allow_.file_folders, each);
      if (!file) return tl::unexpected(std::move(file.error()).within(each));
      if (name == "first_found") {
        if (!*file) continue;
        out.push_back(Value::string((*file)->string()));
        return out;
      }
      if (!*file)
        return agent::fail(agent::ErrorCode::kNotFound, "could not locate file in lookup: " + each);
      auto text = allow_.read_file((*file)->string());
      if (!text) return tl::unexpected(std::move(text.error()));
      std::string content = text->as_string();
      constexpr std::string_view kSpace = " \t\n\r\v\f";
      const bool strips = name == "file";  // unvault gives the text as it is
      if (strips && option("rstrip", true)) content.resize(content.find_last_not_of(kSpace) + 1);
      if (strips && option("lstrip", false)) content.erase(0, content.find_first_not_of(kSpace));
      out.push_back(Value::string(std::move(content), text->flags()));
    }
    if (name == "first_found" && !option("skip", false)) {
      return agent::fail(agent::ErrorCode::kNotFound, "no file was found");
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace fleetctl::template_
