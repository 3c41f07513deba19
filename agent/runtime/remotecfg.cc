// Requests are the connect protocol's unary ones: POST URL/collector.v1.CollectorService/METHOD
// with a protobuf body; an error is another status than 200 with {"code": ..., "message": ...}.
// https://connectrpc.com/docs/protocol
#include "agent/runtime/remotecfg.h"

#include <pthread.h>

#include <array>
#include <cstdio>
#include <functional>
#include <optional>
#include <random>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/io/http_client.h"
#include "agent/lang/documents.h"
#include "agent/lang/source.h"
#include "agent/wire/collector.h"

namespace agent::runtime {
namespace {

namespace fs = std::filesystem;
using wire::ConfigStatus;

constexpr auto kRequestLimit = std::chrono::seconds(30);
constexpr auto kFarewellLimit = std::chrono::seconds(1);
constexpr int kJitterMs = 100;  // as Alloy's: each poll so much earlier or later at most
constexpr std::size_t kMostText = lang::Source::kMaxBytes;
constexpr std::size_t kRoomAround = 64U << 10;  // in an answer, beside the text
constexpr std::size_t kMostMessage = 1000;      // of what a server says, in messages
constexpr std::size_t kMostHash = 1000;

// FNV-1 of 32 bits, as Alloy shows it in remotecfg_hash: equal texts have equal hashes in both.
std::string hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261;
  for (const char c : text) hash = (hash * 16777619) ^ static_cast<unsigned char>(c);
  std::array<char, 9> out{};
  std::snprintf(out.data(), out.size(), "%08x", hash);
  return out.data();
}

// A string member of a JSON object; "" when there is none.
std::string member_of(const std::string& json, std::string_view name) {
  const auto value = lang::value_of_json(json);
  if (!value || value->kind() != lang::Value::Kind::kObject) return {};
  const lang::Value* member = value->find(name);
  return member != nullptr && member->kind() == lang::Value::Kind::kString ? member->string() : "";
}

// The id of this installation, made when there is none yet. In the file where Alloy keeps it.
Result<std::string> own_id(const fs::path& data_dir) {
  const fs::path file = data_dir / "alloy_seed.json";
  if (const auto kept = read_file(file, 64U << 10)) {
    if (std::string id = member_of(*kept, "UID"); !id.empty()) return id;
  }
  const auto made = read_file("/proc/sys/kernel/random/uuid", 100);
  if (!made) return fail(made.error().code, made.error().message);
  std::string id(trim(*made));
  if (auto kept = write_file_atomic(file, "{\"UID\":" + json_string(id) + "}\n", 0600); !kept)
    return fail(std::move(kept.error()));
  return id;
}

}  // namespace

struct RemoteConfig::Meters {
  explicit Meters(component::Metrics m) : metrics(std::move(m)) {}

  component::Metrics metrics;
  component::Counter attempts =
      metrics.counter("remotecfg_load_attempts_total", "Attempts to load remote configuration.");
  component::Counter failures =
      metrics.counter("remotecfg_load_failures_total", "Remote configuration load failures.");
  component::Gauge successful =
      metrics.gauge("remotecfg_last_load_successful", "Remote config loaded successfully.");
  component::Gauge not_modified = metrics.gauge("remotecfg_last_load_not_modified",
                                                "Remote config not modified since last fetch.");
  component::Gauge success_time =
      metrics.gauge("remotecfg_last_load_success_timestamp_seconds",
                    "Timestamp of the last successful remote configuration load.");
  component::Histogram requests =
      metrics.histogram("remotecfg_request_duration_seconds",
                        "Duration of remote configuration requests.", component::default_buckets());
  component::Gauge loaded, received;  // one series each, whose label is the hash

  void show_loaded(const std::string& hash) {
    loaded = metrics.gauge("remotecfg_hash", "Hash of the currently active remote configuration.",
                           {{"hash", hash}});
    loaded->set(1);
  }
  void show_received(const std::string& hash) {
    received = metrics.gauge("remotecfg_last_received_hash",
                             "Hash of the last received remote configuration.", {{"hash", hash}});
    received->set(1);
  }
};

