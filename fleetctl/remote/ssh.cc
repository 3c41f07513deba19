#include "fleetctl/remote/ssh.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/remote/tunnel.h"

namespace fleetctl::remote {
namespace {

using agent::fail;
using agent::fail_errno;

constexpr int kSliceMs = 200;
constexpr std::uint32_t kWriteSlice = 32U << 10;
constexpr int kMostQuestions = 8;  // that a host may ask, one after another, before it lets us in

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using Key = std::unique_ptr<ssh_key_struct, Freed<ssh_key_struct, ssh_key_free>>;
using Channel = std::unique_ptr<ssh_channel_struct, Freed<ssh_channel_struct, ssh_channel_free>>;
using Event = std::unique_ptr<ssh_event_struct, Freed<ssh_event_struct, ssh_event_free>>;

std::string take_string(char* text) {
  std::string out = text == nullptr ? "" : text;
  ssh_string_free_char(text);
  return out;
}

std::string home() {
  const char* from_environment = std::getenv("HOME");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return "/";
  return found->pw_dir;
}

std::string expand_home(const std::string& path) {
  return path.substr(0, 2) == "~/" ? home() + path.substr(1) : path;
}

int left_ms(const Clock& clock, Mono deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.mono()).count();
  return static_cast<int>(std::clamp<long>(left, 0, 3'600'000));
}

// The handshake's small packets meet the server's Nagle: acknowledging at once saves 40 ms per
// exchange on fast links. The kernel falls back to delayed acknowledgements by itself, so it is set
// again before each wait.
void acknowledge_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void set_socket_options(int fd) {
  const auto set = [&](int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 25'000);  // ms that sent data may stay unacknowledged
  acknowledge_at_once(fd);
}

// One address; waits for the connection until `deadline`.
Result<agent::FileDescriptor> connect_to(const addrinfo& address, const Clock& clock,
                                         Mono deadline) {
  agent::FileDescriptor fd(::socket(
      address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
  if (!fd) return fail_errno("socket", errno);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS) {
    return fail(ErrorCode::kUnavailable, agent::errno_text(errno));
  }
  pollfd waiting{fd.get(), POLLOUT, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, left_ms(clock, deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return fail(ErrorCode::kUnavailable, "connection timed out");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(ErrorCode::kUnavailable, agent::errno_text(error));
  ::fcntl(fd.get(), F_SETFL, 0);
  return fd;
}

// As ssh-keyscan and the names of host keys' files have it.
const char* keyscan_type(std::string_view type) {
  if (type == "ssh-rsa") return "rsa";
  return type.substr(0, 5) == "ecdsa" ? "ecdsa" : "ed25519";
}

// The operator's file and the machine's.
std::string known_hosts_text(const std::string& file) {
  return agent::read_file(file).value_or("") + "\n" +
         agent::read_file("/etc/ssh/ssh_known_hosts").value_or("");
}

}  // namespace

// Members are destroyed bottom up: the channel before the session, the session before its socket.
struct Ssh::Session {
  agent::FileDescriptor socket;  // ours: libssh leaves a socket that it was given open
  ssh_session handle = ssh_new();
  Channel channel;
  bool connected = false;
  std::string host;  // after ~/.ssh/config
  unsigned port = 22;

  // Set by callbacks.
  std::optional<int> exit_status;
  ssh_channel_callbacks_struct callbacks{};

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    channel.reset();
    if (handle == nullptr) return;
    if (connected) ssh_disconnect(handle);
    ssh_free(handle);
  }
  int fd() const { return ssh_get_fd(handle); }
};

Result<SshTarget> parse_jump(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalid,
                "ProxyJump: '" + std::string(text) + "' is not [user@]host[:port]");
  };
  SshTarget target;
  std::string_view rest = agent::trim(text);
  if (rest.substr(0, 6) == "ssh://") rest.remove_prefix(6);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    target.user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  std::string_view port;
  if (rest.substr(0, 1) == "[") {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return bad();
    target.address = rest.substr(1, close - 1);
    port = rest.substr(close + 1);
  } else {
    const auto colon = rest.find(':');
    target.address = rest.substr(0, colon);
    port = colon == std::string_view::npos ? "" : rest.substr(colon);
  }
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data() + 1, end, target.port);
    if (port[0] != ':' || error != std::errc() || stop != end || target.port == 0) return bad();
  }
  if (target.address.empty() || target.address[0] == '-') return bad();
  return target;
}

