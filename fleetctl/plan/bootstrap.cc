#include "fleetctl/plan/bootstrap.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/base/file.h"

namespace fleetctl::plan {

extern const char* const kBootstrapScript;  // bootstrap.sh, put into a .cc by the build
extern const char* const kUpkeepScript;     // upkeep.sh

namespace {

constexpr std::size_t kLongestWord = 200;
constexpr std::size_t kLongestList = 32U << 10;  // of paths

// For a place between single quotes: what would end them, and control characters, become '_'.
std::string quotable(std::string_view text, std::size_t limit = kLongestWord) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (c == '\'' || c == '\\' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  return out;
}

std::string assignment(std::string_view name, std::string_view value,
                       std::size_t limit = kLongestWord) {
  return std::string(name) + "='" + quotable(value, limit) + "'\n";
}

template <class List, class Text>
std::string joined(const List& list, const Text& text) {
  std::string out;
  for (const auto& one : list) out += (out.empty() ? "" : " ") + text(one);
  return out;
}

void add_gate(nlohmann::json& manifest, const Gate& gate) {
  using namespace std::chrono;
  if (gate.grace) manifest["grace_ms"] = duration_cast<milliseconds>(*gate.grace).count();
  if (gate.timeout) manifest["ready_seconds"] = duration_cast<seconds>(*gate.timeout).count();
  if (!gate.delivery) manifest["delivery"] = false;
}

std::string bundle_head(const nlohmann::json& manifest) {
  const std::string text = manifest.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return "fleet-apply 1 " + std::to_string(text.size()) + "\n" + text;
}

}  // namespace

std::string prompt(const Exec& exec) { return exec.nonce + "-password:"; }

// `read` takes one byte at a time from a pipe, so that what follows the script stays for the
// script.
std::string command(const Exec& exec) {
  const std::string hello =
      exec.become == Become::kPassword ? "echo \"" + exec.nonce + " hello\";" : "";
  const std::string load =
      hello + "s=;n=$(printf \"\\nx\");n=${n%x};while IFS= read -r l;do [ \"$l\" = " + exec.nonce +
      "-end ]&&break;s=$s$l$n;done;eval \"$s\"";
  if (exec.become == Become::kNone) return "exec /bin/sh -c '" + load + "'";
  const std::string ask = exec.become == Become::kPassword ? "-S -p " + prompt(exec) : "-n";
  const std::string sudo =
      "sudo " + ask + " -u " + quotable(exec.become_user) + " -- /bin/sh -c \"$1\"";
  // Logged in as root already: a host without sudo will do.
  return "exec /bin/sh -c 'if [ \"$(id -un)\" = " + quotable(exec.become_user) +
         " ];then exec /bin/sh -c \"$1\";else exec " + sudo + ";fi' sh '" + load + "'";
}

namespace {

// The host itself tells which of several it is.
std::string release_assignment(const Wanted& wanted) {
  if (wanted.releases.empty()) return assignment("RELEASE", wanted.release);
  if (wanted.releases.size() == 1) return assignment("RELEASE", wanted.releases.begin()->second);
  std::string out = assignment("RELEASE", "") + "ARCH=$(uname -m)\ncase $ARCH in\n";
  for (const auto& [architecture, release] : wanted.releases)
    out += "'" + quotable(architecture) + "') " + assignment("RELEASE", release) + ";;\n";
  return out + "esac\n";
}

}  // namespace

std::string script(const Exec& exec, const Wanted& wanted, Orders orders) {
  return assignment("N", exec.nonce) + assignment("LOCK", exec.lock ? "yes" : "no") +
         assignment("WHO", exec.who) + assignment("ARCH", "") + release_assignment(wanted) +
         assignment("GROUPS_WANTED",
                    joined(wanted.groups, [](const std::string& name) { return name; })) +
         assignment("FILES", joined(wanted.files, [](const WantedFile& file) { return file.path; }),
                    kLongestList) +
         (orders == Orders::kUpkeep ? kUpkeepScript : "") + kBootstrapScript + exec.nonce +
         "-end\n";
}

std::string release_order(const Release& release) {
  return "release " + std::to_string(release.archive->size()) + " " + release.sha256 + "\n";
}

std::string apply_order(const Wanted& wanted, std::string_view run, std::string_view who) {
  nlohmann::json files = nlohmann::json::array();
  std::string bytes;
  for (const WantedFile& file : wanted.files) {
    files.push_back({{"path", file.path},
                     {"mode", file.mode},
                     {"size", file.bytes.size()},
                     {"sha256", agent::sha256_hex(file.bytes)}});
    bytes += file.bytes;
  }
  nlohmann::json document{{"run", run},
                          {"who", who},
                          {"release", wanted.release},
                          {"groups", wanted.groups},
                          {"files", files}};
  if (wanted.restart == Restart::kAlways || wanted.again) document["restart"] = "always";
  if (wanted.restart == Restart::kNever) document["restart"] = "never";
  if (!wanted.rolls_back) document["roll_back"] = false;
  add_gate(document, wanted.gate);
  return "apply\n" + bundle_head(document) + bytes;
}

std::string rollback_order(unsigned back_to, const Gate& gate, std::string_view run,
                           std::string_view who) {
  nlohmann::json document{{"run", run}, {"who", who}, {"back_to", back_to}};
  add_gate(document, gate);
  return "apply current\n" + bundle_head(document);
}

}  // namespace fleetctl::plan
