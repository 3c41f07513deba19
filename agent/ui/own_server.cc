#include "agent/ui/own_server.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "agent/base/strings.h"

namespace agent::ui {
namespace {

using io::HttpServer;
using io::ServerReply;
using io::ServerRequest;

constexpr unsigned kThreads = 2;
constexpr std::size_t kLargestBody = 64U << 10;  // no page takes one
constexpr auto kHeaders = std::chrono::seconds(15);
constexpr auto kBody = std::chrono::seconds(15);
constexpr auto kLook = std::chrono::seconds(5);
// Answers under way when the settings change get this long.
constexpr auto kLeave = std::chrono::seconds(10);

HttpServer::Options base_options() {
  HttpServer::Options out;
  out.threads = kThreads;
  out.max_body = kLargestBody;
  out.header_timeout = kHeaders;
  out.read_timeout = kBody;
  return out;
}

// A page that wants more than this says so itself.
ServerReply hardened(ServerReply reply) {
  const auto add = [&](const char* name, const char* value) {
    const auto same = [&](const auto& header) { return header.first == name; };
    if (std::none_of(reply.headers.begin(), reply.headers.end(), same))
      reply.headers.emplace_back(name, value);
  };
  add("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
  add("Referrer-Policy", "no-referrer");
  add("X-Frame-Options", "DENY");
  add("Cross-Origin-Resource-Policy", "same-origin");
  add("Cross-Origin-Opener-Policy", "same-origin");
  add("Cache-Control", "no-store");
  return reply;
}

bool is_for_programs(std::string_view path) {
  return path == "/metrics" || path == "/ready" || path == "/healthy" || path.starts_with("/-/") ||
         path.starts_with("/api/v0/component/");
}

bool asks_for_certificates(const runtime::HttpArgs& args) {
  using Auth = io::HttpServerTls::ClientAuth;
  if (!args.tls) return false;
  const Auth auth = args.tls->options().client_auth;
  return auth == Auth::kRequireAny || auth == Auth::kRequireAndVerify;
}

}  // namespace

OwnServer::OwnServer(Clock& clock, Log log, const component::Metrics& metrics,
                     HttpServer::SlowHandler pages)
    : clock_(clock),
      log_(std::move(log)),
      pages_(std::move(pages)),
      open_to_network_(metrics.gauge(
          "fleet_agent_http_open_to_network",
          "1 when other hosts can ask the agent's own pages without password and certificate.")),
      failures_(metrics.counter("fleet_agent_http_tls_failures_total",
                                "Certificates that could not be taken into use; the ones before "
                                "stay.")) {}

Result<> OwnServer::start(const std::string& address, const std::filesystem::path& folder,
                          const std::string& prefix) {
  prefix_ = prefix;
  const auto handler = [this](ServerRequest request, const HttpServer::Answer& answer) {
    this->answer(std::move(request), answer);
  };
  MutexLock lock(mutex_);
  options_ = base_options();
  options_.address = address;
  auto server = HttpServer::start_slow(options_, handler);
  if (!server) return fail(std::move(server.error()));
  server_ = std::move(*server);

  HttpServer::Options local = base_options();
  local.address = "unix:" + (folder / kOwnSocket).string();
  local.threads = 1;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto local_handler = [this](ServerRequest request, const HttpServer::Answer& answer) {
    if (request.path == kWherePath) return answer(where());
    pages_(std::move(request), answer);
  };
  auto own = HttpServer::start_slow(local, local_handler);
  if (own) {
    local_ = std::move(*own);
  } else {
    log_.warn("deploys cannot ask this agent when its pages need TLS or a password",
              {{"err", own.error().message}});
  }
  return {};
}

ServerReply OwnServer::where() const {
  MutexLock lock(mutex_);
  const std::string address = server_ == nullptr ? "" : server_->address();
  return {200,
          "application/json",
          "{\"address\":" + json_string(address) + ",\"prefix\":" + json_string(prefix_) +
              ",\"tls\":" + (options_.tls ? "true" : "false") + "}\n",
          {}};
}

void OwnServer::answer(ServerRequest request, const HttpServer::Answer& answer) const {
  std::shared_ptr<const Access> access;
  {
    MutexLock lock(mutex_);
    access = access_;
  }
  if (access == nullptr) {
    answer(hardened({503, "text/plain; charset=utf-8", "fleet-agent is not ready.\n", {}}));
    return;
  }
  const std::string asked = request.path;
  if (!prefix_.empty()) {
    if (asked == prefix_) {  // addresses in pages are relative
      answer(hardened({308, "text/plain; charset=utf-8", "", {{"Location", prefix_ + "/"}}}));
      return;
    }
    if (asked.starts_with(prefix_ + "/")) {
      request.path.erase(0, prefix_.size());
    } else if (!is_for_programs(asked)) {
      answer(hardened({404, "text/plain; charset=utf-8", "there is no such page\n", {}}));
      return;
    }
  }
  if (auto refusal = access->refusal(request, asked)) {
    answer(hardened(std::move(*refusal)));
    return;
  }
  pages_(std::move(request), [answer](ServerReply reply) { answer(hardened(std::move(reply))); });
}

Result<component::Commit> OwnServer::prepare(const runtime::HttpArgs& args) {
  Tls wanted, read;
  if (args.tls) {
    wanted = args.tls->options();
    auto found = wanted->with_files_read();
    if (!found) return fail(std::move(found.error()).within("http"));
    if (auto good = found->check(); !good) return fail(std::move(good.error()).within("http"));
    read = std::move(*found);
  }
  auto access = std::make_shared<const Access>(args.auth, address());
  const bool open =
      !access->loopback() && !access->asks_for_password() && !asks_for_certificates(args);
  return component::Commit([this, wanted, read, access, open] {
    MutexLock lock(mutex_);
    if (server_ == nullptr) return;
    const bool was_open = open_to_network_->value() > 0;
    open_to_network_->set(open ? 1 : 0);
    if (open && !was_open)
      log_.warn(
          "the agent's pages are open to the network: anybody who reaches this address can "
          "read them and reload the configuration; give the http block an auth block, or "
          "listen on 127.0.0.1",
          {{"addr", server_->address()}});
    wanted_ = wanted;
    switch_to(read);
    access_ = access;
  });
}

// Tried before, so that what fails here is for want of memory or threads; tend() tries again.
void OwnServer::switch_to(const Tls& tls) {
  if (tls == options_.tls) return;
  HttpServer::Options next = options_;
  next.tls = tls;
  auto server = server_->succeed(next);
  if (!server) {
    complain(server.error());
    return;
  }
  leaving_.push_back({std::move(server_), clock_.mono()});
  server_ = std::move(*server);
  options_ = std::move(next);
  complaint_.clear();
  log_.info(tls ? "the agent's pages speak TLS with these certificates from now on"
                : "the agent's pages speak plain HTTP from now on",
            {{"addr", server_->address()}});
}

void OwnServer::complain(const Error& error) {
  if (complaint_ == error.message) return;
  complaint_ = error.message;
  failures_->add(1);
  log_.error("certificates of the agent's pages cannot be used, the ones before stay",
             {{"err", error.message}});
}

void OwnServer::look_at_files() {
  const Mono now = clock_.mono();
  if (looked_ && now - *looked_ < kLook) return;
  looked_ = now;
  if (!wanted_) return switch_to(std::nullopt);
  auto read = wanted_->with_files_read();
  if (!read) return complain(read.error());
  if (options_.tls && *read == *options_.tls) {
    complaint_.clear();
    return;
  }
  if (auto good = read->check(); !good) return complain(good.error());
  switch_to(std::move(*read));
}

void OwnServer::tend() {
  std::vector<std::shared_ptr<HttpServer>> gone;  // they end outside the lock
  MutexLock lock(mutex_);
  if (server_ == nullptr) return;
  if (access_ != nullptr) look_at_files();
  server_->cut_slow();
  if (local_ != nullptr) local_->cut_slow();
  const Mono now = clock_.mono();
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    const bool over = it->server->connections() == 0 || now - it->since > kLeave;
    if (over) gone.push_back(std::move(it->server));
    it = over ? leaving_.erase(it) : std::next(it);
  }
}

void OwnServer::stop() {
  std::vector<std::shared_ptr<HttpServer>> gone;  // they end outside the lock
  MutexLock lock(mutex_);
  gone.push_back(std::move(server_));
  gone.push_back(std::move(local_));
  for (Leaving& one : leaving_) gone.push_back(std::move(one.server));
  leaving_.clear();
  server_ = nullptr;
  local_ = nullptr;
}

std::string OwnServer::address() const {
  MutexLock lock(mutex_);
  return server_ == nullptr ? std::string() : server_->address();
}

}  // namespace agent::ui