SshContext::SshContext() { ssh_init(); }
SshContext::~SshContext() { ssh_finalize(); }

Ssh::Ssh(const Clock& clock, SshContext& context, SshTarget target)
    : clock_(clock), context_(context), target_(std::move(target)) {}
Ssh::~Ssh() = default;

Error Ssh::last_error(const std::string& what) const {
  return Error{ErrorCode::kUnavailable, what + ": " + ssh_get_error(session_->handle)};
}

// Configuration files first, then what the inventory says on top: OpenSSH's command line wins over
// its files too.
Result<> Ssh::configure() {
  ssh_session handle = session_->handle;
  const SshOptions& options = target_.options;
  const auto set = [&](ssh_options_e option, const void* value) {
    return ssh_options_set(handle, option, value) == 0;
  };
  const bool no = false;
  const long seconds = std::max<long>(
      1, std::chrono::duration_cast<std::chrono::seconds>(target_.connect_timeout).count());
  if (!set(SSH_OPTIONS_HOST, target_.address.c_str()) || !set(SSH_OPTIONS_PROCESS_CONFIG, &no) ||
      !set(SSH_OPTIONS_TIMEOUT, &seconds)) {
    return fail(last_error(target_.address));
  }
  if (target_.verbose > 1) {
    const int level = target_.verbose > 2 ? SSH_LOG_PACKET : SSH_LOG_PROTOCOL;
    set(SSH_OPTIONS_LOG_VERBOSITY, &level);
  }
  const std::string own =
      options.config_file.empty() ? home() + "/.ssh/config" : expand_home(options.config_file);
  std::string text;
  if (options.config_file != "none") {
    if (auto read = agent::read_file(own, 1U << 20)) text = std::move(*read);
    if (options.config_file.empty()) {
      text += "\nHost *\n" + agent::read_file("/etc/ssh/ssh_config", 1U << 20).value_or("");
    }
    if (!text.empty() && ssh_options_parse_config(handle, own.c_str()) != 0)
      return fail(last_error(own));
    if (options.config_file.empty()) ssh_options_parse_config(handle, "/etc/ssh/ssh_config");
  }
  identities_only_ = options.identities_only.value_or(
      ssh_config_value(text, target_.address, "IdentitiesOnly") == "yes");
  const auto checking =
      ssh_config_value(text, target_.address, "StrictHostKeyChecking").value_or("");
  host_keys_ = checking == "no" || checking == "off" ? HostKeys::kIgnore
               : checking == "accept-new"            ? HostKeys::kAcceptNew
                                                     : HostKeys::kStrict;
  if (!target_.host_key_checking) host_keys_ = HostKeys::kIgnore;
  host_keys_ = options.host_keys.value_or(host_keys_);

  const std::string& user = target_.user.empty() ? options.user : target_.user;
  const unsigned port = target_.port != 0 ? target_.port : options.port;
  bool good = true;
  if (!user.empty()) good = good && set(SSH_OPTIONS_USER, user.c_str());
  if (port != 0) good = good && set(SSH_OPTIONS_PORT, &port);
  if (!options.known_hosts.empty()) {
    good = good && set(SSH_OPTIONS_KNOWNHOSTS, expand_home(options.known_hosts).c_str());
  }
  if (!options.kex.empty()) good = good && set(SSH_OPTIONS_KEY_EXCHANGE, options.kex.c_str());
  if (!options.host_key_algorithms.empty()) {
    good = good && set(SSH_OPTIONS_HOSTKEYS, options.host_key_algorithms.c_str());
  }
  if (!options.ciphers.empty()) {
    good = good && set(SSH_OPTIONS_CIPHERS_C_S, options.ciphers.c_str()) &&
           set(SSH_OPTIONS_CIPHERS_S_C, options.ciphers.c_str());
  }
  proxy_jump_ = options.proxy_jump;
  if (proxy_jump_.empty() && options.proxy_command.empty())
    proxy_jump_ = ssh_config_value(text, target_.address, "ProxyJump").value_or("");
  const bool own_jump = !proxy_jump_.empty();  // else what libssh made of an Include'd ProxyJump
  // As ssh does it: a host is not its own jump host, which "Host *" would make of it.
  const auto last = parse_jump(proxy_jump_.substr(proxy_jump_.rfind(',') + 1));
  if (proxy_jump_ == "none" || (last && last->address == target_.address)) proxy_jump_.clear();
  if (own_jump) {
    good = good && set(SSH_OPTIONS_PROXYCOMMAND, "none");
  } else if (!options.proxy_command.empty()) {
    good = good && set(SSH_OPTIONS_PROXYCOMMAND, options.proxy_command.c_str());
  }
  if (!good) return fail(last_error("ssh options"));

  char* value = nullptr;
  session_->host = ssh_options_get(handle, SSH_OPTIONS_HOST, &value) == SSH_OK ? take_string(value)
                                                                               : target_.address;
  if (ssh_options_get_port(handle, &session_->port) != SSH_OK) session_->port = 22;
  return {};
}

