// fleet-agent: the command line, and the world that `run` builds.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/cli/command_line.h"
#include "agent/component/registry_json.h"
#include "agent/convert/convert.h"
#include "agent/install/apply.h"
#include "agent/install/installed.h"
#include "agent/io/http_client.h"
#include "agent/io/journal_child.h"
#include "agent/io/socket_store.h"
#include "agent/lang/printer.h"
#include "agent/lang/rendering.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "agent/runtime/modules.h"
#include "agent/runtime/own_log.h"
#include "agent/runtime/runtime.h"
#include "agent/runtime/screen.h"
#include "agent/source/loki_source_syslog.h"
#include "agent/trial/test_file.h"
#include "agent/trial/trace.h"
#include "agent/ui/own_server.h"
#include "agent/ui/pages.h"
#include "agent/ui/process_metrics.h"
#include "agent/ui/support_bundle.h"

namespace {

namespace fs = std::filesystem;
using namespace agent;  // NOLINT: the one place where all parts meet

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr auto kBeatLimit = std::chrono::seconds(15);
constexpr auto kHangLimit = std::chrono::seconds(20);  // of a thread of a component
constexpr int kSlicesToTrim = 10;
constexpr int kSlicesToSettle = 10;  // for components that cannot start at once
constexpr std::size_t kFreeMemory = 1U << 20;

// A burst leaves free memory within the heap; the system gets it back.
void give_memory_back() {
  if (::mallinfo2().fordblks > kFreeMemory) ::malloc_trim(0);
}

struct RunOptions {
  std::string path;
  std::string old_path;  // --config.file=
  std::string listen;    // "" when not given
  std::string storage = "data-agent";
  std::string level;
  std::string prefix;  // of the pages' paths: "" or "/agent"
  convert::Reading reading;
  bool clustering = false;
  bool no_support_bundle = false;
  std::vector<std::string> ignored;  // flags that were given and change nothing, with the reason
};

// Flags that `run` and `validate` share with Alloy's.
void add_reading_flags(CLI::App& command, convert::Reading& reading) {
  command
      .add_option("--config.format", reading.format,
                  "What the file is: alloy, or what convert reads, promtail or prometheus.")
      ->capture_default_str();
  command.add_flag("--config.bypass-conversion-errors", reading.bypass_errors,
                   "Take what could be made of another format, whatever is left out.");
  command.add_option("--config.extra-args", reading.extra_args,
                     "The other agent's flags, like -config.expand-env=true.");
  command
      .add_option("--stability.level",
                  "Accepted: every component of this agent may be used at each level.")
      ->check(CLI::IsMember({"experimental", "public-preview", "generally-available"}));
  command.add_flag("--feature.community-components.enabled")->group("");
}

// Flags of Alloy's `run`, so that existing command lines work.
void add_alloy_flags(CLI::App& run, RunOptions& options) {
  run.add_option("--server.http.ui-path-prefix", options.prefix,
                 "Path below which the pages are (default /).");
  add_reading_flags(run, options.reading);
  run.add_flag("--disable-support-bundle,--server.http.disable-support-bundle",
               options.no_support_bundle, "Gives nobody a support bundle.");
  run.add_flag("--cluster.enabled", options.clustering, "Refused when true.")->group("");
  // True of this agent anyhow, or without a meaning while clustering is off.
  for (const char* name :
       {"--disable-reporting", "--cluster.enable-tls", "--cluster.use-discovery-v1"})
    run.add_flag(name)->group("");
  for (const char* name :
       {"--cluster.node-name", "--cluster.advertise-address", "--cluster.join-addresses",
        "--cluster.discover-peers", "--cluster.advertise-interfaces", "--cluster.rejoin-interval",
        "--cluster.max-join-peers", "--cluster.name", "--cluster.tls-ca-path",
        "--cluster.tls-cert-path", "--cluster.tls-key-path", "--cluster.tls-server-name",
        "--cluster.wait-for-size", "--cluster.wait-timeout"})
    run.add_option(name)->group("");
  const auto ignored = [&](std::string name, bool flag, std::string why) {
    CLI::Option* option = flag ? run.add_flag(name) : run.add_option(name);
    option->group("")->each([&options, name, why](const std::string&) {
      options.ignored.push_back(name + ": " + why);
    });
  };
  ignored("--server.http.memory-addr", false, "what passes within the agent needs no address");
  ignored("--server.http.enable-pprof", true, "there are no Go profiles of this agent");
  ignored("--server.http.enable-graphql", true, "there is no GraphQL, ask /api/v0/web/");
  ignored("--server.http.enable-graphql-playground", true, "there is no GraphQL");
  ignored("--feature.component-shutdown-deadline", false, "components stop by limits of their own");
  ignored("--feature.prometheus.direct-fanout.enabled", true, "samples always go directly");
  ignored("--feature.prometheus.metric-validation-scheme", false,
          "it has no effect in Alloy either");
  ignored("--windows.priority", false, "it is for Windows");
}

// What is wrong with the flags; "" when nothing is.
std::string refusal(RunOptions& options) {
  if (options.path.empty() && options.old_path.empty())
    return "run needs the PATH of a configuration";
  if (options.clustering)
    return "--cluster.enabled: agents do not share their work; give each its own targets "
           "(discovery on its own host), and leave the flag out";
  while (options.prefix.ends_with('/')) options.prefix.pop_back();
  constexpr std::string_view kInPaths =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
  if (!options.prefix.empty() &&
      (options.prefix.front() != '/' || options.prefix.find("//") != std::string::npos ||
       options.prefix.find_first_not_of(kInPaths) != std::string::npos))
    return "--server.http.ui-path-prefix must be a path like /agent";
  return {};
}

// What `run` keeps until the process ends.
class Daemon {
 public:
  explicit Daemon(RunOptions options) : options_(std::move(options)) {}
  ~Daemon() { screen_.close(); }  // it may log until then

