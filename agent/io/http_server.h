// A small HTTP/1.1 server on libmicrohttpd: whole requests in, whole replies out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

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
};

class HttpServer {
 public:
  struct Options {
    std::string address =
        "127.0.0.1:0";               // host:port; an empty host is every address; port 0 picks one
    std::size_t max_body = 1 << 20;  // bytes; larger requests get 413
    unsigned threads = 1;            // that call the handler
    unsigned max_connections = 256;
    Duration idle_timeout = std::chrono::seconds(30);
  };
  // Called on the server's threads, several at once when threads > 1.
  using Handler = std::function<ServerReply(const ServerRequest&)>;

  // Binds and serves until destroyed. kUnavailable when the address is in use, kPermission,
  // kInvalid.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, Handler handler);
  ~HttpServer();

  std::uint16_t port() const;
  const std::string& address() const;  // "127.0.0.1:12345" as bound

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::io