// Through the hosts before this one: the last of them is connected to in the same way, those before
// it being its own.
Result<> Ssh::jump(Mono deadline) {
  constexpr unsigned kMostJumps = 8;
  const auto comma = proxy_jump_.rfind(',');
  auto target = parse_jump(proxy_jump_.substr(comma + 1));
  if (!target) return fail(target.error());
  if (target_.jumps >= kMostJumps)
    return fail(ErrorCode::kInvalid, "ProxyJump: more than 8 hosts, or hosts in a circle");
  target->jumps = target_.jumps + 1;
  target->private_key = target_.private_key;
  target->host_key_checking = target_.host_key_checking;
  target->connect_timeout = target_.connect_timeout;
  target->verbose = target_.verbose;
  target->options = target_.options;
  target->options.user.clear();
  target->options.port = 0;
  target->options.proxy_command.clear();
  target->options.proxy_jump = comma == std::string::npos ? "" : proxy_jump_.substr(0, comma);
  const std::string name = "jump host " + target->address;
  jump_ = std::make_unique<Ssh>(clock_, context_, std::move(*target));
  while (!context_.jump_handshakes.try_acquire_for(std::chrono::milliseconds(kSliceMs))) {
    if (clock_.mono() >= deadline)
      return fail(ErrorCode::kUnavailable, name + ": too many wait for it");
  }
  auto connected = jump_->connect(deadline);
  context_.jump_handshakes.release();
  if (!connected) return fail(std::move(connected.error()).within(name));
  for (const std::string& warning : jump_->warnings()) warnings_.push_back(name + ": " + warning);
  auto end = jump_->open_forward(session_->host, session_->port, deadline);
  if (!end) return fail(std::move(end.error()).within(name));
  session_->socket = std::move(*end);
  const socket_t number = session_->socket.get();
  if (ssh_options_set(session_->handle, SSH_OPTIONS_FD, &number) != 0)
    return fail(last_error("ssh"));
  return {};
}

