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

fs::path file_of(const fs::path& folder, const Host& host) {
  return folder / host.name() / "config.alloy";
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
    err << "--diff compares with the folder that --output names\n";
    return ExitCode::kUsage;
  }
  FleetOptions selected = options.fleet;
  if (!options.host.empty()) selected.limit = {options.host};
  const ConfigurationCheck none;
  const auto fleet = load_fleet(selected, options.raw ? none : check);
  if (!fleet) {
    err << fleet.error().message << "\n";
    return ExitCode::kRefused;
  }
  print_warnings(fleet->warnings, err);
  print_unmanaged(*fleet, err);
  print_problems(fleet->problems, err);
  if (!fleet->problems.empty()) return ExitCode::kRefused;
  if (fleet->hosts.empty()) {
    if (fleet->unmanaged.empty())
      err << "no selected host is managed: " << fleet->why_unmanaged << "\n";
    return ExitCode::kRefused;
  }
  if (!options.host.empty() && fleet->hosts.size() != 1) {
    err << "--host names one host, '" << options.host << "' are " << fleet->hosts.size() << "\n";
    return ExitCode::kUsage;
  }
  if (prints) {
    print(*fleet, options, out);
    out.flush();
    if (out) return ExitCode::kDone;
    err << "writing to standard output failed\n";
    return ExitCode::kRefused;
  }
  std::size_t changed = 0;
  for (const auto& host : fleet->hosts) {
    const fs::path file = file_of(options.output, *host);
    const auto before = present(file);
    if (!before) {
      err << host->name() << ": " << before.error().message << "\n";
      return ExitCode::kRefused;
    }
    const std::string text = text_of(*host, options);
    if (*before == text) continue;
    ++changed;
    if (options.diff) {
      out << painted_diff(
          plan::unified_diff(*before, text, file.string(), host->name() + " (rendered)"),
          wants_color(options.colors, STDOUT_FILENO));
    } else if (auto done = write(file, text); !done) {
      err << host->name() << ": " << done.error().message << "\n";
      return ExitCode::kRefused;
    }
  }
  err << fleet->hosts.size() << (fleet->hosts.size() == 1 ? " host, " : " hosts, ") << changed
      << (options.diff ? " would change" : " written") << "\n";
  return options.diff && options.exit_code && changed > 0 ? ExitCode::kDiffers : ExitCode::kDone;
}

}  // namespace fleetctl::command
