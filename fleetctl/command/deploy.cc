#include "fleetctl/command/deploy.h"

#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"

namespace fleetctl::command {
namespace {

using agent::Mono;

std::string_view state_name(HostState state) {
  switch (state) {
    case HostState::kUnchanged:
      return "unchanged";
    case HostState::kChanged:
      return "changed";
    case HostState::kWouldChange:
      return "would change";
    case HostState::kFailed:
      return "failed";
    case HostState::kRolledBack:
      return "rolled back";
    case HostState::kBroken:
      return "broken";
    case HostState::kUnreachable:
      return "unreachable";
    case HostState::kLocked:
      return "locked";
    case HostState::kLost:
      return "lost";
  }
  return "";
}

double seconds_since(const agent::Clock& clock, Mono start) {
  return std::chrono::duration<double>(clock.mono() - start).count();
}

// How the hosts ended, and what that means for the exit status.
class Tally {
 public:
  void add(HostState state) { ++counts_[state]; }
  int count(HostState state) const {
    const auto found = counts_.find(state);
    return found == counts_.end() ? 0 : found->second;
  }

  // The worst one wins: put back, then failed, then not reached.
  ExitCode exit_code(bool changes_count) const {
    if (count(HostState::kRolledBack) > 0) return ExitCode::kRolledBack;
    if (count(HostState::kFailed) + count(HostState::kBroken) + count(HostState::kLost) > 0)
      return ExitCode::kHostFailed;
    if (count(HostState::kLocked) > 0) return ExitCode::kLocked;
    if (count(HostState::kUnreachable) > 0) return ExitCode::kUnreachable;
    if (changes_count && count(HostState::kChanged) + count(HostState::kWouldChange) > 0)
      return ExitCode::kDiffers;
    return ExitCode::kDone;
  }

  std::string text(std::size_t hosts, std::size_t left_out) const {
    std::string out = fmt::format("{} {}:", hosts, hosts == 1 ? "host" : "hosts");
    const char* separator = " ";
    for (const auto& [state, number] : counts_) {
      out += fmt::format("{}{} {}", separator, number, state_name(state));
      separator = ", ";
    }
    if (left_out > 0) out += fmt::format("{}{} not begun", separator, left_out);
    return out;
  }