// A socket whose other end is host:port, as this host reaches it.
Result<agent::FileDescriptor> Ssh::open_forward(const std::string& host, unsigned port,
                                                Mono deadline) {
  Session& s = *session_;
  s.channel.reset(ssh_channel_new(s.handle));
  if (!s.channel) return fail(last_error("ssh"));
  ssh_set_blocking(s.handle, 0);
  const auto step = [&] {
    return ssh_channel_open_forward(s.channel.get(), host.c_str(), static_cast<int>(port),
                                    "127.0.0.1", 0);
  };
  auto opened = until_done(step, "to " + host + " port " + std::to_string(port), deadline);
  if (!opened) return fail(opened.error());
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno("socketpair", errno);
  agent::FileDescriptor ours(ends[0]), theirs(ends[1]);
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  relay_ = std::make_unique<Relay>(s.handle, s.channel.get(), std::move(ours));
  return theirs;
}

// A step of libssh in non-blocking mode, again and again until it is done.
Result<> Ssh::until_done(const Steps& step, const std::string& what, Mono deadline) {
  const int fd = session_->fd();
  for (;;) {
    acknowledge_at_once(fd);
    const int state = step();
    if (state == SSH_OK) return {};
    if (state != SSH_AGAIN) return fail(last_error(what));
    if (clock_.mono() >= deadline)
      return fail(ErrorCode::kUnavailable, what + ": no answer in time");
    pollfd waiting{fd, POLLIN, 0};
    ::poll(&waiting, 1, std::min(kSliceMs, left_ms(clock_, deadline) + 1));
  }
}

// Our own connect: its errors are clear and its time is bounded. Through a proxy libssh does it.
Result<> Ssh::open_socket(Mono deadline) {
  if (!proxy_jump_.empty()) return jump(deadline);
  char* proxy = nullptr;
  if (ssh_options_get(session_->handle, SSH_OPTIONS_PROXYCOMMAND, &proxy) == SSH_OK) {
    const std::string command = take_string(proxy);
    if (!command.empty() && command != "none") return {};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(session_->port);
  const int status = ::getaddrinfo(session_->host.c_str(), port.c_str(), &hints, &found);
  if (status != 0) {
    return fail(ErrorCode::kUnavailable,
                "cannot resolve " + session_->host + ": " + ::gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, Freed<addrinfo, ::freeaddrinfo>> addresses(found);
  Error error{ErrorCode::kUnavailable, "no address"};
  const Mono until = std::min(deadline, clock_.mono() + target_.connect_timeout);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    auto fd = connect_to(*one, clock_, until);
    if (!fd) {
      error = fd.error();
      continue;
    }
    set_socket_options(fd->get());
    session_->socket = std::move(*fd);
    const socket_t number = session_->socket.get();
    if (ssh_options_set(session_->handle, SSH_OPTIONS_FD, &number) != 0)
      return fail(last_error("ssh"));
    return {};
  }
  return fail(std::move(error).within(session_->host + " port " + port));
}

Result<ShownKey> Ssh::shown_key() {
  ssh_session handle = session_->handle;
  ShownKey shown;
  switch (ssh_session_is_known_server(handle)) {
    case SSH_KNOWN_HOSTS_OK:
      shown.state = ShownKey::State::kKnown;
      break;
    case SSH_KNOWN_HOSTS_CHANGED:
      shown.state = ShownKey::State::kChanged;
      break;
    case SSH_KNOWN_HOSTS_OTHER:
      shown.state = ShownKey::State::kOtherType;
      break;
    case SSH_KNOWN_HOSTS_ERROR:
      return fail(last_error("known hosts"));
    default:
      break;
  }
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(handle, &raw) != SSH_OK) return fail(last_error("host key"));
  const Key key(raw);
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(raw, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == 0) {
    shown.fingerprint =
        take_string(ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size));
    ssh_clean_pubkey_hash(&hash);
  }
  char* value = nullptr;
  if (ssh_pki_export_pubkey_base64(raw, &value) == SSH_OK) shown.key = take_string(value);
  value = nullptr;
  if (ssh_options_get(handle, SSH_OPTIONS_KNOWNHOSTS, &value) == SSH_OK)
    shown.file = take_string(value);
  if (shown.file.empty()) shown.file = home() + "/.ssh/known_hosts";
  shown.type = ssh_key_type_to_char(ssh_key_type(raw));
  shown.host = session_->port == 22 ? session_->host
                                    : "[" + session_->host + "]:" + std::to_string(session_->port);
  const Marked marked = marked_in(known_hosts_text(shown.file), shown.host, shown.key);
  if (marked.revoked) shown.state = ShownKey::State::kRevoked;
  shown.has_authority = marked.authority;
  return shown;
}

