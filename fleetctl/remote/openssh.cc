#include "fleetctl/remote/openssh.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/remote/talk.h"

namespace fleetctl::remote {
namespace {

using agent::fail;

constexpr int kSliceMs = 500;
constexpr std::size_t kTalkLimit = 64U << 10;  // of a login shell before ours is there
constexpr std::size_t kErrorLimit = 8192;
constexpr std::size_t kToldLines = 4;
constexpr int kBroke = 255;  // ssh's own exit status

// What the host's login shell runs: it says that it is there, reads a command up to the line kEnd
// and becomes it. `read` takes one byte at a time from a pipe, what follows stays.
constexpr const char* kHere = "fleetctl-here";
constexpr const char* kEnd = "fleetctl-go";
constexpr const char* kWaiting =
    "exec /bin/sh -c 'echo fleetctl-here;s=;n=$(printf \"\\nx\");n=${n%x};while IFS= read -r l;do "
    "[ \"$l\" = fleetctl-go ]&&exec /bin/sh -c \"$s\";s=$s$l$n;done'";

// What keys, tokens and tickets need; no locale, which ssh_config would have sent.
constexpr std::array kKept{"PATH",       "HOME",          "USER",
                           "LOGNAME",    "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR",
                           "KRB5CCNAME", "KRB5_CONFIG"};

// As OpenSSH itself is careful since 9.6: both reach the shell of a ProxyCommand.
bool is_safe(std::string_view word) {
  return word.substr(0, 1) != "-" && std::all_of(word.begin(), word.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7f &&
                  std::string_view("'\"`$\\;&<>|(){}").find(c) == std::string_view::npos;
         });
}

// nullopt: ssh_config says, and else only known ones will do.
std::optional<HostKeys> asked_host_keys(const SshTarget& target) {
  if (target.options.host_keys || target.host_key_checking) return target.options.host_keys;
  return HostKeys::kIgnore;
}

// The last lines of what ssh said; of a changed host key, where the known one is.
std::string told(const std::string& errors) {
  std::vector<std::string> lines;
  for (const std::string_view raw : agent::split(errors, '\n')) {
    const std::string_view line = agent::trim(raw);
    if (line.substr(0, 9) == "Offending") return "THE HOST KEY HAS CHANGED: " + std::string(line);
    if (!line.empty()) lines.emplace_back(line);
  }
  std::string out;
  for (std::size_t i = lines.size() - std::min(lines.size(), kToldLines); i < lines.size(); ++i)
    out += (out.empty() ? "" : "; ") + lines[i];
  return out;
}

Error refused(const SshTarget& target, const std::string& errors) {
  const bool unknown = errors.find("Host key verification failed") != std::string::npos;
  std::string text = told(errors);
  if (text.empty()) text = "ssh ended without a word";
  if (unknown) text += " (an unknown one: fleetctl known-hosts add, or --accept-new)";
  return {errors.find("Permission denied") == std::string::npos ? ErrorCode::kUnavailable
                                                                : ErrorCode::kPermission,
          target.address + ": " + text};
}

// Keeps the end of what comes on standard error: ssh's own words about a broken connection.
class Overheard final : public Dialogue {
 public:
  explicit Overheard(Dialogue& dialogue) : dialogue_(dialogue) {}
  void on_start(Input& input) override { dialogue_.on_start(input); }
  Result<> on_output(std::string_view bytes, Input& input) override {
    return dialogue_.on_output(bytes, input);
  }
  Result<> on_error_output(std::string_view bytes, Input& input) override {
    errors.append(bytes);
    if (errors.size() > kErrorLimit) errors.erase(0, errors.size() - kErrorLimit);
    return dialogue_.on_error_output(bytes, input);
  }
  std::string errors;

 private:
  Dialogue& dialogue_;
};

}  // namespace

