// Processes and threads by their state: /proc/<pid>/stat and /proc/<pid>/task/<tid>/stat
// ("pid (comm) state ..", proc(5)), beside the kernel's limits.
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

bool is_number(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  const std::size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string_view::npos) return std::nullopt;
  const auto fields = words(trim(text.substr(name_end + 1)));
  if (fields.size() < 18) return std::nullopt;
  const auto threads = number(fields[17]);
  if (!threads) return std::nullopt;
  return ProcessStat{std::string(fields[0]), *threads};
}

Result<Collect> make_processes(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([proc = roots.proc](Families& out, const std::stop_token& stop) -> Result<> {
    double threads = 0;
    double pids = 0;
    std::map<std::string, double> states;
    std::map<std::string, double> thread_states;
    // Between the list and the reading any of them may go.
    const auto read_stat = [](const std::filesystem::path& folder) -> std::optional<ProcessStat> {
      const auto text = read_text(folder / "stat");
      return text ? parse_process_stat(*text) : std::nullopt;
    };
    for (const std::filesystem::path& process : entries(proc)) {
      if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
      if (!is_number(process)) continue;
      const auto stat = read_stat(process);
      if (!stat) continue;
      ++pids;
      ++states[stat->state];
      threads += stat->threads;
      for (const std::filesystem::path& thread : entries(process / "task")) {
        if (!is_number(thread)) continue;
        if (thread.filename() == process.filename()) {
          ++thread_states[stat->state];
        } else if (const auto other = read_stat(thread)) {
          ++thread_states[other->state];
        }
      }
    }
    out.gauge("node_processes_pids", "Processes.", pids);
    out.gauge("node_processes_threads", "Threads of all processes.", threads);
    for (const auto& [state, count] : states)
      out.gauge("node_processes_state", "Processes in a state.", count, {{"state", state}});
    for (const auto& [state, count] : thread_states)
      out.gauge("node_processes_threads_state", "Threads in a state.", count,
                {{"thread_state", state}});
    const auto most_threads = read_number(proc / "sys/kernel/threads-max");
    const auto most_pids = read_number(proc / "sys/kernel/pid_max");
    if (most_threads)
      out.gauge("node_processes_max_threads", "Most threads that there can be.", *most_threads);
    if (most_pids) out.gauge("node_processes_max_processes", "Largest process id.", *most_pids);
    if (!most_threads || !most_pids)
      return fail(ErrorCode::kIo, "the limits of processes cannot be read");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