// What is done with one set of arguments. On the worker's thread.
class RemoteConfig::Round {
 public:
  Round(RemoteConfig& owner, RemotecfgArgs args, std::stop_token abandoned,
        std::shared_ptr<Meters> meters)
      : owner_(owner),
        args_(std::move(args)),
        stop_(std::move(abandoned)),
        meters_(std::move(meters)),
        client_(args_.client.options()),
        where_(io::url_for_people(args_.url)),
        random_(static_cast<std::uint_fast32_t>(static_cast<std::size_t>(owner_.clock_.wall_ns()) ^
                                                std::hash<const void*>()(this))) {
    self_.name = args_.name;
    self_.attributes = args_.attributes;
    self_.attributes.emplace_back("collector.os", "linux");
    self_.attributes.emplace_back("collector.version", owner_.version_);
  }

  void run() {
    for (bool first = true; !stop_.stop_requested(); first = false) {
      const Mono begun = owner_.clock_.mono();
      poll();
      if ((untold_ || unshown_) && !stop_.stop_requested() && reached_) tell();
      if (first && !running_) use_copy();
      owner_.clock_.sleep_until(
          begun + args_.poll_frequency + std::chrono::milliseconds(jitter_(random_)), stop_);
    }
  }

  // Tells the server that the agent stops, if it takes that; waits for no more than a moment.
  void leave() {
    if (!enlisted_) return;
    const auto answer = post("UnregisterCollector", wire::encode_unregister_collector(self_.id),
                             kFarewellLimit, std::stop_token());
    if (!answer)
      owner_.log_.debug("the server does not learn that this agent stops",
                        {{"url", where_}, {"err", answer.error().message}});
  }

 private:
  void poll() {
    meters_->attempts->increment();
    Result<> done = find_id();
    if (done) done = enlist();
    reached_ = false;
    if (done) {
      auto answer = ask(false);
      reached_ = answer.has_value();
      done = answer ? use(std::move(*answer)) : fail(std::move(answer.error()));
    }
    if (stop_.stop_requested()) return;
    meters_->successful->set(done ? 1 : 0);
    if (done) {
      said_.clear();
      return;
    }
    meters_->failures->increment();
    if (said_ == done.error().message) return;
    said_ = done.error().message;
    owner_.log_.error("remote configuration cannot be loaded, what runs goes on",
                      {{"url", where_}, {"err", said_}});
  }

  Result<> find_id() {
    if (!self_.id.empty()) return {};
    if (args_.id.empty()) {
      auto made = own_id(owner_.data_dir_);
      if (!made) return fail(std::move(made.error()).within("make an id"));
      self_.id = std::move(*made);
    } else {
      self_.id = args_.id;
    }
    // Another server, or another name to it, has another copy.
    copy_ = owner_.data_dir_ / kRemotecfg / sha256_hex(args_.url + "\n" + self_.id).substr(0, 32);
    return {};
  }

  // A server that does not want to know goes on being asked.
  Result<> enlist() {
    if (enlisted_) return {};
    auto answer =
        post("RegisterCollector", wire::encode_register_collector(self_), kRequestLimit, stop_);
    if (!answer) return fail(std::move(answer.error()));
    if (answer->status == 200 || answer->status == 404 || answer->status == 501) {
      enlisted_ = true;
    } else {
      owner_.log_.limited(Level::kWarn, "the server does not register this agent",
                          {{"url", where_}, {"err", refusal(*answer)}});
    }
    return {};
  }

