#include "agent/io/http_server.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <stop_token>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/io/socket.h"

namespace agent::io {
namespace {

// One answer that is awaited. Shared by whoever answers and the connection.
struct Awaited {
  Mutex mutex;
  MHD_Connection* connection GUARDED_BY(mutex) = nullptr;  // null: it is gone
  bool suspended GUARDED_BY(mutex) = false;
  std::optional<ServerReply> reply GUARDED_BY(mutex);

  void answer(ServerReply given) {
    MutexLock lock(mutex);
    if (reply) return;
    reply = std::move(given);
    if (connection != nullptr && suspended) MHD_resume_connection(connection);
  }
};

// One body that goes on. Shared by the connection and the thread that asks for more.
struct Streaming {
  explicit Streaming(ServerReply::More m) : more(std::move(m)) {}
  Mutex mutex;
  MHD_Connection* connection GUARDED_BY(mutex) = nullptr;  // null: it is gone
  bool suspended GUARDED_BY(mutex) = false;                // all of `text` has been sent
  bool ended GUARDED_BY(mutex) = false;
  std::string text GUARDED_BY(mutex);
  std::size_t sent GUARDED_BY(mutex) = 0;  // of text
  Mono given GUARDED_BY(mutex){};          // when the text was
  ServerReply::More more GUARDED_BY(mutex);

  // As libmicrohttpd asks for the body.
  static ssize_t read(void* self, std::uint64_t, char* out, std::size_t room) {
    auto& one = **static_cast<std::shared_ptr<Streaming>*>(self);
    MutexLock lock(one.mutex);
    const std::size_t size = std::min(room, one.text.size() - one.sent);
    if (size > 0) {
      std::memcpy(out, one.text.data() + one.sent, size);
      one.sent += size;
      return static_cast<ssize_t>(size);
    }
    if (one.ended || one.connection == nullptr) return MHD_CONTENT_READER_END_OF_STREAM;
    one.suspended = true;
    MHD_suspend_connection(one.connection);
    return 0;
  }
  static void release(void* self) { delete static_cast<std::shared_ptr<Streaming>*>(self); }

  void resume() REQUIRES(mutex) {
    if (!std::exchange(suspended, false) || connection == nullptr) return;
    MHD_resume_connection(connection);
  }
  void end() {
    MutexLock lock(mutex);
    ended = true;
    resume();
  }
  // Asks for more when there is nothing left to send; a client that takes nothing is cut off.
  void turn(Mono now, Duration patience) {
    MutexLock lock(mutex);
    if (connection == nullptr || ended) return;
    if (!suspended) {
      if (now - given <= patience) return;
      const MHD_ConnectionInfo* info =
          MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      if (info != nullptr) ::shutdown(info->connect_fd, SHUT_RDWR);
      return;
    }
    text.clear();
    sent = 0;
    ended = !more(text);
    given = now;
    if (ended || !text.empty()) resume();
  }
  void gone() {
    MutexLock lock(mutex);
    connection = nullptr;
    more = {};
  }
};

constexpr Duration kTurn = std::chrono::milliseconds(100);
// Who sends the last of a body after its time still hears that it took too long.
constexpr Duration kLastBytes = std::chrono::seconds(10);

ServerReply unanswered() {
  return {503, "text/plain; charset=utf-8", "the server is stopping\n", {}};
}

// The last copy of an answer that nobody gave.
struct AnswerHolder {
  std::shared_ptr<Awaited> awaited;
  ~AnswerHolder() { awaited->answer(unanswered()); }
};

// One request while its body arrives and its answer is awaited.
struct Pending {
  ServerRequest request;
  std::optional<ServerReply> refusal;  // of a request whose body is not wanted
  std::size_t counted = 0;             // of its body, among those of all
  Mono begun;
  std::shared_ptr<Awaited> awaited;
  std::shared_ptr<Streaming> streaming;
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
  SlowHandler handler;
  FileDescriptor listener;  // the daemon has a copy
  MHD_Daemon* daemon = nullptr;
  std::string address;
  std::uint16_t port = 0;
  HttpServerTls tls;  // without files; the daemon reads it while it lives
  std::atomic<std::size_t> bodies{0};
  SystemClock clock;
  Mutex mutex;
  bool stopping GUARDED_BY(mutex) = false;
  std::set<std::shared_ptr<Awaited>> awaited GUARDED_BY(mutex);
  std::set<std::shared_ptr<Streaming>> streams GUARDED_BY(mutex);
  std::jthread turning GUARDED_BY(mutex);  // asks streams for more, while there are any
  bool turns GUARDED_BY(mutex) = false;    // it goes on, and sees a new stream
  // Connections whose headers or body are awaited: their sockets, and until when.
  struct Due {
    int fd = -1;
    Mono by;
  };
  std::map<MHD_Connection*, Due> due GUARDED_BY(mutex);

