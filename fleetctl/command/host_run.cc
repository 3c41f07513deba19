#include "fleetctl/command/host_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/listeners_in_use.h"
#include "fleetctl/plan/diff.h"

namespace fleetctl::command {
namespace {

using agent::Error;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using nlohmann::json;
using remote::Input;

constexpr const char* kCannotTell =
    "the agent there cannot tell how it is: it is from before this fleetctl, or damaged";
constexpr std::size_t kErrorLimit = 8192;
constexpr std::size_t kStepLimit = 40;
constexpr const char* kNoReason = "the host does not tell why";
constexpr int kCannotRun = 126, kNoProgram = 127;  // of a shell that could not become the agent
constexpr std::size_t kReasonLimit = 200;
constexpr std::size_t kLineLimit = 2U << 20;  // that of a whole file, in a diff
constexpr std::size_t kShownLimit = 16U << 20;
constexpr std::size_t kFactsLimit = 1U << 20;
constexpr std::size_t kComparedLimit = 1U << 20;  // of a file beside the configuration

constexpr std::size_t kMostTold = 128U << 20;  // of all that a host says in one conversation
constexpr std::size_t kLineCost = 64;          // of a line that is kept, beside its bytes
constexpr std::size_t kMostListed = 1000;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>())
                                                     : std::string();
}

std::vector<std::string> texts_of(const json& object, const char* name) {
  std::vector<std::string> out;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return out;
  for (const json& one : *found) {
    if (one.is_string() && out.size() < kMostListed)
      out.push_back(one_line(one.get<std::string>()));
  }
  return out;
}

// Splits at the first line feed: the rest belongs to the details.
void set_text(HostResult& result, const std::string& text) {
  const auto lines = agent::split(agent::trim(text), '\n');
  result.text = one_line(lines.front());
  for (std::size_t i = 1; i < std::min(lines.size(), kMostListed); ++i)
    result.details.push_back(one_line(lines[i]));
}

// For a message: both ends of a configuration may differ while the changes read the same.
std::string listed(const Planned& seen) {
  std::string out;
  for (const std::string& change : seen.changes)
    out += (out.empty() ? "" : ", ") + printable(change);
  const std::string hash = printable(seen.config_sha256.substr(0, 12));
  return out + (hash.empty() ? "" : " of " + hash);
}

// What of two that are not equal.
std::string difference(const Planned& then, const Planned& now) {
  if (then.changes != now.changes || then.config_sha256 != now.config_sha256)
    return listed(now) + " instead of " + listed(then);
  const auto same = [&](const std::string& path) {
    const auto before = then.files.find(path), after = now.files.find(path);
    return before != then.files.end() && after != now.files.end() &&
           before->second == after->second;
  };
  for (const auto* files : {&then.files, &now.files}) {
    for (const auto& [path, sha256] : *files)
      if (!same(path)) return printable(path) + " is another one";
  }
  return "";
}

class Conversation final : public remote::Dialogue {
 public:
  explicit Conversation(const HostOrder& order)
      : order_(order),
        prefix_(order.exec.nonce + " "),
        wanted_(&order.wanted),
        release_(&order.release) {}

  void on_start(Input& input) override {
    tell("is asked");
    if (order_.exec.become != plan::Become::kPassword) send_script(input);
  }

  Result<> on_output(std::string_view bytes, Input& input) override {
    if (auto counted = count(bytes); !counted) return counted;
    const std::size_t searched = pending_.size();
    pending_.append(bytes);
    std::size_t begin = 0;
    for (auto end = pending_.find('\n', searched); end != std::string::npos;
         end = pending_.find('\n', begin)) {
      const auto line = std::string_view(pending_).substr(begin, end - begin);
      begin = end + 1;
      if (ended_) continue;  // there is nothing more to say
      if (!line.starts_with(prefix_)) {
        overhear(line);
      } else if (auto heard = hear(line.substr(prefix_.size()), input); !heard) {
        return heard;
      }
    }
    pending_.erase(0, begin);
    // Of a line that is not for us the beginning will do.
    if (pending_.size() > kReasonLimit && !pending_.starts_with(prefix_))
      pending_.resize(kReasonLimit);
    if (pending_.size() > kLineLimit)
      return fail(ErrorCode::kExhausted, "the host sent a line without end");
    return {};
  }