Result<> Ssh::check_host_key() {
  if (host_keys_ == HostKeys::kIgnore) {
    warnings_.push_back("the host key of " + session_->host + " was not checked");
    return {};
  }
  const auto found = shown_key();
  if (!found) return fail(found.error());
  const ShownKey& key = *found;
  const std::string shows = key.host + " shows " + key.type + " " + key.fingerprint;
  const auto refuse = [](std::string text) {
    return fail(ErrorCode::kPermission, std::move(text));
  };
  switch (key.state) {
    case ShownKey::State::kKnown:
      return {};
    case ShownKey::State::kChanged:
      return refuse("THE HOST KEY HAS CHANGED: " + shows + ", " + key.file +
                    " has another one. If that is expected: ssh-keygen -f " + key.file + " -R '" +
                    key.host + "'");
    case ShownKey::State::kOtherType:
      return refuse("host key: " + shows + ", " + key.file +
                    " knows it by a key of another type only");
    case ShownKey::State::kRevoked:
      return refuse("THE HOST KEY IS REVOKED: " + shows + ", " + key.file +
                    " says that nobody may use it");
    case ShownKey::State::kUnknown:
      break;
  }
  if (host_keys_ == HostKeys::kAcceptNew) {
    const agent::MutexLock lock(context_.known_hosts);
    // Another connection of this run may have met the host meanwhile: a jump host of many.
    const auto now = shown_key();
    if (now && now->state == ShownKey::State::kKnown) return {};
    if (auto added = add_known_host(key); !added) return added;
    warnings_.push_back("added the host key of " + key.host + " to " + key.file + ": " + key.type +
                        " " + key.fingerprint);
    return {};
  }
  if (key.has_authority)
    return refuse("unknown host key: " + shows + ", and " + key.file +
                  " wants a certificate of an authority: --transport openssh checks those");
  const std::string type = keyscan_type(key.type);
  return refuse("unknown host key: " + shows +
                ". Compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_" + type +
                "_key.pub), then: fleetctl known-hosts add, or ssh-keyscan -t " + type + " -p " +
                std::to_string(session_->port) + " " + session_->host + " >> " + key.file);
}

// True when the host let us in with this key. A file that cannot be used is an error only in the
// final message: the agent may hold the key.
Result<bool> Ssh::try_key(const std::string& path, bool asks) {
  PrivateKeys& keys = context_.private_keys;
  const auto found = asks ? keys.unlock(path) : keys.read(path);
  if (!found) {
    const bool locked = found.error().code == ErrorCode::kPermission;
    if (locked && !asks) locked_.push_back(path);
    if (!locked || asks) tried_.push_back(path + " (" + found.error().message + ")");
    return false;
  }
  tried_.push_back(path);
  for (const auto& key : {found->certified, found->key}) {
    if (!key) continue;
    const int state = ssh_userauth_publickey(session_->handle, nullptr, key.get());
    if (state == SSH_AUTH_SUCCESS) return true;
    if (state == SSH_AUTH_ERROR) return fail(last_error("authentication"));
  }
  return false;
}

