// /proc/stat, lines "cpu<N> user nice system idle iowait irq softirq steal guest guest_nice", in
// hundredths of a second (proc(5)); what /sys has of throttling and isolation; with info,
// /proc/cpuinfo.
#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "agent/base/mutex.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

// By how much idle time may fall back before it is taken for a CPU that went and came.
constexpr double kIdleReset = 3;

// The kernel's idle and iowait times jump back a little now and then; a counter must not.
class SteadyTimes {
 public:
  void correct(CpuTimes& times) {
    MutexLock lock(mutex_);
    for (auto& [cpu, now] : times) {
      auto [at, is_new] = last_.try_emplace(cpu, now);
      if (is_new) continue;
      auto& before = at->second;
      if (before[3] - now[3] > kIdleReset) {
        before = now;
        continue;
      }
      for (std::size_t i = 0; i < now.size(); ++i) before[i] = now[i] = std::max(before[i], now[i]);
    }
  }

 private:
  Mutex mutex_;
  std::map<std::string, CpuSeconds> last_ GUARDED_BY(mutex_);
};

// "0-3,8" -> 0 1 2 3 8
std::vector<int> cpu_list(std::string_view text) {
  std::vector<int> out;
  for (const std::string_view part : split(trim(text), ',')) {
    const std::size_t dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *last - *first > 65536) continue;
    for (int cpu = static_cast<int>(*first); cpu <= static_cast<int>(*last); ++cpu)
      out.push_back(cpu);
  }
  return out;
}

void add_throttles(const std::filesystem::path& folder, Families& out) {
  std::set<std::pair<std::string, std::string>> cores;
  std::set<std::string> packages;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("cpu") || !number(std::string_view(name).substr(3))) continue;
    if (const auto online = read_number(it->path() / "online"))
      out.gauge("node_cpu_online", "1 when the CPU is in use.", *online, {{"cpu", name.substr(3)}});
    const std::string package = read_word(it->path() / "topology/physical_package_id");
    const std::string core = read_word(it->path() / "topology/core_id");
    if (package.empty() || core.empty()) continue;
    const auto counter = it->path() / "thermal_throttle";
    if (cores.emplace(package, core).second)
      if (const auto count = read_number(counter / "core_throttle_count"))
        out.counter("node_cpu_core_throttles_total", "Times the core was throttled.", *count,
                    {{"package", package}, {"core", core}});
    if (packages.insert(package).second)
      if (const auto count = read_number(counter / "package_throttle_count"))
        out.counter("node_cpu_package_throttles_total", "Times the package was throttled.", *count,
                    {{"package", package}});
  }
}

// Paragraphs of "name : value" lines.
void add_info(std::string_view text, const re2::RE2* flags, const re2::RE2* bugs, Families& out) {
  std::map<std::string, std::string, std::less<>> cpu;
  std::set<std::string> seen;
  const auto listed = [&](const char* field, const char* name, const re2::RE2* wanted) {
    if (wanted == nullptr) return;
    const std::string& list = cpu[field];
    for (const std::string_view word : words(list))
      if (RE2::PartialMatch(re2::StringPiece(word.data(), word.size()), *wanted) &&
          seen.insert(name + std::string(word)).second)
        out.gauge(name, "What the first CPU has; the value is 1.", 1,
                  {{field == std::string_view("bugs") ? "bug" : "flag", std::string(word)}});
  };
  const auto finish = [&] {
    if (cpu.contains("processor")) {
      out.gauge("node_cpu_info", "What is known of a CPU; the value is 1.", 1,
                {{"package", cpu["physical id"]},
                 {"core", cpu["core id"]},
                 {"cpu", cpu["processor"]},
                 {"vendor", cpu["vendor_id"]},
                 {"family", cpu["cpu family"]},
                 {"model", cpu["model"]},
                 {"model_name", cpu["model name"]},
                 {"microcode", cpu["microcode"]},
                 {"stepping", cpu["stepping"]},
                 {"cachesize", cpu["cache size"]}});
      listed("flags", "node_cpu_flag_info", flags);
      listed("bugs", "node_cpu_bug_info", bugs);
    }
    cpu.clear();
  };
  for_each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      if (trim(line).empty()) finish();
      return;
    }
    cpu[std::string(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  });
  finish();
}

}  // namespace

CpuTimes parse_cpu_times(std::string_view text) {
  static const double kTick = static_cast<double>(::sysconf(_SC_CLK_TCK));
  CpuTimes out;
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) return;
    const auto fields = words(line);
    CpuSeconds seconds{};
    for (std::size_t i = 0; i < seconds.size() && i + 1 < fields.size(); ++i)
      seconds[i] = number(fields[i + 1]).value_or(0) / kTick;
    if (fields.size() > 4) out.emplace_back(std::string(fields[0].substr(3)), seconds);
  });
  return out;
}

Result<Collect> make_cpu(const UnixArgs& args, const Roots& roots, Clock&) {
  const auto compile = [](const std::string& text) {
    return text.empty() ? nullptr : std::make_shared<const RE2>(text, RE2::Quiet);
  };
  const auto flags = compile(args.cpu.flags_include);
  const auto bugs = compile(args.cpu.bugs_include);
  for (const auto& one : {flags, bugs})
    if (one != nullptr && !one->ok()) return fail(ErrorCode::kInvalid, "cpu: " + one->error());
  const bool info = args.cpu.info || flags != nullptr || bugs != nullptr;
  return Collect([roots, info, flags, bugs, guest = args.cpu.guest,
                  steady = std::make_shared<SteadyTimes>()](Families& out) -> Result<> {
    const auto text = read_text(roots.proc / "stat");
    if (!text) return fail(text.error());
    CpuTimes times = parse_cpu_times(*text);
    if (times.empty()) return fail(ErrorCode::kInvalid, "stat: no CPU");
    steady->correct(times);
    constexpr std::array<const char*, 8> kModes = {"user",   "nice", "system",  "idle",
                                                   "iowait", "irq",  "softirq", "steal"};
    for (const auto& [cpu, seconds] : times) {
      for (std::size_t i = 0; i < kModes.size(); ++i)
        out.counter("node_cpu_seconds_total", "Seconds that a CPU spent in a mode.", seconds[i],
                    {{"cpu", cpu}, {"mode", kModes[i]}});
      if (!guest) continue;
      out.counter("node_cpu_guest_seconds_total", "Seconds that a CPU spent for virtual machines.",
                  seconds[8], {{"cpu", cpu}, {"mode", "user"}});
      out.counter("node_cpu_guest_seconds_total", "Seconds that a CPU spent for virtual machines.",
                  seconds[9], {{"cpu", cpu}, {"mode", "nice"}});
    }
    const auto folder = roots.sys / "devices/system/cpu";
    add_throttles(folder, out);
    const std::string isolated = read_word(folder / "isolated");
    for (const int cpu : cpu_list(isolated))
      out.gauge("node_cpu_isolated", "The scheduler leaves this CPU alone.", 1,
                {{"cpu", std::to_string(cpu)}});
    if (info) {
      const auto cpuinfo = read_text(roots.proc / "cpuinfo");
      if (!cpuinfo) return fail(cpuinfo.error());
      add_info(*cpuinfo, flags.get(), bugs.get(), out);
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