  Result<> on_error_output(std::string_view bytes, Input& input) override {
    if (auto counted = count(bytes); !counted) return counted;
    errors_.append(bytes);
    // The end of it: what a login shell prints comes before what matters, and may be long.
    if (errors_.size() > kErrorLimit) errors_.erase(0, errors_.size() - kErrorLimit);
    if (order_.exec.become != plan::Become::kPassword || script_sent_) return {};
    // Only what carries our random word is sudo's question, and it is answered once: a second one
    // means "wrong".
    const std::string question = plan::prompt(order_.exec);
    for (auto at = errors_.find(question); at != std::string::npos; at = errors_.find(question)) {
      errors_.erase(at, question.size());
      if (std::exchange(password_sent_, true))
        return fail(ErrorCode::kPermission, "sudo: wrong password");
      input.send(order_.become_password.reveal() + "\n");
    }
    return {};
  }

  HostResult result(const Result<int>& status) && {
    if (!status && stage_ == Stage::kApply && !ended_) {
      return failed(
          HostState::kLost,
          status.error().message +
              " while the host was changing; it finishes or goes back by itself, the next "
              "run tells");
    }
    if (!status && !ended_) {
      const bool waits = stage_ == Stage::kFacts && status.error().code == ErrorCode::kUnavailable;
      const std::string last = waits ? one_line(last_error_line(), kReasonLimit) : "";
      const std::string& what = status.error().message;
      const bool told = last.empty() || what.find(last) != std::string::npos;
      return failed(HostState::kFailed, what + (told ? "" : "; its last words: " + last));
    }
    if (stage_ == Stage::kApply && !ended_ && *status > 128) {
      return failed(HostState::kLost, "fleet-agent apply was killed on the host (status " +
                                          std::to_string(*status) +
                                          "); the next run finishes what it began");
    }
    if (stage_ == Stage::kApply && !ended_ && *status != kCannotRun && *status != kNoProgram) {
      return failed(HostState::kLost, "fleet-agent apply did not tell how it ended (" +
                                          why(*status) + "); the next run finishes what it began");
    }
    if (stage_ == Stage::kInstalled && !ended_) {
      return failed(HostState::kFailed, kCannotTell + (" (" + why(*status) + ")"));
    }
    if (!ended_) return failed(HostState::kFailed, why(*status));
    return std::move(result_);
  }

 private:
  enum class Stage {
    kFacts,
    kGenerations,
    kKept,
    kShow,
    kContainers,
    kRelease,
    kApply,
    kInstalled,
    kUpkeep
  };

  // What a login shell prints goes by, unless nothing else tells why there is no answer.
  void overhear(std::string_view line) {
    line = agent::trim(line).substr(0, kReasonLimit);
    if (!line.empty()) overheard_ = line;
  }

  // Whoever floods us is not listened to until the deadline.
  Result<> count(std::string_view bytes) {
    heard_ += bytes.size();
    if (heard_ > kMostTold) return fail(ErrorCode::kExhausted, "the host talks without end");
    return {};
  }

  // For what is kept: `kept` never grows beyond what a host may have to say.
  static bool fits(std::string_view line, std::size_t most, std::size_t& kept) {
    kept += line.size() + kLineCost;
    return kept <= most;
  }

  void tell(std::string_view step) const {
    if (order_.on_step) order_.on_step(step);
  }

  void send_script(Input& input) {
    script_sent_ = true;
    input.send(
        plan::script(order_.exec, order_.wanted,
                     order_.task == Task::kUpkeep ? plan::Orders::kUpkeep : plan::Orders::kDeploy));
  }

  void end(Input& input) {
    ended_ = true;
    input.send("end\n");
    input.close();
  }