  int run() {
    // Signals are taken one at a time by this thread; every thread made later inherits the mask.
    sigset_t signals;
    sigemptyset(&signals);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    sockets_ = io::SocketStore::of_process(clock_, log_);
    // Every file that is tailed is an open descriptor.
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
      files.rlim_cur = files.rlim_max;
      if (::setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_.warn("the limit on open files stays as it is", {{"err", errno_text(errno)}});
    }

    if (const char* level =
            options_.level.empty() ? std::getenv("ALLOY_LOG_LEVEL") : options_.level.c_str()) {
      Level parsed = Level::kInfo;
      if (!parse_level(level, parsed)) {
        log_.error("unknown log level", {{"level", std::string_view(level)}});
        return kFailed;
      }
      log_.set_level(parsed);
      level_given_ = true;
    }

    for (const std::string& flag : options_.ignored)
      log_.warn("a flag changes nothing here", {{"flag", flag}});

    world_ = lang::system_world();
    stdlib_ =
        std::make_unique<lang::Stdlib>(*world_, lang::Stdlib::Options{"v" AGENT_VERSION, false});
    // The registry is complete before anything looks a component up.
    component::Registry all;
    register_components(all);
    const component::Declaration syslog = source::loki_source_syslog(sockets_.get());
    for (const component::Declaration& one : all.all())
      registry_.add(one.name == syslog.name ? syslog : one);
    own_server_ = std::make_unique<ui::OwnServer>(
        clock_, log_, metrics_,
        [this](const io::ServerRequest& r, const io::HttpServer::Answer& answer) {
          answer(r.path == ui::kSupportPath ? support_bundle_->handle(r) : pages_->handle(r));
        });
    runtime_ = std::make_unique<runtime::Runtime>(runtime::Runtime::Environment{
        registry_, *stdlib_, clock_, labels_, log_, metrics_, options_.storage, lint::review,
        component::Taps(),
        [this](const runtime::Settings& settings) { return own_server_->prepare(settings.http); },
        "v" AGENT_VERSION, kHangLimit});
    process_metrics_ = ui::expose_process(metrics_, *runtime_, AGENT_VERSION);
    load_ok_ = metrics_.gauge("alloy_config_last_load_successful", "Config loaded successfully.");
    load_time_ = metrics_.gauge("alloy_config_last_load_success_timestamp_seconds",
                                "Timestamp of the last successful configuration load.");

    // It answers before the first load, so that whoever waits for readiness sees that it is not.
    pages_ = std::make_unique<ui::Pages>(*runtime_, registry_, metrics_, AGENT_VERSION,
                                         [this] { return reload(); });
    support_bundle_ = std::make_unique<ui::SupportBundle>(
        *runtime_, registry_, metrics_, clock_,
        ui::SupportBundle::Options{!options_.no_support_bundle, AGENT_VERSION, options_.storage,
                                   [this] { return own_log_.recent(); }});
    if (auto listens = own_server_->start(listen_address(), options_.storage, options_.prefix);
        !listens) {
      log_.error("cannot serve pages", {{"err", listens.error().message}});
      return kFailed;
    }
    log_.info("now listening for http traffic", {{"addr", own_server_->address()}});

    if (const ui::Pages::Reloaded loaded = load(); !loaded.ok) {
      std::cerr << loaded.report;
      log_.error("the configuration cannot run", {{"path", path()}});
      return kFailed;
    }
    ::sd_notify(0, "READY=1");
    log_.info("fleet-agent runs", {{"version", AGENT_VERSION}, {"path", path()}});
    serve(signals);

    ::sd_notify(0, "STOPPING=1");
    log_.info("stopping");
    sockets_->leave();
    own_server_->stop();  // nobody may ask for a reload from here on
    own_log_.stop();
    runtime_->stop();
    log_.info("stopped");
    // A thread that hangs may use anything when it gets on: nothing is taken away under it.
    if (runtime_->left_behind() > 0) {
      screen_.close();
      std::_Exit(kOk);
    }
    return kOk;
  }

