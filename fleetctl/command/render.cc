#include "fleetctl/command/render.h"

#include <ostream>
#include <system_error>

#include "agent/base/file.h"
#include "agent/base/replace_file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/plan/diff.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::Result;

// What is shown or written of a host's text.
std::string text_of(const Host& host, const RenderOptions& options) {
  return options.mask ? plan::mask_secrets(host.configuration(), "", host.secrets())
                      : host.configuration();
}

void print(const Fleet& fleet, const RenderOptions& options, std::ostream& out) {
  const bool several = fleet.hosts.size() > 1;
  for (const auto& host : fleet.hosts) {
    if (several)
      out << (host == fleet.hosts.front() ? "" : "\n") << "==> " << host->name() << " <==\n";
    out << text_of(*host, options);
  }
}

// Where a file that lies at `path` on the host is written.
fs::path file_of(const fs::path& folder, const Host& host, const fs::path& path) {
  const bool drop_in = path.string().starts_with(kDropInFolder);
  return folder / host.name() / (drop_in ? "fleet-agent.service.d" : "") / path.filename();
}

// What a host gets, masked where that is asked for.
std::vector<plan::WantedFile> files_of(const Host& host, const RenderOptions& options) {
  std::vector<plan::WantedFile> files{{plan::kConfigPath, "", "", text_of(host, options)}};
  for (const plan::WantedFile& file : host.files()) {
    files.push_back(file);
    if (options.mask) files.back().bytes = plan::mask_file(file.bytes, "", file.secrets);
  }
  return files;
}

// What is there now; "" when there is nothing yet.
Result<std::string> present(const fs::path& file) {
  auto text = agent::read_file(file);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

// The rendered text may hold secrets: nobody else may read it. It is replaced in one step, and not
// brought to the disk before we go on: it can be rendered again.
Result<> write(const fs::path& file, const std::string& text) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error)
    return agent::fail(ErrorCode::kIo,
                       "create " + file.parent_path().string() + ": " + error.message());
  fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  return agent::replace_file(file, text);  // 0600
}

}  // namespace

ExitCode render(const RenderOptions& options, const ConfigurationCheck& check, std::ostream& out,
                std::ostream& err) {
  const bool prints = options.output.empty() || options.output == "-";
  if (options.diff && prints) {
    err << "fleetctl: --diff compares with the folder that --output names\n";
    return ExitCode::kUsage;
  }
  FleetOptions selected = options.fleet;
  if (!options.host.empty()) selected.limit = {options.host};
  const ConfigurationCheck none;
  const auto fleet = load_fleet(selected, options.raw ? none : check);
  if (!fleet) {
    err << "fleetctl: " << fleet.error().message << "\n";
    return ExitCode::kRefused;
  }
  print_warnings(fleet->warnings, err);
  print_unmanaged(*fleet, err);
  print_problems(fleet->problems, err);
  if (!fleet->problems.empty()) return ExitCode::kRefused;
  if (fleet->hosts.empty()) {
    if (fleet->unmanaged.empty())
      err << "fleetctl: no selected host is managed: " << fleet->why_unmanaged << "\n";
    return ExitCode::kRefused;
  }
  if (!options.host.empty() && fleet->hosts.size() != 1) {
    err << "fleetctl: --host names one host, '" << options.host << "' are " << fleet->hosts.size()
        << "\n";
    return ExitCode::kUsage;
  }
  if (prints) {
    print(*fleet, options, out);
    return ExitCode::kDone;
  }
  std::size_t changed = 0;
  for (const auto& host : fleet->hosts) {
    bool differs = false;
    for (const plan::WantedFile& wanted : files_of(*host, options)) {
      const fs::path file = file_of(options.output, *host, wanted.path);
      const auto before = present(file);
      if (!before) {
        err << host->name() << ": " << before.error().message << "\n";
        return ExitCode::kRefused;
      }
      if (*before == wanted.bytes) continue;
      differs = true;
      if (options.diff) {
        out << painted_diff(
            plan::unified_diff(*before, wanted.bytes, file.string(), host->name() + " (rendered)"),
            wants_color(options.colors, STDOUT_FILENO));
      } else if (auto done = write(file, wanted.bytes); !done) {
        err << host->name() << ": " << done.error().message << "\n";
        return ExitCode::kRefused;
      }
    }
    changed += differs ? 1 : 0;
  }
  err << fleet->hosts.size() << (fleet->hosts.size() == 1 ? " host, " : " hosts, ") << changed
      << (options.diff ? " would change" : " written") << "\n";
  return options.diff && options.exit_code && changed > 0 ? ExitCode::kDiffers : ExitCode::kDone;
}

}  // namespace fleetctl::command
