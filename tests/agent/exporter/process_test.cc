// prometheus.exporter.process over a /proc that is a folder of files.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/strings.h"
#include "agent/exporter/process/group_names.h"
#include "agent/exporter/process/page.h"
#include "agent/exporter/process/proc_files.h"
#include "agent/exporter/process/proc_root.h"
#include "agent/exporter/process/tracker.h"
#include "tests/support/component_box.h"
#include "tests/support/stepping_clock.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_process();

namespace {

using namespace processes;  // NOLINT

constexpr std::uint64_t kBooted = 1'700'000'000;

// What the kernel would tell of a thread or process.
struct Told {
  std::string comm = "command";
  char state = 'S';
  int parent = 1;
  int threads = 1;
  int ticks = 0;  // user; half as many system
  int faults = 0;
  int start = 100;
  int pages = 10;
  int switches = 1;  // voluntary; twice as many nonvoluntary
  int bytes = 0;     // read; three times as many written
  std::string wchan = "0";
  std::string arguments = {};  // as they lie in memory; "" is the comm
};

std::string escaped(const std::string& comm) {
  std::string out;
  for (const char c : comm) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c == '\\' ? std::string("\\\\") : std::string(1, c);
    }
  }
  return out;
}

class HostFolder {
 public:
  HostFolder() { write("stat", "cpu 1\nbtime " + std::to_string(kBooted) + "\n"); }

  void write(const std::string& file, const std::string& bytes) const {
    const auto path = proc() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << bytes;
  }
  void remove(const std::string& file) const { std::filesystem::remove_all(proc() / file); }
  // A folder in place of the file: it is there and cannot be read, whoever tries.
  void make_unreadable(const std::string& file) const {
    remove(file);
    std::filesystem::create_directories(proc() / file);
  }

  void thread(const std::string& folder, const Told& told) const {
    const auto number = [](int value) { return std::to_string(value); };
    const std::string skipped = " 0 0 0 0 0 ";
    write(folder + "/stat", "1 (" + told.comm + ") " + told.state + " " + number(told.parent) +
                                skipped + number(told.faults) + " 0 " + number(2 * told.faults) +
                                " 0 " + number(told.ticks) + " " + number(told.ticks / 2) +
                                " 0 0 20 0 " + number(told.threads) + " 0 " + number(told.start) +
                                " " + number(told.pages * 5000) + " " + number(told.pages) +
                                " 18446744073709551615 1\n");
    write(folder + "/status",
          "Name:\t" + escaped(told.comm) + "\nState:\t" + told.state + " (x)\nUid:\t7\t0\t7\t7\n" +
              (told.pages > 0 ? "VmSwap:\t      3 kB\n" : "") + "voluntary_ctxt_switches:\t" +
              number(told.switches) + "\nnonvoluntary_ctxt_switches:\t" +
              number(2 * told.switches) + "\n");
    write(folder + "/io", "rchar: 9\nread_bytes: " + number(told.bytes) +
                              "\nwrite_bytes: " + number(3 * told.bytes) + "\n");
    write(folder + "/wchan", told.wchan);
  }
  void process(int pid, const Told& told) const {
    const std::string folder = std::to_string(pid);
    thread(folder, told);
    write(folder + "/cmdline", told.arguments.empty() ? told.comm + '\0' : told.arguments);
    write(folder + "/limits",
          "Limit                     Soft Limit           Hard Limit           Units     \n"
          "Max open files            8                    524288               files     \n");
    for (const char* descriptor : {"0", "1"}) write(folder + "/fd/" + descriptor, "");
  }

  std::filesystem::path proc() const { return dir / "proc"; }
  TempDir dir;
};

ProcessArgs args_of(const HostFolder& host, std::vector<MatcherArgs> matchers = {}) {
  ProcessArgs args;
  args.procfs_path = host.proc().string();
  args.matchers = std::move(matchers);
  return args;
}

// A tracker and the page it gives.
class Scraped {
 public:
  explicit Scraped(const ProcessArgs& args, const Bounds& bounds = {})
      : Scraped(args, bounds, nullptr) {}
  Scraped(const ProcessArgs& args, const Bounds& bounds, const Clock* clock)
      : tracker_(
            Tracker::make(args, clock == nullptr ? clock_ : *clock, Log::none(), bounds).value()) {}

  // Series by name and labels, without "namedprocess_" and the group's "namegroup_".
  std::map<std::string, double> scrape() {
    good_ = tracker_->scan({}).has_value();
    std::map<std::string, double> out;
    for (const auto& family : page(*tracker_, good_)) {
      std::string name = family.name.substr(std::string_view("namedprocess_").size());
      if (name.starts_with("namegroup_")) name = name.substr(std::string_view("namegroup_").size());
      for (const auto& point : family.points)
        out[name + (point.labels.empty() ? "" : model::labels_text(point.labels))] = point.value;
    }
    return out;
  }
  bool good() const { return good_; }

 private:
  SteppingClock clock_;
  std::unique_ptr<Tracker> tracker_;
  bool good_ = false;
};