  // `with_text`: also the text that runs, which may be more than the server takes.
  Result<wire::ConfigAnswer> ask(bool with_text) {
    const bool tells = untold_;
    const bool shows = with_text && unshown_;
    auto answer = post("GetConfig",
                       wire::encode_get_config(self_, server_hash_,
                                               tells ? status_ : std::optional<ConfigStatus>(),
                                               shows ? running_ : std::optional<std::string>()),
                       kRequestLimit, stop_);
    if (!answer) return fail(std::move(answer.error()));
    if (answer->status != 200) return fail(ErrorCode::kUnavailable, refusal(*answer));
    if (!answer->header("content-type").starts_with("application/proto"))
      return fail(ErrorCode::kInvalid,
                  where_ + " answered with \"" +
                      std::string(utf8_head(answer->header("content-type"), kMostMessage)) +
                      "\", not with application/proto");
    auto decoded = wire::decode_get_config(answer->body);
    if (!decoded) return fail(std::move(decoded.error()).within(where_));
    if (tells) untold_ = false;
    if (shows) unshown_ = false;
    return decoded;
  }

  // So that the server learns at once what became of its text.
  void tell() {
    if (const auto answer = ask(true); !answer && !stop_.stop_requested())
      owner_.log_.limited(Level::kWarn, "the server does not learn what became of its text",
                          {{"url", where_}, {"err", answer.error().message}});
  }

  Result<> use(wire::ConfigAnswer answer) {
    meters_->not_modified->set(answer.not_modified ? 1 : 0);
    if (answer.not_modified) {
      if (!received_) return fail(ErrorCode::kInvalid, where_ + " has sent nothing yet");
    } else {
      if (answer.content.size() > kMostText)
        return fail(ErrorCode::kExhausted, where_ + " sent " +
                                               std::to_string(answer.content.size()) +
                                               " bytes of configuration; at most " +
                                               std::to_string(kMostText) + " are taken");
      if (answer.hash.size() > kMostHash)
        return fail(ErrorCode::kExhausted, where_ + " sent a hash without end");
      received_ = std::move(answer.content);
      server_hash_ = std::move(answer.hash);
      meters_->show_received(hash_of(*received_));
    }
    // What was refused is tried at each poll: what it imports, say, may be there by now.
    const bool news = running_ != received_;
    if (news) {
      if (auto taken = owner_.take_(*received_, stop_); !taken) {
        if (stop_.stop_requested()) return {};
        owner_.report(stop_, taken.error().message);
        settle({ConfigStatus::State::kFailed, taken.error().message});
        return fail(std::move(taken.error()));
      }
      loaded(*received_);
      owner_.log_.info(
          "remote configuration loaded",
          {{"url", where_}, {"bytes", received_->size()}, {"hash", hash_of(*received_)}});
      keep();
    }
    if (news || !answer.not_modified)
      meters_->success_time->set(static_cast<double>(owner_.clock_.wall_ns()) / 1e9);
    owner_.report(stop_, {});
    settle({ConfigStatus::State::kApplied, {}});
    return {};
  }

  void loaded(const std::string& text) {
    running_ = text;
    unshown_ = true;
    meters_->show_loaded(hash_of(text));
  }

  void settle(ConfigStatus status) {
    if (status_ == status) return;
    status_ = std::move(status);
    untold_ = true;
  }

  void keep() {
    std::error_code error;
    fs::create_directories(copy_.parent_path(), error);
    if (auto kept = write_file_atomic(copy_, *running_, 0600); !kept)
      owner_.log_.warn("no copy of the remote configuration can be kept",
                       {{"err", kept.error().message}});
  }

  // What an earlier round, maybe of an earlier process, has left.
  void use_copy() {
    if (copy_.empty() || stop_.stop_requested()) return;
    auto text = read_file(copy_, kMostText);
    if (!text) {
      owner_.log_.warn("there is no copy of the remote configuration",
                       {{"err", text.error().message}});
      return;
    }
    if (auto taken = owner_.take_(*text, stop_); !taken) {
      if (stop_.stop_requested()) return;
      owner_.log_.error("the copy of the remote configuration cannot run",
                        {{"err", taken.error().message}});
      owner_.report(stop_, taken.error().message);
      return;
    }
    loaded(*text);
    owner_.log_.info("the copy of the remote configuration runs", {{"hash", hash_of(*text)}});
  }

