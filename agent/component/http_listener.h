// The HTTP server of a component, which changes with the component's arguments, and what is counted
// of its requests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/io/http_server.h"

namespace agent::component {

// Any thread. References outlive it.
class HttpListener {
 public:
  // `handler` is called on the server's threads.
  HttpListener(Host& host, io::HttpServer::SlowHandler handler)
      : host_(host), handler_(std::move(handler)) {}
  ~HttpListener() { close(); }

  // Binds what is new in `options`, certificates tried first. The commit calls `before`, so that
  // what the handler works by is in force before its first request, and then serves.
  Result<Commit> prepare(const io::HttpServer::Options& options, Commit before);
  // Answers what is unanswered with 503; when it returns, the handler runs no more.
  void close();

  std::string address() const;  // "127.0.0.1:8080"; "" when nothing listens
  // Ends connections of clients that are too slow; the number of the others. To be called every
  // second or so.
  unsigned tend();

 private:
  static bool same(const io::HttpServer::Options& a, const io::HttpServer::Options& b);
  Result<std::shared_ptr<io::HttpServer>> start(const io::HttpServer::Options& options);
  void restart(const io::HttpServer::Options& options);

  Host& host_;
  const io::HttpServer::SlowHandler handler_;
  mutable Mutex mutex_;
  io::HttpServer::Options options_ GUARDED_BY(mutex_);  // of server_
  std::shared_ptr<io::HttpServer> server_ GUARDED_BY(mutex_);
};

// <prefix>_request_duration_seconds and its like, as Alloy's servers have them. Any thread.
class RequestMetrics {
 public:
  RequestMetrics(const Metrics& metrics, std::string prefix);

  struct Request {
    std::string method, route;
    std::size_t bytes = 0;  // of the body, as sent
    Mono since{};
  };
  void began() { in_flight_->add(1); }
  void answered(const Request& request, const io::ServerReply& reply, Mono now);
  void set_connections(unsigned count) { connections_->set(count); }

 private:
  const Metrics metrics_;
  const std::string prefix_;
  const Gauge in_flight_;
  const Gauge connections_;
  const Histogram request_bytes_;
  const Histogram response_bytes_;
  Mutex mutex_;
  std::map<std::tuple<std::string, std::string, int>, Histogram> seconds_ GUARDED_BY(mutex_);
};

}  // namespace agent::component
