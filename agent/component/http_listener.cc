#include "agent/component/http_listener.h"

#include <utility>
#include <vector>

namespace agent::component {

bool HttpListener::same(const io::HttpServer::Options& a, const io::HttpServer::Options& b) {
  return a.address == b.address && a.max_body == b.max_body &&
         a.max_connections == b.max_connections && a.idle_timeout == b.idle_timeout &&
         a.read_timeout == b.read_timeout && a.header_timeout == b.header_timeout && a.tls == b.tls;
}

Result<std::shared_ptr<io::HttpServer>> HttpListener::start(
    const io::HttpServer::Options& options) {
  auto started = io::HttpServer::start_slow(options, handler_);
  if (!started) return fail(std::move(started.error()));
  return std::shared_ptr<io::HttpServer>(std::move(*started));
}

Result<Commit> HttpListener::prepare(const io::HttpServer::Options& options, Commit before) {
  if (options.tls) {
    if (auto good = options.tls->check(); !good) return fail(std::move(good.error()));
  }
  std::shared_ptr<io::HttpServer> server;
  {
    MutexLock lock(mutex_);
    if (server_ != nullptr && same(options, options_)) server = server_;
    // The same address with other options: the old server must let go of it first.
    if (server == nullptr && server_ != nullptr && options.address == options_.address &&
        !options.address.ends_with(":0"))
      return Commit([this, options, before = std::move(before)] {
        before();
        restart(options);
      });
  }
  if (server == nullptr) {
    auto started = start(options);
    if (!started) return fail(std::move(started.error()));
    server = std::move(*started);
  }
  return Commit([this, server, options, before = std::move(before)] {
    before();
    std::shared_ptr<io::HttpServer> old = server;
    {
      MutexLock lock(mutex_);
      options_ = options;
      std::swap(server_, old);
    }
    // `old` ends here, outside the lock.
  });
}

// A commit cannot fail: with options that turn out wrong the old ones go on.
void HttpListener::restart(const io::HttpServer::Options& options) {
  std::shared_ptr<io::HttpServer> old;
  io::HttpServer::Options before;
  {
    MutexLock lock(mutex_);
    old = std::move(server_);
    before = options_;
  }
  old.reset();
  auto started = start(options);
  const bool good = static_cast<bool>(started);
  if (!good) {
    host_.log.error("the server does not start with its new options, the old ones hold",
                    {{"err", started.error().message}});
    started = start(before);
  }
  if (!started) host_.health.bad("nothing listens: " + started.error().message);
  MutexLock lock(mutex_);
  options_ = good ? options : before;
  if (started) server_ = std::move(*started);
}

void HttpListener::close() {
  std::shared_ptr<io::HttpServer> server;
  {
    MutexLock lock(mutex_);
    server = std::move(server_);
  }
  // It ends here, outside the lock: its handlers may ask for the address.
}

std::string HttpListener::address() const {
  MutexLock lock(mutex_);
  return server_ == nullptr ? std::string() : server_->address();
}

unsigned HttpListener::tend() {
  MutexLock lock(mutex_);
  if (server_ == nullptr) return 0;
  server_->cut_slow();
  return server_->connections();
}

namespace {

std::vector<double> sizes() {
  std::vector<double> out;
  for (double mib : {1, 2, 5, 10, 25, 50, 100, 250}) out.push_back(mib * (1 << 20));
  return out;
}

}  // namespace

RequestMetrics::RequestMetrics(const Metrics& metrics, std::string prefix)
    : metrics_(metrics),
      prefix_(std::move(prefix)),
      in_flight_(
          metrics_.gauge(prefix_ + "_inflight_requests", "Requests that are not answered yet.")),
      connections_(
          metrics_.gauge(prefix_ + "_tcp_connections", "Connections now.", {{"protocol", "http"}})),
      request_bytes_(metrics_.histogram(prefix_ + "_request_message_bytes",
                                        "Sizes of requests, as sent.", sizes())),
      response_bytes_(
          metrics_.histogram(prefix_ + "_response_message_bytes", "Sizes of answers.", sizes())) {}

void RequestMetrics::answered(const Request& request, const io::ServerReply& reply, Mono now) {
  Histogram seconds;
  {
    MutexLock lock(mutex_);
    Histogram& known = seconds_[{request.method, request.route, reply.status}];
    if (known == nullptr) {
      known = metrics_.histogram(prefix_ + "_request_duration_seconds",
                                 "Time until a request is answered.", default_buckets(),
                                 {{"method", request.method},
                                  {"route", request.route},
                                  {"status_code", std::to_string(reply.status)},
                                  {"ws", "false"}});
    }
    seconds = known;
  }
  seconds->observe(std::chrono::duration<double>(now - request.since).count());
  request_bytes_->observe(static_cast<double>(request.bytes));
  response_bytes_->observe(static_cast<double>(reply.body.size()));
  in_flight_->add(-1);
}

}  // namespace agent::component
