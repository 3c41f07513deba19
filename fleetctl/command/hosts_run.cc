#include "fleetctl/command/hosts_run.h"

#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "fleetctl/command/progress.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"

namespace fleetctl::command {
namespace {

using agent::Mono;

constexpr std::size_t kManyHosts = 10;  // more, and what went wrong may be out of sight

HostResult unreachable(const agent::Error& error) {
  HostResult result;
  result.state = HostState::kUnreachable;
  result.text = one_line(error.message);
  return result;
}

// Hands results on, one at a time, in the order that is asked for.
class Reports {
 public:
  Reports(const Fleet& fleet, Sequence sequence,
          const std::function<void(const Host&, const HostResult&)>& report)
      : fleet_(fleet), sequence_(sequence), report_(report), waiting_(fleet.hosts.size()) {}

  void add(std::size_t index, HostResult result) EXCLUDES(mutex_) {
    const agent::MutexLock lock(mutex_);
    if (sequence_ == Sequence::kAsTheyEnd) {
      report_(*fleet_.hosts[index], result);
      return;
    }
    waiting_[index] = std::move(result);
    for (; next_ < waiting_.size() && waiting_[next_]; ++next_) hand_on(next_);
  }

 private:
  void hand_on(std::size_t index) REQUIRES(mutex_) {
    report_(*fleet_.hosts[index], *waiting_[index]);
    waiting_[index].reset();
  }

