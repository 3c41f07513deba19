// The agent's own HTTP server: its address, TLS and passwords as the configuration's `http` block
// says, certificates read again when their files change, and what every answer carries. Beside it,
// a socket in the agent's folder for root and the agent's own user, without TLS and passwords: what
// deploys ask (docs/decisions/the-agents-own-socket.md).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/io/http_server.h"
#include "agent/runtime/settings.h"
#include "agent/ui/access.h"

namespace agent::ui {

// The socket's name within the agent's folder.
inline constexpr char kOwnSocket[] = "agent.sock";
// What only that socket answers: {"address": where the server listens, "prefix": "" or "/agent",
// "tls": bool}.
inline constexpr char kWherePath[] = "/-/where";

// Any thread, but for tend() and stop(): those are for a thread that answers no requests.
class OwnServer {
 public:
  // `pages` is called on the servers' threads. References outlive it.
  OwnServer(Clock& clock, Log log, const component::Metrics& metrics,
            io::HttpServer::SlowHandler pages);
  ~OwnServer() { stop(); }

  // Binds. Until the first settings are in force every answer but those on the socket is 503: who
  // may see what is not known yet. `prefix`: "" or "/agent", below which everything is; what other
  // programs ask for (/metrics, /-/, /api/v0/component/) stays at the root, too.
  Result<> start(const std::string& address, const std::filesystem::path& folder,
                 const std::string& prefix = {});
  // Tries certificates; the commit puts all in force, for new connections.
  Result<component::Commit> prepare(const runtime::HttpArgs& args);
  // To be called about once a second: looks at the files of certificates, ends slow connections and
  // servers whose settings are no longer in force.
  void tend();
  void stop();

  std::string address() const;  // as bound; "" when nothing listens

 private:
  using Tls = std::optional<io::HttpServerTls>;
  struct Leaving {
    std::shared_ptr<io::HttpServer> server;
    Mono since;
  };
  void answer(io::ServerRequest request, const io::HttpServer::Answer& answer) const;
  io::ServerReply where() const;
  void switch_to(const Tls& tls) REQUIRES(mutex_);
  void look_at_files() REQUIRES(mutex_);
  void complain(const Error& error) REQUIRES(mutex_);

  Clock& clock_;
  const Log log_;
  std::string prefix_;  // set before anything listens
  const io::HttpServer::SlowHandler pages_;
  const component::Gauge open_to_network_;
  const component::Counter failures_;
  mutable Mutex mutex_;
  std::shared_ptr<const Access> access_ GUARDED_BY(mutex_);  // null: not known yet
  Tls wanted_ GUARDED_BY(mutex_);                            // as configured, with names of files
  io::HttpServer::Options options_ GUARDED_BY(mutex_);       // of server_, with what the files held
  std::shared_ptr<io::HttpServer> server_ GUARDED_BY(mutex_);
  std::vector<Leaving> leaving_ GUARDED_BY(mutex_);
  std::shared_ptr<io::HttpServer> local_ GUARDED_BY(mutex_);
  std::optional<Mono> looked_ GUARDED_BY(mutex_);
  std::string complaint_ GUARDED_BY(mutex_);  // what was said last of files that cannot be used
};

}  // namespace agent::ui
