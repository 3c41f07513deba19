// discovery.file: targets from files of JSON or YAML, read again when they change.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/component/component.h"
#include "agent/component/in_force.h"
#include "agent/discovery/target_groups.h"
#include "agent/discovery/target_lists.h"
#include "agent/io/file_print.h"
#include "agent/io/file_watch.h"
#include "agent/io/glob.h"

namespace agent::discovery {
namespace {

constexpr std::size_t kMaxFiles = 1'000;  // of a pattern
// Between two looks, when files change all the time.
constexpr Duration kGap = std::chrono::milliseconds(200);
// Between two looks while a folder cannot be watched.
constexpr Duration kUnwatched = std::chrono::seconds(10);

std::optional<ListFormat> format_of(std::string_view name) {
  const std::string_view suffix = name.substr(std::min(name.rfind('.'), name.size()));
  if (suffix == ".json" || suffix == ".JSON") return ListFormat::kJson;
  if (suffix == ".yml" || suffix == ".yaml" || suffix == ".YML" || suffix == ".YAML")
    return ListFormat::kYaml;
  return std::nullopt;
}

struct DiscoveryFileArgs {
  std::vector<std::string> files;
  Duration refresh_interval = std::chrono::minutes(5);

  static component::Schema<DiscoveryFileArgs> schema() {
    return component::Schema<DiscoveryFileArgs>()
        .required("files", &DiscoveryFileArgs::files,
                  "Files to read: names or patterns that end in .json, .yml or .yaml.")
        .optional("refresh_interval", &DiscoveryFileArgs::refresh_interval,
                  "Time after which all files are read again. Changes are noticed at once; this "
                  "is for file systems that do not tell of them.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    for (const std::string& file : files) {
      if (!format_of(file))
        diagnostics.error(body.span_of("files"),
                          "\"" + file + "\" does not end in .json, .yml or .yaml");
      if (const auto glob = io::Glob::compile(file); !glob)
        diagnostics.error(body.span_of("files"), glob.error().message);
    }
    if (refresh_interval <= Duration::zero())
      diagnostics.error(body.span_of("refresh_interval"),
                        "refresh_interval must be greater than 0s");
  }
};

struct Settings {
  std::vector<io::Glob> files;
  std::vector<std::string> folders;  // with a slash at the end
  Duration refresh_interval{};
};

// The part of a pattern that names one folder.
std::string folder_of(const std::string& pattern) {
  const std::size_t magic = std::min(pattern.find_first_of("*?[{\\"), pattern.size());
  const std::size_t slash = pattern.rfind('/', magic);
  return slash == std::string::npos ? "./" : pattern.substr(0, slash + 1);
}

class DiscoveryFile final : public component::Configured<DiscoveryFileArgs>,
                            public component::Worker {
 public:
  explicit DiscoveryFile(component::Host host)
      : host_(std::move(host)),
        read_errors_(host_.metrics.counter("prometheus_sd_file_read_errors_total",
                                           "Times that a file could not be read or understood.")),
        lists_(host_, "file") {}

  using Configured::prepare;
  Result<component::Commit> prepare(DiscoveryFileArgs args) override {
    auto settings = std::make_shared<Settings>();
    settings->refresh_interval = args.refresh_interval;
    std::set<std::string> folders;
    for (const std::string& file : args.files) {
      auto glob = io::Glob::compile(file);
      if (!glob) return fail(std::move(glob.error()));
      settings->files.push_back(std::move(*glob));
      folders.insert(folder_of(file));
    }
    settings->folders.assign(folders.begin(), folders.end());
    return component::Commit([this, settings] { in_force_.set(settings); });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const Settings& settings, const std::stop_token& token) {
      watch(settings, token);
    });
    return {};
  }

  void debug_info(component::DebugWriter& out) const override { lists_.debug_info(out); }

 private:
  void watch(const Settings& settings, const std::stop_token& token) {
    io::FileWatch watch;
    std::vector<bool> watched(settings.folders.size());
    while (!token.stop_requested()) {
      Duration rest = settings.refresh_interval;
      for (io::FileWatch::Id i = 0; i < watched.size(); ++i) {
        if (!watched[i]) watched[i] = watch.add(settings.folders[i], i);
        if (!watched[i]) rest = std::min(rest, kUnwatched);
      }
      refresh(settings);
      const Mono until = host_.clock.mono() + rest;
      host_.clock.sleep_for(std::min(rest, kGap), token);
      while (!token.stop_requested() && host_.clock.mono() < until) {
        const io::FileWatch::Changes changes = watch.wait(until - host_.clock.mono(), token);
        for (const io::FileWatch::Id id : changes.unwatched) watched[id] = false;
        if (changes.any || !changes.files.empty() || !changes.unwatched.empty()) break;
      }
    }
  }

  void refresh(const Settings& settings) {
    std::set<std::string> found;
    for (const io::Glob& glob : settings.files)
      for (std::string& file : glob.find(kMaxFiles)) found.insert(std::move(file));
    std::string trouble;
    for (const std::string& file : found) {
      auto targets = read(file);
      if (targets) {
        lists_.set(file, std::move(*targets));
        continue;
      }
      read_errors_->increment();
      Error error = std::move(targets.error()).within(file);
      host_.log.limited(Level::kWarn, "a file of targets cannot be read, its last targets stay",
                        {{"err", error.message}});
      if (trouble.empty()) trouble = std::move(error.message);
    }
    lists_.keep(found);
    std::erase_if(times_, [&](const auto& time) { return !found.contains(time.first); });
    if (trouble.empty()) {
      host_.health.good();
    } else {
      host_.health.bad(trouble);
    }
    lists_.publish();
  }

  Result<std::vector<model::Target>> read(const std::string& file) {
    struct stat info {};
    const auto format = format_of(file);
    if (!format) return fail(ErrorCode::kInvalid, "its name does not end in .json, .yml or .yaml");
    const FileDescriptor open = io::open_regular(file, info);
    if (!open) return fail_errno("open", errno);
    const auto text =
        io::read_whole(open.get(), *format == ListFormat::kJson ? kMaxJsonList : kMaxYamlList);
    if (!text) return fail(text.error());
    auto targets = parse_target_groups(*text, *format, {"__meta_filepath", file});
    if (!targets) return targets;
    component::Gauge& time = times_[file];
    if (time == nullptr)
      time = host_.metrics.gauge("prometheus_sd_file_mtime_seconds",
                                 "When the file was changed last, in seconds since 1970.",
                                 {{"filename", file}});
    time->set(static_cast<double>(info.st_mtim.tv_sec));
    return targets;
  }

  component::Host host_;
  const component::Counter read_errors_;
  component::InForce<Settings> in_force_;
  // Of the thread in run():
  TargetLists lists_;
  std::map<std::string, component::Gauge> times_;
};

}  // namespace

component::Declaration discovery_file() {
  return component::declare<DiscoveryFile>(
      "discovery.file", "Reads targets from files, and again when they change.",
      {{"targets", "list(map(string))",
        "The files' targets, with __meta_filepath the file that has them."}});
}

}  // namespace agent::discovery
