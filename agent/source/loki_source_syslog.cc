// loki.source.syslog: listeners for syslog over TCP, TLS and UDP. One thread reads them all and
// hands what came to the outbox, which passes it on.
//
// No peer is disconnected for what it sends, and nothing it sends is dropped: what is not syslog
// goes on as it came, with the reason in the structured metadata `syslog_parse_error` and the label
// `__syslog_parse_error` for rules.
//
// Where sockets outlive the process (io::SocketStore), so do plain connections, and the kernel
// holds what a connection has brought until the outbox has it: the bytes are looked at, and taken
// off the connection afterwards. What a message lacks an end for stays there, too, while it is
// short; the poll is told to wait for more than that (SO_RCVLOWAT).
#include "agent/source/loki_source_syslog.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "agent/base/pulse.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/io/host_names.h"
#include "agent/io/socket.h"
#include "agent/io/socket_store.h"
#include "agent/source/long_line.h"
#include "agent/source/outbox.h"
#include "agent/source/syslog_args.h"
#include "agent/source/syslog_labels.h"
#include "agent/wire/syslog.h"
#include "agent/wire/time_layout.h"

namespace agent::source {
namespace {

constexpr std::size_t kRead = 64 * 1024;
constexpr std::size_t kMaxConnections = 1024;  // of one component
constexpr std::size_t kMaxHandshakes = 128;    // of these, not through with TLS yet
constexpr Duration kHandshakeTime = std::chrono::seconds(10);
// A message without an end is taken as whole when its peer has paused for so long.
constexpr Duration kPause = std::chrono::seconds(5);
// A new connection waits for its peer's name for so long, when rules ask for it.
constexpr Duration kNameTime = std::chrono::seconds(1);
// With all connections taken, one that has not brought a message for so long makes room.
constexpr Duration kIdleEnough = std::chrono::seconds(10);
constexpr std::size_t kDatagram = 65'507;   // the largest
constexpr unsigned kDatagrams = 32;         // taken from the kernel at a time
constexpr std::size_t kBatch = 512 * 1024;  // bytes of lines passed on at a time
// Of a message without an end, what the kernel keeps; well below what it grants any connection.
constexpr std::size_t kLeft = 16 * 1024;
constexpr std::uint64_t kNameTokens = std::uint64_t{1} << 32;
constexpr Duration kTick = std::chrono::seconds(1);

using Stream = io::TlsStream::Outcome;

// A bound address with what its listener block says.
struct Listener {
  SyslogListenerArgs args;
  std::shared_ptr<io::KeptSocket> socket;
  // Connections of the process before; of the component's thread once this is in force.
  std::shared_ptr<std::vector<io::KeptSocket>> inherited;
  std::shared_ptr<const io::TlsServer> tls;  // null: none
  std::shared_ptr<SyslogLabels> labels;      // of the component's thread
  std::shared_ptr<const wire::TimeZone> zone;
  wire::SyslogOptions parsing;
  bool udp = false;
  bool raw = false;
};

// What is in force; replaced as a whole by a commit.
struct Settings {
  std::vector<std::shared_ptr<const Listener>> listeners;
  std::size_t names = 1;  // to remember
};

struct Connection {
  enum class Phase { kHandshake, kNaming, kOpen };
  std::shared_ptr<const Listener> listener;
  io::KeptSocket socket;
  std::optional<io::TlsStream> tls;
  Phase phase = Phase::kOpen;
  bool writing = false;  // the handshake wants to
  std::string peer;      // address without port
  std::string names;
  wire::SyslogSplitter splitter;
  std::string rest;  // of a message that is not whole yet
  // Of a kept connection, bytes that are still in the kernel:
  std::size_t seen = 0;  // first those whose messages are in the batch,
  std::size_t left = 0;  // then the message that is not whole yet
  Mono since;            // of the phase
  Mono last_read;
  Mono last_message;
};

std::string address_of(const sockaddr_storage& address, socklen_t length) {
  std::string text = io::endpoint_text(reinterpret_cast<const sockaddr*>(&address), length);
  text.resize(std::min(text.rfind(':'), text.size()));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  // What came over IPv4 to a socket for both.
  if (text.starts_with("::ffff:") && text.find('.') != std::string::npos) text.erase(0, 7);
  return text;
}

class SyslogSource final : public component::Configured<SyslogArgs>, public component::Worker {
 public:
  explicit SyslogSource(component::Host host, io::SocketStore* sockets = nullptr)
      : host_(std::move(host)),
        sockets_(sockets),
        received_(host_.metrics.counter("loki_source_syslog_received_messages_total",
                                        "Messages that came, whatever became of them.")),
        problems_(host_.metrics.counter("loki_source_syslog_parsing_errors_total",
                                        "Messages that are not syslog; they go on as they came.")),
        empty_(host_.metrics.counter("loki_source_syslog_empty_messages_total",
                                     "Messages without text, which were dropped.")),
        cut_(host_.metrics.counter("loki_source_syslog_truncated_messages_total",
                                   "Messages that were longer than max_message_length.")),
        refused_(host_.metrics.counter("loki_source_syslog_refused_connections_total",
                                       "Connections beyond the most that are served at a time.")),
        handshakes_(host_.metrics.counter("loki_source_syslog_failed_handshakes_total",
                                          "Connections whose TLS handshake failed.")),
        idle_(host_.metrics.counter("loki_source_syslog_idle_connections_total",
                                    "Connections closed because they were quiet.")),
        open_(host_.metrics.gauge("loki_source_syslog_connections", "TCP connections now.")),
        outbox_(Outbox::make(host_, fanout_, "loki_source_syslog",
                             host_.metrics.counter("loki_source_syslog_entries_total",
                                                   "Total number of successful entries sent."))) {}
  ~SyslogSource() override { outbox_->close(); }

