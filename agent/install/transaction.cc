#include "agent/install/transaction.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/replace_file.h"
#include "agent/base/strings.h"
#include "agent/install/installed.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr Duration kCommandLimit = 60s;
constexpr Duration kHttpLimit = 5s;
constexpr Duration kReloadLimit = 30s;
constexpr Duration kPollEvery = 100ms;
constexpr Duration kIllPatience = 5s;  // for an agent that need not become healthy
constexpr Duration kQueuePatience = 3s;
constexpr std::size_t kMetricsLimit = 8U << 20;
constexpr int kPollsPerLook = 10;  // systemd is asked once a second while the agent does not answer
constexpr unsigned kKeep = 3;
constexpr std::string_view kStagedFile = "/etc/fleet-agent/.config.alloy.staged";
constexpr int kUnknownOption = 109;  // what a fleet-agent ends with (CLI11's ExtrasError)
constexpr std::size_t kLogLines = 12;
constexpr std::size_t kLogLineLimit = 1000;

const SavedFile* find_file(const std::vector<SavedFile>& files, std::string_view path) {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const SavedFile& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

bool in_config_folder(std::string_view path) {
  return path.substr(0, kConfigFolder.size()) == kConfigFolder;
}

// For a message: line feeds become spaces.
std::string one_line(std::string_view text) {
  std::string out(trim(text));
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

// Of NAME=VALUE lines, as `systemctl show` prints them; "" when it is not there.
std::string value_of(std::string_view lines, std::string_view name) {
  for (const std::string_view line : split(lines, '\n')) {
    const auto equals = line.find('=');
    if (line.substr(0, equals) == name && equals != std::string_view::npos)
      return std::string(trim(line.substr(equals + 1)));
  }
  return "";
}

// Where its folder goes without saying, as fleetctl has it: "config.alloy",
// "fleet-agent.service.d/limits.conf". No two files have one name.
std::string shown_name(std::string_view path) {
  constexpr std::string_view kUnitFolder = "/etc/systemd/system/";
  if (path.starts_with(kUnitFolder)) return std::string(path.substr(kUnitFolder.size()));
  if (!in_config_folder(path)) return std::string(path);
  const std::string_view name = path.substr(kConfigFolder.size() + 1);
  return std::string(name == kUnitName ? path : name);
}

Result<> make_folder(const fs::path& path, mode_t mode, uid_t uid, gid_t gid) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno(path.string(), errno);
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno(path.string(), errno);
  if (::fchown(fd.get(), uid, gid) != 0 || ::fchmod(fd.get(), mode) != 0) {
    return fail_errno(path.string(), errno);
  }
  return {};
}

constexpr uid_t kSameUser = static_cast<uid_t>(-1);
constexpr gid_t kSameGroup = static_cast<gid_t>(-1);

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUnchanged:
      return "unchanged";
    case Outcome::kChanged:
      return "changed";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kRolledBack:
      return "rolled-back";
    case Outcome::kBroken:
      return "broken";
  }
  return "";
}

