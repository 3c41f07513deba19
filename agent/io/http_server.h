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

  // The same with what the files hold now in place of their names.
  Result<HttpServerTls> with_files_read() const;
  // Whether a server could use it: kInvalid says which part is wrong, kIo names a file.
  Result<> check() const;
};

// What a TLS server speaks, as Go names it and Alloy's configurations write it.
struct TlsChoice {
  std::string min_version, max_version;    // TLS10, TLS11, TLS12, TLS13; "" is TLS12 and TLS13
  std::vector<std::string> cipher_suites;  // "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"; none: all
  std::vector<std::string> curves;         // "CurveP256", in order of preference; none: all
};
// As HttpServerTls::priorities. kInvalid for unknown names, and for suites that cannot be had
// without others: the library chooses key exchanges and ciphers, not pairs of them. The suites of
// TLS 1.3 come with its version.
Result<std::string> tls_priorities(const TlsChoice& choice);

class HttpServer {
 public:
  struct Options {
    // host:port; an empty host is every address, port 0 picks one. Or unix:/path, a socket for its
    // owner (and root) alone, which replaces what is at the path.
    std::string address = "127.0.0.1:0";
    std::size_t max_body = 1 << 20;  // bytes; larger requests get 413
    unsigned threads = 1;            // that call the handler
    std::size_t max_bodies = 0;      // bytes of all bodies at a time; more get 503; 0: no limit
    unsigned max_connections = 256;
    std::size_t max_streams = 8;  // bodies that go on, at a time; more get 503
    Duration idle_timeout = std::chrono::seconds(30);
    Duration read_timeout = Duration::zero();  // for a body; later it gets 408; 0: no limit
    // From a connection's beginning to the last header of its first request; for further ones
    // idle_timeout holds if that is longer. cut_slow() ends what takes longer.
    Duration header_timeout = std::chrono::seconds(40);
    const Clock* clock = nullptr;  // of these two, outlives the server; null: the system's
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
  // A server with other options (but the address) on the same socket, for the same handler; nobody
  // who connects meanwhile is turned away. This one serves the connections that it has until it is
  // destroyed, which must not happen in its handler. After a failure it goes on as before.
  Result<std::unique_ptr<HttpServer>> succeed(const Options& options);
  // What is unanswered gets 503.
  ~HttpServer();
  unsigned connections() const;  // now
  // Ends connections past header_timeout or 10 s past read_timeout; call it every second or so.
  void cut_slow();

  std::uint16_t port() const;          // 0 of unix:/path
  const std::string& address() const;  // "127.0.0.1:12345" as bound

 private:
  struct Impl;
  static Result<std::unique_ptr<HttpServer>> serve(std::unique_ptr<Impl> impl);
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::io