  Result<> hear(std::string_view line, Input& input) {
    if (line == "hello") {
      if (!script_sent_) send_script(input);
      return {};
    }
    if (line.rfind("error ", 0) == 0) {
      line.remove_prefix(6);
      const auto cut = std::min(line.find(' '), line.size());
      const auto text = agent::trim(line.substr(cut));
      result_ =
          line.substr(0, cut) == "locked"
              ? failed(HostState::kLocked, "another deploy is at work there: " + std::string(text))
              : failed(HostState::kFailed, text.empty() ? kNoReason : std::string(text));
      ended_ = true;
      return {};
    }
    switch (stage_) {
      case Stage::kFacts:
        if (line == "ready") return decide(input);
        if (!fits(line, kFactsLimit, held_))
          return fail(ErrorCode::kExhausted, "the host's facts have no end");
        return plan::read_fact(line, facts_);
      case Stage::kGenerations:
        if (line == "told") return ask_for_kept(input);
        if (auto installed = plan::read_installed(line)) set_installed(std::move(*installed));
        return {};
      case Stage::kKept:
        if (line == "shown") {
          kept_ = std::exchange(shown_, {});
          ask_for_config(input);
          return {};
        }
        if (line == "missing") {
          note_unknown("the generation's configuration is not found");
          go_on(input);
          return {};
        }
        [[fallthrough]];
      case Stage::kShow:
        if (line == "shown") return hear_shown(input);
        if (line.rfind("| ", 0) == 0) shown_.append(line.substr(2)).append("\n");
        if (!fits(line, kShownLimit, held_))
          return fail(ErrorCode::kExhausted, "the host's configuration has no end");
        return {};
      case Stage::kContainers:
        return hear_container(line, input);
      case Stage::kRelease:
        if (line == "received") send_apply(input);
        return {};
      case Stage::kApply:
        return hear_apply(line);
      case Stage::kInstalled:
        return hear_installed(line);
      case Stage::kUpkeep:
        return hear_upkeep(line);
    }
    return {};
  }

  Result<> hear_installed(std::string_view line) {
    auto installed = plan::read_installed(line);
    if (!installed) return fail(installed.error());
    set_installed(std::move(*installed));
    result_.state = HostState::kUnchanged;
    ended_ = true;
    return {};
  }

  void set_installed(plan::Installed installed) {
    installed.present.release = facts_.current;
    result_.installed = std::move(installed);
  }

