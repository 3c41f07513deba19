#include "fleetctl/remote/openssh.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
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

// What ssh itself says under -v and of keys that it writes down, line by line, apart from what it
// and the host say otherwise.
class Commentary {
 public:
  explicit Commentary(const SshTarget& target) : target_(target) {}

  // The rest of `bytes`: whole lines, and what remains at flush().
  std::string sift(std::string_view bytes) {
    begun_ += bytes;
    std::string rest;
    std::size_t at = 0;
    for (std::size_t end = 0; (end = begun_.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string_view line = std::string_view(begun_).substr(at, end + 1 - at);
      if (!is_comment(line)) rest += line;
    }
    begun_.erase(0, at);
    // The beginning of a line that can be none of ssh's own need not wait for its end.
    if (!may_become_comment(begun_)) rest += std::exchange(begun_, "");
    return rest;
  }
  std::string flush() { return std::exchange(begun_, ""); }

  std::vector<std::string> learnt;

 private:
  static constexpr std::array<std::string_view, 8> kDebug{
      "debug1: ",          "debug2: ",      "debug3: ",           "OpenSSH_",
      "Authenticated to ", "Transferred: ", "Bytes per second: ", "Authenticating to "};
  static constexpr std::string_view kAdded = "Warning: Permanently added ";

  bool is_comment(std::string_view line) {
    if (target_.options.host_keys == HostKeys::kAcceptNew && line.starts_with(kAdded)) {
      const std::string_view key = agent::trim(line.substr(kAdded.size()));
      learnt.push_back("ssh permanently added " + std::string(key));
      return true;
    }
    if (target_.verbose < 2 || !begins(kDebug, line)) return false;
    std::string shown = "[" + target_.address + "] " + std::string(agent::trim(line));
    // The host may write such lines, too: ssh's own are ASCII, without control characters.
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    std::cerr << shown + "\n" << std::flush;
    return true;
  }
  bool may_become_comment(std::string_view part) const {
    const auto may = [&](std::string_view word) {
      return word.starts_with(part.substr(0, word.size()));
    };
    return (target_.options.host_keys == HostKeys::kAcceptNew && may(kAdded)) ||
           (target_.verbose > 1 && std::any_of(kDebug.begin(), kDebug.end(), may));
  }
  template <std::size_t kSize>
  static bool begins(const std::array<std::string_view, kSize>& words, std::string_view line) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return line.starts_with(word); });
  }

  const SshTarget& target_;
  std::string begun_;
};

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
  const bool unknown = errors.find("Host key verification failed") != std::string::npos &&
                       errors.find("Offending") == std::string::npos;
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
  Overheard(Dialogue& dialogue, const SshTarget& target)
      : dialogue_(dialogue), commentary_(target) {}
  void on_start(Input& input) override { dialogue_.on_start(input); }
  Result<> on_output(std::string_view bytes, Input& input) override {
    return dialogue_.on_output(bytes, input);
  }
  Result<> on_error_output(std::string_view bytes, Input& input) override {
    const std::string rest = commentary_.sift(bytes);
    errors.append(rest);
    if (errors.size() > kErrorLimit) errors.erase(0, errors.size() - kErrorLimit);
    return rest.empty() ? Result<>() : dialogue_.on_error_output(rest, input);
  }
  std::string errors;

 private:
  Dialogue& dialogue_;
  Commentary commentary_;
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
                             "PermitLocalCommand=no", "RemoteCommand=none"})
    set(option);
  // Of a key that ssh writes down it tells at INFO.
  const bool accepts = asked_host_keys(target) == HostKeys::kAcceptNew;
  if (target.verbose > 1) {
    words.emplace_back(target.verbose > 2 ? "-vvv" : "-v");
  } else {
    set(accepts ? "LogLevel=INFO" : "LogLevel=ERROR");
  }
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
  Commentary commentary(target_);
  const auto read_from = [](agent::FileDescriptor& fd) {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR)) fd.reset();
    return std::string(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  };
  const auto read_errors = [&] { errors += commentary.sift(read_from(child->err)); };
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
    if (fds[1].revents != 0) read_errors();
    if (fds[0].revents != 0) output += read_from(child->out);
    if (("\n" + output).find("\n" + std::string(kHere) + "\n") != std::string::npos) {
      // What ssh said before the shell was there.
      for (pollfd said{child->err.get(), POLLIN, 0};
           child->err && errors.size() <= kTalkLimit && ::poll(&said, 1, 0) > 0;)
        read_errors();
      learnt_ = std::move(commentary.learnt);
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
    read_errors();
  }
  errors += commentary.flush();
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
  Overheard overheard(dialogue, target_);
  auto status = talk(std::move(child), std::move(input), overheard, clock_, deadline);
  if (!status || *status != kBroke) return status;
  const std::string why = told(overheard.errors);
  return fail(ErrorCode::kUnavailable, "the connection broke" + (why.empty() ? "" : ": " + why));
}

std::vector<std::string> OpenSsh::warnings() const {
  if (asked_host_keys(target_) != HostKeys::kIgnore) return learnt_;
  return {"the host key of " + target_.address + " was not checked"};
}

}  // namespace fleetctl::remote
