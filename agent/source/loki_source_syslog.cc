// loki.source.syslog: listeners for syslog over TCP and UDP. One thread serves them all.
//
// No peer is disconnected for what it sends, and nothing it sends is dropped: what is not syslog
// goes on as it came, with the reason in the structured metadata `syslog_parse_error` and the label
// `__syslog_parse_error` for rules. Back-pressure: while consume waits nothing is read, and TCP
// peers wait with us.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/io/socket.h"
#include "agent/wire/syslog.h"

namespace agent::source {
namespace {

constexpr std::size_t kRead = 64 * 1024;
constexpr std::size_t kMaxConnections = 1024;  // of one component
constexpr std::size_t kRelabelCache = 10'000;

struct TlsArgs {
  static component::Schema<TlsArgs> schema() { return component::Schema<TlsArgs>(); }
};

struct ListenerArgs {
  std::string address;
  std::string protocol = "tcp";
  std::string syslog_format = "rfc5424";
  component::StringMap labels;
  Duration idle_timeout = std::chrono::minutes(2);
  bool label_structured_data = false;
  bool use_incoming_timestamp = false;
  bool use_rfc5424_message = false;
  bool rfc3164_default_to_current_year = false;
  bool rfc5424_allow_empty_msg = false;
  std::int64_t max_message_length = 8192;
  std::int64_t udp_queue_size = 10;
  std::int64_t udp_host_cache_size = 128;

  static component::Schema<ListenerArgs> schema() {
    return component::Schema<ListenerArgs>()
        .required("address", &ListenerArgs::address, "Address to listen on, host:port.")
        .optional("protocol", &ListenerArgs::protocol, "tcp or udp.")
        .optional("syslog_format", &ListenerArgs::syslog_format,
                  "rfc3164, rfc5424 or raw. The two formats are told apart message by message "
                  "whichever is named; raw "
                  "takes each message as a line.")
        .optional("labels", &ListenerArgs::labels, "Labels of every entry of this listener.")
        .optional("idle_timeout", &ListenerArgs::idle_timeout,
                  "Time after which a quiet TCP connection is closed.")
        .optional("label_structured_data", &ListenerArgs::label_structured_data,
                  "Offers structured data to rules as __syslog_message_sd_<id>_<name>.")
        .optional("use_incoming_timestamp", &ListenerArgs::use_incoming_timestamp,
                  "Takes the message's own time instead of the time of its arrival.")
        .optional("use_rfc5424_message", &ListenerArgs::use_rfc5424_message,
                  "The line is the whole message as it came instead of its text alone.")
        .optional("rfc3164_default_to_current_year", &ListenerArgs::rfc3164_default_to_current_year,
                  "Accepted; a time without a year always gets the nearest one.")
        .optional("rfc5424_allow_empty_msg", &ListenerArgs::rfc5424_allow_empty_msg,
                  "Keeps messages without text instead of counting and dropping them.")
        .optional("max_message_length", &ListenerArgs::max_message_length,
                  "Longest message in bytes; longer ones are cut and counted.")
        .optional("udp_queue_size", &ListenerArgs::udp_queue_size,
                  "Accepted; the kernel's socket buffer is the queue.")
        .optional("udp_host_cache_size", &ListenerArgs::udp_host_cache_size,
                  "Accepted; peers are not looked up.")
        .block("tls_config", &ListenerArgs::tls,
               "TLS of a TCP listener; not supported by this version.");
  }
  std::optional<TlsArgs> tls;

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const auto span = [&](std::string_view name) {
      const lang::Attribute* attribute = body.find(name);
      return attribute != nullptr ? attribute->value_span : body.span;
    };
    if (auto parts = io::split_host_port(address); !parts)
      diagnostics.error(span("address"), parts.error().message);
    if (protocol != "tcp" && protocol != "udp")
      diagnostics.error(span("protocol"),
                        "protocol must be \"tcp\" or \"udp\", got " + json_string(protocol));
    if (syslog_format != "rfc3164" && syslog_format != "rfc5424" && syslog_format != "raw")
      diagnostics.error(span("syslog_format"),
                        "syslog_format must be \"rfc3164\", \"rfc5424\" or \"raw\", got " +
                            json_string(syslog_format));
    if (max_message_length < 16 || max_message_length > (1 << 20))
      diagnostics.error(span("max_message_length"),
                        "max_message_length must be from 16 to 1048576");
    for (const auto& [name, value] : labels)
      if (!model::is_valid_label_name(name))
        diagnostics.error(span("labels"), json_string(name) + " is not a valid label name");
  }
};

struct SyslogArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  std::vector<ListenerArgs> listeners;

