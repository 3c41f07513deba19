// Counters of the CPUs and the kernel: perf_event_open(2), one for each event and CPU, open as long
// as the collector is there.
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/perf_events.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::uint64_t cache(std::uint64_t which, std::uint64_t operation, std::uint64_t result) {
  return which | operation << 8 | result << 16;
}
constexpr auto kRead = PERF_COUNT_HW_CACHE_OP_READ;
constexpr auto kWrite = PERF_COUNT_HW_CACHE_OP_WRITE;
constexpr auto kHit = PERF_COUNT_HW_CACHE_RESULT_ACCESS;
constexpr auto kMiss = PERF_COUNT_HW_CACHE_RESULT_MISS;

}  // namespace

const std::vector<PerfEvent>& perf_events(PerfKind kind) {
  static const std::vector<PerfEvent> kHardware = {
      {"CpuCycles", "cpucycles_total", PERF_COUNT_HW_CPU_CYCLES},
      {"CpuInstr", "instructions_total", PERF_COUNT_HW_INSTRUCTIONS},
      {"CacheRef", "cache_refs_total", PERF_COUNT_HW_CACHE_REFERENCES},
      {"CacheMisses", "cache_misses_total", PERF_COUNT_HW_CACHE_MISSES},
      {"BranchInstr", "branch_instructions_total", PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
      {"BranchMisses", "branch_misses_total", PERF_COUNT_HW_BRANCH_MISSES},
      {"StalledCyclesBackend", "stalled_cycles_backend_total",
       PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
      {"StalledCyclesFrontend", "stalled_cycles_frontend_total",
       PERF_COUNT_HW_STALLED_CYCLES_FRONTEND},
      {"RefCpuCycles", "ref_cpucycles_total", PERF_COUNT_HW_REF_CPU_CYCLES},
  };
  static const std::vector<PerfEvent> kSoftware = {
      {"PageFault", "page_faults_total", PERF_COUNT_SW_PAGE_FAULTS},
      {"ContextSwitch", "context_switches_total", PERF_COUNT_SW_CONTEXT_SWITCHES},
      {"CpuMigration", "cpu_migrations_total", PERF_COUNT_SW_CPU_MIGRATIONS},
      {"MinorFault", "minor_faults_total", PERF_COUNT_SW_PAGE_FAULTS_MIN},
      {"MajorFault", "major_faults_total", PERF_COUNT_SW_PAGE_FAULTS_MAJ},
  };
  static const std::vector<PerfEvent> kCaches = {
      {"L1DataReadHit", "cache_l1d_read_hits_total", cache(PERF_COUNT_HW_CACHE_L1D, kRead, kHit)},
      {"L1DataReadMiss", "cache_l1d_read_misses_total",
       cache(PERF_COUNT_HW_CACHE_L1D, kRead, kMiss)},
      {"L1DataWriteHit", "cache_l1d_write_hits_total",
       cache(PERF_COUNT_HW_CACHE_L1D, kWrite, kHit)},
      {"L1InstrReadMiss", "cache_l1_instr_read_misses_total",
       cache(PERF_COUNT_HW_CACHE_L1I, kRead, kMiss)},
      {"LLReadHit", "cache_ll_read_hits_total", cache(PERF_COUNT_HW_CACHE_LL, kRead, kHit)},
      {"LLReadMiss", "cache_ll_read_misses_total", cache(PERF_COUNT_HW_CACHE_LL, kRead, kMiss)},
      {"LLWriteHit", "cache_ll_write_hits_total", cache(PERF_COUNT_HW_CACHE_LL, kWrite, kHit)},
      {"LLWriteMiss", "cache_ll_write_misses_total", cache(PERF_COUNT_HW_CACHE_LL, kWrite, kMiss)},
      {"InstrTLBReadHit", "cache_tlb_instr_read_hits_total",
       cache(PERF_COUNT_HW_CACHE_ITLB, kRead, kHit)},
      {"InstrTLBReadMiss", "cache_tlb_instr_read_misses_total",
       cache(PERF_COUNT_HW_CACHE_ITLB, kRead, kMiss)},
      {"DataTLBReadHit", "cache_tlb_data_read_hits_total",
       cache(PERF_COUNT_HW_CACHE_DTLB, kRead, kHit)},
      {"DataTLBReadMiss", "cache_tlb_data_read_misses_total",
       cache(PERF_COUNT_HW_CACHE_DTLB, kRead, kMiss)},
      {"DataTLBWriteHit", "cache_tlb_data_write_hits_total",
       cache(PERF_COUNT_HW_CACHE_DTLB, kWrite, kHit)},
      {"DataTLBWriteMiss", "cache_tlb_data_write_misses_total",
       cache(PERF_COUNT_HW_CACHE_DTLB, kWrite, kMiss)},
      {"BPUReadHit", "cache_bpu_read_hits_total", cache(PERF_COUNT_HW_CACHE_BPU, kRead, kHit)},
      {"BPUReadMiss", "cache_bpu_read_misses_total", cache(PERF_COUNT_HW_CACHE_BPU, kRead, kMiss)},
  };
  return kind == PerfKind::kHardware   ? kHardware
         : kind == PerfKind::kSoftware ? kSoftware
                                       : kCaches;
}

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  constexpr int kMost = 8192;
  std::vector<int> out;
  const auto small = [](std::string_view digits) -> std::optional<int> {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0 || value >= kMost)
      return std::nullopt;
    return value;
  };
  for (std::string_view part : split(text, ',')) {
    std::optional<int> step = 1;
    const std::size_t dash = part.find('-');
    if (const std::size_t colon = part.find(':');
        colon != std::string_view::npos && dash != std::string_view::npos) {
      step = small(part.substr(colon + 1));
      part = part.substr(0, colon);
    }
    const auto first = small(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : small(part.substr(dash + 1));
    if (!first || !last || !step || *step == 0 || *first > *last)
      return fail(ErrorCode::kInvalid, json_string(text) + " is not a list of CPUs like 0-3,8");
    for (int cpu = *first; cpu <= *last; cpu += *step) out.push_back(cpu);
    if (out.size() > kMost) return fail(ErrorCode::kInvalid, "too many CPUs");
  }
  return out;
}

namespace {

struct Counter {
  FileDescriptor fd;
  std::string metric, cpu;
};

struct Wanted {
  std::string metric;
  std::uint32_t type;
  std::uint64_t config;
};

class Counters {
 public:
  Counters(PerfArgs args, std::filesystem::path sys)
      : args_(std::move(args)), sys_(std::move(sys)) {}

  Result<> collect(Families& out) {
    if (counters_.empty())
      if (auto opened = open(); !opened) {
        counters_.clear();
        return opened;
      }
    for (const Counter& one : counters_) {
      std::uint64_t value = 0;
      if (::read(one.fd.get(), &value, sizeof value) == sizeof value)
        out.counter("node_perf_" + one.metric, "An event that the kernel counts.",
                    static_cast<double>(value), {{"cpu", one.cpu}});
    }
    if (!missing_.empty()) return fail(ErrorCode::kNotFound, "this machine counts no " + missing_);
    return {};
  }

 private:
  Result<> open() {
    missing_.clear();
    const auto cpus = parse_cpu_list(
        args_.cpus.empty() ? read_word(sys_ / "devices/system/cpu/online") : args_.cpus);
    if (!cpus) return fail(cpus.error());
    for (const auto& [off, kind, names, type, what] :
         {std::tuple{args_.disable_hardware_profilers, PerfKind::kHardware,
                     &args_.hardware_profilers, PERF_TYPE_HARDWARE, "events of the hardware"},
          std::tuple{args_.disable_software_profilers, PerfKind::kSoftware,
                     &args_.software_profilers, PERF_TYPE_SOFTWARE, "events of the kernel"},
          std::tuple{args_.disable_cache_profilers, PerfKind::kCache, &args_.cache_profilers,
                     PERF_TYPE_HW_CACHE, "events of the caches"}}) {
      if (off) continue;
      std::vector<Wanted> wanted;
      for (const PerfEvent& event : perf_events(kind))
        if (names->empty() || std::find(names->begin(), names->end(), event.name) != names->end())
          wanted.push_back({event.metric, static_cast<std::uint32_t>(type), event.config});
      if (auto opened = open_all(wanted, *cpus, what); !opened) return opened;
    }
    std::vector<Wanted> tracepoints;
    for (const std::string& name : args_.tracepoint) {
      const auto parts = split(name, ':');  // "subsystem:event", as validate() has seen to
      std::optional<double> id;
      for (const char* tracing : {"kernel/tracing", "kernel/debug/tracing"})
        if (!id) id = read_number(sys_ / tracing / "events" / parts.front() / parts.back() / "id");
      if (!id) {  // it is not there, or only root may see it
        miss("tracepoint " + name);
        continue;
      }
      tracepoints.push_back({std::string(parts.front()) + "_" + std::string(parts.back()),
                             PERF_TYPE_TRACEPOINT, static_cast<std::uint64_t>(*id)});
    }
    return open_all(tracepoints, *cpus, "tracepoints");
  }

  Result<> open_all(const std::vector<Wanted>& wanted, const std::vector<int>& cpus,
                    const char* what) {
    bool any = wanted.empty();
    for (const Wanted& one : wanted)
      for (const int cpu : cpus) {
        perf_event_attr event{};
        event.size = sizeof event;
        event.type = one.type;
        event.config = one.config;
        event.exclude_hv = 1;
        FileDescriptor fd(static_cast<int>(
            ::syscall(SYS_perf_event_open, &event, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
        if (!fd) {
          if (errno == EACCES || errno == EPERM)
            return fail(ErrorCode::kPermission,
                        "perf_event_open: not permitted: CAP_PERFMON or kernel.perf_event_paranoid "
                        "0 or less is needed, and a unit that permits the system call");
          if (errno == EMFILE || errno == ENFILE) return fail_errno("perf_event_open", errno);
          continue;  // what this CPU does not count
        }
        any = true;
        counters_.push_back({std::move(fd), one.metric, std::to_string(cpu)});
      }
    if (!any) miss(what);
    return {};
  }

  void miss(const std::string& what) { missing_ += (missing_.empty() ? "" : ", no ") + what; }

  const PerfArgs args_;
  const std::filesystem::path sys_;
  std::vector<Counter> counters_;
  std::string missing_;
};

}  // namespace

Result<Collect> make_perf(const UnixArgs& args, const Roots& roots, Clock&) {
  if (!args.perf.cpus.empty())
    if (auto cpus = parse_cpu_list(args.perf.cpus); !cpus)
      return fail(std::move(cpus.error()).within("perf"));
  const auto counters = std::make_shared<Counters>(args.perf, roots.sys);
  return Collect([counters](Families& out) { return counters->collect(out); });
}

}  // namespace agent::exporter::unix_host