// Groups and how many processes each has.
std::string groups(std::map<std::string, double> page) {
  std::string out;
  for (const auto& [series, value] : page)
    if (series.starts_with("num_procs{groupname="))
      out += series.substr(20, series.size() - 21) + " " + format_number(value) + "\n";
  return out;
}

std::string text(const std::map<std::string, double>& page) {
  std::string out;
  for (const auto& [series, value] : page) out += series + " " + format_number(value) + "\n";
  return out;
}

class Someone final : public Candidate {
 public:
  Someone(std::string_view command, std::vector<std::string_view> argv) {
    pid = 42;
    comm = command;
    arguments = std::move(argv);
    for (const std::string_view one : arguments)
      line_ += (line_.empty() ? "" : " ") + std::string(one);
    command_line = line_;
    start_seconds = kBooted;
    start_nanoseconds = 250'000'000;
  }
  std::string username() override { return "alice"; }
  std::vector<std::string> cgroups() override { return {"/a", "/b"}; }

 private:
  std::string line_;
};

// The group of a process, "-" for none.
std::string group_of(const std::vector<MatcherArgs>& matchers, Someone someone) {
  const SteppingClock clock;
  auto names = GroupNames::make(matchers, clock);
  if (!names) return names.error().message;
  const auto name = names->name(someone);
  if (!name) return name.error().message;
  return name->value_or("-");
}

}  // namespace

