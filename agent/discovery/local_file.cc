// local.file: a file's content as an export, followed as the file changes.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/in_force.h"
#include "agent/io/file_print.h"
#include "agent/io/file_watch.h"

namespace agent::discovery {
namespace {

constexpr std::size_t kMaxContent = 16U << 20;
constexpr Duration kRetry = std::chrono::seconds(5);  // while the file cannot be read or watched

struct LocalFileArgs {
  std::string filename;
  std::string detector = "fsnotify";
  Duration poll_frequency = std::chrono::minutes(1);
  bool is_secret = false;

  static component::Schema<LocalFileArgs> schema() {
    return component::Schema<LocalFileArgs>()
        .required("filename", &LocalFileArgs::filename, "The file, of at most 16 MiB.")
        .optional("detector", &LocalFileArgs::detector,
                  "How changes are noticed: fsnotify (the kernel tells, at once) or poll.")
        .optional("poll_frequency", &LocalFileArgs::poll_frequency,
                  "Time between two looks at the file: all that poll does, and what fsnotify does "
                  "beside listening.")
        .optional("is_secret", &LocalFileArgs::is_secret, "The content is never shown.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (detector != "fsnotify" && detector != "poll")
      diagnostics.error(body.span_of("detector"), "unknown detector", "known: fsnotify, poll");
    if (poll_frequency <= Duration::zero())
      diagnostics.error(body.span_of("poll_frequency"), "poll_frequency must be greater than 0s");
  }
};

Result<std::string> read(const std::string& name) {
  struct stat info {};
  const FileDescriptor file = io::open_regular(name, info);
  auto content = file ? io::read_whole(file.get(), kMaxContent) : fail_errno("open", errno);
  if (!content) return fail(std::move(content.error()).within(name));
  return content;
}

class LocalFile final : public component::Configured<LocalFileArgs>, public component::Worker {
 public:
  explicit LocalFile(component::Host host)
      : host_(std::move(host)),
        accessed_(host_.metrics.gauge("local_file_timestamp_last_accessed_unix_seconds",
                                      "When the file was read last, in seconds since 1970.")) {
    host_.exports({{"content", lang::Value("")}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(LocalFileArgs args) override {
    // Whoever refers to the content starts with it, or not at all: an empty password would be sent.
    auto content = read(args.filename);
    if (!content) return fail(ErrorCode::kInvalid, std::move(content.error().message));
    auto settings = std::make_shared<const LocalFileArgs>(std::move(args));
    publish(*settings, *content);
    return component::Commit([this, settings, content = std::move(*content)] {
      MutexLock lock(mutex_);
      content_ = content;
      read_now();
      in_force_.set(settings);
    });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const LocalFileArgs& args, const std::stop_token& token) {
      args.detector == "poll" ? poll(args, token) : listen(args, token);
    });
    return {};
  }

 private:
  void poll(const LocalFileArgs& args, const std::stop_token& token) {
    while (host_.clock.sleep_for(args.poll_frequency, token)) look(args, token);
  }

  void listen(const LocalFileArgs& args, const std::stop_token& token) {
    io::FileWatch watch;
    while (!token.stop_requested()) {
      // Added again each time: a link may lead elsewhere now.
      const bool told = watch.add(args.filename, 0);
      const bool good = look(args, token);
      Duration rest = good && told ? args.poll_frequency : std::min(args.poll_frequency, kRetry);
      for (Mono until = host_.clock.mono() + rest;
           !token.stop_requested() && rest > Duration::zero(); rest = until - host_.clock.mono()) {
        const auto changes = watch.wait(rest, token);
        if (changes.any || !changes.files.empty() || !changes.unwatched.empty()) break;
      }
    }
  }

  bool look(const LocalFileArgs& args, const std::stop_token& token) {
    auto content = read(args.filename);
    if (!content) {
      if (token.stop_requested()) return true;
      host_.log.limited(Level::kWarn, "the file cannot be read, its last content stays",
                        {{"err", content.error().message}});
      host_.health.bad(content.error().message);
      return false;
    }
    MutexLock lock(mutex_);
    if (token.stop_requested()) return true;  // another file may be meant by now
    read_now();
    host_.health.good();
    if (content_ == *content) return true;
    content_ = *content;
    publish(args, *content);
    return true;
  }

  void read_now() { accessed_->set(static_cast<double>(host_.clock.wall_ns() / 1'000'000'000)); }

  void publish(const LocalFileArgs& args, const std::string& content) {
    host_.exports(
        {{"content", args.is_secret ? lang::Value(Secret(content)) : lang::Value(content)}});
  }

  component::Host host_;
  const component::Gauge accessed_;
  component::InForce<LocalFileArgs> in_force_;
  Mutex mutex_;
  std::string content_ GUARDED_BY(mutex_);  // published last
};

}  // namespace

component::Declaration local_file() {
  return component::declare<LocalFile>(
      "local.file", "Exports the content of a file, and again when the file changes.",
      {{"content", "OptionalSecret", "What the file holds; a secret with is_secret."}});
}

}  // namespace agent::discovery