  Result<component::Commit> prepare(SyslogArgs args) override {
    auto next = std::make_shared<Settings>();
    const std::shared_ptr<const Settings> present = settings();
    std::shared_ptr<const model::RelabelRules> rules;
    if (args.relabel_rules != nullptr && !args.relabel_rules->empty()) rules = args.relabel_rules;
    for (SyslogListenerArgs& listener : args.listeners) {
      auto made = make_listener(std::move(listener), rules, *present, next->listeners);
      if (!made) return fail(std::move(made.error()));
      next->names =
          std::max(next->names, static_cast<std::size_t>((*made)->args.udp_host_cache_size));
      next->listeners.push_back(std::move(*made));
    }
    Outbox::Settings queue = Outbox::settings_of(args.queue);
    queue.at_once = sockets_ != nullptr && sockets_->keeps();
    return component::Commit([this, next, queue, targets = std::move(args.forward_to)] {
      fanout_.set(targets);
      outbox_->configure(queue);
      MutexLock lock(mutex_);
      settings_ = next;
      ++version_;
      if (poller_ != nullptr) poller_->wake();
    });
  }

  Result<> run(std::stop_token stop) override {
    auto poller = io::Poller::create();
    if (!poller) return fail(std::move(poller.error()));
    outbox_->open();
    std::jthread passing([this, origin = Pulse::origin()](const std::stop_token& own) {
      const Pulse pulse(origin);
      outbox_->run(own);
    });
    {
      MutexLock lock(mutex_);
      poller_ = &*poller;
    }
    io::HostNames names(*poller, host_.clock, kNameTokens);
    names_ = &names;
    Result<> result = serve(*poller, stop);
    {
      MutexLock lock(mutex_);
      poller_ = nullptr;
    }
    connections_.clear();
    seen_.clear();
    listening_.clear();
    count_connections();
    return result;
  }

  void flush() override { outbox_->flush(); }

  void debug_info(component::DebugWriter& out) const override {
    for (const auto& listener : settings()->listeners)
      out.value("listener",
                listener->args.protocol + " " + io::local_endpoint(listener->socket->get()));
    out.value("connections", std::to_string(static_cast<std::size_t>(open_->value())));
    outbox_->debug_info(out);
  }

 private:
  std::shared_ptr<const Settings> settings() const {
    MutexLock lock(mutex_);
    return settings_;
  }