TEST_CASE("processes: the parsers understand what the kernel writes") {
  const auto stat = parse_stat(
      "77 (a) R 1 (\n)) S 12 77 77 0 -1 4194560 11 0 22 0 33 44 0 0 20 0 5 0 6789 4096000 250 "
      "18446744073709551615 0 0\n");
  REQUIRE(stat);
  CHECK(stat->comm == "a) R 1 (\n)");
  CHECK(stat->state == 'S');
  CHECK(stat->parent == 12);
  CHECK(stat->minor_faults == 11);
  CHECK(stat->major_faults == 22);
  CHECK(stat->user_ticks == 33);
  CHECK(stat->system_ticks == 44);
  CHECK(stat->threads == 5);
  CHECK(stat->start_ticks == 6789);
  CHECK(stat->virtual_bytes == 4096000);
  CHECK(stat->resident_pages == 250);
  CHECK(stat->may_wait);
  const std::string until_rss = "1 (a) S 0 0 0 0 0 0 1 0 2 0 3 4 0 0 20 0 5 0 6 7 8";
  CHECK(parse_stat(until_rss)->may_wait);
  CHECK(parse_stat(until_rss + " 9 1 1 0 0 0 0 0 0 0 1 0 0")->may_wait);
  CHECK_FALSE(parse_stat(until_rss + " 9 1 1 0 0 0 0 0 0 0 0 0 0")->may_wait);

  const auto status = parse_status(
      "Name:\ta\\nb\\\\c\nUmask:\t0022\nState:\tD (disk sleep)\nUid:\t1000\t1001\t1000\t1000\n"
      "VmSwap:\t      20 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t8\n");
  REQUIRE(status);
  CHECK(status->name == "a\nb\\c");
  CHECK(status->state == 'D');
  CHECK(status->effective_user == 1001);
  CHECK(status->swapped_bytes == 20480);
  CHECK(status->voluntary_switches == 7);
  CHECK(status->nonvoluntary_switches == 8);

  const auto io = parse_io("rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
  REQUIRE(io);
  CHECK(io->read_bytes == 4096);
  CHECK(io->write_bytes == 8192);

  const std::string limits = "Max processes  5 5 processes\nMax open files            ";
  CHECK(parse_open_files_limit(limits + "1024                 524288               files\n") ==
        1024U);
  CHECK(parse_open_files_limit(limits + "unlimited            unlimited            files\n") ==
        UINT64_MAX);

  const auto smaps = parse_smaps_rollup("ffff\nRss: 9 kB\nPss:     3 kB\nSwapPss:    2 kB\n");
  REQUIRE(smaps);
  CHECK(smaps->proportional_bytes == 3072);
  CHECK(smaps->proportional_swap_bytes == 2048);

  using Words = std::vector<std::string_view>;
  CHECK(parse_cmdline(std::string_view("a\0b c\0\0d\0", 9)) == Words{"a", "b c", "", "d"});
  CHECK(parse_cmdline(std::string_view("nginx: worker\0\0\0", 16)) == Words{"nginx: worker"});
  CHECK(parse_cmdline(std::string_view("\0\0", 2)) == Words{""});
  CHECK(parse_cmdline("").empty());
  CHECK(parse_cgroups("3:cpu:/a:b\n0::/c\nodd\n") == Words{"/a:b", "/c"});
  CHECK(parse_boot_time("cpu 1\nbtime 1700000000\nprocesses 5\n") == 1'700'000'000U);
}

TEST_CASE("processes: texts that are not what they should be are refused") {
  CHECK_FALSE(parse_stat(""));
  CHECK_FALSE(parse_stat("1 )( S 1"));
  CHECK_FALSE(parse_stat("1 (a) S 1 2 3"));
  CHECK_FALSE(parse_stat("1 (a) SS 0 0 0 0 0 0 1 0 2 0 3 4 0 0 20 0 5 0 6 7 8"));
  CHECK_FALSE(parse_stat("1 (a) S 0 0 0 0 0 0 1 0 2 0 x 4 0 0 20 0 5 0 6 7 8"));
  CHECK_FALSE(parse_status("Name:\ta\n"));
  const std::string end = "voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t8\n";
  CHECK(parse_status("Name:\ta\n" + end));
  CHECK_FALSE(parse_status(end));
  const auto odd = parse_status("Name:\tw\nUid:\t1\t2\nwww:\tVmSwap:\t9 kB\nVmSwap:\t2 kB\n" + end);
  CHECK((odd && odd->swapped_bytes == 2048 && odd->effective_user == 2));
  CHECK_FALSE(parse_status("Name:\ta\nUid:\t0\n" + end));
  CHECK_FALSE(parse_status("Name:\ta\nVmSwap: 99999999999999999999 kB\n" + end));
  CHECK_FALSE(parse_io("read_bytes: 1\n"));
  CHECK_FALSE(parse_open_files_limit("Max open files\n"));
  CHECK_FALSE(parse_smaps_rollup("Rss: 1 kB\n"));
  CHECK_FALSE(parse_smaps_rollup("Pss: 18446744073709551615 kB\n"));
  CHECK_FALSE(parse_boot_time("btime x\n"));
}

TEST_CASE("processes: the last part of a path is what Go's filepath.Base has it") {
  CHECK(base_name("/usr/bin/x") == "x");
  CHECK(base_name("x") == "x");
  CHECK(base_name("/a/b//") == "b");
  CHECK(base_name("///") == "/");
  CHECK(base_name("") == ".");
}

TEST_CASE("processes: a matcher takes what all its parts take") {
  const Someone server("java", {"/opt/jdk/bin/java", "-jar", "/srv/shop.jar", "--port=80"});
  const MatcherArgs named{"x", {}, {}, {}};
  const auto with = [&](auto change) {
    MatcherArgs out = named;
    change(out);
    return group_of({out}, server);
  };
  CHECK(with([](auto& m) { m.comm = {"perl", "java"}; }) == "x");
  CHECK(with([](auto& m) { m.comm = {"jav"}; }) == "-");
  CHECK(with([](auto& m) { m.exe = {"java"}; }) == "x");
  CHECK(with([](auto& m) { m.exe = {"/opt/jdk/bin/java"}; }) == "x");
  CHECK(with([](auto& m) { m.exe = {"/usr/bin/java", "/opt/jdk/bin/java"}; }) == "x");
  CHECK(with([](auto& m) { m.exe = {"/usr/bin/java"}; }) == "-");
  CHECK(with([](auto& m) { m.cmdline = {"-jar /srv", "port=\\d+$"}; }) == "x");
  CHECK(with([](auto& m) { m.cmdline = {"-jar /srv", "port=x"}; }) == "-");
  CHECK(with([](auto& m) {
          m.comm = {"java"};
          m.cmdline = {"python"};
        }) == "-");
  CHECK(group_of(
            {{"first", {"x"}, {}, {}}, {"second", {"java"}, {}, {}}, {"third", {"java"}, {}, {}}},
            server) == "second");
}

TEST_CASE("processes: templates name a group") {
  const Someone server("java", {"/opt/jdk/bin/java", "-jar", "/srv/shop.jar", "--port=80"});
  const auto name = [&](const std::string& text) {
    return group_of({{text, {}, {}, {"/(?P<jar>\\w+)\\.jar", "port=(?P<port>\\d+)"}}}, server);
  };
  CHECK(name("") == "java");
  CHECK(name("{{.Comm}}|{{.ExeBase}}|{{.ExeFull}}") == "java|java|/opt/jdk/bin/java");
  CHECK(name("{{.Matches.jar}}:{{.Matches.port}}") == "shop:80");
  CHECK(name("{{.Matches.none}}") == "<no value>");
  CHECK(name("{{.Matches}}") == "map[jar:shop port:80]");
  CHECK(name("{{.Username}} {{.PID}} {{.Cgroups}}") == "alice 42 [/a /b]");
  CHECK(name("{{index .Cgroups 1}}") == "/b");
  CHECK(name("{{.StartTime}}") == "2023-11-14 22:13:20.25 +0000 UTC");
  CHECK(name("{{index .Cgroups 7}}").find("line 1, column") == 0);
  CHECK(name("a\xff") == "a\xEF\xBF\xBD");
  CHECK(name("{{range .Cgroups}}" + std::string(900, 'x') + "{{end}}").size() ==
        GroupNames::kMaxName);
  CHECK(group_of({{"{{.ExeBase}} {{.ExeFull}}", {"kthreadd"}, {}, {}}}, Someone("kthreadd", {})) ==
        "kthreadd kthreadd");
}

TEST_CASE("processes: without a matcher each command is a group") {
  CHECK(group_of({}, Someone("java", {"/opt/jdk/bin/java"})) == "java");
  CHECK(group_of({}, Someone("kworker/0:1", {})) == "-");
}

TEST_CASE("processes: the whole page") {
  HostFolder host;
  Told single{.comm = "single", .pages = 10, .wchan = "do_wait"};
  Told several{.comm = "several", .threads = 2, .start = 300, .wchan = "do_poll"};
  const auto write_all = [&] {
    host.process(10, single);
    host.process(20, several);
    host.thread("20/task/20", several);
    Told worker = several;
    worker.comm = "worker";
    worker.state = 'D';
    worker.wchan = "io_schedule";
    worker.switches += 5;
    host.thread("20/task/21", worker);
  };
  write_all();
  Scraped scraped(args_of(host));
  for (Told* one : {&single, &several}) {
    one->ticks += 50;
    one->faults += 3;
    one->switches += 2;
    one->bytes += 4096;
  }
  write_all();
  // "several": its switches are those of both threads; each has 2 more.
  CHECK(text(scraped.scrape()) ==
        R"(context_switches_total{ctxswitchtype="nonvoluntary", groupname="several"} 8
context_switches_total{ctxswitchtype="nonvoluntary", groupname="single"} 4
context_switches_total{ctxswitchtype="voluntary", groupname="several"} 4
context_switches_total{ctxswitchtype="voluntary", groupname="single"} 2
cpu_seconds_total{groupname="several", mode="system"} 0.25
cpu_seconds_total{groupname="several", mode="user"} 0.5
cpu_seconds_total{groupname="single", mode="system"} 0.25
cpu_seconds_total{groupname="single", mode="user"} 0.5
major_page_faults_total{groupname="several"} 6
major_page_faults_total{groupname="single"} 6
memory_bytes{groupname="several", memtype="resident"} 40960
memory_bytes{groupname="several", memtype="swapped"} 3072
memory_bytes{groupname="several", memtype="virtual"} 50000
memory_bytes{groupname="single", memtype="resident"} 40960
memory_bytes{groupname="single", memtype="swapped"} 3072
memory_bytes{groupname="single", memtype="virtual"} 50000
minor_page_faults_total{groupname="several"} 3
minor_page_faults_total{groupname="single"} 3
num_procs{groupname="several"} 1
num_procs{groupname="single"} 1
num_threads{groupname="several"} 2
num_threads{groupname="single"} 1
oldest_start_time_seconds{groupname="several"} 1.700000003e+09
oldest_start_time_seconds{groupname="single"} 1.700000001e+09
open_filedesc{groupname="several"} 2
open_filedesc{groupname="single"} 2
read_bytes_total{groupname="several"} 4096
read_bytes_total{groupname="single"} 4096
scrape_errors 0
scrape_partial_errors 0
scrape_procread_errors 0
states{groupname="several", state="Other"} 0
states{groupname="several", state="Running"} 0
states{groupname="several", state="Sleeping"} 1
states{groupname="several", state="Waiting"} 1
states{groupname="several", state="Zombie"} 0
states{groupname="single", state="Other"} 0
states{groupname="single", state="Running"} 0
states{groupname="single", state="Sleeping"} 1
states{groupname="single", state="Waiting"} 0
states{groupname="single", state="Zombie"} 0
thread_context_switches_total{ctxswitchtype="nonvoluntary", groupname="several", threadname="several"} 4
thread_context_switches_total{ctxswitchtype="nonvoluntary", groupname="several", threadname="worker"} 4
thread_context_switches_total{ctxswitchtype="voluntary", groupname="several", threadname="several"} 2
thread_context_switches_total{ctxswitchtype="voluntary", groupname="several", threadname="worker"} 2
thread_count{groupname="several", threadname="several"} 1
thread_count{groupname="several", threadname="worker"} 1
thread_cpu_seconds_total{groupname="several", mode="system", threadname="several"} 0.25
thread_cpu_seconds_total{groupname="several", mode="system", threadname="worker"} 0.25
thread_cpu_seconds_total{groupname="several", mode="user", threadname="several"} 0.5
thread_cpu_seconds_total{groupname="several", mode="user", threadname="worker"} 0.5
thread_io_bytes_total{groupname="several", iomode="read", threadname="several"} 4096
thread_io_bytes_total{groupname="several", iomode="read", threadname="worker"} 4096
thread_io_bytes_total{groupname="several", iomode="write", threadname="several"} 12288
thread_io_bytes_total{groupname="several", iomode="write", threadname="worker"} 12288
thread_major_page_faults_total{groupname="several", threadname="several"} 6
thread_major_page_faults_total{groupname="several", threadname="worker"} 6
thread_minor_page_faults_total{groupname="several", threadname="several"} 3
thread_minor_page_faults_total{groupname="several", threadname="worker"} 3
threads_wchan{groupname="several", wchan="do_poll"} 1
threads_wchan{groupname="several", wchan="io_schedule"} 1
threads_wchan{groupname="single", wchan="do_wait"} 1
worst_fd_ratio{groupname="several"} 0.25
worst_fd_ratio{groupname="single"} 0.25
write_bytes_total{groupname="several"} 12288
write_bytes_total{groupname="single"} 12288
)");
}

TEST_CASE("processes: counts begin at first sight, or with the process") {
  HostFolder host;
  host.process(10, {.comm = "old", .ticks = 1000});
  Scraped scraped(args_of(host));
  host.process(11, {.comm = "old", .ticks = 100, .switches = 4, .bytes = 10});
  auto page = scraped.scrape();
  CHECK(page[R"(cpu_seconds_total{groupname="old", mode="user"})"] == 1);
  CHECK(page[R"(read_bytes_total{groupname="old"})"] == 10);
  CHECK(page[R"(context_switches_total{ctxswitchtype="voluntary", groupname="old"})"] == 4);
  host.process(11, {.comm = "old", .ticks = 150, .switches = 5, .bytes = 30});
  page = scraped.scrape();
  CHECK(page[R"(cpu_seconds_total{groupname="old", mode="user"})"] == 1.5);
  CHECK(page[R"(read_bytes_total{groupname="old"})"] == 30);
}

TEST_CASE("processes: the counts of ended ones stay with their group") {
  HostFolder host;
  host.process(10, {.comm = "worker"});
  auto args = args_of(host);
  SECTION("which shows that none is there") {
    Scraped scraped(args);
    host.process(10, {.comm = "worker", .ticks = 200, .switches = 2});
    scraped.scrape();
    host.remove("10");
    auto page = scraped.scrape();
    CHECK(page[R"(num_procs{groupname="worker"})"] == 0);
    CHECK(page[R"(memory_bytes{groupname="worker", memtype="resident"})"] == 0);
    CHECK(page[R"(oldest_start_time_seconds{groupname="worker"})"] == 0);
    CHECK(page[R"(cpu_seconds_total{groupname="worker", mode="user"})"] == 2);
    host.process(99, {.comm = "worker", .ticks = 100});
    CHECK(scraped.scrape()[R"(cpu_seconds_total{groupname="worker", mode="user"})"] == 3);
  }
  SECTION("unless empty groups are not wanted") {
    args.remove_empty_groups = true;
    Scraped scraped(args);
    CHECK(groups(scraped.scrape()) == "\"worker\" 1\n");
    host.remove("10");
    CHECK(groups(scraped.scrape()).empty());
  }
}

TEST_CASE("processes: a number that is used again is another process") {
  HostFolder host;
  host.process(10, {.comm = "first", .ticks = 500, .start = 100});
  Scraped scraped(args_of(host));
  host.process(10, {.comm = "second", .ticks = 100, .start = 200});
  auto page = scraped.scrape();
  CHECK(groups(page) == "\"first\" 0\n\"second\" 1\n");
  CHECK(page[R"(cpu_seconds_total{groupname="first", mode="user"})"] == 0);
  CHECK(page[R"(cpu_seconds_total{groupname="second", mode="user"})"] == 1);
}

TEST_CASE("processes: a folder that is kept does not hide who has the number now") {
  HostFolder host;
  host.process(10, {.comm = "first", .start = 100});
  host.process(20, {.comm = "other"});
  Bounds bounds;
  SECTION("kept") {}
  SECTION("one of them kept") { bounds.folders = 1; }
  SECTION("none kept") { bounds.folders = 0; }
  Scraped scraped(args_of(host), bounds);
  CHECK(groups(scraped.scrape()) == "\"first\" 1\n\"other\" 1\n");
  host.remove("10");
  host.process(10, {.comm = "second", .start = 200});
  CHECK(groups(scraped.scrape()) == "\"first\" 0\n\"other\" 1\n\"second\" 1\n");
  host.remove("20");
  CHECK(groups(scraped.scrape()) == "\"first\" 0\n\"other\" 0\n\"second\" 1\n");
}

TEST_CASE("processes: the folder of a process that has ended leads nowhere") {
  auto root = ProcRoot::open("/proc").value();
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    char byte = 0;
    ::close(ends[1]);
    const ssize_t got = ::read(ends[0], &byte, 1);
    ::_exit(got == 0 ? 0 : 1);
  }
  ::close(ends[0]);
  const FileDescriptor writer(ends[1]);
  ProcessFolder kept = root.process(pid);
  REQUIRE(kept.self);
  const auto before = root.open_files(kept);
  REQUIRE(before);
  CHECK(*before >= 1);
  REQUIRE(root.read(kept.self.get(), "stat"));
  ::kill(pid, SIGKILL);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  CHECK_FALSE(root.read(kept.self.get(), "stat"));
  CHECK(root.gone());
  CHECK_FALSE(root.open_files(kept));
}

TEST_CASE("processes: one that renames itself moves when it is asked again") {
  HostFolder host;
  host.process(10, {.comm = "sh"});
  host.process(20, {.comm = "quiet"});
  auto args = args_of(host, {{"{{.Comm}}", {"sh", "server"}, {}, {}}});
  args.recheck_on_scrape = GENERATE(false, true);
  Scraped scraped(args);
  CHECK(groups(scraped.scrape()) == "\"sh\" 1\n");
  host.process(10, {.comm = "server", .ticks = 100, .switches = 2});
  host.process(20, {.comm = "server"});
  auto page = scraped.scrape();
  if (args.recheck_on_scrape) {
    CHECK(groups(page) == "\"server\" 2\n\"sh\" 0\n");
    CHECK(page[R"(cpu_seconds_total{groupname="server", mode="user"})"] == 1);
    host.process(10, {.comm = "odd"});
    CHECK(groups(scraped.scrape()) == "\"server\" 2\n\"sh\" 0\n");
  } else {
    CHECK(groups(page) == "\"sh\" 1\n");
    CHECK(page[R"(cpu_seconds_total{groupname="sh", mode="user"})"] == 1);
  }
}

TEST_CASE("processes: children belong to the group of their parent") {
  HostFolder host;
  host.process(1, {.comm = "init", .parent = 0});
  host.process(50, {.comm = "master"});
  host.process(9, {.comm = "child", .parent = 50});
  host.process(60, {.comm = "grandchild", .parent = 70});
  host.process(70, {.comm = "child", .parent = 9});
  host.process(80, {.comm = "other", .parent = 1});
  host.process(81, {.comm = "circle", .parent = 82});
  host.process(82, {.comm = "circle", .parent = 81});
  host.process(90, {.comm = "named", .parent = 50});
  auto args = args_of(host, {{"{{.Comm}}", {"master", "named"}, {}, {}}});
  args.track_children = GENERATE(true, false);
  Scraped scraped(args);
  CHECK(groups(scraped.scrape()) ==
        (args.track_children ? "\"master\" 4\n\"named\" 1\n" : "\"master\" 1\n\"named\" 1\n"));
  // What comes later, too; and one whose parent has gone stays.
  host.process(95, {.comm = "late", .parent = 60});
  host.remove("50");
  CHECK(groups(scraped.scrape()) ==
        (args.track_children ? "\"master\" 4\n\"named\" 1\n" : "\"master\" 0\n\"named\" 1\n"));
}

TEST_CASE("processes: states, zombies and names as programs like them") {
  HostFolder host;
  for (const char state : std::string("RSDZTIXt"))
    host.process(state, {.comm = "any", .state = state, .pages = state == 'Z' ? 0 : 10});
  host.process(1000, {.comm = "a) S (\n\\\"", .arguments = std::string("x\0", 2)});
  host.process(1001, {.comm = "\xff\xfe"});
  Scraped scraped(args_of(host));
  auto page = scraped.scrape();
  CHECK(page[R"(states{groupname="any", state="Running"})"] == 1);
  CHECK(page[R"(states{groupname="any", state="Sleeping"})"] == 1);
  CHECK(page[R"(states{groupname="any", state="Waiting"})"] == 1);
  CHECK(page[R"(states{groupname="any", state="Zombie"})"] == 1);
  CHECK(page[R"(states{groupname="any", state="Other"})"] == 4);
  CHECK(page[R"(num_procs{groupname="a) S (\n\\\""})"] == 1);
  CHECK(groups(page).find("\"\xEF\xBF\xBD\xEF\xBF\xBD\" 1\n") != std::string::npos);
}

TEST_CASE("processes: what cannot be read is counted and costs nothing else") {
  HostFolder host;
  host.process(10, {.comm = "a", .ticks = 0});
  host.process(20, {.comm = "b"});
  Scraped scraped(args_of(host));
  SECTION("bytes") {
    host.process(10, {.comm = "a", .ticks = 100, .switches = 2, .bytes = 500});
    host.make_unreadable("10/io");
    auto page = scraped.scrape();
    CHECK(page["scrape_partial_errors"] == 1);
    CHECK(page[R"(cpu_seconds_total{groupname="a", mode="user"})"] == 1);
    CHECK(page[R"(read_bytes_total{groupname="a"})"] == 0);
    CHECK(scraped.scrape()["scrape_partial_errors"] == 2);
    host.remove("10/io");
    host.process(10, {.comm = "a", .ticks = 100, .switches = 3, .bytes = 600});
    page = scraped.scrape();
    CHECK(page["scrape_partial_errors"] == 2);
    CHECK(page[R"(read_bytes_total{groupname="a"})"] == 600);
  }
  SECTION("bytes of a process that was never seen with them") {
    host.process(30, {.comm = "c", .bytes = 500});
    host.make_unreadable("30/io");
    scraped.scrape();
    host.remove("30/io");
    host.process(30, {.comm = "c", .switches = 2, .bytes = 600});
    CHECK(scraped.scrape()[R"(read_bytes_total{groupname="c"})"] == 0);
    host.process(30, {.comm = "c", .switches = 3, .bytes = 700});
    CHECK(scraped.scrape()[R"(read_bytes_total{groupname="c"})"] == 100);
  }
  SECTION("descriptors") {
    host.remove("10/fd");
    host.write("10/fd", "no folder");
    auto page = scraped.scrape();
    CHECK(page["scrape_partial_errors"] == 1);
    CHECK(page[R"(open_filedesc{groupname="a"})"] == 0);
    CHECK(page[R"(open_filedesc{groupname="b"})"] == 2);
  }
  SECTION("a process at all: it is not there, and does not count twice when it is again") {
    host.process(10, {.comm = "a", .ticks = 100, .switches = 2});
    scraped.scrape();
    for (const char* file : {"10/status", "10/stat"}) {
      host.make_unreadable(file);
      auto page = scraped.scrape();
      CHECK(page[R"(num_procs{groupname="a"})"] == 0);
      host.remove(file);
      host.process(10, {.comm = "a", .ticks = 100, .switches = 2});
      page = scraped.scrape();
      CHECK(page[R"(num_procs{groupname="a"})"] == 1);
      CHECK(page[R"(cpu_seconds_total{groupname="a", mode="user"})"] == 1);
    }
    CHECK(scraped.scrape()["scrape_procread_errors"] == 2);
  }
  SECTION("one that ends meanwhile is no error") {
    host.remove("10/stat");
    host.remove("20/status");
    auto page = scraped.scrape();
    CHECK(page["scrape_procread_errors"] == 0);
    CHECK(page["scrape_partial_errors"] == 0);
    CHECK(groups(page) == "\"a\" 0\n\"b\" 0\n");
  }
  SECTION("all of them") {
    host.remove("");
    CHECK(text(scraped.scrape()) ==
          "scrape_errors 1\nscrape_partial_errors 0\nscrape_procread_errors 0\n");
    CHECK_FALSE(scraped.good());
  }
}

TEST_CASE("processes: what a process that has not run cannot have changed is not read") {
  HostFolder host;
  host.process(10, {.comm = "a", .wchan = "do_wait"});
  Scraped scraped(args_of(host));
  host.make_unreadable("10/io");
  host.make_unreadable("10/wchan");
  auto page = scraped.scrape();
  CHECK(page["scrape_partial_errors"] == 0);
  CHECK(page[R"(threads_wchan{groupname="a", wchan="do_wait"})"] == 1);
  host.remove("10");
  host.process(10, {.comm = "a", .switches = 2, .bytes = 7, .wchan = "do_poll"});
  page = scraped.scrape();
  CHECK(page[R"(read_bytes_total{groupname="a"})"] == 7);
  CHECK(text(page).find("do_wait") == std::string::npos);
  CHECK(page[R"(threads_wchan{groupname="a", wchan="do_poll"})"] == 1);
  // One that runs has changed whatever it may say.
  host.process(10, {.comm = "a", .state = 'R', .switches = 2, .bytes = 9});
  page = scraped.scrape();
  CHECK(page[R"(read_bytes_total{groupname="a"})"] == 9);
  CHECK(text(page).find("threads_wchan") == std::string::npos);
}

TEST_CASE("processes: threads come and go") {
  HostFolder host;
  Told told{.comm = "pool", .threads = 3};
  host.process(10, told);
  host.thread("10/task/10", told);
  host.thread("10/task/11", {.comm = "job", .ticks = 100, .switches = 10});
  host.thread("10/task/12", {.comm = "job", .ticks = 100, .switches = 10});
  auto args = args_of(host);
  args.track_threads = GENERATE(true, false);
  Scraped scraped(args);
  host.thread("10/task/11", {.comm = "job", .ticks = 300, .switches = 20});
  host.remove("10/task/12");
  host.thread("10/task/13", {.comm = "new", .ticks = 500, .switches = 7});
  auto page = scraped.scrape();
  const std::string switches =
      R"(context_switches_total{ctxswitchtype="voluntary", groupname="pool"})";
  // 10 more of one; all of the new one; the one that ended takes nothing away.
  CHECK(page[switches] == 17);
  if (args.track_threads) {
    CHECK(page[R"(thread_count{groupname="pool", threadname="job"})"] == 1);
    CHECK(page[R"(thread_cpu_seconds_total{groupname="pool", mode="user", threadname="job"})"] ==
          2);
    CHECK(page[R"(thread_cpu_seconds_total{groupname="pool", mode="user", threadname="new"})"] ==
          0);
  } else {
    CHECK(text(page).find("thread_") == std::string::npos);
  }
  // With one left, it is a process without threads.
  host.remove("10/task/11");
  host.remove("10/task/13");
  told.threads = 1;
  host.process(10, told);
  page = scraped.scrape();
  CHECK(page[switches] == 17);
  CHECK(text(page).find("thread_count") == std::string::npos);
  CHECK(page[R"(states{groupname="pool", state="Sleeping"})"] == 1);
}

namespace {

// Each look at it takes 100 ms.
class SlowClock final : public Clock {
 public:
  std::int64_t wall_ns() const override { return 0; }
  Mono mono() const override {
    now_ += std::chrono::milliseconds(100);
    return now_;
  }
  bool wait(MutexLock&, Condition&, Mono, const std::stop_token&,
            const std::function<bool()>& ready) override {
    return ready();
  }

 private:
  mutable Mono now_{};
};

}  // namespace

TEST_CASE("processes: proportional memory takes a bounded time and goes round") {
  HostFolder host;
  for (int pid = 10; pid < 14; ++pid) {
    host.process(pid, {.comm = "p" + std::to_string(pid)});
    host.write(std::to_string(pid) + "/smaps_rollup", "x\nPss: 2 kB\nSwapPss: 1 kB\n");
  }
  host.process(20, {.comm = "zombie", .state = 'Z', .pages = 0});
  auto args = args_of(host);
  args.gather_smaps = true;
  const SlowClock clock;
  Scraped scraped(args, {}, &clock);
  const auto known = [](std::map<std::string, double> page) {
    std::string out;
    for (int pid = 10; pid < 14; ++pid)
      out += format_number(page["memory_bytes{groupname=\"p" + std::to_string(pid) +
                                "\", memtype=\"proportionalResident\"}"]) +
             " ";
    return out;
  };
  CHECK(known(scraped.scrape()) == "2048 2048 0 0 ");
  host.remove("10/smaps_rollup");
  auto page = scraped.scrape();
  CHECK(known(page) == "2048 2048 2048 2048 ");
  CHECK(page[R"(memory_bytes{groupname="p13", memtype="proportionalSwapped"})"] == 1024);
  CHECK(page["scrape_partial_errors"] == 0);
  page = scraped.scrape();
  CHECK(known(page) == "0 2048 2048 2048 ");
  CHECK(page["scrape_partial_errors"] == 1);
}

TEST_CASE("processes: names that somebody makes up cannot make groups without end") {
  HostFolder host;
  for (int pid = 1; pid <= 7; ++pid) host.process(pid, {.comm = "x"});
  Bounds bounds;
  bounds.groups = 5;
  Scraped scraped(args_of(host, {{"{{.PID}}", {"x"}, {}, {}}}), bounds);
  CHECK(groups(scraped.scrape()) == "\"1\" 1\n\"2\" 1\n\"3\" 1\n\"4\" 1\n\"5\" 1\n");
  // Those without processes make room.
  host.remove("4");
  host.remove("5");
  CHECK(groups(scraped.scrape()) == "\"1\" 1\n\"2\" 1\n\"3\" 1\n\"4\" 0\n\"5\" 0\n");
  host.process(8, {.comm = "x"});
  CHECK(groups(scraped.scrape()) == "\"1\" 1\n\"2\" 1\n\"3\" 1\n\"8\" 1\n");
}

TEST_CASE("processes: nor series of threads without end") {
  HostFolder host;
  const auto pool = [&](int pid, int threads) {
    const std::string folder = std::to_string(pid);
    host.process(pid, {.comm = "pool" + folder, .threads = threads});
    host.thread(folder + "/task/" + folder, {.comm = "pool" + folder});
    for (int id = pid + 1; id < pid + threads; ++id)
      host.thread(folder + "/task/" + std::to_string(id), {.comm = "t" + std::to_string(id)});
  };
  pool(10, 3);
  pool(20, 4);
  Bounds bounds;
  bounds.thread_groups = 4;
  Scraped scraped(args_of(host), bounds);
  const auto names = [](const std::map<std::string, double>& page) {
    std::string out;
    for (const auto& [series, value] : page)
      if (series.starts_with("thread_count"))
        out += series.substr(series.find("threadname=") + 11) + " " + format_number(value) + "\n";
    return out;
  };
  CHECK(names(scraped.scrape()) ==
        "\"pool10\"} 1\n\"t11\"} 1\n\"t12\"} 1\n\"(more)\"} 3\n\"pool20\"} 1\n");
  host.remove("10");
  CHECK(names(scraped.scrape()) == "\"(more)\"} 3\n\"pool20\"} 1\n");
  CHECK(names(scraped.scrape()) == "\"pool20\"} 1\n\"t21\"} 1\n\"t22\"} 1\n\"t23\"} 1\n");
}

TEST_CASE("prometheus.exporter.process: a target, and a page behind it") {
  HostFolder host;
  host.process(10, {.comm = "server"});
  ComponentBox box("prometheus.exporter.process.x");
  RunningComponent component(box, prometheus_exporter_process());
  REQUIRE(
      component.configure(body_of({{"procfs_path", lang::Value(host.proc().string())}})).empty());
  const auto families = box.collectors.find("prometheus.exporter.process.x")->collect({});
  REQUIRE(families);
  std::string last;
  for (const auto& family : *families) {
    CHECK(last < family.name);
    CHECK_FALSE(family.points.empty());
    last = family.name;
  }
  CHECK(families->size() == 13 + 3);  // it has no threads and waits nowhere
  const auto target = box.exported("targets").list().at(0);
  CHECK(target.find("job")->string() == "integrations/process");
}

TEST_CASE("prometheus.exporter.process: arguments that cannot work are refused") {
  ComponentBox box("prometheus.exporter.process.x");
  RunningComponent component(box, prometheus_exporter_process());
  const auto matcher = [&](std::vector<std::pair<std::string, lang::Value>> attributes) {
    return component.configure(body_of({}, {{"matcher", body_of(std::move(attributes))}}));
  };
  CHECK(matcher({}) == "a matcher needs comm, exe or cmdline");
  CHECK(matcher({{"cmdline", string_list({"a", "("})}}).find("cmdline: the regular expression") ==
        0);
  CHECK(matcher({{"comm", string_list({"a"})}, {"name", lang::Value(std::string("{{.Nope}}"))}})
            .find("name: there is no field .Nope; there are .Comm") == 0);
  CHECK(matcher({{"comm", string_list({"a"})}, {"name", lang::Value(std::string("{{"))}})
            .find("name: ") == 0);
  const std::string nowhere = (box.dir / "nowhere").string();
  CHECK(component.configure(body_of({{"procfs_path", lang::Value(nowhere)}})) ==
        nowhere + ": No such file or directory");
}

}  // namespace agent::exporter
