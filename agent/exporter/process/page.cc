#include "agent/exporter/process/page.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace agent::exporter::processes {
namespace {

using model::MetricFamily;
using model::MetricType;

constexpr std::array<const char*, kStates> kStateNames = {"Running", "Sleeping", "Waiting",
                                                          "Zombie", "Other"};

// Families that are filled one after the other.
class Page {
 public:
  void begin(MetricType type, std::string_view name, std::string_view help) {
    families_.push_back({std::string(name), std::string(help), type, {}});
  }
  // `labels` by name; those without a value are left out.
  void add(double value,
           std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
    model::Labels all;
    all.reserve(labels.size());
    for (const auto& [name, text] : labels)
      if (!text.empty()) all.push_back({std::string(name), std::string(text)});
    families_.back().points.push_back({"", std::move(all), value});
  }
  void add(std::uint64_t value,
           std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
    add(static_cast<double>(value), labels);
  }
  std::vector<MetricFamily> take() && {
    std::erase_if(families_, [](const MetricFamily& one) { return one.points.empty(); });
    return std::move(families_);
  }

 private:
  std::vector<MetricFamily> families_;
};

}  // namespace

std::vector<MetricFamily> page(const Tracker& tracker, bool groups) {
  Page out;
  const ProcessArgs& args = tracker.args();
  const auto seconds = [ticks = static_cast<double>(tracker.ticks_per_second())](
                           std::uint64_t count) { return static_cast<double>(count) / ticks; };
  const auto each_group = [&](const char* name, const char* help, MetricType type, auto add) {
    out.begin(type, std::string("namedprocess_namegroup_") + name, help);
    for (const auto& [group_name, group] : tracker.groups()) add(group_name, group);
  };
  const auto counter = [&](const char* name, const char* help, auto add) {
    each_group(name, help, MetricType::kCounter, add);
  };
  const auto gauge = [&](const char* name, const char* help, auto add) {
    each_group(name, help, MetricType::kGauge, add);
  };
  const auto each_thread = [&](const char* name, const char* help, MetricType type, auto add) {
    each_group(name, help, type, [&](const std::string& group_name, const Group& group) {
      for (const auto& [thread_name, threads] : group.thread_groups)
        add(group_name, thread_name, threads);
    });
  };
  using Name = const std::string&;

  if (groups) {
    counter("context_switches_total", "Times that threads were taken off a processor.",
            [&](Name name, const Group& group) {
              out.add(group.total[kNonvoluntarySwitches],
                      {{"ctxswitchtype", "nonvoluntary"}, {"groupname", name}});
              out.add(group.total[kVoluntarySwitches],
                      {{"ctxswitchtype", "voluntary"}, {"groupname", name}});
            });
    counter("cpu_seconds_total", "Seconds of processor time.", [&](Name name, const Group& group) {
      out.add(seconds(group.total[kSystemTicks]), {{"groupname", name}, {"mode", "system"}});
      out.add(seconds(group.total[kUserTicks]), {{"groupname", name}, {"mode", "user"}});
    });
    counter("major_page_faults_total", "Page faults that read from a disk.",
            [&](Name name, const Group& group) {
              out.add(group.total[kMajorFaults], {{"groupname", name}});
            });
    gauge("memory_bytes", "Bytes of memory.", [&](Name name, const Group& group) {
      const auto add = [&](const char* type, std::uint64_t value) {
        out.add(value, {{"groupname", name}, {"memtype", type}});
      };
      if (args.gather_smaps) {
        add("proportionalResident", group.smaps.proportional_bytes);
        add("proportionalSwapped", group.smaps.proportional_swap_bytes);
      }
      add("resident", group.resident_bytes);
      add("swapped", group.swapped_bytes);
      add("virtual", group.virtual_bytes);
    });
    counter("minor_page_faults_total", "Page faults that needed no disk.",
            [&](Name name, const Group& group) {
              out.add(group.total[kMinorFaults], {{"groupname", name}});
            });
    gauge("num_procs", "Processes in the group.", [&](Name name, const Group& group) {
      out.add(group.processes, {{"groupname", name}});
    });
    gauge("num_threads", "Threads in the group.", [&](Name name, const Group& group) {
      out.add(group.threads, {{"groupname", name}});
    });
    gauge("oldest_start_time_seconds",
          "When the oldest process of the group began, in seconds since 1970; 0 without processes.",
          [&](Name name, const Group& group) {
            out.add(group.oldest_start, {{"groupname", name}});
          });
    gauge("open_filedesc", "Open file descriptors.", [&](Name name, const Group& group) {
      out.add(group.open_files, {{"groupname", name}});
    });
    counter("read_bytes_total", "Bytes read from storage.", [&](Name name, const Group& group) {
      out.add(group.total[kReadBytes], {{"groupname", name}});
    });
    gauge("states", "Threads by state.", [&](Name name, const Group& group) {
      for (std::size_t i = 0; i < kStates; ++i)
        out.add(group.states[i], {{"groupname", name}, {"state", kStateNames[i]}});
    });
    if (args.track_threads) {
      each_thread(
          "thread_context_switches_total",
          "Times that threads of a name were taken off a processor.", MetricType::kCounter,
          [&](Name name, Name thread, const ThreadGroup& threads) {
            out.add(
                threads.total[kNonvoluntarySwitches],
                {{"ctxswitchtype", "nonvoluntary"}, {"groupname", name}, {"threadname", thread}});
            out.add(threads.total[kVoluntarySwitches],
                    {{"ctxswitchtype", "voluntary"}, {"groupname", name}, {"threadname", thread}});
          });
      each_thread("thread_count", "Threads of a name.", MetricType::kGauge,
                  [&](Name name, Name thread, const ThreadGroup& threads) {
                    out.add(threads.threads, {{"groupname", name}, {"threadname", thread}});
                  });
      each_thread("thread_cpu_seconds_total", "Seconds of processor time of threads of a name.",
                  MetricType::kCounter, [&](Name name, Name thread, const ThreadGroup& threads) {
                    out.add(seconds(threads.total[kSystemTicks]),
                            {{"groupname", name}, {"mode", "system"}, {"threadname", thread}});
                    out.add(seconds(threads.total[kUserTicks]),
                            {{"groupname", name}, {"mode", "user"}, {"threadname", thread}});
                  });
      each_thread("thread_io_bytes_total", "Bytes that threads of a name read or wrote.",
                  MetricType::kCounter, [&](Name name, Name thread, const ThreadGroup& threads) {
                    out.add(threads.total[kReadBytes],
                            {{"groupname", name}, {"iomode", "read"}, {"threadname", thread}});
                    out.add(threads.total[kWriteBytes],
                            {{"groupname", name}, {"iomode", "write"}, {"threadname", thread}});
                  });
      each_thread(
          "thread_major_page_faults_total",
          "Page faults of threads of a name that read from a disk.", MetricType::kCounter,
          [&](Name name, Name thread, const ThreadGroup& threads) {
            out.add(threads.total[kMajorFaults], {{"groupname", name}, {"threadname", thread}});
          });
      each_thread(
          "thread_minor_page_faults_total", "Page faults of threads of a name that needed no disk.",
          MetricType::kCounter, [&](Name name, Name thread, const ThreadGroup& threads) {
            out.add(threads.total[kMinorFaults], {{"groupname", name}, {"threadname", thread}});
          });
    }
    gauge("threads_wchan", "Threads that wait in a function of the kernel.",
          [&](Name name, const Group& group) {
            for (const auto& [wchan, threads] : group.wchans)
              out.add(threads, {{"groupname", name}, {"wchan", wchan}});
          });
    gauge("worst_fd_ratio",
          "Open file descriptors by how many there may be, of the process that is nearest to it.",
          [&](Name name, const Group& group) {
            out.add(group.worst_open_files_ratio, {{"groupname", name}});
          });
    counter("write_bytes_total", "Bytes written to storage.", [&](Name name, const Group& group) {
      out.add(group.total[kWriteBytes], {{"groupname", name}});
    });
  }
  const auto scrape = [&](const char* name, const char* help, std::uint64_t value) {
    out.begin(MetricType::kCounter, name, help);
    out.add(value, {});
  };
  scrape("namedprocess_scrape_errors", "Scrapes that told nothing of any process.",
         tracker.scan_errors());
  scrape("namedprocess_scrape_partial_errors",
         "Processes of a group of which a part could not be read, once a scrape.",
         tracker.partial_errors());
  scrape("namedprocess_scrape_procread_errors", "Processes that could not be read, once a scrape.",
         tracker.read_errors());
  return std::move(out).take();
}

}  // namespace agent::exporter::processes
