// bundle.json: {"archive": name, "sha256": of the archive, "architecture": as uname -m, "glibc":
// "2.36", "unpacked": bytes, "version": "0.3.1", "unit_sha256": of fleet-agent.service}; the last
// two are not in those of older builds.
#include "fleetctl/command/agent_bundle.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "agent/base/file.h"
#include "fleetctl/command/agent_machine.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;

constexpr std::size_t kArchiveLimit = 256U << 20;

fs::path default_folder() {
  std::error_code ignored;
  const fs::path bin = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path beside = bin.parent_path() / "bundle";
  return fs::exists(beside, ignored) ? beside : bin.parent_path() / "share/fleetctl/bundle";
}

std::string text_of(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "x86_64 (0.3.1), aarch64 (0.3.0)"
std::string listed(const AgentBundles& bundles) {
  std::string out;
  for (const AgentBundle& one : bundles) {
    const std::string& version = one.release.version;
    out += (out.empty() ? "" : ", ") + one.release.architecture +
           (version.empty() ? "" : " (" + version + ")");
  }
  return out;
}

struct Asked {
  fs::path folder;
  std::string pin;  // of bundle.json; "": none
};

Asked parse(const std::string& word) {
  const auto hash = word.rfind('#');
  if (hash == std::string::npos || word.size() - hash != 65 ||
      word.find_first_not_of("0123456789abcdef", hash + 1) != std::string::npos)
    return {word, ""};
  return {word.substr(0, hash), word.substr(hash + 1)};
}

agent::Result<AgentBundle> read(const Asked& asked) {
  const fs::path& folder = asked.folder;
  const std::string name = (folder / "bundle.json").string();
  const auto bad = [](const std::string& where, const std::string& why) {
    return fail(ErrorCode::kInvalid, where + ": " + why);
  };
  const auto text = agent::read_file(name, 1U << 20);
  if (!text) return fail(text.error());
  if (const std::string sha256 = agent::sha256_hex(*text);
      !asked.pin.empty() && sha256 != asked.pin)
    return bad(name, "its SHA-256 is " + sha256 + ", not " + asked.pin);
  const auto document = nlohmann::json::parse(*text, nullptr, false);
  if (!document.is_object()) return bad(name, "not a bundle");
  AgentBundle bundle;
  plan::Release& release = bundle.release;
  release.sha256 = text_of(document, "sha256");
  release.architecture = text_of(document, "architecture");
  release.glibc = text_of(document, "glibc");
  release.version = text_of(document, "version");
  const std::string archive = text_of(document, "archive");
  const std::string unit_sha256 = text_of(document, "unit_sha256");
  const auto unpacked = document.find("unpacked");
  if (release.sha256.size() != 64 || release.architecture.empty() || archive.empty() ||
      archive.find('/') != std::string::npos || unpacked == document.end() ||
      !unpacked->is_number_unsigned()) {
    return bad(name, "not a bundle");
  }
  if (!asked.pin.empty() && unit_sha256.empty())
    return bad(name, "it does not say what its unit is: it was built before it could be pinned");
  release.id = release.sha256.substr(0, 16);
  release.unpacked = unpacked->get<std::size_t>();
  auto bytes = agent::read_file(folder / archive, kArchiveLimit);
  if (!bytes) return fail(bytes.error());
  const std::string archive_name = (folder / archive).string();
  if (agent::sha256_hex(*bytes) != release.sha256) return bad(archive_name, "wrong checksum");
  const auto machine = machine_in(*bytes);
  if (!machine) return bad(archive_name, machine.error().message);
  if (!machine->empty() && *machine != release.architecture)
    return bad(archive_name,
               "its agent is for " + *machine + ", bundle.json says " + release.architecture);
  release.archive = std::make_shared<const std::string>(std::move(*bytes));
  auto unit = agent::read_file(folder / "fleet-agent.service", 1U << 20);
  if (!unit) return fail(unit.error());
  if (!unit_sha256.empty() && agent::sha256_hex(*unit) != unit_sha256)
    return bad((folder / "fleet-agent.service").string(), "wrong checksum");
  bundle.unit = std::move(*unit);
  return bundle;
}

agent::Result<AgentBundles> read_all(const AgentOptions& options) {
  AgentBundles bundles, others;
  std::vector<Asked> asked;
  for (const std::string& word : options.bundles) asked.push_back(parse(word));
  if (asked.empty()) asked.push_back({default_folder(), ""});
  std::map<std::string, fs::path> folders;  // by architecture
  for (const Asked& one : asked) {
    auto bundle = read(one);
    if (!bundle) return fail(bundle.error());
    const std::string architecture = bundle->release.architecture;
    if (!options.version.empty() && bundle->release.version != options.version) {
      others.push_back(std::move(*bundle));
      continue;
    }
    const auto [at, first] = folders.emplace(architecture, one.folder);
    if (!first)
      return fail(ErrorCode::kInvalid, "two for " + architecture + ": " + at->second.string() +
                                           " and " + one.folder.string() +
                                           "; --version says which, where theirs differ");
    bundles.push_back(std::move(*bundle));
  }
  if (bundles.empty())
    return fail(ErrorCode::kNotFound,
                "none of version " + options.version + ", there are: " + listed(others));
  return bundles;
}

}  // namespace

agent::Result<AgentBundles> read_agent_bundles(const AgentOptions& options) {
  auto bundles = read_all(options);
  if (!bundles) return fail(std::move(bundles.error()).within("agent bundle"));
  return bundles;
}

}  // namespace fleetctl::command