Result<> Ssh::authenticate() {
  std::vector<std::string> named = target_.options.identity_files;
  if (!target_.private_key.empty()) named.insert(named.begin(), target_.private_key);
  for (const std::string& path : named) {
    auto in = try_key(expand_home(path), false);
    if (!in) return fail(in.error());
    if (*in) return {};
  }
  int state = SSH_AUTH_DENIED;
  if (!identities_only_ || named.empty() || !locked_.empty()) {
    // The agent's keys, then the files of ~/.ssh/config and the usual ones. With IdentitiesOnly the
    // agent is left out, unless it may be what opens a named key.
    if (identities_only_ && locked_.empty())
      ssh_options_set(session_->handle, SSH_OPTIONS_IDENTITY_AGENT, "none");
    state = ssh_userauth_publickey_auto(session_->handle, nullptr, nullptr);
    tried_.push_back(identities_only_ ? "the keys of the ssh configuration"
                                      : "ssh-agent, the usual keys");
  }
  for (const std::string& path : std::exchange(locked_, {})) {
    if (state == SSH_AUTH_SUCCESS) break;
    auto in = try_key(path, true);
    if (!in) return fail(in.error());
    if (*in) return {};
  }
  const std::string& password = target_.password.reveal();
  if (state != SSH_AUTH_SUCCESS && !password.empty()) {
    tried_.push_back("password");
    state = ssh_userauth_password(session_->handle, nullptr, password.c_str());
    if (state != SSH_AUTH_SUCCESS) {
      state = ssh_userauth_kbdint(session_->handle, nullptr, nullptr);
      for (int round = 0; state == SSH_AUTH_INFO && round < kMostQuestions; ++round) {
        for (int i = 0; i < ssh_userauth_kbdint_getnprompts(session_->handle); ++i) {
          ssh_userauth_kbdint_setanswer(session_->handle, static_cast<unsigned>(i),
                                        password.c_str());
        }
        state = ssh_userauth_kbdint(session_->handle, nullptr, nullptr);
      }
    }
  }
  if (state == SSH_AUTH_SUCCESS) return {};
  std::string list;
  for (const std::string& one : tried_) list += (list.empty() ? "" : ", ") + one;
  char* user = nullptr;
  const std::string name = ssh_options_get(session_->handle, SSH_OPTIONS_USER, &user) == SSH_OK
                               ? take_string(user)
                               : target_.user;
  return fail(ErrorCode::kPermission, "permission denied: " + name + "@" + session_->host +
                                          " does not let us in (tried: " + list + ")");
}

Result<> Ssh::handshake(Mono deadline) {
  session_ = std::make_unique<Session>();
  if (session_->handle == nullptr) return fail(ErrorCode::kExhausted, "ssh: out of memory");
  if (auto done = configure(); !done) return done;
  if (auto done = open_socket(deadline); !done) return done;
  if (ssh_connect(session_->handle) != SSH_OK) {
    return fail(last_error(session_->host + " port " + std::to_string(session_->port)));
  }
  session_->connected = true;
  return {};
}

Result<> Ssh::connect(Mono deadline) {
  if (auto done = handshake(deadline); !done) return done;
  if (auto done = check_host_key(); !done) return done;
  return authenticate();
}

Result<ShownKey> Ssh::host_key(Mono deadline) {
  if (auto done = handshake(deadline); !done) return fail(done.error());
  return shown_key();
}

Result<> Ssh::open_channel(const std::string& command, Mono deadline) {
  Session& s = *session_;
  s.channel.reset(ssh_channel_new(s.handle));
  if (!s.channel) return fail(last_error("ssh"));
  s.callbacks.userdata = &s;
  s.callbacks.channel_exit_status_function = [](ssh_session, ssh_channel, int status, void* data) {
    static_cast<Session*>(data)->exit_status = status;
  };
  s.callbacks.channel_exit_signal_function = [](ssh_session, ssh_channel, const char* name, int,
                                                const char*, const char*, void* data) {
    const std::string signal = name == nullptr ? "" : name;
    static_cast<Session*>(data)->exit_status = 128 + (signal == "KILL"   ? 9
                                                      : signal == "TERM" ? 15
                                                                         : 1);
  };
  ssh_callbacks_init(&s.callbacks);
  ssh_set_channel_callbacks(s.channel.get(), &s.callbacks);
  ssh_set_blocking(s.handle, 0);
  auto opened = until_done([&] { return ssh_channel_open_session(s.channel.get()); },
                           "open a channel", deadline);
  if (!opened) return opened;
  return until_done([&] { return ssh_channel_request_exec(s.channel.get(), command.c_str()); },
                    "exec", deadline);
}