 private:
  const std::string& path() const {
    return options_.path.empty() ? options_.old_path : options_.path;
  }

  // The flag wins, then the configuration's server block, then the loopback default.
  std::string listen_address() {
    if (!options_.listen.empty()) return options_.listen;
    if (auto read = convert::read_configuration(path(), options_.reading, registry_)) {
      const runtime::CheckReport report = runtime::check(read->texts, registry_, *world_);
      if (report.settings.server.http)
        return report.settings.server.http->listen_address + ":" +
               std::to_string(report.settings.server.http->listen_port);
    }
    return "127.0.0.1:12345";
  }

  ui::Pages::Reloaded load() {
    auto read = convert::read_configuration(path(), options_.reading, registry_);
    if (!read) {
      load_ok_->set(0);
      return {false, read.error().message + "\n"};
    }
    if (!read->report.empty())
      log_.warn("the configuration could not be converted as it is", {{"report", read->report}});
    const runtime::LoadReport report = runtime_->load(std::move(read->texts));
    const ui::Pages::Reloaded loaded{report.ok(), lang::render(report.diagnostics, report.sources)};
    if (!loaded.ok) {
      load_ok_->set(0);
      return loaded;
    }
    for (const lang::Diagnostic& d : report.diagnostics.all())
      log_.warn("the configuration may not do what it seems to",
                {{"at", d.span.begin.text()}, {"warning", d.message}, {"hint", d.hint}});
    load_ok_->set(1);
    load_time_->set(static_cast<double>(clock_.wall_ns()) / 1e9);
    Level level = Level::kInfo;
    if (!level_given_ && parse_level(report.settings.logging.level, level)) log_.set_level(level);
    log_.set_json(report.settings.logging.format == "json");
    own_log_.send_to(report.settings.logging.write_to);
    return loaded;
  }

  // From a page's thread or the signal loop; one at a time.
  ui::Pages::Reloaded reload() {
    MutexLock lock(reload_mutex_);
    const auto now = clock_.mono().time_since_epoch().count() / 1000;
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now));
    const ui::Pages::Reloaded loaded = load();
    ::sd_notify(0, "READY=1");
    if (loaded.ok) {
      log_.info("config reloaded", {{"path", path()}});
    } else {
      log_.error("config not reloaded, the old one goes on", {{"err", loaded.report}});
    }
    return loaded;
  }

  void serve(const sigset_t& signals) {
    std::uint64_t watchdog_us = 0;
    const bool watched = ::sd_watchdog_enabled(0, &watchdog_us) > 0;
    const timespec slice{1, 0};
    for (int slices = 0;; ++slices) {
      const int number = ::sigtimedwait(&signals, nullptr, &slice);
      if (slices % kSlicesToTrim == 0) give_memory_back();
      if (slices == kSlicesToSettle || (slices < kSlicesToSettle && runtime_->waiting().empty()))
        sockets_->settle();
      if (number == SIGTERM || number == SIGINT) return;
      if (number == SIGHUP) reload();
      own_server_->tend();
      // systemd restarts the agent when its runtime no longer lives.
      if (watched && clock_.mono() - runtime_->last_beat() < kBeatLimit)
        ::sd_notify(0, "WATCHDOG=1");
    }
  }

  RunOptions options_;
  SystemClock clock_;
  component::Metrics metrics_;
  model::Interner labels_;
  runtime::Screen screen_{STDERR_FILENO, clock_, metrics_, [this](std::uint64_t dropped) {
                            log_.warn("standard error takes lines again", {{"dropped", dropped}});
                          }};
  runtime::OwnLog own_log_{clock_, labels_, metrics_,
                           [this](std::string_view line) { screen_.write(line); }};
  Log log_{clock_, own_log_.sink()};
  bool level_given_ = false;
  component::Registry registry_;
  std::unique_ptr<lang::World> world_;
  std::unique_ptr<lang::Stdlib> stdlib_;
  std::unique_ptr<io::SocketStore> sockets_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::shared_ptr<void> process_metrics_;
  component::Gauge load_ok_;
  component::Gauge load_time_;
  std::unique_ptr<ui::Pages> pages_;
  std::unique_ptr<ui::SupportBundle> support_bundle_;
  std::unique_ptr<ui::OwnServer> own_server_;
  Mutex reload_mutex_;
};