  ~Impl() {
    if (daemon == nullptr) return;
    // Suspended connections must not be there when the daemon stops.
    std::set<std::shared_ptr<Awaited>> all;
    std::set<std::shared_ptr<Streaming>> open;
    std::jthread thread;
    {
      MutexLock lock(mutex);
      stopping = true;
      all = awaited;
      open = streams;
      thread = std::move(turning);
    }
    for (const auto& one : all) one->answer(unanswered());
    for (const auto& one : open) one->end();
    thread = {};
    MHD_stop_daemon(daemon);
  }

  static ServerReply text(int status, std::string_view message) {
    return {status, "text/plain; charset=utf-8", std::string(message) + "\n", {}};
  }

  static MHD_Result reply(MHD_Connection* connection, const ServerReply& reply) {
    return send(
        connection, reply,
        MHD_create_response_from_buffer(reply.body.size(), const_cast<char*>(reply.body.data()),
                                        MHD_RESPMEM_MUST_COPY));
  }

  // An answer of the handler's.
  MHD_Result reply(MHD_Connection* connection, Pending& pending, ServerReply given) {
    if (!given.more) return reply(connection, given);
    auto streaming = std::make_shared<Streaming>(std::move(given.more));
    {
      MutexLock lock(streaming->mutex);
      streaming->connection = connection;
      streaming->text = std::move(given.body);
      streaming->given = clock.mono();
    }
    {
      MutexLock lock(mutex);
      if (stopping) return reply(connection, unanswered());
      if (streams.size() >= options.max_streams)
        return reply(connection, text(503, "too many are watching already"));
      streams.insert(streaming);
      if (!std::exchange(turns, true))
        turning = std::jthread([this](const std::stop_token& stop) { turn(stop); });
    }
    pending.streaming = streaming;
    constexpr std::size_t kBlock = std::size_t{32} << 10;
    return send(connection, given,
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlock, &Streaming::read,
                                                  new std::shared_ptr<Streaming>(streaming),
                                                  &Streaming::release));
  }

  void turn(const std::stop_token& stop) {
    while (clock.sleep_for(kTurn, stop)) {
      std::set<std::shared_ptr<Streaming>> open;
      {
        MutexLock lock(mutex);
        open = streams;
        turns = !open.empty();
      }
      if (open.empty()) return;
      for (const auto& one : open) one->turn(clock.mono(), options.idle_timeout);
    }
  }

  static MHD_Result send(MHD_Connection* connection, const ServerReply& reply,
                         MHD_Response* response) {
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
      pending->begun = impl->now();
      impl->await(connection, impl->options.read_timeout, kLastBytes);
      pending->request.method = method;
      pending->request.path = url;
      MHD_get_connection_values(
          connection, MHD_HEADER_KIND,
          [](void* out, MHD_ValueKind, const char* name, const char* value) {
            static_cast<Pending*>(out)->request.headers.emplace_back(lower(name),
                                                                     value == nullptr ? "" : value);
            return MHD_YES;
          },
          pending);
      MHD_get_connection_values(
          connection, MHD_GET_ARGUMENT_KIND,
          [](void* out, MHD_ValueKind, const char* name, const char* value) {
            static_cast<Pending*>(out)->request.query.emplace_back(name,
                                                                   value == nullptr ? "" : value);
            return MHD_YES;
          },
          pending);
      const MHD_ConnectionInfo* info =
          MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
      const int family = info == nullptr ? AF_UNSPEC : info->client_addr->sa_family;
      if (family == AF_INET6)
        pending->request.peer = endpoint_text(info->client_addr, sizeof(sockaddr_in6));
      if (family == AF_INET)
        pending->request.peer = endpoint_text(info->client_addr, sizeof(sockaddr_in));
      if (!impl->client_is_welcome(connection)) {
        pending->refusal = text(403, "the client's certificate is not accepted");
        return reply(connection, *pending->refusal);
      }
      // A body that declares itself too large is refused before it is sent.
      const std::string_view declared = pending->request.header("content-length");
      if (!declared.empty() &&
          std::strtoull(std::string(declared).c_str(), nullptr, 10) > impl->options.max_body) {
        pending->refusal = text(413, "the request is too large");
        return reply(connection, *pending->refusal);
      }
      return MHD_YES;
    }
    if (*size > 0) {
      impl->take_body(*pending, std::string_view(data, *size));
      *size = 0;
      return MHD_YES;
    }
    impl->await_nothing(connection);
    if (pending->refusal) return reply(connection, *pending->refusal);
    if (pending->awaited == nullptr && !impl->hand_over(connection, *pending))
      return reply(connection, unanswered());
    MutexLock lock(pending->awaited->mutex);
    if (pending->awaited->reply)
      return impl->reply(connection, *pending, std::move(*pending->awaited->reply));
    pending->awaited->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
  }