  // What the generation that is gone back to would bring.
  Result<> ask_for_kept(Input& input) {
    if (!result_.installed) {
      if (order_.check) {
        result_.text = kCannotTell;
        end(input);
      } else {
        note_unknown(kCannotTell);
        go_on(input);
      }
      return {};
    }
    const auto& kept = result_.installed->kept;
    const auto target = std::find_if(kept.begin(), kept.end(), [&](const plan::Generation& one) {
      return order_.back_to == 0 || one.number == order_.back_to;
    });
    const std::string sha256 = target == kept.end() ? "" : target->config_sha256;
    const bool is_hash =
        sha256.size() == 64 && sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!may_drop_listeners() || !is_hash || sha256 == facts_.files.at(plan::kConfigPath).sha256) {
      go_on(input);
      return {};
    }
    stage_ = Stage::kKept;
    input.send("kept " + sha256 + "\n");
    return {};
  }

  void ask_for_config(Input& input) {
    stage_ = Stage::kShow;
    input.send("show\n");
  }

  void send_upkeep(Input& input) {
    stage_ = Stage::kUpkeep;
    input.send("upkeep " + order_.upkeep + "\n");
    input.close();
  }

  Result<> hear_upkeep(std::string_view line) {
    if (line == "done") {
      result_.state = HostState::kUnchanged;
      ended_ = true;
      return {};
    }
    if (!fits(line, kShownLimit, held_))
      return fail(ErrorCode::kExhausted, "the host's answer has no end");
    result_.told.push_back(one_line(line, kLineLimit));
    return {};
  }

  // For the tasks that need an agent, and no plan.
  void ask_agent(Input& input) {
    const bool looks = order_.task == Task::kLook || order_.task == Task::kMeasure;
    if (!facts_.systemd && order_.task == Task::kRollback) {
      result_.text = "this host does not run systemd";
      end(input);
    } else if (facts_.current.empty()) {
      if (looks) result_.state = HostState::kUnchanged;
      if (order_.task == Task::kRollback) result_.text = "no agent is installed";
      end(input);
    } else if (looks) {
      stage_ = Stage::kInstalled;
      input.send(order_.task == Task::kMeasure ? "measured\n" : "installed\n");
      input.close();
    } else {
      stage_ = Stage::kApply;
      input.send(plan::rollback_order(order_.back_to, order_.wanted.gate, order_.run, order_.who));
      input.close();
    }
  }

  Result<> decide(Input& input) {
    result_.facts = facts_;
    held_ = 0;
    if (order_.task == Task::kUpkeep) {
      if (may_drop_listeners()) {
        ask_for_config(input);
      } else {
        send_upkeep(input);
      }
      return {};
    }
    if (order_.task == Task::kRollback && facts_.systemd && !facts_.current.empty() &&
        (order_.check || may_drop_listeners())) {
      stage_ = Stage::kGenerations;
      input.send("generations\n");
      return {};
    }
    if (order_.task == Task::kLook && order_.diff && !facts_.current.empty()) {
      plan_ = plan::make_plan(facts_, *wanted_, *release_);
      plan_.config_differs = plan_.config_differs && facts_.files.contains(plan::kConfigPath);
      ask_to_show(input);
      return {};
    }
    if (order_.task != Task::kDeploy) {
      ask_agent(input);
      return {};
    }
    std::string no_build;
    if (order_.builds != nullptr) {
      const auto build = plan::build_for(*order_.builds, facts_.architecture);
      if (build) {
        wanted_ = &(*build)->wanted;
        release_ = &(*build)->release;
      } else {
        no_build = build.error().message;
      }
    }
    plan_ = plan::make_plan(facts_, *wanted_, *release_);
    if (!no_build.empty()) plan_.refusal = no_build;
    for (const plan::Change& change : plan_.changes)
      result_.changes.push_back(printable(change.what));
    result_.planned = plan_.changes;
    result_.notes = plan_.notes;
    result_.effect = plan_.effect();
    if (!plan_.refusal.empty()) {
      result_.text = one_line(plan_.refusal);
      end(input);
    } else if (plan_.empty()) {
      result_.state = HostState::kUnchanged;
      end(input);
    } else if (order_.planned && *order_.planned != seen_by(facts_, plan_.changes)) {
      result_.text = one_line("it is not as it was when the plan was made: " +
                              difference(*order_.planned, seen_by(facts_, plan_.changes)));
      end(input);
    } else {
      ask_to_show(input);
    }
    return {};
  }

  // One file after another, the configuration last: what follows may depend on that.
  void ask_to_show(Input& input) {
    shown_.clear();
    held_ = 0;
    for (; order_.diff && file_shown_ < plan_.other_files.size(); ++file_shown_) {
      const std::string& path = plan_.other_files[file_shown_];
      if (facts_.files.contains(path)) {
        shows_file_ = true;
        stage_ = Stage::kShow;
        input.send("show " + path + "\n");
        return;
      }
      make_file_diff(path);
    }
    if (plan_.config_differs && (order_.diff || may_drop_listeners())) {
      ask_for_config(input);
    } else {
      go_on(input);
    }
  }

  // No containers, or nothing that they could log to: their Docker need not be asked.
  bool may_drop_listeners() const {
    return order_.keeps_listeners && facts_.docker && facts_.files.contains(plan::kConfigPath);
  }

  Result<> hear_shown(Input& input) {
    if (std::exchange(shows_file_, false)) {
      make_file_diff(plan_.other_files[file_shown_++]);
      ask_to_show(input);
      return {};
    }
    if (order_.diff) make_diff();
    if (may_drop_listeners()) {
      // Nothing is left of one that is uninstalled.
      const bool deploys = order_.task == Task::kDeploy;
      listeners_.emplace(shown_, deploys ? wanted_->files.front().bytes : kept_);
      if (listeners_->any_goes()) {
        stage_ = Stage::kContainers;
        input.send("containers\n");
        return {};
      }
    }
    go_on(input);
    return {};
  }

  void make_diff() {
    const std::string& key = order_.exec.nonce;
    const plan::Secrets none;
    const plan::Secrets& secrets = order_.secrets == nullptr ? none : *order_.secrets;
    result_.diff = printable(plan::unified_diff(
        plan::mask_secrets(shown_, key, secrets),
        plan::mask_secrets(wanted_->files.front().bytes, key, secrets), "on the host", "rendered"));
  }

  // Against what was shown; nothing, where there is no such file yet.
  void make_file_diff(const std::string& path) {
    const auto& files = wanted_->files;
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&](const plan::WantedFile& one) { return one.path == path; });
    result_.file_diffs[path] = shown_.size() > kComparedLimit + 1
                                   ? path + ": not shown, the one on the host has more than 1 MiB\n"
                                   : printable(plan::file_diff(shown_, file->bytes, path,
                                                               order_.exec.nonce, file->secrets));
  }

  void note_unknown(std::string_view why) {
    result_.notes.push_back("whether containers log to a listener that goes is not known: " +
                            printable(why.substr(0, kReasonLimit)));
  }

  // "| ..." for each, then "listed" or "unlisted WHY" (plan/bootstrap.sh).
  Result<> hear_container(std::string_view line, Input& input) {
    constexpr std::string_view kUnlisted = "unlisted ";
    if (!fits(line, kShownLimit, held_))
      return fail(ErrorCode::kExhausted, "the host's answer has no end");
    if (line.starts_with("| ")) {
      if (const auto heard = listeners_->hear(line.substr(2)); !heard && unread_containers_++ == 0)
        note_unknown(heard.error().message);
      return {};
    }
    if (line.starts_with(kUnlisted)) {
      note_unknown(line.substr(kUnlisted.size()));
    } else if (line != "listed") {
      return {};
    }
    result_.text = listeners_->refusal();
    if (result_.text.empty()) {
      go_on(input);
    } else {
      end(input);
    }
    return {};
  }

  void go_on(Input& input) {
    if (order_.task == Task::kUpkeep) {
      send_upkeep(input);
    } else if (order_.task == Task::kRollback && order_.check) {
      result_.state = HostState::kUnchanged;  // so far
      end(input);
    } else if (order_.task != Task::kDeploy) {
      ask_agent(input);
    } else if (order_.check) {
      result_.state = HostState::kWouldChange;
      result_.text = one_line(plan::summary(plan_));
      end(input);
    } else if (plan_.send_release) {
      stage_ = Stage::kRelease;
      tell("gets the agent");
      input.send(plan::release_order(*release_));
      input.send(release_->archive);
    } else {
      send_apply(input);
    }
  }

  void send_apply(Input& input) {
    stage_ = Stage::kApply;
    input.send(plan::apply_order(*wanted_, order_.run, order_.who));
    input.close();
  }

  // {"step": ...} on the way, {"outcome": ...} at the end (agent/install/transaction.cc).
  Result<> hear_apply(std::string_view line) {
    const auto bad = [] { return fail(ErrorCode::kIo, "the host's report cannot be read"); };
    const json document = json::parse(plan::bounded_json(line), nullptr, false);
    if (!document.is_object()) return bad();
    const std::string outcome = text_of(document, "outcome");
    if (outcome.empty()) {
      if (++steps_ <= kMostListed) tell(one_line(text_of(document, "step"), kStepLimit));
      return {};
    }
    const bool refused = outcome == "refused", back = outcome == "rolled-back";
    if (outcome != "unchanged" && outcome != "changed" && !refused && !back && outcome != "broken")
      return bad();
    ended_ = true;
    result_.changes = texts_of(document, "changes");
    const auto back_to = document.find("back_to");
    if (back_to != document.end() && back_to->is_number_unsigned())
      result_.back_to = back_to->get<unsigned>();
    const std::string effect = text_of(document, "effect");
    result_.effect = effect == "restart"  ? plan::Effect::kRestart
                     : effect == "reload" ? plan::Effect::kReload
                                          : plan::Effect::kNone;
    for (std::string& note : texts_of(document, "notes")) {
      if (std::find(result_.notes.begin(), result_.notes.end(), note) == result_.notes.end()) {
        result_.notes.push_back(std::move(note));
      }
    }
    if (outcome == "unchanged") {
      result_.state = HostState::kUnchanged;
      return {};
    }
    if (outcome == "changed") {
      result_.state = HostState::kChanged;
      result_.text = one_line(summary());
      return {};
    }
    result_.state = back      ? HostState::kRolledBack
                    : refused ? HostState::kFailed
                              : HostState::kBroken;
    set_text(result_, text_of(document, "error"));
    if (result_.text.empty()) result_.text = kNoReason;
    for (std::string& one : texts_of(document, "log")) result_.details.push_back(std::move(one));
    return {};
  }

  std::string summary() const {
    std::string out;
    for (const std::string& change : result_.changes) out += (out.empty() ? "" : ", ") + change;
    if (result_.effect == plan::Effect::kReload) out += " (reload)";
    if (result_.effect == plan::Effect::kRestart) out += " (restart)";
    return out;
  }

  HostResult failed(HostState state, const std::string& text) const {
    HostResult result;
    result.state = state;
    set_text(result, printable(text));
    return result;
  }

  std::string last_error_line() const {
    const auto lines = agent::split(agent::trim(errors_), '\n');
    const auto last = agent::trim(lines.back());
    return last.empty() && stage_ == Stage::kFacts ? overheard_ : std::string(last);
  }

  // The command ended and never said what it should have.
  std::string why(int status) const {
    const std::string last = last_error_line();
    const auto says = [&](const char* text) { return errors_.find(text) != std::string::npos; };
    if (says("password is required") || says("a terminal is required")) {
      return "sudo wants a password (or does not know us): give -K or ansible_become_password";
    }
    if (status == 127 && says("sudo") && says("not found"))
      return "no sudo on this host, and not logged in as root";
    if (says("sudo")) return last;
    return "the host's shell ended with status " + std::to_string(status) +
           (last.empty() ? "" : ": " + last);
  }

  const HostOrder& order_;
  const std::string prefix_;
  const plan::Wanted* wanted_;
  const plan::Release* release_;
  Stage stage_ = Stage::kFacts;
  bool script_sent_ = false;
  bool password_sent_ = false;
  bool ended_ = false;   // result_ is what there is to say
  std::string pending_;  // output without its line feed yet
  std::string errors_;   // the end of it
  std::string overheard_;
  std::string shown_;
  std::string kept_;            // the configuration that a rollback brings back
  std::size_t file_shown_ = 0;  // the number of the one of plan_.other_files that is
  bool shows_file_ = false;     // and not the configuration
  std::size_t heard_ = 0;       // bytes, whatever they are
  std::size_t held_ = 0;        // of what is kept since this began: facts, a shown file, an answer
  std::optional<ListenersInUse> listeners_;
  int unread_containers_ = 0;
  std::size_t steps_ = 0;
  plan::Facts facts_;
  plan::Plan plan_;
  HostResult result_;
};

}  // namespace

Planned seen_by(const plan::Facts& facts, const std::vector<plan::Change>& changes) {
  Planned seen;
  const auto config = facts.files.find(plan::kConfigPath);
  if (config != facts.files.end()) seen.config_sha256 = config->second.sha256;
  for (const auto& [path, file] : facts.files)
    if (path != plan::kConfigPath) seen.files[path] = file.sha256;
  for (const plan::Change& change : changes)
    seen.changes.push_back(std::string(1, change.sign) + " " + change.what);
  return seen;
}

HostResult run_host(remote::Remote& remote, const HostOrder& order, remote::Mono deadline) {
  Conversation conversation(order);
  const auto status = remote.exec(plan::command(order.exec), conversation, deadline);
  return std::move(conversation).result(status);
}

}  // namespace fleetctl::command