int validate(const std::string& path, const convert::Reading& reading, bool json, bool modules) {
  component::Registry registry;
  register_components(registry);
  auto read = convert::read_configuration(path, reading, registry);
  if (!read) {
    std::cerr << read.error().message << "\n";
    return kFailed;
  }
  std::cerr << read->report;
  const runtime::CheckReport report =
      runtime::check(read->texts, registry, *lang::system_world(), lint::review,
                     modules ? runtime::local_importer() : nullptr);
  if (json) {
    std::cout << lang::render_json(report.diagnostics);
  } else {
    std::cerr << lang::render(report.diagnostics, report.sources);
  }
  return report.ok() ? kOk : kFailed;
}

int format(const std::string& path, bool write, bool test) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    auto read = read_file(path, lang::Source::kMaxBytes + 1);
    if (!read) {
      std::cerr << read.error().message << "\n";
      return kFailed;
    }
    text = std::move(*read);
  }
  lang::Diagnostics diagnostics;
  auto formatted = lang::format(text, path == "-" ? "<stdin>" : path, diagnostics);
  if (!formatted) {
    const auto source = std::make_shared<const lang::Source>(text, path == "-" ? "<stdin>" : path);
    std::cerr << lang::render(diagnostics, source);
    return kFailed;
  }
  if (test) return *formatted == text ? kOk : kFailed;
  if (!write) {
    std::cout << *formatted;
    return kOk;
  }
  if (*formatted == text) return kOk;
  struct stat before {};
  if (::stat(path.c_str(), &before) != 0) return kFailed;
  if (auto written =
          write_file_atomic(path, *formatted, before.st_mode & 07777, before.st_uid, before.st_gid);
      !written) {
    std::cerr << written.error().message << "\n";
    return kFailed;
  }
  return kOk;
}

// Each file by itself; a folder stands for all *.test files in it.
int run_tests(const std::vector<std::string>& paths, bool update) {
  component::Registry registry;
  register_components(registry);
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::recursive_directory_iterator(path, error))
      if (entry.path().extension() == ".test") inside.push_back(entry.path().string());
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  std::size_t failed = 0;
  for (const std::string& file : files) {
    const bool good = trial::run_test_file(file, registry, update, std::cerr);
    if (!good) ++failed;
    std::cout << (good ? "ok      " : "FAILED  ") << file << "\n";
  }
  std::cout << files.size() - failed << " passed, " << failed << " failed\n";
  return failed == 0 && !files.empty() ? kOk : kFailed;
}

struct TraceOptions {
  std::string path;
  std::string file = "-";
  std::vector<std::string> labels;  // name=value
  trial::TraceOptions trace;
};

int trace(TraceOptions options) {
  component::Registry registry;
  register_components(registry);
  auto read = convert::read_configuration(options.path, {}, registry);
  if (!read) {
    std::cerr << read.error().message << "\n";
    return kFailed;
  }
  model::LabelBuilder labels;
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == 0 || equals == std::string::npos) {
      std::cerr << "--label wants name=value, not " << label << "\n";
      return kFailed;
    }
    labels.set(label.substr(0, equals), label.substr(equals + 1));
  }
  options.trace.labels = std::move(labels).take();
  options.trace.colour = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file);
    if (!file) {
      std::cerr << options.file << ": " << errno_text(errno) << "\n";
      return kFailed;
    }
  }
  const bool good = trial::trace(std::move(read->texts), registry, options.trace,
                                 options.file == "-" ? std::cin : file, std::cout, std::cerr);
  return good ? kOk : kFailed;
}

struct BundleOptions {
  std::string output = "fleet-agent-support.zip";
  std::string storage = "/var/lib/fleet-agent";
  int duration = 0;
};