  Result<io::HttpResponse> post(std::string_view method, const std::string& body, Duration limit,
                                const std::stop_token& stop) {
    io::HttpRequest request;
    request.method = "POST";
    request.url = args_.url;
    while (request.url.ends_with('/')) request.url.pop_back();
    request.url += "/collector.v1.CollectorService/" + std::string(method);
    request.headers = {{"Content-Type", "application/proto"}, {"Connect-Protocol-Version", "1"}};
    request.body = body;
    request.timeout = limit;
    request.max_body = kMostText + kRoomAround;
    request.accept_compressed = true;
    const Mono begun = owner_.clock_.mono();
    auto answer = client_.send(request, stop);
    meters_->requests->observe(std::chrono::duration<double>(owner_.clock_.mono() - begun).count());
    return answer;
  }

  std::string refusal(const io::HttpResponse& answer) const {
    std::string out = where_ + " answered " + std::to_string(answer.status);
    for (const std::string_view name : {"code", "message"})
      if (const std::string text = member_of(answer.body, name); !text.empty())
        out += ": " + std::string(utf8_head(text, kMostMessage));
    return out;
  }

  RemoteConfig& owner_;
  const RemotecfgArgs args_;
  const std::stop_token stop_;
  const std::shared_ptr<Meters> meters_;
  io::HttpClient client_;
  const std::string where_;
  std::minstd_rand random_;
  std::uniform_int_distribution<int> jitter_{-kJitterMs, kJitterMs};
  wire::Collector self_;
  fs::path copy_;  // empty while the id is not known
  bool enlisted_ = false;
  bool reached_ = false;                 // the last poll got an answer
  std::string server_hash_;              // the server's own, of `received_`
  std::optional<std::string> received_;  // from the server, in this round
  std::optional<std::string> running_;   // taken in this round
  std::optional<ConfigStatus> status_;
  bool untold_ = false;   // the server does not know `status_`
  bool unshown_ = false;  // the server does not know `running_`
  std::string said_;      // the last trouble that was logged
};

RemoteConfig::RemoteConfig(Clock& clock, const Log& log, component::Metrics metrics,
                           fs::path data_dir, std::string version, Take take)
    : clock_(clock),
      log_(log.with("service", kRemotecfg)),
      metrics_(std::move(metrics)),
      data_dir_(std::move(data_dir)),
      version_(std::move(version)),
      take_(std::move(take)),
      worker_([this](const std::stop_token& stop) { work(stop); }) {}

RemoteConfig::~RemoteConfig() { stop(); }

void RemoteConfig::follow(const RemotecfgArgs& args, const lang::Body& written) {
  MutexLock lock(mutex_);
  if (written == written_ || version_.empty()) return;
  written_ = written;
  abandoned_.request_stop();
  abandoned_ = std::stop_source();
  problem_.clear();
  next_.reset();
  if (args.url.empty()) {
    meters_.reset();
    return;
  }
  if (meters_ == nullptr) meters_ = std::make_shared<Meters>(metrics_);
  next_ = std::make_unique<Round>(*this, args, abandoned_.get_token(), meters_);
  wake_.notify_all();
}

std::string RemoteConfig::problem() const {
  MutexLock lock(mutex_);
  return problem_;
}

void RemoteConfig::report(const std::stop_token& abandoned, std::string problem) {
  MutexLock lock(mutex_);
  if (!abandoned.stop_requested()) problem_ = std::move(problem);
}

void RemoteConfig::request_stop() {
  worker_.request_stop();
  MutexLock lock(mutex_);
  abandoned_.request_stop();
}

void RemoteConfig::stop() {
  request_stop();
  if (worker_.joinable()) worker_.join();
}

void RemoteConfig::work(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "remotecfg");
  while (!stop.stop_requested()) {
    std::unique_ptr<Round> round;
    {
      MutexLock lock(mutex_);
      clock_.wait(lock, wake_, kNever, stop,
                  [&]() NO_THREAD_SAFETY_ANALYSIS { return next_ != nullptr; });
      round = std::move(next_);
    }
    if (round == nullptr || stop.stop_requested()) continue;
    round->run();
    // Whoever is asked next may be the same server.
    if (stop.stop_requested()) round->leave();
  }
}

}  // namespace agent::runtime