  const Fleet& fleet_;
  const Sequence sequence_;
  const std::function<void(const Host&, const HostResult&)>& report_;
  agent::Mutex mutex_;
  std::vector<std::optional<HostResult>> waiting_ GUARDED_BY(mutex_);
  std::size_t next_ GUARDED_BY(mutex_) = 0;
};

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

std::string batch_text(const Batch& batch, std::size_t number, std::size_t of) {
  return fmt::format("Batch {} of {}{}: {}", number, of, batch.canary ? ", the canary" : "",
                     hosts_text(batch.hosts.size()));
}

// Ctrl-C while it lives: `stop` at the first one, the end of the program at the second.
class Interruption {
 public:
  Interruption(std::atomic<bool>& stop, std::string_view said) {
    sigemptyset(&signals_);
    for (const int number : {SIGINT, SIGTERM}) sigaddset(&signals_, number);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    thread_ = std::jthread([this, &stop, said](const std::stop_token& ending) {
      const timespec slice{0, 100'000'000};
      while (!ending.stop_requested()) {
        if (::sigtimedwait(&signals_, nullptr, &slice) < 0) continue;
        if (stop.exchange(true)) ::_exit(static_cast<int>(ExitCode::kInterrupted));
        // From where the progress is drawn on; it goes on below.
        const std::string text =
            std::string(::isatty(STDERR_FILENO) != 0 ? "\r\x1b[J" : "") + std::string(said);
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

HostResult visit(const Host& host, HostOrder order, const RunOptions& options, const World& world,
                 const After& after) {
  if (world.progress != nullptr) {
    world.progress->step(host.name(), "connects");
    order.on_step = [&](std::string_view step) { world.progress->step(host.name(), step); };
  }
  const auto become = becoming(host.connection(), options.reach);
  if (!become) return unreachable(become.error());
  auto reached = world.reacher(host);
  if (!reached) return unreachable(reached.error());
  const Mono whole = world.clock.mono() + options.host_limit;
  const Mono deadline = std::min(whole, options.until.value_or(whole));
  if (auto connected = reached->remote->connect(deadline); !connected)
    return unreachable(connected.error());
  order.become_password = become->password;
  order.run = options.run;
  order.who = options.who;
  order.exec.nonce = world.nonces();
  order.exec.who = options.who + ", run " + options.run;
  order.exec.become = become->become;
  order.exec.become_user = become->user;
  const bool reads = order.check || order.task == Task::kLook || order.task == Task::kMeasure;
  order.exec.lock = order.task == Task::kUpkeep ? order.locks : !reads;
  HostResult result = run_host(*reached->remote, order, deadline);
  for (const auto& list : {reached->warnings, reached->remote->warnings()}) {
    for (const std::string& warning : list) result.notes.push_back(one_line(warning));
  }
  if (after) after(*reached->remote, result);
  return result;
}

namespace {

HostResult visit_for(Task task, std::string upkeep, bool locks,
                     std::map<std::string, std::string> releases, const Host& host,
                     const RunOptions& options, const World& world, const After& after = {}) {
  plan::Wanted wanted{plan::standard_files("", ""), {}, ""};
  wanted.releases = std::move(releases);
  const plan::Release none;
  HostOrder order{wanted, none, {}, {}, {}, {}};
  order.task = task;
  order.upkeep = std::move(upkeep);
  order.locks = locks;
  return visit(host, std::move(order), options, world, after);
}

}  // namespace

HostResult look_at(const Host& host, const RunOptions& options, const World& world, Task task,
                   const After& after) {
  return visit_for(task, "", false, {}, host, options, world, after);
}

HostResult look_after(const Host& host, std::string upkeep, bool locks, const RunOptions& options,
                      const World& world, std::map<std::string, std::string> releases) {
  return visit_for(Task::kUpkeep, std::move(upkeep), locks, std::move(releases), host, options,
                   world);
}

Course over_hosts(const Fleet& fleet, const RunOptions& options, const World& world,
                  std::string_view doing, const std::atomic<bool>& stop, Sequence sequence,
                  const std::function<HostResult(const Host&)>& work,
                  const std::function<void(const Host&, const HostResult&)>& report,
                  std::ostream& err) {
  agent::Clock& clock = world.clock;
  // What is printed goes above what shows the progress.
  const auto above = [&](const std::function<void()>& print) {
    if (world.progress != nullptr) {
      world.progress->above(print);
    } else {
      print();
    }
  };
  const std::function<void(const Host&, const HostResult&)> report_above =
      [&](const Host& host, const HostResult& result) { above([&] { report(host, result); }); };
  Reports reports(fleet, sequence, report_above);
  if (world.progress != nullptr) world.progress->begin(std::string(doing), fleet.hosts.size());
  const std::size_t all = fleet.hosts.size();
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < all; ++i) {
    if (std::find(fleet.first.begin(), fleet.first.end(), fleet.hosts[i]->name()) !=
        fleet.first.end())
      first.push_back(i);
  }
  const auto batches = batches_of(all, std::move(first), options.rolling);
  std::atomic<std::size_t> failures{0};
  Course course;
  const auto late = [&] { return options.until && clock.mono() >= *options.until; };
  for (std::size_t number = 0; number < batches.size(); ++number) {
    const Batch& batch = batches[number];
    if (batches.size() > 1 && !course.too_many_failures && !stop && !late())
      above([&] { err << batch_text(batch, number + 1, batches.size()) << std::endl; });
    std::atomic<std::size_t> next{0};
    const auto too_many = [&, before = failures.load()] {
      return too_much(options.rolling, batch, {all, failures, before, batches.size() > 1});
    };
    const auto worker = [&] {
      while (!stop && !late() && !course.too_many_failures && !too_many()) {
        const std::size_t at = next++;
        if (at >= batch.hosts.size()) return;
        const std::size_t index = batch.hosts[at];
        const Mono start = clock.mono();
        HostResult result = work(*fleet.hosts[index]);
        result.seconds = seconds_since(clock, start);
        if (!is_well(result.state)) ++failures;
        if (world.progress != nullptr) world.progress->ended(fleet.hosts[index]->name(), result);
        reports.add(index, std::move(result));
      }
    };
    {
      std::vector<std::jthread> workers;
      const auto threads = std::min<std::size_t>(std::max(options.forks, 1U), batch.hosts.size());
      for (std::size_t i = 0; i < threads; ++i) workers.emplace_back(worker);
    }
    for (std::size_t at = next; at < batch.hosts.size(); ++at)
      course.untouched.push_back(fleet.hosts[batch.hosts[at]]->name());
    course.too_many_failures = course.too_many_failures || too_many();
  }
  if (world.progress != nullptr) world.progress->end();
  if (course.untouched.empty()) course.too_many_failures = false;
  course.out_of_time = !course.untouched.empty() && !course.too_many_failures && !stop && late();
  return course;
}

std::size_t Tally::failures() const {
  std::size_t all = 0;
  for (const auto& [state, number] : counts_) all += is_well(state) ? 0U : std::size_t(number);
  return all;
}

int Tally::count(HostState state) const {
  const auto found = counts_.find(state);
  return found == counts_.end() ? 0 : found->second;
}

ExitCode Tally::exit_code(const Course& course, bool changes_count) const {
  if (course.too_many_failures || course.out_of_time) return ExitCode::kTooManyFailures;
  if (!course.untouched.empty()) return ExitCode::kInterrupted;
  if (count(HostState::kRolledBack) > 0) return ExitCode::kRolledBack;
  if (count(HostState::kFailed) + count(HostState::kBroken) + count(HostState::kLost) > 0)
    return ExitCode::kHostFailed;
  if (count(HostState::kLocked) > 0) return ExitCode::kLocked;
  if (count(HostState::kUnreachable) > 0) return ExitCode::kUnreachable;
  if (changes_count && count(HostState::kChanged) + count(HostState::kWouldChange) > 0)
    return ExitCode::kDiffers;
  return ExitCode::kDone;
}

std::string Tally::text(std::size_t hosts, std::size_t left_out,
                        std::string_view (*name)(HostState)) const {
  std::vector<StateCount> counts;
  for (const auto& [state, number] : counts_) counts.emplace_back(name(state), number);
  if (left_out > 0) counts.emplace_back("not touched", left_out);
  return counts_text(hosts, counts);
}

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

Tone tone_of(HostState state) {
  if (!is_well(state)) return Tone::kBad;
  return state == HostState::kUnchanged ? Tone::kGood : Tone::kChange;
}

bool is_well(HostState state) {
  return state == HostState::kUnchanged || state == HostState::kChanged ||
         state == HostState::kWouldChange;
}

bool is_left_out(const HostResult& result, const RunOptions& options) {
  return options.quiet && !options.json && result.state == HostState::kUnchanged;
}

namespace {

// What was not touched and why, a line; "" when all were begun.
std::string untouched_text(const Course& course, const Tally& tally, const Rolling& rolling) {
  if (course.untouched.empty()) return "";
  std::string why = "Interrupted";
  if (course.too_many_failures) {
    const std::size_t failures = tally.failures();
    why =
        fmt::format("Stopped: {} {} badly", failures, failures == 1 ? "host ended" : "hosts ended");
    if (rolling.max_fail)
      why += fmt::format(" (--max-fail {}{})", rolling.max_fail->number,
                         rolling.max_fail->percent ? "%" : "");
    else if (rolling.max_fail_percentage)
      why += fmt::format(" (max_fail_percentage {} of a batch)", *rolling.max_fail_percentage);
  } else if (course.out_of_time) {
    why = "Stopped: the time of --total-timeout is over";
  }
  return why + "; not touched: " + name_some(course.untouched) + "\n";
}

}  // namespace

void Ending::add(const Host& host, const HostResult& result, std::string_view word) {
  tally.add(result.state);
  if (!is_well(result.state)) bad.push_back({host.name(), std::string(word), result.text});
}

std::string text_of(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                    StateName name) {
  std::string out;
  if (fleet.hosts.size() > kManyHosts && !ending.bad.empty()) {
    auto rows = ending.bad;
    rows.insert(rows.begin(), {"HOST", "STATE", "WHY"});
    out += "\n" + aligned(rows, options.color, [](std::size_t row, std::size_t column, auto) {
             return row > 0 && column == 1 ? Tone::kBad : Tone::kPlain;
           });
  }
  out += untouched_text(ending.course, ending.tally, options.rolling);
  out += ending.tally.text(fleet.hosts.size(), ending.course.untouched.size(), name);
  return out + fmt::format(".  {:.2f} s  (run {})\n", ending.seconds, options.run);
}

std::string json_of(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                    StateName name, const std::string& summary) {
  nlohmann::json counts = nlohmann::json::object();
  for (const auto& [state, number] : ending.tally.counts())
    counts[std::string(name(state))] = number;
  const nlohmann::json document{
      {"schema", kSchema},
      {"type", "summary"},
      {"run", options.run},
      {"hosts", fleet.hosts.size()},
      {"counts", counts},
      {"untouched", ending.course.untouched},
      {"stopped", ending.course.too_many_failures || ending.course.out_of_time},
      {"exit_code", static_cast<int>(ending.tally.exit_code(ending.course, options.exit_code))},
      {"summary", summary},
      {"seconds", ending.seconds}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string last_words(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                       StateName name) {
  if (!options.json) return text_of(ending, fleet, options, name);
  return json_of(ending, fleet, options, name,
                 ending.tally.text(fleet.hosts.size(), ending.course.untouched.size(), name));
}

std::size_t widest_name(const Fleet& fleet) {
  std::size_t width = 0;
  for (const auto& host : fleet.hosts) width = std::max(width, host->name().size());
  return width;
}

double seconds_since(const agent::Clock& clock, Mono start) {
  return std::chrono::duration<double>(clock.mono() - start).count();
}

std::string text_below(const HostResult& result) {
  std::string out;
  for (const std::string& detail : result.details) out += "    " + detail + "\n";
  for (const std::string& note : result.notes) out += "    note: " + note + "\n";
  return out;
}

bool report_tree(const Fleet& fleet, std::ostream& err) {
  print_warnings(fleet.warnings, err);
  print_unmanaged(fleet, err);
  print_problems(fleet.problems, err);
  if (fleet.problems.empty()) return true;
  err << "No host was touched.\n";
  return false;
}

std::optional<Fleet> usable(agent::Result<Fleet> loaded, std::ostream& err) {
  if (!loaded) {
    err << "fleetctl: " << loaded.error().message << "\nNo host was touched.\n";
    return std::nullopt;
  }
  if (!report_tree(*loaded, err)) return std::nullopt;
  return std::move(*loaded);
}

namespace {

// What `option` asks for; `variable` would say it, too. Without an answer that is told.
std::optional<agent::Wiped> ask_once(std::string_view option, const std::string& question,
                                     std::string_view variable) {
  auto password = ask_secret(question);
  if (!password)
    std::cerr << "fleetctl: " << option
              << ": no password was given: there is nobody to ask, and no line of standard input; "
              << variable << " in the inventory's variables (a vault) says it, too\n";
  return password;
}

}  // namespace

bool ask_login_password(RunOptions& options) {
  if (!options.ask_password || !options.reach.password.empty()) return true;
  if (options.reach.openssh) {
    std::cerr << "fleetctl: -k: a password to log in with is for --transport libssh\n";
    return false;
  }
  const auto password = ask_once("-k", "SSH password: ", "ansible_password");
  if (password) options.reach.password = agent::Secret(password->reveal());
  return password.has_value();
}

ExitCode in_the_world(
    RunOptions& options, bool ask_become_password,
    const std::function<ExitCode(const World&, const std::atomic<bool>& stop)>& body,
    std::string_view said_on_stop) {
  ::signal(SIGPIPE, SIG_IGN);
  if (!ask_login_password(options)) return ExitCode::kUsage;
  if (ask_become_password) {
    const auto password = ask_once("-K", "BECOME password: ", "ansible_become_password");
    if (!password) return ExitCode::kUsage;
    options.reach.become_password = agent::Secret(password->reveal());
  }
  agent::SystemClock clock;
  if (options.run.empty()) options.run = run_name(clock);
  if (options.who.empty()) options.who = operator_name();
  remote::SshContext context;
  const Reacher reacher = [&](const Host& host) {
    return reach(host.connection(), options.reach, clock, context);
  };
  const NonceSource nonces = [] { return random_hex(8); };
  std::atomic<bool> stop{false};
  options.color = wants_color(options.colors, STDOUT_FILENO);
  if (options.total_limit) options.until = clock.mono() + *options.total_limit;
  Screen screen = screen_of_standard_error(wants_color(options.colors, STDERR_FILENO));
  if (options.events) {
    screen = screen_of_events(options.run);
  } else if (options.verbose > 0) {
    screen.shape = Shape::kSteps;
  } else if (options.quiet) {
    screen.shape = Shape::kNone;
  }
  Progress progress(std::move(screen), clock);
  context.private_keys.ask = [&](const std::string& file, bool again) {
    std::optional<agent::Wiped> passphrase;
    progress.above([&] { passphrase = ask_passphrase(file, again, stop); });
    return passphrase;
  };
  const Interruption interruption(stop, said_on_stop);
  return body(World{reacher, nonces, clock, &progress}, stop);
}

ExitCode with_hosts(FleetOptions fleet_options, RunOptions& options, bool ask_become_password,
                    const std::function<ExitCode(const Fleet&, const World&,
                                                 const std::atomic<bool>& stop)>& body) {
  fleet_options.rendering = Rendering::kNone;
  const auto fleet = usable(load_fleet(fleet_options, {}), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return body(*fleet, world, stop);
  });
}

bool confirmed(const RunOptions& options, std::string_view question, std::ostream& err) {
  if (options.yes) return true;
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
    err << "Nobody can be asked here: give --yes. Nothing was done.\n";
    return false;
  }
  err << question << " [y/N] " << std::flush;
  std::string answer;
  if (std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes"))
    return true;
  err << "Nothing was done.\n";
  return false;
}

bool may_change(const RunOptions& options, std::size_t hosts, std::string_view question) {
  const bool asks = !options.yes && !options.limited && hosts > 1 && ::isatty(STDIN_FILENO) != 0 &&
                    ::isatty(STDERR_FILENO) != 0;
  if (!asks) return true;
  std::cerr << question << " " << hosts << " hosts? [y/N] " << std::flush;
  std::string answer;
  if (std::getline(std::cin, answer) && (answer == "y" || answer == "Y" || answer == "yes"))
    return true;
  std::cerr << "No host was touched.\n";
  return false;
}

}  // namespace fleetctl::command