int support_bundle(const BundleOptions& options) {
  io::HttpOptions http;
  http.unix_socket = (fs::path(options.storage) / ui::kOwnSocket).string();
  io::HttpRequest request;
  request.url = "http://agent" + std::string(ui::kSupportPath) +
                "?duration=" + std::to_string(options.duration);
  request.timeout = std::chrono::seconds(options.duration + 30);
  request.max_body = std::size_t{256} << 20;
  const auto answer = io::HttpClient(http).send(request, {});
  if (!answer) {
    std::cerr << "no agent answers at " << http.unix_socket << ": " << answer.error().message
              << "\n";
    return kFailed;
  }
  if (answer->status != 200) {
    std::cerr << answer->body;
    return kFailed;
  }
  const Result<> written = options.output == "-"
                               ? write_all(STDOUT_FILENO, answer->body)
                               : write_file_atomic(options.output, answer->body, 0600);
  if (!written) {
    std::cerr << written.error().message << "\n";
    return kFailed;
  }
  return kOk;
}

int list_components(bool json) {
  component::Registry registry;
  register_components(registry);
  if (json) {
    std::cout << component::registry_json(registry) << "\n";
    return kOk;
  }
  for (const component::Declaration& declaration : registry.all())
    std::cout << declaration.name << "\t" << declaration.doc << "\n";
  return kOk;
}

cli::ManPage manual() {
  return {8, "fleet-agent " AGENT_VERSION,
          "\\fBfleetctl\\fR(1), \\fBjournalctl\\fR(1), \\fBsystemd.service\\fR(5)",
          ".TP\n\\fBALLOY_LOG_LEVEL\\fR\nThe same as \\fB\\-\\-log.level\\fR of \\fBrun\\fR.",
          ".TP\n\\fI/etc/fleet-agent/config.alloy\\fR\nThe configuration of the service.\n"
          ".TP\n\\fI/var/lib/fleet-agent\\fR\nPositions and queues of the service."};
}

}  // namespace

