#include "agent/io/http_server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/io/socket.h"

namespace agent::io {
namespace {

// One request while its body arrives.
struct Pending {
  ServerRequest request;
  bool too_large = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

std::string_view ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

struct HttpServer::Impl {
  Options options;
  Handler handler;
  MHD_Daemon* daemon = nullptr;
  std::string address;
  std::uint16_t port = 0;

  ~Impl() {
    if (daemon != nullptr) MHD_stop_daemon(daemon);
  }

  static MHD_Result reply(MHD_Connection* connection, const ServerReply& reply) {
    MHD_Response* response = MHD_create_response_from_buffer(
        reply.body.size(), const_cast<char*>(reply.body.data()), MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", reply.content_type.c_str());
    for (const auto& [name, value] : reply.headers)
      MHD_add_response_header(response, name.c_str(), value.c_str());
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    const MHD_Result result =
        MHD_queue_response(connection, static_cast<unsigned>(reply.status), response);
    MHD_destroy_response(response);
    return result;
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char*, const char* data, size_t* size,
                               void** state) {
    auto* impl = static_cast<Impl*>(self);
    auto* pending = static_cast<Pending*>(*state);
    if (pending == nullptr) {
      pending = new Pending();
      *state = pending;
      pending->request.method = method;
      pending->request.path = url;
      MHD_get_connection_values(
          connection, MHD_HEADER_KIND,
          [](void* out, MHD_ValueKind, const char* key, const char* value) {
            static_cast<Pending*>(out)->request.headers.emplace_back(lower(key),
                                                                     value == nullptr ? "" : value);
            return MHD_YES;
          },
          pending);
      MHD_get_connection_values(
          connection, MHD_GET_ARGUMENT_KIND,
          [](void* out, MHD_ValueKind, const char* key, const char* value) {
            static_cast<Pending*>(out)->request.query.emplace_back(key,
                                                                   value == nullptr ? "" : value);
            return MHD_YES;
          },
          pending);
      const MHD_ConnectionInfo* info =
          MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
      if (info != nullptr) {
        const socklen_t length =
            info->client_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
        pending->request.peer = endpoint_text(info->client_addr, length);
      }
      // A body that declares itself too large is refused before it is sent.
      const std::string_view declared = pending->request.header("content-length");
      if (!declared.empty() &&
          std::strtoull(std::string(declared).c_str(), nullptr, 10) > impl->options.max_body) {
        pending->too_large = true;
        return reply(connection,
                     {413, "text/plain; charset=utf-8", "the request is too large\n", {}});
      }
      return MHD_YES;
    }
    if (*size > 0) {
      if (pending->request.body.size() + *size > impl->options.max_body) {
        pending->too_large = true;
        pending->request.body.clear();
      } else if (!pending->too_large) {
        pending->request.body.append(data, *size);
      }
      *size = 0;
      return MHD_YES;
    }
    if (pending->too_large)
      return reply(connection,
                   {413, "text/plain; charset=utf-8", "the request is too large\n", {}});
    return reply(connection, impl->handler(pending->request));
  }

  static void on_completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    delete static_cast<Pending*>(*state);
    *state = nullptr;
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return impl_->port; }
const std::string& HttpServer::address() const { return impl_->address; }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, Handler handler) {
  auto socket = listen_on(options.address, Transport::kTcp);
  if (!socket) return fail(std::move(socket.error()));
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->handler = std::move(handler);
  impl->address = local_endpoint(socket->get());
  impl->port = static_cast<std::uint16_t>(std::stoi(split_host_port(impl->address)->second));
  const auto timeout = static_cast<unsigned>(
      std::chrono::duration_cast<std::chrono::seconds>(options.idle_timeout).count());
  std::vector<MHD_OptionItem> more;
  if (options.threads > 1)
    more.push_back(
        {MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(options.threads), nullptr});
  more.push_back({MHD_OPTION_END, 0, nullptr});
  const int fd = socket->get();
  impl->daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, nullptr, nullptr, &Impl::on_request,
      impl.get(), MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed,
      impl.get(), MHD_OPTION_CONNECTION_LIMIT, options.max_connections,
      MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      static_cast<size_t>(32 * 1024), MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END);
  if (impl->daemon == nullptr) return fail(ErrorCode::kExhausted, "the HTTP server does not start");
  socket->release();  // the daemon closes it
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace agent::io
