// bundle.json: {"archive": name, "sha256": of the archive, "architecture": as uname -m, "glibc":
// "2.36",
//               "unpacked": bytes}
#include "fleetctl/command/agent_bundle.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "agent/base/file.h"

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

agent::Result<AgentBundle> read(const fs::path& folder) {
  const auto text = agent::read_file(folder / "bundle.json", 1U << 20);
  if (!text) return fail(text.error());
  const auto document = nlohmann::json::parse(*text, nullptr, false);
  const auto bad = [&] {
    return fail(ErrorCode::kInvalid, (folder / "bundle.json").string() + ": not a bundle");
  };
  if (!document.is_object()) return bad();
  AgentBundle bundle;
  plan::Release& release = bundle.release;
  release.sha256 = text_of(document, "sha256");
  release.architecture = text_of(document, "architecture");
  release.glibc = text_of(document, "glibc");
  const std::string archive = text_of(document, "archive");
  const auto unpacked = document.find("unpacked");
  if (release.sha256.size() != 64 || release.architecture.empty() || archive.empty() ||
      archive.find('/') != std::string::npos || unpacked == document.end() ||
      !unpacked->is_number_unsigned()) {
    return bad();
  }
  release.id = release.sha256.substr(0, 16);
  release.unpacked = unpacked->get<std::size_t>();
  auto bytes = agent::read_file(folder / archive, kArchiveLimit);
  if (!bytes) return fail(bytes.error());
  if (agent::sha256_hex(*bytes) != release.sha256) {
    return fail(ErrorCode::kInvalid, (folder / archive).string() + ": wrong checksum");
  }
  release.archive = std::make_shared<const std::string>(std::move(*bytes));
  auto unit = agent::read_file(folder / "fleet-agent.service", 1U << 20);
  if (!unit) return fail(unit.error());
  bundle.unit = std::move(*unit);
  return bundle;
}

}  // namespace

agent::Result<AgentBundle> read_agent_bundle(const fs::path& asked) {
  auto bundle = read(asked.empty() ? default_folder() : asked);
  if (!bundle) return fail(std::move(bundle.error()).within("agent bundle"));
  return bundle;
}

}  // namespace fleetctl::command