  Mono now() const { return options.clock == nullptr ? clock.mono() : options.clock->mono(); }

  // No limit: waits for ever.
  void await(MHD_Connection* connection, Duration limit, Duration more = {}) {
    if (limit == Duration::zero()) return await_nothing(connection);
    const Mono by = now() + limit + more;
    MutexLock lock(mutex);
    due[connection] = {socket_of(connection), by};
  }
  void await_nothing(MHD_Connection* connection) {
    MutexLock lock(mutex);
    due.erase(connection);
  }

  void take_body(Pending& pending, std::string_view data) {
    if (pending.refusal) return;
    const std::size_t all = bodies += data.size();
    pending.counted += data.size();
    if (pending.request.body.size() + data.size() > options.max_body) {
      pending.refusal = text(413, "the request is too large");
    } else if (options.max_bodies > 0 && all > options.max_bodies) {
      pending.refusal = text(503, "too many requests at a time");
    } else if (options.read_timeout > Duration::zero() &&
               now() - pending.begun > options.read_timeout) {
      pending.refusal = text(408, "the request took too long");
    }
    if (pending.refusal) {
      pending.request.body = {};
    } else {
      pending.request.body.append(data);
    }
  }

  // False: the server is stopping.
  bool hand_over(MHD_Connection* connection, Pending& pending) {
    pending.awaited = std::make_shared<Awaited>();
    {
      MutexLock lock(pending.awaited->mutex);
      pending.awaited->connection = connection;
    }
    {
      MutexLock lock(mutex);
      if (stopping) return false;
      awaited.insert(pending.awaited);
    }
    auto holder = std::make_shared<AnswerHolder>();
    holder->awaited = pending.awaited;
    handler(std::move(pending.request),
            [holder](ServerReply given) { holder->awaited->answer(std::move(given)); });
    return true;
  }

  // Whether the certificate, or the lack of one, is what the options ask for.
  bool client_is_welcome(MHD_Connection* connection) const {
    using Auth = HttpServerTls::ClientAuth;
    const Auth auth = options.tls ? options.tls->client_auth : Auth::kNone;
    if (auth == Auth::kNone || auth == Auth::kRequest) return true;
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == nullptr) return false;
    auto* const session = static_cast<gnutls_session_t>(info->tls_session);
    unsigned count = 0;
    if (gnutls_certificate_get_peers(session, &count) == nullptr || count == 0)
      return auth == Auth::kVerifyIfGiven;
    if (auth == Auth::kRequireAny) return true;
    unsigned problems = 0;
    return gnutls_certificate_verify_peers2(session, &problems) == 0 && problems == 0;
  }

  static int socket_of(MHD_Connection* connection) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == nullptr ? -1 : info->connect_fd;
  }

  // Begins before the TLS handshake, and ends before the socket is closed.
  static void on_connection(void* self, MHD_Connection* connection, void**,
                            MHD_ConnectionNotificationCode code) {
    auto* const impl = static_cast<Impl*>(self);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      impl->await(connection, impl->options.header_timeout);
    } else {
      impl->await_nothing(connection);
    }
  }

  static void on_completed(void* self, MHD_Connection* of, void** state,
                           MHD_RequestTerminationCode) {
    auto* const pending = static_cast<Pending*>(*state);
    *state = nullptr;
    if (pending == nullptr) return;
    auto* const impl = static_cast<Impl*>(self);
    impl->await(of, std::max(impl->options.header_timeout, impl->options.idle_timeout));
    impl->bodies -= pending->counted;
    if (pending->streaming != nullptr) {
      pending->streaming->gone();
      MutexLock lock(impl->mutex);
      impl->streams.erase(pending->streaming);
    }
    if (pending->awaited != nullptr) {
      {
        MutexLock lock(pending->awaited->mutex);
        pending->awaited->connection = nullptr;
      }
      MutexLock lock(impl->mutex);
      impl->awaited.erase(pending->awaited);
    }
    delete pending;
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return impl_->port; }
const std::string& HttpServer::address() const { return impl_->address; }

