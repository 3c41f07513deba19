#include "fleetctl/command/logs.h"

#include <signal.h>

#include <atomic>
#include <iostream>

#include "fleetctl/command/ask_host.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"

namespace fleetctl::command {
namespace {

constexpr std::size_t kLongestLine = 1U << 16;        // shown in one piece
constexpr auto kFollowing = std::chrono::hours(480);  // then it ends after all

// journalctl, which is ended when our side of standard input goes. No quotes in it: the login
// shell, whichever it is, gets it in a pair of them.
std::string command_for(const LogsOptions& options) {
  return "exec /bin/sh -c 'exec 3<&0; s=; "
         "if [ $(id -u) != 0 ] && ! id -nG | grep -qwE \"systemd-journal|adm\"; then s=\"sudo "
         "-n\"; "
         "fi; "
         "$s journalctl --quiet --no-pager --output short-iso --unit fleet-agent.service --lines " +
         std::to_string(options.lines) + (options.follow ? " --follow" : "") +
         " </dev/null 3<&- & p=$!; "
         "(cat <&3; kill $p) >/dev/null 2>&1 & "
         "wait $p; r=$?; kill $! 2>/dev/null; exit $r'";
}

// Shows lines as they come. The host's words cannot do anything to the terminal.
class Showing final : public remote::Dialogue {
 public:
  Showing(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}
  void on_start(remote::Input&) override {}
  agent::Result<> on_output(std::string_view bytes, remote::Input&) override {
    silent_ = false;
    show(bytes, rest_, out_);
    if (!out_) return agent::fail(agent::ErrorCode::kIo, "writing to standard output failed");
    return {};
  }
  agent::Result<> on_error_output(std::string_view bytes, remote::Input&) override {
    silent_ = false;
    show(bytes, error_rest_, err_);
    return {};
  }
  bool silent() const { return silent_; }
  void end() {
    if (!rest_.empty()) show("\n", rest_, out_);
    if (!error_rest_.empty()) show("\n", error_rest_, err_);
  }

 private:
  static void show(std::string_view bytes, std::string& rest, std::ostream& to) {
    rest += bytes;
    std::size_t begin = 0, end = 0;
    for (; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      to << printable(std::string_view(rest).substr(begin, end - begin)) << "\n";
    rest.erase(0, begin);
    if (rest.size() > kLongestLine) {
      to << printable(rest);
      rest.clear();
    }
    to << std::flush;
  }

  std::ostream& out_;
  std::ostream& err_;
  std::string rest_, error_rest_;  // what has no line end yet
  bool silent_ = true;
};

}  // namespace

ExitCode logs(const Fleet& fleet, const LogsOptions& options, const World& world, std::ostream& out,
              std::ostream& err) {
  if (fleet.hosts.size() != 1) {
    err << "fleetctl: " << fleet.hosts.size() << " hosts are meant, logs shows one\n";
    return ExitCode::kRefused;
  }
  const Host& host = *fleet.hosts[0];
  RunOptions run = options;
  if (options.follow) run.host_limit = kFollowing;
  Showing showing(out, err);
  std::vector<std::string> notes;
  const auto status = ask_host(host, command_for(options), showing, run, world, notes);
  showing.end();
  for (const std::string& note : notes) err << "note: " << note << "\n";
  if (!status) {
    err << host.name() << ": " << printable(status.error().message) << "\n";
    return ExitCode::kUnreachable;
  }
  if (*status == 0) {
    if (showing.silent() && options.lines > 0)
      err << host.name()
          << ": the journal there has no line of fleet-agent.service; `fleetctl status` tells "
             "whether "
             "it is installed\n";
    return ExitCode::kDone;
  }
  err << host.name() << ": journalctl ended with " << *status << "\n";
  return ExitCode::kHostFailed;
}

ExitCode run_logs(FleetOptions fleet_options, const LogsOptions& options) {
  fleet_options.rendering = Rendering::kNone;
  const auto fleet = usable(load_fleet(fleet_options, {}), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  // Ctrl-C ends it at once: there is nothing to bring to an end on the host.
  ::signal(SIGPIPE, SIG_IGN);
  agent::SystemClock clock;
  remote::SshContext context;
  const std::atomic<bool> never{false};
  context.private_keys.ask = [&](const std::string& file, bool again) {
    return ask_passphrase(file, again, never);
  };
  const Reacher reacher = [&](const Host& host) {
    return reach(host.connection(), options.reach, clock, context);
  };
  const NonceSource none = [] { return std::string(); };
  return logs(*fleet, options, World{reacher, none, clock}, std::cout, std::cerr);
}

}  // namespace fleetctl::command