// {"run", "who", "outcome", "effect": none|reload|restart, "changes": [], "notes": [], "error",
// "log": [],
//  "generation", "back_to": the generation that was asked for, in a rollback, "release",
//  "finished": seconds since 1970}
std::string Report::json(const Bundle& bundle, std::int64_t wall_ns) const {
  const char* effects[] = {"none", "reload", "restart"};
  nlohmann::json document{{"run", bundle.run},
                          {"who", bundle.who},
                          {"outcome", outcome_name(outcome)},
                          {"effect", effects[static_cast<int>(effect)]},
                          {"changes", changes},
                          {"notes", notes},
                          {"error", error},
                          {"log", log},
                          {"generation", generation},
                          {"release", bundle.release},
                          {"finished", wall_ns / 1'000'000'000}};
  if (bundle.back_to) document["back_to"] = *bundle.back_to;
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Lines `name{labels} value` of the text format.
Deliveries read_deliveries(std::string_view metrics_page) {
  Deliveries found;
  for (const std::string_view line : split(metrics_page, '\n')) {
    const std::string_view name = line.substr(0, line.find_first_of("{ "));
    double* sum = name == "loki_write_sent_entries_total"      ? &found.sent
                  : name == "loki_write_dropped_entries_total" ? &found.dropped
                  : name == "loki_write_queued_entries"        ? &found.queued
                  : name == "loki_write_failing" ? &found.failing.emplace(found.failing.value_or(0))
                                                 : nullptr;
    const auto space = line.rfind(' ');
    if (sum == nullptr || space == std::string_view::npos) continue;
    double value = 0;
    const auto [stop, error] =
        std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
    if (error != std::errc()) continue;
    *sum += value;
    found.known = true;
  }
  return found;
}

Transaction::Transaction(System& system, Clock& clock, const Bundle& bundle, Progress progress)
    : system_(system),
      clock_(clock),
      bundle_(bundle),
      progress_(std::move(progress)),
      books_(system) {}

Report Transaction::run() {
  began_ = clock_.wall_ns();
  if (auto done = look(); !done) return refuse(done.error());
  compare();
  if (report_.changes.empty()) return report_;
  if (bundle_.restart == Restart::kNever && report_.effect == Effect::kRestart)
    return refuse({ErrorCode::kInvalid, "it needs a restart, and --restart never was given"});
  if (auto done = prepare(); !done) return refuse(done.error());
  if (auto done = validate(); !done) return refuse(done.error());
  if (auto done = save(); !done) return refuse(done.error());

  note_deliveries();
  auto done = install();
  if (done) done = activate();
  if (done) done = wait_until_good(report_.effect, true);
  if (done) done = commit();
  if (done) {
    report_.outcome = Outcome::kChanged;
  } else if (!bundle_.rolls_back && agent_touched_ && !refused_by_agent_) {
    leave(done.error());
  } else {
    roll_back(done.error());
  }
  const auto written = books_.write_result(report_.json(bundle_, clock_.wall_ns()));
  if (!written) report_.notes.push_back(written.error().message);
  return report_;
}

Report Transaction::refuse(Error error) {
  report_.outcome = Outcome::kRefused;
  report_.error = std::move(error.message);
  return report_;
}

// --- what is there
// -----------------------------------------------------------------------------------------------

Result<> Transaction::look() {
  progress_("look");
  if (!fs::exists(system_.at("/run/systemd/system"))) {
    return fail(ErrorCode::kUnavailable, "this host does not run systemd");
  }
  const fs::path binary =
      system_.at(std::string(kReleases) + "/" + bundle_.release + "/bin/fleet-agent");
  if (::access(binary.c_str(), X_OK) != 0) return fail_errno(binary.string(), errno);
  if (auto opened = books_.open(); !opened) return opened;
  present_.applied = books_.applied();
  present_.underway = books_.underway();
  if (present_.underway) {
    if (auto before = books_.read_generation(present_.underway->generation))
      interrupted_ = std::move(*before);
  }
  auto accounts = read_accounts(system_, bundle_.groups);
  if (!accounts) return fail(accounts.error());
  present_.accounts = std::move(*accounts);

  std::vector<std::string> paths;
  for (const BundleFile& file : bundle_.files) paths.push_back(file.path);
  if (present_.applied) {
    for (const auto& [path, sha256] : present_.applied->files) {
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
    }
  }
  for (const std::string& path : paths) {
    auto saved = books_.save_file(path);
    if (!saved) return fail(saved.error());
    present_.files.push_back(std::move(*saved));
  }
  if (auto looked = look_for_leftovers(); !looked) return looked;

  std::error_code ignored;
  const fs::path link = fs::read_symlink(system_.at(std::string(kReleases) + "/current"), ignored);
  if (valid_release(link.filename().string())) present_.release = link.filename();
  present_.enabled = fs::is_symlink(system_.at(kBootLink), ignored);
  const auto properties = show("ActiveState,MainPID");
  present_.active = value_of(properties, "ActiveState") == "active" ||
                    value_of(properties, "ActiveState") == "reloading";
  present_.pid = value_of(properties, "MainPID");
  present_.ready = present_.active && asks("/-/ready").has_value();
  if (present_.ready) {
    const auto healthy = asks("/-/healthy");
    present_.healthy = healthy.has_value();
    if (!healthy) report_.notes.push_back("before this run: " + healthy.error().message);
  }
  return {};
}

// What an interrupted deploy brought and nobody names: not this one, nor the last that ended.
Result<> Transaction::look_for_leftovers() {
  if (!interrupted_) return {};
  for (const SavedFile& file : interrupted_->files) {
    if (file.present || find_file(present_.files, file.path) != nullptr) continue;
    auto saved = books_.save_file(file.path);
    if (!saved) return fail(saved.error());
    if (saved->present) present_.files.push_back(std::move(*saved));
  }
  return {};
}

void Transaction::note_change(std::string what, Effect effect) {
  report_.changes.push_back(std::move(what));
  report_.effect = std::max(report_.effect, effect);
}

void Transaction::compare() {
  const Accounts& accounts = present_.accounts;
  if (!accounts.user_exists) note_change("user " + std::string(kUser), Effect::kRestart);
  for (const Group& group : accounts.groups) {
    if (!group.member) note_change("group " + group.name, Effect::kRestart);
  }
  for (const BundleFile& file : bundle_.files) {
    const SavedFile& now = *find_file(present_.files, file.path);
    const bool config = in_config_folder(file.path);
    const gid_t group = config ? accounts.user.gid : now.gid;
    const std::string name = shown_name(file.path);
    if (!now.present || now.bytes != file.bytes) {
      note_change(name, config ? Effect::kReload : Effect::kRestart);
      unit_changes_ = unit_changes_ || !config;
    } else if (now.mode != file.mode || now.uid != ::geteuid() ||
               (accounts.user_exists && now.gid != group)) {
      note_change("mode of " + name, Effect::kNone);
    } else if (present_.applied && present_.applied->files.contains(file.path) &&
               present_.applied->files.at(file.path) != file.sha256) {
      // It lies there without having been made effective: somebody put it there by hand.
      note_change(name + " (was in place, but not in effect)",
                  config ? Effect::kReload : Effect::kRestart);
      unit_changes_ = unit_changes_ || !config;
    }
  }
  for (std::size_t i = bundle_.files.size(); i < present_.files.size(); ++i) {
    const SavedFile& old = present_.files[i];
    if (!old.present) {
      note_change("forgotten " + shown_name(old.path), Effect::kNone);
      continue;
    }
    const bool config = in_config_folder(old.path);
    note_change("removed " + shown_name(old.path), config ? Effect::kReload : Effect::kRestart);
    unit_changes_ = unit_changes_ || !config;
  }
  if (present_.release.empty()) {
    note_change("release " + bundle_.release, Effect::kRestart);
  } else if (present_.release != bundle_.release) {
    note_change("release " + present_.release + " -> " + bundle_.release, Effect::kRestart);
  }
  if (!present_.enabled) note_change("enabled at boot", Effect::kNone);
  if (!present_.active) {
    note_change("started", Effect::kRestart);
  } else if (!present_.ready) {
    note_change("restarted (it was not ready)", Effect::kRestart);
  }
  if (present_.underway) {
    report_.notes.push_back("the deploy " + present_.underway->run + " of " +
                            present_.underway->who + " was interrupted");
    note_change("restarted after an interrupted deploy", Effect::kRestart);
  }
  if (bundle_.restart == Restart::kAlways && report_.effect != Effect::kRestart)
    note_change("restarted, as asked for", Effect::kRestart);
}

// --- before anything changes
// -------------------------------------------------------------------------------------

Result<> Transaction::prepare() {
  progress_("user");
  auto accounts = complete_accounts(system_, present_.accounts, bundle_.groups);
  if (!accounts) return fail(accounts.error());
  present_.accounts = std::move(*accounts);
  const Identity& user = present_.accounts.user;
  if (auto made = make_folder(system_.at(kConfigFolder), 0750, kSameUser, user.gid); !made)
    return made;
  // Nobody else writes: we hold the host's lock.
  for (const SavedFile& file : present_.files) remove_half_written(system_.at(file.path));
  if (interrupted_)
    for (const SavedFile& file : interrupted_->files) remove_half_written(system_.at(file.path));
  remove_half_written(system_.at(kStagedFile));
  return make_folder(system_.at(kStateFolder), 0750, user.uid, user.gid);
}

bool Transaction::changes_beside_config() const {
  return std::any_of(bundle_.files.begin(), bundle_.files.end(), [&](const BundleFile& file) {
    const SavedFile& now = *find_file(present_.files, file.path);
    return file.path != kConfigFile && in_config_folder(file.path) &&
           (!now.present || now.bytes != file.bytes);
  });
}

Result<> Transaction::validate() {
  const auto config = std::find_if(bundle_.files.begin(), bundle_.files.end(),
                                   [](const BundleFile& file) { return file.path == kConfigFile; });
  if (config == bundle_.files.end())
    return fail(ErrorCode::kInvalid, "the bundle has no config.alloy");
  progress_("validate");
  const fs::path staged = system_.at(kStagedFile);
  auto written =
      write_file_atomic(staged, config->bytes, 0640, kSameUser, present_.accounts.user.gid);
  if (!written) return written;
  const std::string binary =
      system_.at(std::string(kReleases) + "/" + bundle_.release + "/bin/fleet-agent").string();
  std::vector<std::string> command{binary, "validate"};
  // What it may import is not in its place yet; the agent itself refuses what does not fit.
  if (changes_beside_config()) command.emplace_back("--no-modules");
  command.push_back(staged.string());
  const auto done = system_.run(command, kCommandLimit, present_.accounts.user);
  ::unlink(staged.c_str());
  if (!done) return fail(Error(done.error()).within("validate"));
  if (done->status == 0) return {};
  if (bundle_.back_to && command.size() == 4 && done->status == kUnknownOption) {
    // It ran there before, and what does not come up is taken back.
    report_.notes.push_back("the release " + bundle_.release +
                            " cannot check a configuration apart from its modules: it does when it "
                            "loads it");
    return {};
  }
  std::string text(trim(done->output));
  for (auto at = text.find(staged.string()); at != std::string::npos;
       at = text.find(staged.string())) {
    text.replace(at, staged.string().size(), kConfigFile);
  }
  if (done->timed_out) text = "took too long";
  if (text.empty()) text = "exit status " + std::to_string(done->status);
  return fail(ErrorCode::kInvalid, "validate: " + text);
}

Result<> Transaction::save() {
  progress_("save");
  if (interrupted_) {
    // What lies there now is half of something; what came before it is what to go back to.
    before_ = *interrupted_;
    for (SavedFile& file : present_.files) {
      if (find_file(before_.files, file.path) == nullptr) before_.files.push_back(file);
    }
  } else {
    before_.release = present_.release;
    before_.active = present_.active;
    before_.enabled = present_.enabled;
    before_.ready = present_.ready;
    before_.files = present_.files;
    if (present_.applied) before_.origin = present_.applied->origin;
  }
  // A number of its own in any case: the interrupted change's book stays as long as it is named.
  const auto numbers = books_.generations();
  before_.number = std::max(before_.origin.generation, numbers.empty() ? 0U : numbers.front()) + 1;
  report_.generation = before_.number;
  if (auto written = books_.write_generation(before_); !written) return written;
  return books_.begin(Underway{bundle_.run, bundle_.who, before_.number});
}

// --- the change
// --------------------------------------------------------------------------------------------------

Result<> Transaction::write_files() {
  const gid_t group = present_.accounts.user.gid;
  for (const BundleFile& file : bundle_.files) {
    const SavedFile& now = *find_file(present_.files, file.path);
    const bool config = in_config_folder(file.path);
    if (now.present && now.bytes == file.bytes && now.mode == file.mode && now.uid == ::geteuid() &&
        (!config || now.gid == group)) {
      continue;
    }
    const fs::path path = system_.at(file.path);
    if (std::error_code ignored; !config && !fs::exists(path.parent_path(), ignored)) {
      if (auto made = make_folder(path.parent_path(), 0755, kSameUser, kSameGroup); !made)
        return made;
    }
    auto written =
        write_file_atomic(path, file.bytes, file.mode, kSameUser, config ? group : kSameGroup);
    if (!written) return written;
  }
  for (std::size_t i = bundle_.files.size(); i < present_.files.size(); ++i) {
    const fs::path path = system_.at(present_.files[i].path);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(path.string(), errno);
  }
  if (!interrupted_) return {};
  // What only the interrupted change put there goes with it.
  for (const SavedFile& file : interrupted_->files) {
    if (find_file(present_.files, file.path) != nullptr) continue;
    if (auto back = put_back(file); !back) return back;
  }
  return {};
}

Result<> Transaction::point_to(const std::string& release) {
  const fs::path folder = system_.at(kReleases);
  const fs::path link = folder / "current";
  if (release.empty()) {
    if (::unlink(link.c_str()) != 0 && errno != ENOENT) return fail_errno(link.string(), errno);
    return {};
  }
  const fs::path fresh = folder / ".current.new";
  ::unlink(fresh.c_str());
  if (::symlink(release.c_str(), fresh.c_str()) != 0) return fail_errno(fresh.string(), errno);
  if (::rename(fresh.c_str(), link.c_str()) != 0) return fail_errno(link.string(), errno);
  const FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno(folder.string(), errno);
  return {};
}

Result<> Transaction::systemctl(const std::vector<std::string>& words, Duration limit) {
  std::vector<std::string> argv{"systemctl"};
  argv.insert(argv.end(), words.begin(), words.end());
  const auto done = system_.run(argv, limit);
  const std::string what = "systemctl " + words.front();
  if (!done) return fail(Error(done.error()).within(what));
  if (done->status == 0) return {};
  if (done->timed_out) return fail(ErrorCode::kUnavailable, what + ": took too long");
  // What matters is on the first line; the others tell which commands to type.
  const auto text = trim(done->output);
  return fail(ErrorCode::kUnavailable, what + ": " + std::string(text.substr(0, text.find('\n'))));
}

Result<> Transaction::install() {
  progress_("install");
  if (auto written = write_files(); !written) return written;
  if (present_.release != bundle_.release || before_.release != bundle_.release) {
    if (auto pointed = point_to(bundle_.release); !pointed) return pointed;
  }
  const bool reread = unit_changes_ || present_.underway;
  if (!present_.enabled) {
    std::vector<std::string> words{"enable", "--quiet", std::string(kUnitName)};
    if (reread) words.insert(words.begin() + 1, "--no-reload");
    if (auto done = systemctl(words, kCommandLimit); !done) return done;
  }
  if (!reread || unit_is_known()) return {};
  return systemctl({"daemon-reload"}, kCommandLimit);
}

// systemd reads a unit that it did not have by itself, when it is asked for it; to make it read all
// units again takes longer than anything else that we do.
bool Transaction::unit_is_known() {
  const SavedFile* unit = find_file(present_.files, kUnitFile);
  if (unit == nullptr || unit->present || present_.underway) return false;
  const auto properties = show("LoadState,NeedDaemonReload");
  return value_of(properties, "LoadState") == "loaded" &&
         value_of(properties, "NeedDaemonReload") == "no";
}

Result<> Transaction::activate() {
  agent_touched_ = report_.effect != Effect::kNone;
  if (report_.effect == Effect::kReload) {
    progress_("reload");
    const auto answer = system_.http("POST", bundle_.http, "/-/reload", kReloadLimit);
    if (answer && answer->status == 200) return {};
    if (answer && (answer->status == 400 || answer->status >= 500)) {
      refused_by_agent_ = true;
      return fail(ErrorCode::kInvalid, "the running agent refused the configuration: " +
                                           std::string(trim(answer->body)));
    }
    if (bundle_.restart == Restart::kNever)
      return fail(ErrorCode::kUnavailable,
                  "the reload had no answer, and --restart never was given");
    report_.notes.push_back("reload had no answer, restarting instead");
    report_.effect = Effect::kRestart;
  }
  if (report_.effect == Effect::kRestart) {
    progress_("restart");
    return systemctl({"restart", std::string(kUnitName)}, bundle_.ready + 5s);
  }
  return {};
}

// A 200 from the agent, or what it answers instead.
Result<> Transaction::asks(const char* path) {
  const auto answer = system_.http("GET", bundle_.http, path, kHttpLimit);
  if (!answer) return fail(answer.error());
  if (answer->status == 200) return {};
  return fail(ErrorCode::kUnavailable, std::string(path) + " answers " +
                                           std::to_string(answer->status) + ": " +
                                           one_line(answer->body));
}

// Good twice, a while apart, as the same process: what fails at its work shows a moment later.
// Ready, every component has started, is what it must become. Healthy, it must become only if it
// was before: then going back mends it. An ill first agent is better than none (its Docker may just
// be down), so it is waited for a little and told.
// `delivery`: meanwhile, something has to arrive.
Result<> Transaction::wait_until_good(Effect effect, bool delivery) {
  progress_("wait");
  const Mono start = clock_.mono();
  const Duration settle = bundle_.grace.value_or(effect == Effect::kRestart ? 1s : 500ms);
  delivery = delivery && bundle_.delivery;
  std::string pid;  // of the process that was good the last time
  for (int polls = 1;; ++polls) {
    const Duration waited = clock_.mono() - start;
    const auto ready = asks("/-/ready");
    auto well = ready ? asks("/-/healthy") : ready;
    if (ready && !well && !(judged_ && present_.healthy) && waited >= kIllPatience) {
      if (pid.empty()) tell_of_illness(well.error().message);
      well = {};
    }
    if (well && effect == Effect::kNone) return {};
    if (well && settle == Duration::zero())
      return delivery ? wait_for_delivery(clock_.mono()) : Result<>();
    if (well && !pid.empty()) {
      if (main_pid() == pid) return {};
      return fail(ErrorCode::kUnavailable, "the agent was ready but did not stay up");
    }
    if (well) {
      // A reload leaves the process that was there.
      pid = effect == Effect::kReload ? present_.pid : main_pid();
      const Mono settled = clock_.mono() + settle;
      if (std::exchange(delivery, false)) {
        if (auto delivered = wait_for_delivery(settled); !delivered) return delivered;
      }
      clock_.sleep_for(std::max(Duration::zero(), settled - clock_.mono()), {});
      continue;
    }
    const Duration patience = ready ? bundle_.ready / 2 : bundle_.ready;
    if (waited >= patience) {
      return fail(
          Error(well.error()).within("not ready and healthy after " + format_duration(patience)));
    }
    if (polls % kPollsPerLook == 0) {
      const std::string state = value_of(show("SubState"), "SubState");
      if (state == "failed" || state == "auto-restart" || state == "dead") {
        return fail(ErrorCode::kUnavailable, "the agent does not stay up (" + state + ")");
      }
    }
    pid.clear();
    clock_.sleep_for(kPollEvery, {});
  }
}

Deliveries Transaction::deliveries() {
  const auto page = system_.http("GET", bundle_.http, "/metrics", kHttpLimit, kMetricsLimit);
  return page && page->status == 200 ? read_deliveries(page->body) : Deliveries();
}

// Whether the agent that is to be changed delivers: then its successor must, too. One that
// delivered and whose receivers answer does; of one that cannot tell, what waits in the queue is
// sent within seconds.
void Transaction::note_deliveries() {
  if (report_.effect == Effect::kNone || !present_.ready || !bundle_.delivery) return;
  before_change_ = deliveries();
  const double sent = before_change_.sent;
  if (sent <= 0) return;
  const Mono start = clock_.mono();
  for (;;) {
    delivered_ =
        before_change_.queued <= 0 || before_change_.sent > sent || before_change_.failing == 0.0;
    if (delivered_ || clock_.mono() - start >= kQueuePatience) return;
    clock_.sleep_for(kPollEvery, {});
    before_change_ = deliveries();
  }
}

// Where there is something to deliver, a receiver must have taken some of it. An agent that comes
// after one which did not deliver either is not to blame: that is told, and it stays.
// Until `settled` it may still show that there is something.
Result<> Transaction::wait_for_delivery(Mono settled) {
  if (report_.effect == Effect::kNone) return {};
  progress_("deliver");
  Deliveries base;
  if (report_.effect == Effect::kReload) {
    // What is sent from now on goes where the new configuration says.
    base = before_change_;
    base.sent = std::max(base.sent, deliveries().sent);
  }
  const Mono start = clock_.mono();
  for (;;) {
    const Deliveries now = deliveries();
    // Where all was refused, nothing is on its way that could still arrive.
    const bool must = judged_ && delivered_;
    const Duration patience = must && now.queued > 0 ? bundle_.ready / 2 : kIllPatience;
    if (!now.known) return {};  // its pages are for others; ready it is
    if (now.sent < base.sent || now.dropped < base.dropped) base = {};  // it counts from 0 again
    const bool waits = now.queued > 0 || now.dropped > base.dropped;
    if (now.sent > base.sent || (!waits && clock_.mono() >= settled)) return {};
    if (clock_.mono() - start >= patience) {
      std::string text = "no receiver took a log entry within " + format_duration(patience) + ": " +
                         std::to_string(static_cast<std::int64_t>(now.queued)) + " wait, " +
                         std::to_string(static_cast<std::int64_t>(now.dropped - base.dropped)) +
                         " were refused";
      if (const std::string error = current_error(system_, bundle_.http); !error.empty())
        text += " (" + one_line(error) + ")";
      if (must) return fail(ErrorCode::kUnavailable, text + "; the agent before it delivered");
      tell_of_illness(text);
      return {};
    }
    clock_.sleep_for(kPollEvery, {});
  }
}

void Transaction::tell_of_illness(const std::string& what) {
  report_.notes.push_back(
      judged_ ? "it is ready, but " + what
              : "what was there before is back and ready, but " + what +
                    "; so the cause may lie outside of the change: a receiver or the host");
}

Result<> Transaction::commit() {
  progress_("commit");
  Applied applied;
  applied.origin = {before_.number, bundle_.run, bundle_.who, clock_.wall_ns() / 1'000'000'000};
  applied.release = bundle_.release;
  for (const BundleFile& file : bundle_.files) applied.files[file.path] = file.sha256;
  if (auto written = books_.write_applied(applied); !written) return written;
  if (auto ended = books_.end(); !ended) return ended;
  books_.prune(kKeep, bundle_.release);
  return {};
}

// --- the way back
// ------------------------------------------------------------------------------------------------

// A file that is as it was is not written again: a full disk may be why we go back.
Result<> Transaction::put_back(const SavedFile& file) {
  const fs::path path = system_.at(file.path);
  const auto now = books_.save_file(file.path);
  if (now && now->present == file.present && now->bytes == file.bytes && now->mode == file.mode &&
      now->uid == file.uid && now->gid == file.gid)
    return {};
  if (file.present) return write_file_atomic(path, file.bytes, file.mode, file.uid, file.gid);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
    return fail_errno(path.string(), errno);
  return {};
}

Result<> Transaction::restore() {
  if (agent_touched_ && !before_.active)
    (void)systemctl({"stop", std::string(kUnitName)}, kCommandLimit);
  // Before the unit goes; it fails when the unit is not there yet, which is as good.
  if (!before_.enabled)
    (void)systemctl({"disable", "--quiet", std::string(kUnitName)}, kCommandLimit);
  for (const SavedFile& file : before_.files) {
    if (auto back = put_back(file); !back) return back;
  }
  if (before_.release != bundle_.release) {
    if (auto pointed = point_to(before_.release); !pointed) return pointed;
  }
  if (unit_changes_ || present_.underway) {
    if (auto done = systemctl({"daemon-reload"}, kCommandLimit); !done) return done;
  }
  if (!agent_touched_ || refused_by_agent_ || !before_.active) return {};
  return systemctl({"restart", std::string(kUnitName)}, bundle_.ready + 5s);
}

// What runs, or tries to, is the state of this host now; a rollback takes it back. What never ran
// is not left: half a change is nothing to look at.
void Transaction::leave(Error why) {
  report_.error = std::move(why.message);
  report_.log = journal();
  report_.outcome = Outcome::kBroken;
  report_.notes.emplace_back("left as it is (--no-rollback); fleetctl rollback takes it back");
  if (auto committed = commit(); !committed) report_.notes.push_back(committed.error().message);
}

void Transaction::roll_back(Error why) {
  report_.error = std::move(why.message);
  report_.log = journal();
  progress_("roll back");
  auto back = restore();
  if (back && before_.ready && agent_touched_) {
    // It is what was good before. Ill now, it is so by something else: an outage that began since.
    judged_ = false;
    back = wait_until_good(refused_by_agent_ ? Effect::kReload : Effect::kRestart,
                           !refused_by_agent_ && delivered_);
  }
  if (back) back = books_.end();
  if (back) {
    report_.outcome = Outcome::kRolledBack;
    return;
  }
  report_.outcome = Outcome::kBroken;
  report_.notes.push_back("going back to what was there failed as well: " + back.error().message);
}

// --- small questions
// ---------------------------------------------------------------------------------------------

std::string Transaction::show(const char* properties) {
  const auto done = system_.run(
      {"systemctl", "show", "--property", properties, std::string(kUnitName)}, kCommandLimit);
  return done ? done->output : std::string();
}

std::string Transaction::main_pid() { return value_of(show("MainPID"), "MainPID"); }

// What the agent and systemd said since the change began: the errors and warnings if there are any,
// else the end.
std::vector<std::string> Transaction::journal() {
  std::string fraction = std::to_string(began_ / 1000 % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  const std::string since = "@" + std::to_string(began_ / 1'000'000'000) + "." + fraction;
  const auto done = system_.run({"journalctl", "--unit", std::string(kUnitName), "--since", since,
                                 "--output", "cat", "--lines", "200", "--no-pager", "--quiet"},
                                kCommandLimit);
  if (!done) return {};
  std::vector<std::string> all, telling;
  for (const std::string_view raw : split(done->output, '\n')) {
    const auto line = trim(raw).substr(0, kLogLineLimit);
    if (line.empty()) continue;
    const bool error = line.find("level=error") != std::string_view::npos ||
                       line.find("level=warn") != std::string_view::npos ||
                       line.find("rror:") != std::string_view::npos;
    const bool known = std::find(telling.begin(), telling.end(), line) != telling.end();
    if (error && !known) telling.emplace_back(line);
    all.emplace_back(line);
  }
  std::vector<std::string>& lines = telling.empty() ? all : telling;
  if (lines.size() > kLogLines) lines.erase(lines.begin(), lines.end() - kLogLines);
  return std::move(lines);
}

}  // namespace agent::install