int main(int argc, char** argv) {
  if (io::is_journal_child(argc, argv)) return io::journal_child();
  // Two heaps are enough for threads that hand their batches on, and keep the resident size small.
  ::mallopt(M_ARENA_MAX, 2);

  CLI::App app("Collects logs and metrics of this host, configured in Grafana Alloy's language.",
               "fleet-agent");
  app.set_version_flag("-v,--version", AGENT_VERSION);
  app.require_subcommand(1);

  RunOptions options;
  CLI::App* run = app.add_subcommand("run", "Run a configuration.");
  run->option_defaults()->take_last();  // units put their own flags behind others'
  run->add_option("path", options.path, "The configuration: a file, or a folder of *.alloy files.")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  run->add_option("--config.file", options.old_path, "The same, as older versions wrote it.");
  run->add_option("--server.http.listen-addr", options.listen,
                  "Address of the pages (default 127.0.0.1:12345).");
  run->add_option("--storage.path", options.storage, "Folder for positions and queues.")
      ->capture_default_str();
  run->add_option("--log.level", options.level,
                  "debug, info, warn or error; wins over the logging block.");
  add_alloy_flags(*run, options);

  std::string path;
  bool json = false;
  CLI::App* check =
      app.add_subcommand("validate", "Find every error of a configuration without running it.");
  check->alias("eval");
  check->add_option("path", path, "The configuration: a file, or a folder of *.alloy files.")
      ->required();
  check->add_flag("--json", json, "Diagnostics as JSON on standard output.");
  bool no_modules = false;
  check->add_flag("--no-modules", no_modules,
                  "Leave files of import blocks unread, and what uses them unchecked.");
  convert::Reading reading;
  add_reading_flags(*check, reading);

  bool write = false;
  bool test = false;
  CLI::App* fmt = app.add_subcommand("fmt", "Print a configuration in its canonical form.");
  fmt->alias("format");
  fmt->add_option("file", path, "The file; - is standard input.")->required();
  auto* write_flag = fmt->add_flag("-w,--write", write, "Rewrite the file in place.");
  fmt->add_flag("-t,--test", test, "Fail when the form differs; prints nothing.")
      ->excludes(write_flag);

  std::vector<std::string> test_files;
  bool update = false;
  CLI::App* test_command = app.add_subcommand(
      "test", "Run .test files: put lines into a configuration and compare what comes out.");
  test_command->add_option("file", test_files, "Files, or folders of *.test files.")->required();
  test_command->add_flag("-u,--update", update, "Write what came out into the files.");

  convert::Command conversion;
  CLI::App* convert_command =
      app.add_subcommand("convert", "Make a configuration of one of Promtail or Prometheus.");
  convert_command->add_option("file", conversion.file, "The file; standard input without it.");
  convert_command
      ->add_option("-f,--source-format", conversion.format, "What it is: promtail or prometheus.")
      ->required();
  convert_command->add_option("-o,--output", conversion.output, "File instead of standard output.")
      ->type_name("FILE");
  convert_command
      ->add_option("-r,--report", conversion.report,
                   "File for what could not be carried over, instead of standard error.")
      ->type_name("FILE");
  convert_command->add_flag("-b,--bypass-errors", conversion.bypass_errors,
                            "Write what could be made, whatever is left out.");
  convert_command->add_option("-e,--extra-args", conversion.extra_args,
                              "The other agent's flags, like -config.expand-env=true.");
  TraceOptions traced;
  CLI::App* trace_command =
      app.add_subcommand("trace", "Show what a configuration makes of lines, step by step.");
  trace_command
      ->add_option("path", traced.path, "The configuration: a file, or a folder of *.alloy files.")
      ->required();
  trace_command->add_option("file", traced.file, "The lines; - is standard input.")
      ->capture_default_str();
  trace_command->add_option("--component", traced.trace.component,
                            "Id of the component that gets them (default: the only source).");
  trace_command->add_option("--label", traced.labels, "name=value of each line; several times.");
  trace_command->add_flag(
      "--entries", traced.trace.entries,
      "Each line is an entry as a JSON object: line, labels, time_ns, metadata.");
  trace_command->add_flag("--json", traced.trace.json, "One JSON object for each line.");

  BundleOptions bundle;
  CLI::App* bundle_command = app.add_subcommand(
      "support-bundle", "Ask the running agent for all that helps to find out what is wrong.");
  bundle_command->add_option("-o,--output", bundle.output, "The zip; - is standard output.")
      ->capture_default_str()
      ->type_name("FILE");
  bundle_command->add_option("--storage.path", bundle.storage, "The agent's folder.")
      ->capture_default_str();
  bundle_command
      ->add_option("--duration", bundle.duration, "Seconds between two samples of its metrics.")
      ->check(CLI::Range(0, 60));

  CLI::App* components =
      app.add_subcommand("components", "List the components that this agent has.");
  components->add_flag("--json", json, "With their arguments, blocks and exports, as JSON.");
  CLI::App* version = app.add_subcommand("version", "Print the version.");
  CLI::App* apply = app.add_subcommand(
      "apply", "Make this host what the bundle on standard input says (fleetctl).");
  apply->prefix_command();
  CLI::App* installed = app.add_subcommand(
      "installed", "Tell as JSON what deploys made of this host and how its agent is (fleetctl).");
  installed->prefix_command();

  std::string shell;
  CLI::App* complete = app.add_subcommand("completion", "Print a script that completes commands.");
  complete->add_option("shell", shell, "The shell that reads it.")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  CLI::App* man = app.add_subcommand("man", "Print the manual page.");
  std::string topic;
  CLI::App* help = app.add_subcommand("help", "Print what a command takes.");
  help->add_option("command", topic, "The command; all of them without it.");

  try {
    app.parse(argc, argv);
    if (help->parsed()) app.parse(topic + " --help");
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (run->parsed()) {
    if (const std::string problem = refusal(options); !problem.empty()) {
      std::cerr << problem << "\n";
      return kFailed;
    }
    return Daemon(std::move(options)).run();
  }
  if (check->parsed()) return validate(path, reading, json, !no_modules);
  if (fmt->parsed()) return format(path, write, test);
  if (test_command->parsed()) return run_tests(test_files, update);
  if (convert_command->parsed()) {
    component::Registry registry;
    register_components(registry);
    return convert::convert_main(conversion, registry, lint::review);
  }
  if (trace_command->parsed()) return trace(std::move(traced));
  if (bundle_command->parsed()) return support_bundle(bundle);
  if (components->parsed()) return list_components(json);
  if (complete->parsed()) {
    std::cout << cli::completion(app, shell, {}).value_or("");
    return kOk;
  }
  if (man->parsed()) {
    std::cout << cli::man_page(app, manual());
    return kOk;
  }
  if (version->parsed()) {
    std::cout << "fleet-agent " << AGENT_VERSION << "\n";
    return kOk;
  }
  if (installed->parsed()) return install::installed_main(installed->remaining(), AGENT_VERSION);
  return install::apply_main(apply->remaining());
}
