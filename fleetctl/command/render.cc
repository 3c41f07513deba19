#include "fleetctl/command/render.h"

#include <ostream>
#include <system_error>

#include "agent/base/file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/plan/diff.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::Result;

void print(const Fleet& fleet, std::ostream& out) {
  const bool several = fleet.hosts.size() > 1;
  for (const auto& host : fleet.hosts) {
    if (several)
      out << (host == fleet.hosts.front() ? "" : "\n") << "==> " << host->name() << " <==\n";
    out << host->configuration();
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

// The rendered text may hold secrets: nobody else may read it.
Result<> write(const fs::path& file, const std::string& text) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error)
    return agent::fail(ErrorCode::kIo,
                       "create " + file.parent_path().string() + ": " + error.message());
  fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  return agent::write_file_atomic(file, text, 0600);
}

}  // namespace

ExitCode render(const RenderOptions& options, const ConfigurationCheck& check, std::ostream& out,
                std::ostream& err) {
  if (options.diff && options.output.empty()) {
    err << "--diff compares with the folder that --output names\n";
    return ExitCode::kUsage;
  }
  const auto fleet = load_fleet(options.fleet, check);
  if (!fleet) {
    err << fleet.error().message << "\n";
    return ExitCode::kRefused;
  }
  print_warnings(fleet->warnings, err);
  print_unmanaged(fleet->unmanaged, err);
  print_problems(fleet->problems, err);
  if (!fleet->problems.empty()) return ExitCode::kRefused;
  if (fleet->hosts.empty()) {
    if (fleet->unmanaged.empty()) err << "no selected host has 'alloy' in its services\n";
    return ExitCode::kRefused;
  }
  if (options.output.empty()) {
    print(*fleet, out);
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
    if (*before == host->configuration()) continue;
    ++changed;
    if (options.diff) {
      out << plan::unified_diff(*before, host->configuration(), file.string(),
                                host->name() + " (rendered)");
    } else if (auto done = write(file, host->configuration()); !done) {
      err << host->name() << ": " << done.error().message << "\n";
      return ExitCode::kRefused;
    }
  }
  err << fleet->hosts.size() << " hosts, " << changed
      << (options.diff ? " would change" : " written") << "\n";
  return options.diff && options.exit_code && changed > 0 ? ExitCode::kDiffers : ExitCode::kDone;
}

}  // namespace fleetctl::command
