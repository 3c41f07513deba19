// A small HTTP/1.1 server on libmicrohttpd: whole requests in, whole replies out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::io {

struct ServerRequest {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/metrics"
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;  // "127.0.0.1:40112"

  std::string_view header(std::string_view lower_case_name) const;  // "" when absent
};

struct ServerReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // Makes the body one that goes on: behind `body` comes what this appends. It is asked ten times a
  // second when all before has been sent, does not wait, and ends the body by false. Any thread,
  // one at a time; dropped when the client leaves or takes nothing for the server's idle_timeout.
  using More = std::function<bool(std::string& out)>;
  More more = {};
};

// HTTPS. PEM, as text or in a file, read once.
struct HttpServerTls {
  enum class ClientAuth {
    kNone,           // no certificate is asked for
    kRequest,        // asked for, and not looked at
    kRequireAny,     // needed, and not verified
    kVerifyIfGiven,  // verified when there is one
    kRequireAndVerify,
  };
  std::string cert_pem, cert_file;
  Secret key_pem;
  std::string key_file;
  std::string client_ca_pem, client_ca_file;
  ClientAuth client_auth = ClientAuth::kNone;
  std::string priorities;  // GnuTLS' text for versions and ciphers; "" is NORMAL
  bool operator==(const HttpServerTls&) const = default;
};

class HttpServer {
 public:
  struct Options {
    std::string address =
        "127.0.0.1:0";               // host:port; an empty host is every address; port 0 picks one
    std::size_t max_body = 1 << 20;  // bytes; larger requests get 413
    unsigned threads = 1;            // that call the handler
    std::size_t max_bodies = 0;      // bytes of all bodies at a time; more get 503; 0: no limit
    unsigned max_connections = 256;
    std::size_t max_streams = 8;  // bodies that go on, at a time; more get 503
    Duration idle_timeout = std::chrono::seconds(30);
    Duration read_timeout = Duration::zero();  // for a body; later it gets 408; 0: no limit
    std::optional<HttpServerTls> tls;
  };
  // Called on the server's threads, several at once when threads > 1.
  using Handler = std::function<ServerReply(const ServerRequest&)>;

  // Answers a request, once; any thread, also after the server is gone. When the last copy goes
  // unused, the answer is 503.
  using Answer = std::function<void(ServerReply)>;
  // The same for answers that take time, and no thread meanwhile.
  using SlowHandler = std::function<void(ServerRequest, Answer)>;

  // Binds and serves until destroyed. kUnavailable when the address is in use, kPermission,
  // kInvalid.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, Handler handler);
  static Result<std::unique_ptr<HttpServer>> start_slow(const Options& options,
                                                        SlowHandler handler);
  // What is unanswered gets 503.
  ~HttpServer();
  unsigned connections() const;  // now

  std::uint16_t port() const;
  const std::string& address() const;  // "127.0.0.1:12345" as bound

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::io