Result<int> Ssh::exec(const std::string& command, Dialogue& dialogue, Mono deadline) {
  Session& s = *session_;
  s.exit_status.reset();
  if (auto opened = open_channel(command, deadline); !opened) return fail(opened.error());
  const Event event(ssh_event_new());
  if (!event || ssh_event_add_session(event.get(), s.handle) != SSH_OK)
    return fail(last_error("ssh"));
  struct Leave {
    ssh_event event;
    ssh_session session;
    ~Leave() { ssh_event_remove_session(event, session); }
  } leave{event.get(), s.handle};

  ssh_channel channel = s.channel.get();
  Input input;
  dialogue.on_start(input);
  bool end_sent = false;
  std::array<char, 32768> buffer;
  for (;;) {
    bool moved = false;
    for (const int error_stream : {0, 1}) {
      const int n =
          ssh_channel_read_nonblocking(channel, buffer.data(), buffer.size(), error_stream);
      if (n == SSH_ERROR) break;  // the connection: seen below
      if (n <= 0) continue;
      moved = true;
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
      auto told = error_stream != 0 ? dialogue.on_error_output(bytes, input)
                                    : dialogue.on_output(bytes, input);
      if (!told) return fail(told.error());
    }
    if (!ssh_is_connected(s.handle)) return fail(ErrorCode::kUnavailable, "the connection broke");
    if (clock_.mono() >= deadline) return fail(ErrorCode::kUnavailable, "no end in time");
    if (moved) continue;  // all that came before anything is concluded from an end
    if (ssh_channel_is_closed(channel) != 0 ||
        (ssh_channel_is_eof(channel) != 0 && s.exit_status)) {
      if (!s.exit_status) return fail(ErrorCode::kUnavailable, "the connection broke");
      return *s.exit_status;
    }
    // libssh keeps what the socket does not take, as much as the window allows: megabytes for each
    // host that is sent an agent. The next slice follows when the last one is gone.
    const bool gone = (ssh_get_poll_flags(s.handle) & SSH_WRITE_PENDING) == 0;
    if (const std::uint32_t window = ssh_channel_window_size(channel);
        gone && !input.empty() && window > 0) {
      const auto bytes = input.next();
      const auto size =
          static_cast<std::uint32_t>(std::min<std::size_t>({bytes.size(), window, kWriteSlice}));
      const int n = ssh_channel_write(channel, bytes.data(), size);
      if (n < 0) return fail(last_error("the connection broke"));
      input.consume(static_cast<std::size_t>(n));
      moved = n > 0;
    }
    if (input.empty() && input.closed() && !end_sent) {
      ssh_channel_send_eof(channel);
      end_sent = true;
    }
    acknowledge_at_once(s.fd());
    const int slice = moved ? 0 : std::min(kSliceMs, left_ms(clock_, deadline) + 1);
    if (ssh_event_dopoll(event.get(), slice) == SSH_ERROR) {
      return fail(last_error("the connection broke"));
    }
  }
}

Result<> Ssh::forward(const agent::FileDescriptor& listener, const Far& to,
                      const std::atomic<bool>& stop, const Complain& complain) {
  session_->channel.reset();
  return Tunnel(session_->handle, to, complain).run(listener, stop);
}

}  // namespace fleetctl::remote
