#include "fleetctl/command/ui.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iostream>

#include "agent/base/file.h"
#include "agent/base/process.h"
#include "agent/base/strings.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

// The agent's own socket (agent/ui/own_server.h), which root and the agent's user may use.
constexpr const char* kAgentSocket = "/var/lib/fleet-agent/agent.sock";

struct Listener {
  agent::FileDescriptor fd;  // does not block
  std::uint16_t port = 0;
};

agent::Result<Listener> listen_here(std::uint16_t port) {
  const std::string what = "127.0.0.1:" + std::to_string(port);
  Listener listener{
      agent::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int on = 1;
  ::setsockopt(listener.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.fd.get(), any, size) != 0 || ::listen(listener.fd.get(), 64) != 0 ||
      ::getsockname(listener.fd.get(), any, &size) != 0)
    return agent::fail_errno(what, errno);
  listener.port = ntohs(address.sin_port);
  return listener;
}

// What keeps the pages from being reached; "" when nothing does.
std::string obstacle(const HostResult& result) {
  if (!result.text.empty()) return result.text;
  if (!result.installed) return "no agent is installed";
  const plan::Installed& now = *result.installed;
  if (now.address.empty() && !now.ready)
    return "its agent does not answer" + (now.answer.empty() ? "" : ": " + printable(now.answer));
  return "";
}

std::string url_of(const plan::Installed& now, bool socket, std::uint16_t port) {
  const std::string here = "127.0.0.1:" + std::to_string(port);
  if (socket) return "http://" + here + "/";
  return (now.tls ? "https://" : "http://") + here + printable(now.prefix) + "/";
}

// Only where there is a display; what goes wrong with it changes nothing.
void open_browser(const std::string& url) {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  if (!set("DISPLAY") && !set("WAYLAND_DISPLAY")) return;
  // In a session of its own: it stays when this ends.
  agent::Spawn spawn;
  spawn.argv = {"/bin/sh", "-c",
                "command -v xdg-open >/dev/null || exit 1; "
                "exec setsid -f xdg-open \"$1\" </dev/null >/dev/null 2>&1",
                "sh", url};
  const agent::SystemClock clock;
  const auto done = agent::run_process(std::move(spawn), {}, clock, std::chrono::seconds(10));
  if (!done || done->status != 0) std::cerr << "note: no browser could be opened\n";
}

}  // namespace

std::optional<remote::Far> far_of(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  remote::Far far{address.substr(0, colon)};
  const char* end = address.data() + address.size();
  const auto [stop, error] = std::from_chars(address.data() + colon + 1, end, far.port);
  if (error != std::errc() || stop != end || far.port == 0) return std::nullopt;
  if (far.host.size() > 2 && far.host.front() == '[' && far.host.back() == ']')
    far.host = far.host.substr(1, far.host.size() - 2);
  if (far.host == "0.0.0.0" || far.host.empty()) far.host = "127.0.0.1";
  if (far.host == "::") far.host = "::1";
  return far;
}

ExitCode ui(const Fleet& fleet, const UiOptions& options, const World& world,
            const std::atomic<bool>& stop, const OpenBrowser& open, std::ostream& out,
            std::ostream& err) {
  if (fleet.hosts.size() != 1) {
    err << "fleetctl: " << fleet.hosts.size() << " hosts are meant, ui shows one\n";
    return ExitCode::kRefused;
  }
  const Host& host = *fleet.hosts[0];
  const bool here = host.connection().transport == inventory::Transport::kLocal;
  ExitCode code = ExitCode::kDone;
  const auto failed = [&](const std::string& why, ExitCode with) {
    err << host.name() << ": " << why << "\n";
    code = with;
  };
  const auto show = [&](const std::string& url) {
    out << url << std::endl;
    if (options.browser) open(url);
  };
  const auto forward = [&](remote::Remote& remote, HostResult& result) {
    for (const std::string& note : result.notes) err << "note: " << note << "\n";
    if (const std::string why = obstacle(result); !why.empty()) {
      return failed(why, result.state == HostState::kUnreachable ? ExitCode::kUnreachable
                                                                 : ExitCode::kHostFailed);
    }
    const plan::Installed& now = *result.installed;
    // An agent that cannot tell is one from before it could.
    const std::string address = now.address.empty() ? "127.0.0.1:12345" : printable(now.address);
    auto far = far_of(address);
    if (!far)
      return failed("its agent listens on '" + address + "', which is no address",
                    ExitCode::kHostFailed);
    if (here && !options.socket) {
      const bool six = far->host.find(':') != std::string::npos;
      return show((now.tls ? "https://" : "http://") + (six ? "[" + far->host + "]" : far->host) +
                  ":" + std::to_string(far->port) + printable(now.prefix) + "/");
    }
    if (options.socket) far->socket = kAgentSocket;
    auto listener = listen_here(options.port);
    if (!listener) return failed(listener.error().message, ExitCode::kUsage);
    err << host.name() << ": the pages on " << (options.socket ? kAgentSocket : address)
        << " there are here until Ctrl-C:" << std::endl;
    const std::string url = url_of(now, options.socket, listener->port);
    show(url);
    const auto complain = [&](const std::string& why) {
      err << host.name() << ": " << (options.socket ? kAgentSocket : address)
          << " there cannot be reached: " << printable(why) << std::endl;
    };
    if (auto done = remote.forward(listener->fd, *far, stop, complain); !done)
      failed(printable(done.error().message) + "; " + url + " leads nowhere any more",
             ExitCode::kUnreachable);
  };
  const HostResult result = look_at(host, options, world, Task::kLook, forward);
  if (result.state == HostState::kUnreachable && code == ExitCode::kDone)
    failed(result.text, ExitCode::kUnreachable);
  return code;
}

ExitCode run_ui(FleetOptions fleet_options, bool ask_become_password, UiOptions options) {
  fleet_options.rendering = Rendering::kNone;
  const auto fleet = usable(load_fleet(fleet_options, {}), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  return in_the_world(
      options, ask_become_password,
      [&](const World& world, const auto& stop) {
        const World quiet{world.reacher, world.nonces, world.clock};
        return ui(*fleet, options, quiet, stop, open_browser, std::cout, std::cerr);
      },
      "");
}

}  // namespace fleetctl::command