unsigned HttpServer::connections() const {
  const MHD_DaemonInfo* info =
      MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  return info == nullptr ? 0 : info->num_connections;
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, Handler handler) {
  return start_slow(
      options, [handler = std::move(handler)](const ServerRequest& request, const Answer& answer) {
        answer(handler(request));
      });
}

Result<std::unique_ptr<HttpServer>> HttpServer::start_slow(const Options& options,
                                                           SlowHandler handler) {
  constexpr std::string_view kUnix = "unix:";
  const bool local = options.address.starts_with(kUnix);
  auto socket = local ? listen_on_path(options.address.substr(kUnix.size()))
                      : listen_on(options.address, Transport::kTcp);
  if (!socket) return fail(std::move(socket.error()));
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->handler = std::move(handler);
  impl->listener = std::move(*socket);
  impl->address = local ? options.address : local_endpoint(impl->listener.get());
  if (!local)
    impl->port = static_cast<std::uint16_t>(std::stoi(split_host_port(impl->address)->second));
  return serve(std::move(impl));
}

Result<std::unique_ptr<HttpServer>> HttpServer::succeed(const Options& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->handler = impl_->handler;
  impl->listener = FileDescriptor(::fcntl(impl_->listener.get(), F_DUPFD_CLOEXEC, 0));
  if (!impl->listener) return fail_errno("the listening socket", errno);
  impl->address = impl_->address;
  impl->port = impl_->port;
  auto next = serve(std::move(impl));
  // The daemon gives its copy of the socket back.
  if (next) FileDescriptor(MHD_quiesce_daemon(impl_->daemon));
  return next;
}

Result<std::unique_ptr<HttpServer>> HttpServer::serve(std::unique_ptr<Impl> impl) {
  const Options& options = impl->options;
  const auto timeout = static_cast<unsigned>(
      std::chrono::duration_cast<std::chrono::seconds>(options.idle_timeout).count());
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
  std::vector<MHD_OptionItem> more;
  if (options.threads > 1)
    more.push_back(
        {MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(options.threads), nullptr});
  if (options.tls) {
    auto read = options.tls->with_files_read();
    if (!read) return fail(std::move(read.error()));
    if (auto good = read->check(); !good) return fail(std::move(good.error()));
    impl->tls = std::move(*read);
    flags |= MHD_USE_TLS;
    const auto text = [](const std::string& value) { return const_cast<char*>(value.c_str()); };
    more.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, text(impl->tls.cert_pem)});
    more.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, text(impl->tls.key_pem.reveal())});
    if (!impl->tls.client_ca_pem.empty())
      more.push_back({MHD_OPTION_HTTPS_MEM_TRUST, 0, text(impl->tls.client_ca_pem)});
    if (!impl->tls.priorities.empty())
      more.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, text(impl->tls.priorities)});
  }
  more.push_back({MHD_OPTION_END, 0, nullptr});
  FileDescriptor socket(::fcntl(impl->listener.get(), F_DUPFD_CLOEXEC, 0));
  if (!socket) return fail_errno("the listening socket", errno);
  const int fd = socket.get();
  impl->daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &Impl::on_request, impl.get(), MHD_OPTION_LISTEN_SOCKET, fd,
      MHD_OPTION_NOTIFY_COMPLETED, &Impl::on_completed, impl.get(), MHD_OPTION_NOTIFY_CONNECTION,
      &Impl::on_connection, impl.get(), MHD_OPTION_CONNECTION_LIMIT, options.max_connections,
      MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      static_cast<size_t>(32 * 1024), MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END);
  if (impl->daemon == nullptr) return fail(ErrorCode::kExhausted, "the HTTP server does not start");
  socket.release();  // the daemon closes it
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::cut_slow() {
  const Mono now = impl_->now();
  MutexLock lock(impl_->mutex);
  for (auto it = impl_->due.begin(); it != impl_->due.end();) {
    const bool late = now > it->second.by;
    if (late) ::shutdown(it->second.fd, SHUT_RDWR);
    it = late ? impl_->due.erase(it) : std::next(it);
  }
}

}  // namespace agent::io
