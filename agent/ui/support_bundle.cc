#include "agent/ui/support_bundle.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/io/system_bus.h"
#include "agent/io/zip.h"
#include "agent/runtime/redact.h"
#include "agent/wire/exposition.h"

namespace agent::ui {
namespace {

namespace fs = std::filesystem;
using io::ServerReply;
using io::ServerRequest;

constexpr int kLongest = 60;  // seconds between the two samples
constexpr std::size_t kMostFiles = 10'000;
constexpr std::size_t kMostOfAFile = std::size_t{64} << 10;
constexpr auto kBusPatience = std::chrono::seconds(1);

ServerReply refused(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text), {}};
}

// Of a file that may not be there.
std::string content_of(const char* path) {
  auto read = read_file(path, kMostOfAFile);
  return read ? std::move(*read) : read.error().message + "\n";
}

std::string metadata(const std::string& version) {
  utsname name{};
  ::uname(&name);
  const std::string uptime = content_of("/proc/uptime");
  return "build_version: v" + version + "\nos: linux\narchitecture: " + name.machine +
         "\nuptime: " + uptime.substr(0, uptime.find_first_of(" \n")) +
         "\ncompiler: " __VERSION__ "\n";
}

std::string flags() {
  std::string out = content_of("/proc/self/cmdline");
  std::replace(out.begin(), out.end(), '\0', '\n');
  return out;
}

// Their values may be anything.
std::string environment() {
  std::set<std::string> names;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string_view text(*one);
    names.emplace(text.substr(0, text.find('=')));
  }
  std::string out;
  for (const std::string& name : names) out += name + "\n";
  return out;
}

std::string health(const runtime::Runtime& runtime) {
  std::string out = runtime.loaded() ? "loaded\n" : "no configuration runs yet\n";
  for (const auto& [id, message] : runtime.waiting())
    out += "cannot start yet: " + id + ": " + message + "\n";
  for (const auto& [id, message] : runtime.unhealthy())
    out += "unhealthy: " + id + ": " + message + "\n";
  return out;
}

std::string listing(const fs::path& folder) {
  std::vector<std::string> lines;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator() && lines.size() < kMostFiles;
       it.increment(error)) {
    std::error_code own;
    const auto size = it->is_regular_file(own) ? it->file_size(own) : 0;
    lines.push_back(it->path().lexically_relative(folder).string() +
                    (it->is_directory(own) ? "/\t" : "\t") + std::to_string(size));
  }
  std::sort(lines.begin(), lines.end());
  std::string out = folder.string() + ": " + std::to_string(lines.size()) + " files and folders" +
                    (error ? ", and then " + error.message() : "") + "\nname\tbytes\n";
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

// The unit that this process is of, by its control group; "" when it is of none.
std::string own_unit() {
  const std::string groups = content_of("/proc/self/cgroup");
  constexpr std::string_view kService = ".service";
  const auto end = groups.rfind(kService);
  if (end == std::string::npos) return {};
  const auto slash = groups.rfind('/', end);
  if (slash == std::string::npos) return {};
  return groups.substr(slash + 1, end + kService.size() - slash - 1);
}

// As sd_bus_path_encode(3) has it.
std::string object_path(std::string_view unit) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "/org/freedesktop/systemd1/unit/";
  for (const char c : unit) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += plain ? std::string(1, c) : std::string{'_', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

std::string unit() {
  const std::string name = own_unit();
  if (name.empty()) return "not a unit of systemd\n";
  const std::stop_source never;
  const std::stop_token stop = never.get_token();
  auto bus = io::SystemBus::open(kBusPatience, stop);
  if (!bus) return name + ": " + bus.error().message + "\n";
  constexpr std::pair<const char*, const char*> kWanted[] = {{"Unit", "LoadState"},
                                                             {"Unit", "ActiveState"},
                                                             {"Unit", "SubState"},
                                                             {"Unit", "UnitFileState"},
                                                             {"Unit", "FragmentPath"},
                                                             {"Unit", "NeedDaemonReload"},
                                                             {"Unit", "ActiveEnterTimestamp"},
                                                             {"Service", "Result"},
                                                             {"Service", "MainPID"},
                                                             {"Service", "NRestarts"},
                                                             {"Service", "ExecMainStatus"},
                                                             {"Service", "StatusText"},
                                                             {"Service", "MemoryCurrent"},
                                                             {"Service", "MemoryMax"},
                                                             {"Service", "TasksCurrent"},
                                                             {"Service", "CPUUsageNSec"},
                                                             {"Service", "LimitCORE"},
                                                             {"Service", "LimitNOFILE"},
                                                             {"Service", "WatchdogUSec"}};
  std::vector<io::SystemBus::Property> wanted;
  for (const auto& [interface, property] : kWanted)
    wanted.push_back({{"org.freedesktop.systemd1", object_path(name),
                       std::string("org.freedesktop.systemd1.") + interface},
                      property});
  const auto values = bus->properties(wanted);
  if (!values) return name + ": " + values.error().message + "\n";
  std::string out = "Id=" + name + "\n";
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!(*values)[i]) continue;
    const auto* text = std::get_if<std::string>(&*(*values)[i]);
    out += wanted[i].name + "=" +
           (text != nullptr ? *text : std::to_string(std::get<std::uint64_t>(*(*values)[i]))) +
           "\n";
  }
  return out;
}