Result<std::vector<std::string>> openssh_words(const SshTarget& target) {
  if (!target.password.empty())
    return fail(ErrorCode::kInvalid,
                "a password to log in with is for --transport libssh; ssh takes keys, an agent or "
                "a ticket");
  if (target.address.empty() || !is_safe(target.address))
    return fail(ErrorCode::kInvalid, "'" + target.address + "' is no host for ssh");
  if (!is_safe(target.user)) return fail(ErrorCode::kInvalid, "'" + target.user + "' is no user");
  const std::vector<std::string>& given = target.options.words;
  for (std::size_t i = 0; i + 1 < given.size(); i += 2) {
    if (given[i + 1].substr(0, 1) == "-")
      return fail(ErrorCode::kInvalid, "ssh arguments: " + given[i] + " " + given[i + 1]);
  }
  if (target.private_key.substr(0, 1) == "-")
    return fail(ErrorCode::kInvalid, "'" + target.private_key + "' is no file of a key");

  std::vector<std::string> words{"env", "-i"};
  for (const char* name : kKept) {
    const char* value = std::getenv(name);
    if (value != nullptr) words.push_back(std::string(name) + "=" + value);
  }
  words.insert(words.end(), {"ssh", "-T", "-a", "-x"});
  const auto set = [&](const std::string& option) { words.insert(words.end(), {"-o", option}); };
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(target.connect_timeout).count();
  // ssh keeps the first value of an option: ours, those of the inventory, then ours where nobody
  // says otherwise.
  for (const char* option : {"BatchMode=yes", "ClearAllForwardings=yes", "ControlMaster=no",
                             "PermitLocalCommand=no", "RemoteCommand=none", "LogLevel=ERROR"})
    set(option);
  set("ConnectTimeout=" + std::to_string(std::max<long>(1, seconds)));
  if (const auto host_keys = asked_host_keys(target))
    set(*host_keys == HostKeys::kIgnore      ? "StrictHostKeyChecking=no"
        : *host_keys == HostKeys::kAcceptNew ? "StrictHostKeyChecking=accept-new"
                                             : "StrictHostKeyChecking=yes");
  if (target.port != 0) words.insert(words.end(), {"-p", std::to_string(target.port)});
  if (!target.user.empty()) words.insert(words.end(), {"-l", target.user});
  if (!target.private_key.empty()) words.insert(words.end(), {"-i", target.private_key});
  words.insert(words.end(), given.begin(), given.end());
  set("ServerAliveInterval=10");
  set("ServerAliveCountMax=3");
  words.insert(words.end(), {"--", target.address, kWaiting});
  return words;
}

Result<> OpenSsh::connect(Mono deadline) {
  auto words = openssh_words(target_);
  if (!words) return fail(words.error());
  agent::Spawn spawn;
  spawn.argv = std::move(*words);
  auto child = agent::Child::start(spawn);
  if (!child) return fail(child.error());
  std::string output, errors;
  const auto read_from = [](agent::FileDescriptor& fd, std::string& into) {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n > 0) into.append(buffer.data(), static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) fd.reset();
  };
  while (child->out) {
    const Mono now = clock_.mono();
    if (now >= deadline)
      return fail(ErrorCode::kUnavailable, target_.address + ": not connected in time");
    std::array<pollfd, 2> fds{pollfd{child->out.get(), POLLIN, 0},
                              pollfd{child->err.get(), POLLIN, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now).count();
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<long>(left, 1, kSliceMs))) < 0 &&
        errno != EINTR)
      return agent::fail_errno("poll", errno);
    if (fds[1].revents != 0) read_from(child->err, errors);
    if (fds[0].revents != 0) read_from(child->out, output);
    if (("\n" + output).find("\n" + std::string(kHere) + "\n") != std::string::npos) {
      child_ = std::move(*child);
      return {};
    }
    if (output.size() + errors.size() > kTalkLimit)
      return fail(ErrorCode::kExhausted, target_.address + ": its login shell talks without end");
  }
  // Whoever was left with its standard error, a program of ssh's, must not hold us up.
  while (child->err && errors.size() <= kTalkLimit) {
    pollfd waiting{child->err.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kSliceMs) <= 0) break;
    read_from(child->err, errors);
  }
  return fail(refused(target_, errors));
}

Result<int> OpenSsh::exec(const std::string& command, Dialogue& dialogue, Mono deadline) {
  if (!child_) {
    if (auto connected = connect(deadline); !connected) return fail(connected.error());
  }
  agent::Child child = std::move(*child_);
  child_.reset();
  Input input;
  input.send(command + "\n" + kEnd + "\n");
  Overheard overheard(dialogue);
  auto status = talk(std::move(child), std::move(input), overheard, clock_, deadline);
  if (!status || *status != kBroke) return status;
  const std::string why = told(overheard.errors);
  return fail(ErrorCode::kUnavailable, "the connection broke" + (why.empty() ? "" : ": " + why));
}

std::vector<std::string> OpenSsh::warnings() const {
  if (asked_host_keys(target_) != HostKeys::kIgnore) return {};
  return {"the host key of " + target_.address + " was not checked"};
}

}  // namespace fleetctl::remote