  Result<std::shared_ptr<const Listener>> make_listener(
      SyslogListenerArgs args, const std::shared_ptr<const model::RelabelRules>& rules,
      const Settings& present, const std::vector<std::shared_ptr<const Listener>>& taken) {
    auto made = std::make_shared<Listener>();
    made->udp = args.protocol == "udp";
    made->raw = args.syslog_format == "raw";
    model::LabelBuilder labels;
    for (const auto& [name, value] : args.labels) labels.set(name, value);
    made->labels =
        std::make_shared<SyslogLabels>(host_.labels, host_.labels.intern(std::move(labels).take()),
                                       rules, args.label_structured_data);
    made->parsing.structured_data = made->labels->needs_structured_data();
    const SyslogCiscoArgs& cisco = args.rfc3164_cisco_components;
    made->parsing.cisco_message_counter = cisco.enable_all || cisco.message_counter;
    made->parsing.cisco_sequence_number = cisco.enable_all || cisco.sequence_number;
    made->parsing.cisco_hostname = cisco.enable_all || cisco.hostname;
    auto zone = wire::find_time_zone(args.rfc3164_time_zone);
    if (!zone) return fail(std::move(zone.error()));
    made->zone = std::move(*zone);
    if (args.tls_config) {
      auto tls = io::TlsServer::create(args.tls_config->options());
      if (!tls) return fail(std::move(tls.error()).within("listener " + args.address));
      made->tls = std::move(*tls);
    }
    // A socket that is bound already goes on, connections included.
    for (const auto& old : present.listeners) {
      const bool free = std::none_of(taken.begin(), taken.end(),
                                     [&](const auto& t) { return t->socket == old->socket; });
      if (free && old->args.address == args.address && old->args.protocol == args.protocol) {
        made->socket = old->socket;
        made->inherited = old->inherited;
        break;
      }
    }
    if (made->socket == nullptr) {
      auto socket = bind(args.address, made->udp ? io::Transport::kUdp : io::Transport::kTcp);
      if (!socket) return fail(std::move(socket.error()));
      made->socket = std::make_shared<io::KeptSocket>(std::move(*socket));
      made->inherited = std::make_shared<std::vector<io::KeptSocket>>();
      if (sockets_ != nullptr) *made->inherited = sockets_->connections_of(made->socket->get());
    }
    if (made->udp) {
      const std::int64_t wanted = args.udp_queue_size * static_cast<std::int64_t>(kDatagram);
      const int bytes =
          static_cast<int>(std::min<std::int64_t>(wanted, std::numeric_limits<int>::max()));
      int now = 0;
      socklen_t size = sizeof now;
      ::getsockopt(made->socket->get(), SOL_SOCKET, SO_RCVBUF, &now, &size);
      // The kernel takes what it allows (net.core.rmem_max), and says twice as much.
      if (now / 2 < bytes)
        ::setsockopt(made->socket->get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    made->args = std::move(args);
    return std::shared_ptr<const Listener>(std::move(made));
  }

  Result<io::KeptSocket> bind(const std::string& address, io::Transport transport) {
    if (sockets_ != nullptr) return sockets_->listen(address, transport);
    auto bound = io::listen_on(address, transport);
    if (!bound) return fail(std::move(bound.error()));
    return io::KeptSocket(std::move(*bound));
  }

  Result<> serve(io::Poller& poller, const std::stop_token& stop) {
    std::uint64_t version = 0;
    std::vector<std::uint64_t> ready;
    while (!stop.stop_requested()) {
      std::shared_ptr<const Settings> now;
      bool changed = false;
      {
        MutexLock lock(mutex_);
        now = settings_;
        changed = std::exchange(version, version_) != version_ || listening_.empty();
      }
      if (changed) {
        if (auto adopted = adopt(poller, *now); !adopted) return adopted;
      }
      // Served with the settings of now, not with those of when the wait began. What has come
      // within one turn goes on together.
      const std::int64_t wall_ns = host_.clock.wall_ns();
      time_ns_ = std::max(wall_ns, std::min(time_ns_, wall_ns + 1'000'000'000));
      for (std::uint64_t token : ready) {
        serve_one(poller, token, stop);
        if (batch_bytes_ >= kBatch && !hand_over(stop)) return {};
      }
      if (!hand_over(stop)) return {};
      again_.clear();
      std::swap(again_, more_);
      tick(poller, stop);
      ready = poller.wait(again_.empty() ? kTick : Duration::zero(), stop);
      ready.insert(ready.end(), again_.begin(), again_.end());
    }
    read_the_last(poller, stop);
    return {};
  }

  // At a stop: what the kernel has already, and what of a message has come.
  void read_the_last(io::Poller& poller, const std::stop_token& stop) {
    constexpr Duration kLongest = std::chrono::milliseconds(300);
    const Mono end = host_.clock.mono() + kLongest;
    while (host_.clock.mono() < end) {
      std::vector<std::uint64_t> ready = poller.wait(Duration::zero(), {});
      ready.insert(ready.end(), more_.begin(), more_.end());
      more_.clear();
      if (ready.empty()) break;
      for (std::uint64_t token : ready) serve_one(poller, token, stop);
      if (!hand_over(stop)) return;
    }
    // What the kernel holds of a kept connection is for the next process.
    const bool next = sockets_ != nullptr && sockets_->leaving();
    for (auto& [token, connection] : connections_) {
      if (!next) take_left(connection);
      take_messages(connection, std::string(connection.rest), End::kClosed);
    }
    hand_over(stop);
  }

  // Listeners that are new are polled, gone ones no longer, and connections follow their listener's
  // new settings.
  Result<> adopt(io::Poller& poller, const Settings& settings) {
    names_->set_limit(settings.names);
    const auto found = [&](const std::shared_ptr<const Listener>& known) {
      const auto it = std::find_if(settings.listeners.begin(), settings.listeners.end(),
                                   [&](const auto& l) { return l->socket == known->socket; });
      return it == settings.listeners.end() ? nullptr : *it;
    };
    for (auto it = listening_.begin(); it != listening_.end();) {
      if (const auto listener = found(it->second)) {
        it->second = listener;
        ++it;
      } else {
        poller.remove(it->second->socket->get());
        it = listening_.erase(it);
      }
    }
    for (const auto& listener : settings.listeners) {
      const bool known = std::any_of(listening_.begin(), listening_.end(), [&](const auto& l) {
        return l.second->socket == listener->socket;
      });
      if (known) continue;
      const std::uint64_t token = next_token_++;
      if (auto added = poller.add(listener->socket->get(), token); !added) return added;
      listening_.emplace(token, listener);
      inherit(poller, listener);
    }
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto listener = found(it->second.listener);
      if (listener == nullptr) {
        it = close(poller, it);
      } else {
        it->second.listener = listener;
        ++it;
      }
    }
    return {};
  }

  void serve_one(io::Poller& poller, std::uint64_t token, const std::stop_token& stop) {
    if (const auto it = connections_.find(token); it != connections_.end()) {
      serve_connection(poller, it);
    } else if (const auto l = listening_.find(token); l != listening_.end()) {
      if (l->second->udp) {
        read_datagrams(*l->second, stop);
      } else {
        accept_all(poller, l->second);
      }
    } else if (names_->owns(token)) {
      names_->ready(token);
      open_named(poller, false);
    }
  }

  using Connections = std::map<std::uint64_t, Connection>;

  void count_connections() { open_->set(static_cast<double>(connections_.size())); }

  Connections::iterator close(io::Poller& poller, Connections::iterator it) {
    poller.remove(it->second.socket.get());
    it->second.tls.reset();  // it says goodbye
    it->second.socket.close();
    it = connections_.erase(it);
    count_connections();
    return it;
  }

  // Whether one more can be served, if need be in the place of one that brings nothing.
  bool make_room(io::Poller& poller, bool tls) {
    const auto shaking = [](const auto& c) {
      return c.second.phase == Connection::Phase::kHandshake;
    };
    const bool crowded =
        connections_.size() >= kMaxConnections ||
        (tls && static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                       shaking)) >= kMaxHandshakes);
    if (!crowded) return true;
    const bool only_shaking = connections_.size() < kMaxConnections;
    auto idlest = connections_.end();
    for (auto it = connections_.begin(); it != connections_.end(); ++it) {
      if (only_shaking && !shaking(*it)) continue;
      if (idlest == connections_.end() || it->second.last_message < idlest->second.last_message)
        idlest = it;
    }
    refused_->increment();
    const Duration least = only_shaking ? std::chrono::seconds(1) : kIdleEnough;
    if (idlest == connections_.end() || now_ - idlest->second.last_message < least) return false;
    close(poller, idlest);
    return true;
  }

  void accept_all(io::Poller& poller, const std::shared_ptr<const Listener>& listener) {
    constexpr int kAtOnce = 64;  // others have their turn in between
    now_ = host_.clock.mono();
    for (int i = 0; i < kAtOnce; ++i) {
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      FileDescriptor socket(::accept4(listener->socket->get(),
                                      reinterpret_cast<sockaddr*>(&address), &length,
                                      SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
          host_.log.limited(Level::kWarn, "cannot accept a connection",
                            {{"err", errno_text(errno)}});
        return;
      }
      const std::string peer = address_of(address, length);
      if (!make_room(poller, listener->tls != nullptr)) {
        host_.log.limited(Level::kWarn, "too many connections, one is refused", {{"peer", peer}});
        continue;
      }
      // TLS cannot go on in another process.
      const bool keep = listener->tls == nullptr && sockets_ != nullptr;
      begin(poller, listener,
            keep ? sockets_->keep(std::move(socket)) : io::KeptSocket(std::move(socket)), peer);
    }
  }

  void begin(io::Poller& poller, const std::shared_ptr<const Listener>& listener,
             io::KeptSocket socket, const std::string& peer) {
    Connection connection{
        .listener = listener,
        .socket = std::move(socket),
        .tls = std::nullopt,
        .peer = peer,
        .names = {},
        .splitter = wire::SyslogSplitter(
            static_cast<std::size_t>(listener->args.max_message_length), framing(*listener)),
        .rest = {},
        .since = now_,
        .last_read = now_,
        .last_message = now_};
    const int fd = connection.socket.get();
    if (listener->tls != nullptr) {
      connection.phase = Connection::Phase::kHandshake;
      connection.tls.emplace(listener->tls, fd);
    }
    const std::uint64_t token = next_token_++;
    if (auto added = poller.add(fd, token); !added) {
      host_.log.limited(Level::kWarn, "cannot serve a connection",
                        {{"err", added.error().message}});
      connection.tls.reset();
      connection.socket.close();
      return;
    }
    const auto it = connections_.emplace(token, std::move(connection)).first;
    count_connections();
    if (it->second.phase == Connection::Phase::kOpen) open(poller, it);
  }

  // The connections of the process before, for a listener that is new here.
  void inherit(io::Poller& poller, const std::shared_ptr<const Listener>& listener) {
    now_ = host_.clock.mono();
    for (io::KeptSocket& socket : std::exchange(*listener->inherited, {})) {
      if (listener->tls != nullptr || connections_.size() >= kMaxConnections) {
        socket.close();
        continue;
      }
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      std::string peer;  // not known of one that was reset meanwhile
      if (::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0)
        peer = address_of(address, length);
      wait_for(socket.get(), 1);
      begin(poller, listener, std::move(socket), peer);
    }
  }

  static wire::SyslogSplitter::Framing framing(const Listener& listener) {
    using Framing = wire::SyslogSplitter::Framing;
    if (!listener.raw) return Framing::kDetect;
    return listener.args.raw_format_options.use_null_terminator_delimiter ? Framing::kNull
                                                                          : Framing::kLine;
  }

  // Reads of the connection from now on, or when its peer's name is known.
  void open(io::Poller& poller, Connections::iterator it) {
    Connection& connection = it->second;
    connection.phase = Connection::Phase::kOpen;
    connection.since = now_;
    if (!connection.listener->labels->needs_names()) return;
    if (const auto names = names_->find(connection.peer)) {
      connection.names = *names;
      return;
    }
    connection.phase = Connection::Phase::kNaming;
    poller.remove(connection.socket.get());  // the kernel keeps what comes meanwhile
    ++naming_;
  }

  void open_named(io::Poller& poller, bool impatient) {
    if (naming_ == 0) return;
    naming_ = 0;
    for (auto it = connections_.begin(); it != connections_.end();) {
      Connection& connection = it->second;
      const auto here = it++;
      if (connection.phase != Connection::Phase::kNaming) continue;
      const auto names = names_->find(connection.peer);
      if (!names && !(impatient && now_ - connection.since >= kNameTime)) {
        ++naming_;
        continue;
      }
      if (names) connection.names = *names;
      connection.phase = Connection::Phase::kOpen;
      if (!poller.add(connection.socket.get(), here->first)) close(poller, here);
    }
  }

  void serve_connection(io::Poller& poller, Connections::iterator it) {
    Connection& connection = it->second;
    now_ = host_.clock.mono();
    if (connection.phase == Connection::Phase::kHandshake && !shake_hands(poller, it)) return;
    if (it->second.phase != Connection::Phase::kOpen) return;
    read_stream(poller, it);
  }

  // True when the handshake is done. The connection may be gone otherwise.
  bool shake_hands(io::Poller& poller, Connections::iterator it) {
    Connection& connection = it->second;
    const Stream outcome = connection.tls->handshake();
    const bool writing = outcome == Stream::kWantWrite;
    if (writing != std::exchange(connection.writing, writing))
      poller.watch_writing(connection.socket.get(), it->first, writing);
    if (writing || outcome == Stream::kWantRead) return false;
    if (outcome == Stream::kDone) {
      open(poller, it);
      return true;
    }
    handshake_failed(connection, outcome == Stream::kClosed ? "the peer closed the connection"
                                                            : connection.tls->error());
    close(poller, it);
    return false;
  }

  void handshake_failed(const Connection& connection, std::string_view why) {
    handshakes_->increment();
    host_.log.limited(Level::kWarn, "a TLS handshake failed",
                      {{"peer", connection.peer}, {"err", why}});
  }

  void read_stream(io::Poller& poller, Connections::iterator it) {
    Connection& connection = it->second;
    const std::size_t kept = connection.rest.size();
    if (scratch_.size() < kept + kRead) scratch_.resize(kept + kRead);
    char* const to = scratch_.data() + kept;
    std::size_t got = 0;
    bool ended = false;
    if (connection.tls) {
      Stream outcome = Stream::kDone;
      while (outcome == Stream::kDone && got < kRead) {
        std::size_t n = 0;
        outcome = connection.tls->read(to + got, kRead - got, n);
        got += n;
      }
      ended = outcome == Stream::kClosed || outcome == Stream::kFailed;
      if (outcome == Stream::kDone) more_.push_back(it->first);  // no poll tells of it
    } else if (connection.seen > 0) {
      return;  // that comes first
    } else {
      const int how = connection.socket.kept() ? MSG_PEEK : 0;
      const ssize_t n = ::recv(connection.socket.get(), to, kRead, how);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n > 0 && static_cast<std::size_t>(n) <= connection.left) {
        // Nothing has come: the peer has closed, or the kernel is short of room.
        take_left(connection);
        return;
      }
      ended = n <= 0;
      if (n > 0) got = static_cast<std::size_t>(n);
    }
    if (got == 0 && !ended) return;
    connection.last_read = now_;
    if (kept > 0) std::memcpy(scratch_.data(), connection.rest.data(), kept);
    take_messages(connection, std::string_view(scratch_.data(), kept + got),
                  ended ? std::optional(End::kClosed) : std::nullopt);
    if (ended) {
      close(poller, it);
    } else if (connection.socket.kept()) {
      leave_in_kernel(it->first, connection, got);
    }
  }

  // Of `got` bytes that were looked at, the messages are in the batch, and the rest is in `rest`.
  void leave_in_kernel(std::uint64_t token, Connection& connection, std::size_t got) {
    const std::size_t before = connection.left;
    connection.left = connection.rest.size() <= std::min(got, kLeft) ? connection.rest.size() : 0;
    if (connection.left > 0) connection.rest.clear();
    connection.seen = got - connection.left;
    if (connection.seen > 0) seen_.push_back(token);
    if (connection.left != before) wait_for(connection.socket.get(), connection.left + 1);
  }

  // The poll tells of the connection when so many bytes are there, or its end.
  static void wait_for(int fd, std::size_t bytes) {
    const int least = static_cast<int>(bytes);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
  }

  // Reads what was left in the kernel of a message that is not whole.
  static void take_left(Connection& connection) {
    if (connection.left == 0) return;
    const std::size_t before = connection.rest.size();
    connection.rest.resize(before + connection.left);
    const ssize_t n =
        ::recv(connection.socket.get(), connection.rest.data() + before, connection.left, 0);
    connection.rest.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    connection.left = 0;
    wait_for(connection.socket.get(), 1);
  }

  // The outbox has what was seen of kept connections.
  void take_seen() {
    for (const std::uint64_t token : std::exchange(seen_, {})) {
      const auto it = connections_.find(token);
      if (it == connections_.end()) continue;
      std::size_t& seen = it->second.seen;
      // With MSG_TRUNC, TCP drops the bytes instead of copying them: tcp(7).
      while (seen > 0) {
        const ssize_t n = ::recv(it->second.socket.get(), nullptr, seen, MSG_TRUNC);
        if (n < 0 && errno == EINTR) continue;
        seen -= n > 0 ? static_cast<std::size_t>(n) : seen;
      }
    }
  }

  using End = wire::SyslogSplitter::End;

  void take_messages(Connection& connection, std::string_view bytes, std::optional<End> end) {
    const SyslogLabels::Peer peer{connection.peer, connection.names};
    const std::uint64_t before = taken_;
    while (const auto message = connection.splitter.next(bytes))
      add(*connection.listener, peer, *message);
    if (end) {
      while (const auto message = connection.splitter.last(bytes, *end))
        add(*connection.listener, peer, *message);
    }
    connection.rest.assign(bytes);
    if (taken_ != before) connection.last_message = now_;
  }

  void read_datagrams(const Listener& listener, const std::stop_token& stop) {
    constexpr unsigned kRounds = 8;
    const auto limit = static_cast<std::size_t>(listener.args.max_message_length);
    // One byte more tells that something was cut.
    const std::size_t room = std::min(limit + 1, kDatagram);
    if (datagrams_.size() < room * kDatagrams) datagrams_.resize(room * kDatagrams);
    std::array<mmsghdr, kDatagrams> headers;
    std::array<iovec, kDatagrams> vectors;
    std::array<sockaddr_storage, kDatagrams> addresses;
    for (unsigned round = 0; round < kRounds; ++round) {
      for (unsigned i = 0; i < kDatagrams; ++i) {
        vectors[i] = {datagrams_.data() + i * room, room};
        headers[i] = {};
        headers[i].msg_hdr.msg_name = &addresses[i];
        headers[i].msg_hdr.msg_namelen = sizeof addresses[i];
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
      }
      const int count = ::recvmmsg(listener.socket->get(), headers.data(), kDatagrams, 0, nullptr);
      for (int i = 0; i < count; ++i) {
        const mmsghdr& header = headers[static_cast<std::size_t>(i)];
        const std::string address =
            address_of(addresses[static_cast<std::size_t>(i)], header.msg_hdr.msg_namelen);
        SyslogLabels::Peer peer{address, {}};
        if (listener.labels->needs_names()) peer.names = names_->find(address).value_or("");
        std::string_view text(datagrams_.data() + static_cast<std::size_t>(i) * room,
                              header.msg_len);
        const bool cut = text.size() > limit || (header.msg_hdr.msg_flags & MSG_TRUNC) != 0;
        text = text.substr(0, limit);
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
          text.remove_suffix(1);
        add(listener, peer, {text, cut});
      }
      if (count < static_cast<int>(kDatagrams)) return;
      if (batch_bytes_ >= kBatch && !hand_over(stop)) return;
    }
  }

  void add(const Listener& listener, const SyslogLabels::Peer& peer,
           const wire::SyslogSplitter::Message& framed) {
    ++taken_;
    if (framed.cut) cut_->increment();
    wire::SyslogMessage message;
    if (listener.raw) {
      message.message = framed.text;
    } else {
      message = wire::parse_syslog(framed.text, listener.parsing);
    }
    const bool broken = !message.problem.empty();
    if (broken) {
      problems_->increment();
      host_.log.limited(Level::kWarn, "a message is not syslog, it goes on as it came",
                        {{"peer", peer.address}, {"why", message.problem}});
    }
    const bool whole = broken || (listener.args.use_rfc5424_message && message.is_5424);
    std::string_view line = whole ? framed.text : message.message;
    if (line.empty() && !listener.args.rfc5424_allow_empty_msg) {
      empty_->increment();
      return;
    }
    model::Entry entry;
    // Two messages never share a time: Loki takes equal lines of one time for one.
    entry.time_ns = ++time_ns_;
    if (listener.args.use_incoming_timestamp && message.time_ns) {
      std::int64_t time = *message.time_ns;
      if (!message.time_has_year) time = wire::with_year(time, time_ns_);
      entry.time_ns = message.time_has_zone ? time : listener.zone->to_utc(time);
    }
    entry.labels = listener.labels->of(peer, message);
    bool too_long = false;
    entry.line = framed.cut ? store_cut(line) : store_line(batch_.arena, line, too_long);
    if (too_long) cut_->increment();
    if (broken) {
      const model::MetadataPair why{"syslog_parse_error", message.problem};
      entry.metadata = batch_.arena.store(std::span<const model::MetadataPair>(&why, 1));
    }
    batch_bytes_ += entry.line.size();
    batch_.entries.push_back(std::move(entry));
  }

  std::string_view store_cut(std::string_view line) {
    line = line.substr(0, kMaxLine - kCutMarker.size());
    char* out = batch_.arena.allocate(line.size() + kCutMarker.size());
    line.copy(out, line.size());
    kCutMarker.copy(out + line.size(), kCutMarker.size());
    return {out, line.size() + kCutMarker.size()};
  }

  // False at a stop that came before there was room.
  bool hand_over(const std::stop_token& stop) {
    received_->add(static_cast<double>(std::exchange(taken_, 0)));
    if (!batch_.empty()) {
      batch_bytes_ = 0;
      model::EntryBatch next;
      next.entries.reserve(batch_.entries.size());  // there will be about as many again
      if (!outbox_->accept(std::exchange(batch_, std::move(next)), true, stop)) return false;
    }
    take_seen();
    return true;
  }

  // Once a second: what has waited too long.
  void tick(io::Poller& poller, const std::stop_token& stop) {
    now_ = host_.clock.mono();
    if (now_ - last_tick_ < kTick) return;
    last_tick_ = now_;
    names_->tick();
    open_named(poller, true);
    for (auto it = connections_.begin(); it != connections_.end();) {
      Connection& connection = it->second;
      const Duration quiet = now_ - connection.last_read;
      if (connection.phase == Connection::Phase::kHandshake) {
        if (now_ - connection.since < kHandshakeTime) {
          ++it;
          continue;
        }
        handshake_failed(connection, "it took too long");
        it = close(poller, it);
        continue;
      }
      const bool idle = quiet > connection.listener->args.idle_timeout;
      const bool begun = !connection.rest.empty() || connection.left > 0;
      if (begun && (idle || quiet >= kPause)) {
        take_left(connection);
        take_messages(connection, std::string(connection.rest), idle ? End::kClosed : End::kPaused);
      }
      if (idle) {
        idle_->increment();
        it = close(poller, it);
      } else {
        ++it;
      }
    }
    hand_over(stop);
  }

  component::Host host_;
  io::SocketStore* const sockets_;
  component::Counter received_;
  component::Counter problems_;
  component::Counter empty_;
  component::Counter cut_;
  component::Counter refused_;
  component::Counter handshakes_;
  component::Counter idle_;
  component::Gauge open_;
  component::LogFanout fanout_{host_.tap};
  const std::shared_ptr<Outbox> outbox_;

  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_) = std::make_shared<const Settings>();
  std::uint64_t version_ GUARDED_BY(mutex_) = 1;
  io::Poller* poller_ GUARDED_BY(mutex_) = nullptr;  // while run() lasts