std::string host() {
  utsname name{};
  ::uname(&name);
  std::string out = std::string("host: ") + name.nodename + "\nkernel: " + name.release + " " +
                    name.version +
                    "\nprocessors: " + std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + "\n";
  for (const char* path : {"/etc/os-release", "/proc/loadavg", "/proc/meminfo", "/proc/self/status",
                           "/proc/self/limits", "/proc/self/cgroup", "/proc/pressure/cpu",
                           "/proc/pressure/memory", "/proc/pressure/io"})
    out += std::string("\n") + path + "\n" + content_of(path);
  return out;
}

}  // namespace

ServerReply SupportBundle::handle(const ServerRequest& request) const {
  if (!options_.enabled)
    return refused(403, "support bundles are disabled: --disable-support-bundle was given\n");
  if (request.method != "GET") return refused(405, "only GET is allowed here\n");
  int duration = 0;
  for (const auto& [name, value] : request.query) {
    const char* const end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, duration);
    if (name != "duration" || parsed.ec != std::errc() || parsed.ptr != end || duration < 0 ||
        duration > kLongest)
      return refused(
          400, "the parameter is duration: seconds from 0 to " + std::to_string(kLongest) + "\n");
  }
  ServerReply reply{200, "application/zip", {}, {}};
  reply.headers.emplace_back("Content-Disposition",
                             "attachment; filename=\"alloy-support-bundle.zip\"");
  std::string metrics = wire::write_exposition(metrics_.collect());
  if (duration == 0) {
    reply.body = bundle(metrics, false);
    return reply;
  }
  const Mono until = clock_.mono() + std::chrono::seconds(duration);
  reply.more = [this, until, metrics = std::move(metrics)](std::string& out) {
    if (clock_.mono() < until) return true;
    out = bundle(metrics, true);
    return false;
  };
  return reply;
}

std::string SupportBundle::bundle(const std::string& metrics_before, bool sampled_twice) const {
  const runtime::RedactedTexts configuration = runtime_.redacted();
  io::Zip zip(clock_.wall_ns() / 1'000'000'000);
  const auto add = [&](const std::string& name, const std::string& text) {
    const std::string clean = runtime::scrub(runtime::mask_userinfo(text), configuration.secrets);
    // Without room for one file the others are still of use.
    (void)zip.add("alloy-support-bundle/" + name, clean);
  };
  const auto page = [&](const char* path) {
    ServerRequest request;
    request.method = "GET";
    request.path = path;
    return web_api_.handle(request)->body;
  };
  add("alloy-metadata.yaml", metadata(options_.version));
  add("alloy-runtime-flags.txt", flags());
  add("alloy-environment.txt", environment());
  add("alloy-components.json", page("/api/v0/web/components"));
  add("alloy-peers.json", page("/api/v0/web/peers"));
  add("alloy-logs.txt", options_.lines());
  add("alloy-metrics-sample-start.txt", metrics_before);
  if (sampled_twice)
    add("alloy-metrics-sample-end.txt", wire::write_exposition(metrics_.collect()));
  add("fleet-agent-components.json", web_api_.details());
  add("fleet-agent-health.txt", health(runtime_));
  add("fleet-agent-state.txt", listing(options_.state));
  add("fleet-agent-unit.txt", unit());
  add("fleet-agent-host.txt", host());
  std::set<std::string> names;
  for (const runtime::SourceText& source : configuration.texts) {
    std::string name = fs::path(source.name).filename().string();
    // Modules may have files of one name.
    while (!names.insert(name).second) name.insert(0, std::to_string(names.size()) + "-");
    add("sources/" + name, "// " + source.name + "\n" + source.text);
  }
  return zip.take();
}

}  // namespace agent::ui