  static component::Schema<SyslogArgs> schema() {
    return component::Schema<SyslogArgs>()
        .required("forward_to", &SyslogArgs::forward_to, "Receivers that get the entries.")
        .optional("relabel_rules", &SyslogArgs::relabel_rules,
                  "Rules that make labels of the __syslog_* ones.")
        .required_block("listener", &SyslogArgs::listeners, "An address to listen on.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    std::vector<std::pair<std::string, std::string>> seen;
    for (const lang::Block& block : body.blocks) {
      if (block.name != "listener") continue;
      for (const lang::Block& inner : block.body.blocks)
        if (inner.name == "tls_config")
          diagnostics.error(inner.span, "TLS listeners are not supported by this version");
      const lang::Attribute* address = block.body.find("address");
      if (address == nullptr || address->value.kind() != lang::Value::Kind::kString) continue;
      const lang::Attribute* protocol = block.body.find("protocol");
      const std::pair<std::string, std::string> key(
          address->value.string(), protocol == nullptr ? "\"tcp\"" : protocol->value.text());
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        diagnostics.error(address->value_span,
                          "two listeners cannot share the address " + key.first);
      if (!key.first.ends_with(":0")) seen.push_back(key);
    }
  }
};

// A bound address with what its listener block says.
struct Listener {
  ListenerArgs args;
  std::shared_ptr<FileDescriptor> socket;
  model::LabelSet labels;  // of its entries before any rule
};

// What is in force; replaced as a whole by a commit.
struct Settings {
  std::vector<std::shared_ptr<const Listener>> listeners;
  std::shared_ptr<model::Relabeler> relabeler;  // null: no rules
};

struct Connection {
  std::shared_ptr<const Listener> listener;
  FileDescriptor socket;
  std::string peer;  // address without port
  wire::SyslogSplitter splitter;
  Mono last_read;
};

class SyslogSource final : public component::Configured<SyslogArgs>, public component::Worker {
 public:
  explicit SyslogSource(component::Host host)
      : host_(std::move(host)),
        entries_(host_.metrics.counter("loki_source_syslog_entries_total",
                                       "Total number of successful entries sent.")),
        problems_(host_.metrics.counter("loki_source_syslog_parsing_errors_total",
                                        "Messages that are not syslog; they go on as they came.")),
        empty_(host_.metrics.counter("loki_source_syslog_empty_messages_total",
                                     "Messages without text.")),
        cut_(host_.metrics.counter("loki_source_syslog_truncated_messages_total",
                                   "Messages that were longer than max_message_length.")),
        refused_(host_.metrics.counter("loki_source_syslog_refused_connections_total",
                                       "Connections beyond the most that are served at a time.")) {}

  Result<component::Commit> prepare(SyslogArgs args) override {
    auto next = std::make_shared<Settings>();
    const std::shared_ptr<const Settings> present = settings();
    for (ListenerArgs& listener : args.listeners) {
      auto bound = std::make_shared<Listener>();
      model::LabelBuilder labels;
      for (const auto& [name, value] : listener.labels) labels.set(name, value);
      bound->labels = host_.labels.intern(std::move(labels).take());
      // A socket that is bound already goes on, connections included.
      for (const auto& old : present->listeners)
        if (old->args.address == listener.address && old->args.protocol == listener.protocol)
          bound->socket = old->socket;
      if (bound->socket == nullptr) {
        auto socket =
            io::listen_on(listener.address,
                          listener.protocol == "tcp" ? io::Transport::kTcp : io::Transport::kUdp);
        if (!socket) return fail(std::move(socket.error()));
        bound->socket = std::make_shared<FileDescriptor>(std::move(*socket));
      }
      bound->args = std::move(listener);
      next->listeners.push_back(std::move(bound));
    }
    if (args.relabel_rules != nullptr && !args.relabel_rules->empty())
      next->relabeler =
          std::make_shared<model::Relabeler>(host_.labels, *args.relabel_rules, kRelabelCache);
    return component::Commit([this, next, targets = std::move(args.forward_to)] {
      fanout_.set(targets);
      MutexLock lock(mutex_);
      settings_ = next;
      ++version_;
      if (poller_ != nullptr) poller_->wake();
    });
  }

  Result<> run(std::stop_token stop) override {
    auto poller = io::Poller::create();
    if (!poller) return fail(std::move(poller.error()));
    {
      MutexLock lock(mutex_);
      poller_ = &*poller;
    }
    Result<> result = serve(*poller, stop);
    {
      MutexLock lock(mutex_);
      poller_ = nullptr;
    }
    connections_.clear();
    listening_.clear();
    return result;
  }

  void debug_info(component::DebugWriter& out) const override {
    for (const auto& listener : settings()->listeners)
      out.value("listener",
                listener->args.protocol + " " + io::local_endpoint(listener->socket->get()));
    out.value("connections", std::to_string(connection_count_.load()));
  }