 private:
  std::map<HostState, int> counts_;
};

// One host's line and what belongs below it.
std::string text_of(const std::string& name, std::size_t width, const HostResult& result) {
  std::string out = result.diff;
  std::string line = fmt::format("{:<{}}  {:<12}", name, width, state_name(result.state));
  if (!result.text.empty()) line += "  " + result.text;
  out += line + fmt::format("  [{:.2f} s]\n", result.seconds);
  for (const std::string& detail : result.details) out += "    " + detail + "\n";
  for (const std::string& note : result.notes) out += "    note: " + note + "\n";
  return out;
}

std::string json_of(const std::string& name, const HostResult& result) {
  const char* effects[] = {"none", "reload", "restart"};
  const nlohmann::json document{{"host", name},
                                {"state", state_name(result.state)},
                                {"text", result.text},
                                {"details", result.details},
                                {"notes", result.notes},
                                {"changes", result.changes},
                                {"effect", effects[static_cast<int>(result.effect)]},
                                {"diff", result.diff},
                                {"seconds", result.seconds}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

HostResult unreachable(const agent::Error& error) {
  HostResult result;
  result.state = HostState::kUnreachable;
  result.text = printable(error.message);
  return result;
}

// One deploy over all hosts.
class Deploy {
 public:
  Deploy(const Fleet& fleet, const AgentBundle& bundle, const DeployOptions& options,
         const Reacher& reacher, const NonceSource& nonces, const agent::Clock& clock,
         std::ostream& out)
      : fleet_(fleet),
        bundle_(bundle),
        options_(options),
        reacher_(reacher),
        nonces_(nonces),
        clock_(clock),
        out_(out) {
    for (const auto& host : fleet_.hosts) width_ = std::max(width_, host->name().size());
  }

  ExitCode run(const std::atomic<bool>& stop) {
    const Mono start = clock_.mono();
    const std::size_t threads =
        std::min<std::size_t>(std::max(options_.forks, 1U), fleet_.hosts.size());
    {
      std::vector<std::jthread> workers;
      for (std::size_t i = 0; i < threads; ++i) workers.emplace_back([this, &stop] { work(stop); });
    }
    const agent::MutexLock lock(mutex_);
    finish(seconds_since(clock_, start));
    if (done_ < fleet_.hosts.size()) return ExitCode::kInterrupted;
    return tally_.exit_code(options_.exit_code);
  }

 private:
  void work(const std::atomic<bool>& stop) EXCLUDES(mutex_) {
    for (;;) {
      const std::size_t index = next_++;
      if (index >= fleet_.hosts.size() || stop) return;
      const Host& host = *fleet_.hosts[index];
      const Mono start = clock_.mono();
      HostResult result = one(host);
      result.seconds = seconds_since(clock_, start);
      report(host.name(), result);
    }
  }

  HostResult one(const Host& host) {
    const auto becoming_now = becoming(host.connection(), options_.reach);
    if (!becoming_now) return unreachable(becoming_now.error());
    auto reached = reacher_(host);
    if (!reached) return unreachable(reached.error());
    const Mono deadline = clock_.mono() + options_.host_limit;
    if (auto connected = reached->remote->connect(deadline); !connected)
      return unreachable(connected.error());
    plan::Wanted wanted{plan::standard_files(host.configuration(), bundle_.unit),
                        {"systemd-journal", "adm"},
                        bundle_.release.id};
    if (host.has_service("docker")) wanted.groups.emplace_back("docker");
    HostOrder order{
        wanted,       bundle_.release, {},           becoming_now->password, options_.run,
        options_.who, options_.check,  options_.diff};
    order.exec.nonce = nonces_();
    order.exec.who = options_.who + ", run " + options_.run;
    order.exec.become = becoming_now->become;
    order.exec.become_user = becoming_now->user;
    order.exec.lock = !options_.check;
    HostResult result = run_host(*reached->remote, order, deadline);
    for (const auto& list : {reached->warnings, reached->remote->warnings()}) {
      for (const std::string& warning : list) result.notes.push_back(printable(warning));
    }
    return result;
  }

  void report(const std::string& name, const HostResult& result) EXCLUDES(mutex_) {
    const agent::MutexLock lock(mutex_);
    ++done_;
    tally_.add(result.state);
    out_ << (options_.json ? json_of(name, result) : text_of(name, width_, result)) << std::flush;
  }

  void finish(double seconds) REQUIRES(mutex_) {
    if (options_.json) {
      const nlohmann::json document{
          {"summary", tally_.text(fleet_.hosts.size(), fleet_.hosts.size() - done_)},
          {"run", options_.run},
          {"seconds", seconds}};
      out_ << document.dump() << "\n";
      return;
    }
    out_ << tally_.text(fleet_.hosts.size(), fleet_.hosts.size() - done_)
         << fmt::format(".  {:.2f} s", seconds) << "  (run " << options_.run << ")" << std::endl;
  }

  const Fleet& fleet_;
  const AgentBundle& bundle_;
  const DeployOptions& options_;
  const Reacher& reacher_;
  const NonceSource& nonces_;
  const agent::Clock& clock_;
  std::size_t width_ = 0;
  std::atomic<std::size_t> next_{0};
  agent::Mutex mutex_;
  std::ostream& out_ GUARDED_BY(mutex_);
  std::size_t done_ GUARDED_BY(mutex_) = 0;
  Tally tally_ GUARDED_BY(mutex_);
};

// Warnings and problems of the tree. False when nothing may be touched.
bool report_tree(const Fleet& fleet, std::ostream& err) {
  print_warnings(fleet.warnings, err);
  print_unmanaged(fleet.unmanaged, err);
  print_problems(fleet.problems, err);
  if (fleet.problems.empty()) return true;
  err << "No host was touched.\n";
  return false;
}

ExitCode deploy_until(const Fleet& fleet, const AgentBundle& bundle, const DeployOptions& options,
                      const Reacher& reacher, const NonceSource& nonces, const agent::Clock& clock,
                      std::ostream& out, const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << "No host to deploy to.\n";
    return ExitCode::kDone;
  }
  return Deploy(fleet, bundle, options, reacher, nonces, clock, out).run(stop);
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  if (::getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) return "";
  return agent::to_hex(raw);
}

std::string run_name(const agent::Clock& clock) {
  const std::time_t now = static_cast<std::time_t>(clock.wall_ns() / 1'000'000'000);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z-{}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, random_hex(2));
}

std::string operator_name() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
  return fmt::format("{}@{}", found == nullptr ? std::to_string(::getuid()) : found->pw_name,
                     host.data());
}

bool confirmed(std::size_t hosts) {
  std::cerr << "Deploy to " << hosts << " hosts? [y/N] " << std::flush;
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes");
}

// Ctrl-C while it lives: `stop` at the first one, the end of the program at the second.
class Interruption {
 public:
  explicit Interruption(std::atomic<bool>& stop) {
    sigemptyset(&signals_);
    for (const int number : {SIGINT, SIGTERM}) sigaddset(&signals_, number);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    thread_ = std::jthread([this, &stop](const std::stop_token& ending) {
      const timespec slice{0, 100'000'000};
      while (!ending.stop_requested()) {
        if (::sigtimedwait(&signals_, nullptr, &slice) < 0) continue;
        if (stop.exchange(true)) ::_exit(static_cast<int>(ExitCode::kInterrupted));
        const std::string_view text =
            "\nNo further host is begun; those at work are finished. Once more ends at once.\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size());
      }
    });
  }
  ~Interruption() {
    thread_.request_stop();
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  sigset_t signals_{}, before_{};
  std::jthread thread_;
};

}  // namespace

ExitCode deploy(const Fleet& fleet, const AgentBundle& bundle, const DeployOptions& options,
                const Reacher& reacher, const NonceSource& nonces, const agent::Clock& clock,
                std::ostream& out, std::ostream& err) {
  if (!report_tree(fleet, err)) return ExitCode::kRefused;
  const std::atomic<bool> never{false};
  return deploy_until(fleet, bundle, options, reacher, nonces, clock, out, never);
}

ExitCode run_deploy(const FleetOptions& fleet_options, const ConfigurationCheck& check,
                    const std::filesystem::path& agent_bundle, bool ask_become_password,
                    DeployOptions options) {
  ::signal(SIGPIPE, SIG_IGN);
  const agent::SystemClock clock;
  const auto fleet = load_fleet(fleet_options, check);
  if (!fleet) {
    std::cerr << "fleetctl: " << fleet.error().message << "\n";
    return ExitCode::kRefused;
  }
  if (!report_tree(*fleet, std::cerr)) return ExitCode::kRefused;
  const auto bundle = read_agent_bundle(agent_bundle);
  if (!bundle) {
    std::cerr << "fleetctl: " << bundle.error().message << "\n";
    return ExitCode::kRefused;
  }
  if (ask_become_password) {
    auto password = ask_secret("BECOME password: ");
    if (!password) return ExitCode::kUsage;
    options.reach.become_password = agent::Secret(password->reveal());
  }
  const bool asks = !options.yes && !options.check && !options.limited && fleet->hosts.size() > 1 &&
                    ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0;
  if (asks && !confirmed(fleet->hosts.size())) {
    std::cerr << "No host was touched.\n";
    return ExitCode::kRefused;
  }
  if (options.run.empty()) options.run = run_name(clock);
  if (options.who.empty()) options.who = operator_name();

  remote::SshContext context;
  const Reacher reacher = [&](const Host& host) {
    return reach(host.connection(), options.reach, clock, context);
  };
  std::atomic<bool> stop{false};
  const Interruption interruption(stop);
  return deploy_until(
      *fleet, *bundle, options, reacher, [] { return random_hex(8); }, clock, std::cout, stop);
}

}  // namespace fleetctl::command