  // Of the component's thread.
  io::HostNames* names_ = nullptr;  // while run() lasts
  std::map<std::uint64_t, std::shared_ptr<const Listener>> listening_;
  Connections connections_;
  std::size_t naming_ = 0;  // connections that wait for a name
  std::uint64_t next_token_ = 0;
  std::vector<std::uint64_t> more_;   // connections with bytes that no poll tells of
  std::vector<std::uint64_t> again_;  // those of the turn before
  std::vector<std::uint64_t> seen_;   // connections with `seen` bytes
  std::string scratch_;
  std::string datagrams_;
  model::EntryBatch batch_;
  std::size_t batch_bytes_ = 0;
  std::uint64_t taken_ = 0;   // messages of this turn
  std::int64_t time_ns_ = 0;  // of the last message
  Mono now_{};
  Mono last_tick_{};
};

}  // namespace

component::Declaration loki_source_syslog(io::SocketStore* sockets) {
  component::Declaration declaration = component::declare<SyslogSource>(
      "loki.source.syslog", "Listens for syslog messages over TCP, TLS and UDP.");
  declaration.make = [sockets](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<SyslogSource>(std::move(host), sockets);
  };
  return declaration;
}

component::Declaration loki_source_syslog() { return loki_source_syslog(nullptr); }

}  // namespace agent::source