 private:
  std::shared_ptr<const Settings> settings() const {
    MutexLock lock(mutex_);
    return settings_;
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
      // Served with the settings of now, not with those of when the wait began.
      for (std::uint64_t token : ready) {
        if (auto served = serve_one(poller, *now, token, stop); !served) {
          if (stop.stop_requested()) return {};
          return served;
        }
      }
      close_idle(poller);
      ready = poller.wait(std::chrono::seconds(1), stop);
    }
    return {};
  }

  // Listeners that are new are polled, gone ones no longer, and connections follow their listener's
  // new settings.
  Result<> adopt(io::Poller& poller, const Settings& settings) {
    for (auto it = listening_.begin(); it != listening_.end();) {
      const bool stays =
          std::any_of(settings.listeners.begin(), settings.listeners.end(),
                      [&](const auto& l) { return l->socket == it->second->socket; });
      if (stays) {
        ++it;
      } else {
        poller.remove(it->second->socket->get());
        it = listening_.erase(it);
      }
    }
    for (const auto& listener : settings.listeners) {
      const auto known = std::find_if(listening_.begin(), listening_.end(), [&](const auto& l) {
        return l.second->socket == listener->socket;
      });
      if (known != listening_.end()) {
        known->second = listener;
        continue;
      }
      const std::uint64_t token = next_token_++;
      if (auto added = poller.add(listener->socket->get(), token); !added) return added;
      listening_.emplace(token, listener);
    }
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto listener =
          std::find_if(settings.listeners.begin(), settings.listeners.end(),
                       [&](const auto& l) { return l->socket == it->second.listener->socket; });
      if (listener == settings.listeners.end()) {
        poller.remove(it->second.socket.get());
        it = connections_.erase(it);
      } else {
        it->second.listener = *listener;
        ++it;
      }
    }
    connection_count_ = connections_.size();
    return {};
  }

  Result<> serve_one(io::Poller& poller, const Settings& settings, std::uint64_t token,
                     const std::stop_token& stop) {
    if (const auto it = listening_.find(token); it != listening_.end()) {
      if (it->second->args.protocol == "udp") return read_datagrams(settings, it->second, stop);
      accept_all(poller, it->second);
      return {};
    }
    if (const auto it = connections_.find(token); it != connections_.end())
      return read_stream(poller, settings, it, stop);
    return {};
  }

  void accept_all(io::Poller& poller, const std::shared_ptr<const Listener>& listener) {
    for (;;) {
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
      const std::string peer =
          io::endpoint_text(reinterpret_cast<const sockaddr*>(&address), length);
      if (connections_.size() >= kMaxConnections) {
        refused_->increment();
        host_.log.limited(Level::kWarn, "too many connections, one is refused", {{"peer", peer}});
        continue;
      }
      const std::uint64_t token = next_token_++;
      if (auto added = poller.add(socket.get(), token); !added) {
        host_.log.limited(Level::kWarn, "cannot serve a connection",
                          {{"err", added.error().message}});
        return;
      }
      connections_.emplace(
          token, Connection{listener, std::move(socket), peer.substr(0, peer.rfind(':')),
                            wire::SyslogSplitter(
                                static_cast<std::size_t>(listener->args.max_message_length)),
                            host_.clock.mono()});
      connection_count_ = connections_.size();
    }
  }

  using Connections = std::map<std::uint64_t, Connection>;

  Result<> read_stream(io::Poller& poller, const Settings& settings, Connections::iterator it,
                       const std::stop_token& stop) {
    Connection& connection = it->second;
    const ssize_t n = ::recv(connection.socket.get(), connection.splitter.room(kRead), kRead, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    model::EntryBatch batch;
    if (n > 0) {
      connection.splitter.commit(static_cast<std::size_t>(n));
      connection.last_read = host_.clock.mono();
    }
    while (auto message = connection.splitter.next())
      add(batch, settings, *connection.listener, connection.peer, *message);
    if (n <= 0) {
      if (auto message = connection.splitter.rest())
        add(batch, settings, *connection.listener, connection.peer, *message);
      poller.remove(connection.socket.get());
      connections_.erase(it);
      connection_count_ = connections_.size();
    }
    return send(std::move(batch), stop);
  }

  Result<> read_datagrams(const Settings& settings, const std::shared_ptr<const Listener>& listener,
                          const std::stop_token& stop) {
    constexpr int kDatagramsPerTurn = 256;
    model::EntryBatch batch;
    datagram_.resize(kRead);
    for (int i = 0; i < kDatagramsPerTurn; ++i) {
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      const ssize_t n = ::recvfrom(listener->socket->get(), datagram_.data(), datagram_.size(), 0,
                                   reinterpret_cast<sockaddr*>(&address), &length);
      if (n < 0) break;
      std::string_view text(datagram_.data(), static_cast<std::size_t>(n));
      while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
        text.remove_suffix(1);
      const auto limit = static_cast<std::size_t>(listener->args.max_message_length);
      const std::string peer =
          io::endpoint_text(reinterpret_cast<const sockaddr*>(&address), length);
      add(batch, settings, *listener, peer.substr(0, peer.rfind(':')),
          {text.substr(0, limit), text.size() > limit});
    }
    return send(std::move(batch), stop);
  }

  void add(model::EntryBatch& batch, const Settings& settings, const Listener& listener,
           std::string_view peer, const wire::SyslogSplitter::Message& framed) {
    if (framed.cut) cut_->increment();
    wire::SyslogMessage message;
    if (listener.args.syslog_format == "raw") {
      message.message = framed.text;
    } else {
      message = wire::parse_syslog(framed.text);
    }
    const bool broken = !message.problem.empty();
    if (broken) {
      problems_->increment();
      host_.log.limited(Level::kWarn, "a message is not syslog, it goes on as it came",
                        {{"peer", peer}, {"why", message.problem}});
    }
    const std::string_view line =
        broken || listener.args.use_rfc5424_message ? framed.text : message.message;
    if (line.empty() && !listener.args.rfc5424_allow_empty_msg) {
      empty_->increment();
      return;
    }
    model::Entry entry;
    entry.time_ns = host_.clock.wall_ns();
    if (listener.args.use_incoming_timestamp && message.time_ns)
      entry.time_ns = message.time_has_year ? *message.time_ns
                                            : wire::with_year(*message.time_ns, entry.time_ns);
    entry.labels = settings.relabeler == nullptr ? listener.labels
                                                 : relabel(settings, listener, peer, message);
    entry.line = batch.arena.store(line);
    if (broken) {
      const model::MetadataPair why{"syslog_parse_error", message.problem};
      entry.metadata = batch.arena.store(std::span<const model::MetadataPair>(&why, 1));
    }
    batch.entries.push_back(std::move(entry));
  }

  // A verdict of the rules to drop is not followed, as in Alloy: nothing that was received is lost.
  model::LabelSet relabel(const Settings& settings, const Listener& listener, std::string_view peer,
                          const wire::SyslogMessage& message) {
    model::LabelBuilder labels(listener.labels);
    labels.set("__syslog_connection_ip_address", peer);
    labels.set("__syslog_message_severity", message.severity());
    labels.set("__syslog_message_facility", message.facility());
    labels.set("__syslog_message_hostname", message.hostname);
    labels.set("__syslog_message_app_name", message.app_name);
    labels.set("__syslog_message_proc_id", message.proc_id);
    labels.set("__syslog_message_msg_id", message.msg_id);
    labels.set("__syslog_parse_error", message.problem);
    if (listener.args.label_structured_data) {
      for (const auto& param : message.structured_data)
        labels.set("__syslog_message_sd_" + model::sanitize_label_name(param.id) + "_" +
                       model::sanitize_label_name(param.name),
                   param.value);
    }
    const auto result = settings.relabeler->apply(host_.labels.intern(std::move(labels).take()));
    model::LabelBuilder visible(result ? *result : listener.labels);
    visible.remove_prefix("__");
    return host_.labels.intern(std::move(visible).take());
  }

  Result<> send(model::EntryBatch batch, const std::stop_token& stop) {
    if (batch.empty()) return {};
    const auto count = static_cast<double>(batch.entries.size());
    if (auto sent = fanout_.consume(std::move(batch), stop); !sent) return sent;
    entries_->add(count);
    return {};
  }

  void close_idle(io::Poller& poller) {
    const Mono now = host_.clock.mono();
    if (now - last_sweep_ < std::chrono::seconds(1)) return;
    last_sweep_ = now;
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (now - it->second.last_read <= it->second.listener->args.idle_timeout) {
        ++it;
        continue;
      }
      poller.remove(it->second.socket.get());
      it = connections_.erase(it);
    }
    connection_count_ = connections_.size();
  }

  component::Host host_;
  component::Counter entries_;
  component::Counter problems_;
  component::Counter empty_;
  component::Counter cut_;
  component::Counter refused_;
  component::LogFanout fanout_;

  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_) = std::make_shared<const Settings>();
  std::uint64_t version_ GUARDED_BY(mutex_) = 1;
  io::Poller* poller_ GUARDED_BY(mutex_) = nullptr;  // while run() lasts
  std::atomic<std::size_t> connection_count_{0};

  // Of the component's thread.
  std::map<std::uint64_t, std::shared_ptr<const Listener>> listening_;
  Connections connections_;
  std::uint64_t next_token_ = 0;
  std::string datagram_;
  Mono last_sweep_{};
};

}  // namespace

component::Declaration loki_source_syslog() {
  return component::declare<SyslogSource>("loki.source.syslog",
                                          "Listens for syslog messages over TCP and UDP.");
}

}  // namespace agent::source
