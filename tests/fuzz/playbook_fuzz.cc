// A playbook beside a role that needs itself. Files are looked for in one folder: an input with a
// slash could name others.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/inventory/playbook.h"

namespace {

namespace fs = std::filesystem;

// A folder with roles/web, for as long as the program runs.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fleetctl-playbook-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
    write("roles/web/defaults/main.yml", "port: 80\n");
    write("roles/web/vars/main.yml", "name: web\n");
    write("roles/web/meta/main.yml", "dependencies: [{role: web}, {role: web}]\n");
    write("roles/db/defaults/main.yml", "port: 5432\n");
    write("roles/db/tasks/main.yml", "- set_fact: {port: 1}\n");
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary | std::ios::trunc) << text;
  }

  fs::path path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl::inventory;
  static const Folder folder;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 4096 || text.find('/') != std::string_view::npos) return 0;
  folder.write("play.yml", text);
  std::vector<std::string> warnings;
  Loader loader(
      [](std::string_view) -> agent::Result<std::string> {
        return agent::fail(agent::ErrorCode::kPermission, "no password");
      },
      warnings);
  const auto plays = read_playbook(folder.path / "play.yml", {}, loader, warnings);
  if (!plays) return 0;
  for (const Play& play : *plays)
    if (play.folders.empty()) std::abort();
  return 0;
}
