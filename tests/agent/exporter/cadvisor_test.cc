// prometheus.exporter.cadvisor over hosts that are folders of files, and a daemon that is a script.
#include <re2/re2.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "agent/base/strings.h"
#include "agent/exporter/cadvisor/cgroup_v1.h"
#include "agent/exporter/cadvisor/cgroup_v2.h"
#include "agent/exporter/cadvisor/scraper.h"
#include "agent/exporter/cadvisor/text.h"
#include "agent/wire/exposition.h"
#include "agent/wire/exposition_families.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_server.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_cadvisor();

namespace cadvisor {
namespace {

const std::string kWeb(64, 'a');
const std::string kDb = std::string(32, 'b') + std::string(32, '0');

std::string text(const std::vector<model::MetricFamily>& families, std::string_view only = "") {
  std::string out;
  for (const auto& family : families) {
    for (const auto& point : family.points) {
      const std::string line = family.name +
                               (point.labels.empty() ? "" : model::labels_text(point.labels)) +
                               " " + format_number(point.value) + "\n";
      if (line.find(only) != std::string::npos) out += line;
    }
  }
  return out;
}

// Answers as Docker does for the containers it is told of.
class ScriptedDocker {
 public:
  explicit ScriptedDocker(const std::string& socket)
      : server_(
            [this](const ScriptedServer::Request& request, std::size_t) { return answer(request); },
            socket) {}

  struct Known {
    std::string name, status = "Up 2 minutes", labels = "{}", more = "{}", mode = "bridge";
    std::string environment = "[]";
    int restarts = 0, pid = 0;
    std::int64_t size = 4096;
  };
  void set(const std::string& id, Known known) {
    MutexLock lock(mutex_);
    known_[id] = std::move(known);
  }
  void fail(int status) {
    MutexLock lock(mutex_);
    status_ = status;
  }
  std::size_t asked(std::string_view part) const {
    std::size_t count = 0;
    for (const auto& request : server_.requests())
      count += request.target.find(part) != std::string::npos ? 1 : 0;
    return count;
  }

 private:
  ScriptedServer::Answer answer(const ScriptedServer::Request& request) {
    MutexLock lock(mutex_);
    ScriptedServer::Answer out;
    out.status = status_;
    if (status_ != 200) {
      out.body = R"({"message":"no"})";
    } else if (request.target == "/info") {
      out.body = R"({"ServerVersion":"20.10.24","DockerRootDir":"/tmp"})";
    } else if (request.target.starts_with("/containers/json")) {
      std::string list;
      for (const auto& [id, one] : known_)
        list += (list.empty() ? "" : ",") + std::string(R"({"Id":")") + id + R"(","Names":[")" +
                one.name + R"("],"Image":"shop/web:1","State":"running","Status":")" + one.status +
                R"(","SizeRw":)" + std::to_string(one.size) + R"(,"Labels":)" + one.labels + "}";
      out.body = "[" + list + "]";
    } else {
      const std::string id = request.target.substr(12, 64);
      const Known& one = known_[id];
      out.body = R"({"Id":")" + id + R"(","Name":")" + one.name + R"(","RestartCount":)" +
                 std::to_string(one.restarts) + R"(,"State":{"Running":true,"Pid":)" +
                 std::to_string(one.pid) +
                 R"(,"StartedAt":"2026-11-21T09:48:14.883289504Z"},"Config":{"Image":"shop/web:1",)"
                 R"("Env":)" +
                 one.environment + R"(},"HostConfig":{"NetworkMode":")" + one.mode + R"("}})";
    }
    return out;
  }
  Mutex mutex_;
  std::map<std::string, Known> known_ GUARDED_BY(mutex_);
  int status_ GUARDED_BY(mutex_) = 200;
  ScriptedServer server_;
};

struct HostTree {
  void write(const std::string& file, const std::string& bytes) {
    const auto path = dir / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << bytes;
  }
  Scraper scraper(CadvisorArgs args) {
    args.docker_host = "unix://" + socket();
    return Scraper(args, args.docker().value(), {dir / "proc", dir / "sys", dir / "etc"}, clock,
                   Log::none());
  }
  std::string socket() const { return (dir / "docker.sock").string(); }
  TempDir dir;
  FakeClock clock{1'795'254'500'000'000'000};
};

// What the kernel writes of a group, with numbers to tell it by.
void write_v1(HostTree& host, const std::string& path, int n) {
  const std::string base = "sys/fs/cgroup/", s = std::to_string(n);
  host.write(base + "cpuacct" + path + "/cpuacct.usage", s + "000000000\n");
  host.write(base + "cpuacct" + path + "/cpuacct.stat", "user " + s + "00\nsystem 50\n");
  host.write(base + "cpuacct" + path + "/cpuacct.usage_percpu", s + "000000000 0 500000000 \n");
  host.write(base + "cpu" + path + "/cpu.cfs_period_us", "100000\n");
  host.write(base + "cpu" + path + "/cpu.cfs_quota_us", "50000\n");
  host.write(base + "cpu" + path + "/cpu.shares", "512\n");
  host.write(base + "cpu" + path + "/cpu.stat",
             "nr_periods 10\nnr_throttled 3\nthrottled_time 2500000000\n");
  const std::string memory = base + "memory" + path + "/memory.";
  host.write(memory + "usage_in_bytes", "1000000\n");
  host.write(memory + "max_usage_in_bytes", "2000000\n");
  host.write(memory + "failcnt", "7\n");
  host.write(memory + "kmem.usage_in_bytes", "4096\n");
  host.write(memory + "limit_in_bytes", "9223372036854771712\n");
  host.write(memory + "memsw.limit_in_bytes", "4194304\n");
  host.write(memory + "soft_limit_in_bytes", "2097152\n");
  host.write(memory + "oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  host.write(memory + "stat",
             "cache 1\nrss 2\npgfault 11\npgmajfault 12\ntotal_cache 300000\ntotal_rss 400000\n"
             "total_mapped_file 5\ntotal_swap 6\ntotal_pgfault 13\ntotal_pgmajfault 14\n"
             "total_active_file 100000\ntotal_inactive_file 200000\n");
  host.write(memory + "numa_stat", "total=9 N0=9\nfile=3 N0=3\nhierarchical_anon=5 N0=4 N1=1\n");
  host.write(base + "blkio" + path + "/blkio.throttle.io_service_bytes_recursive",
             "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 0\n254:0 Total 12288\nTotal 12288\n");
  host.write(base + "blkio" + path + "/blkio.throttle.io_serviced_recursive",
             "254:0 Read 1\n254:0 Write 2\nTotal 3\n");
  host.write(base + "pids" + path + "/pids.current", "5\n");
  host.write(base + "pids" + path + "/pids.max", "max\n");
}

constexpr char kMountsV1[] =
    "/dev/vda / ext4 rw 0 0\ntmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0\n"
    "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
    "cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
    "cgroup /sys/fs/cgroup/blkio cgroup rw,relatime,blkio 0 0\n"
    "cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0\n";

void write_v2(HostTree& host, const std::string& path) {
  const std::string base = "sys/fs/cgroup" + path + "/";
  host.write(base + "cpu.stat",
             "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 10\n"
             "nr_throttled 3\nthrottled_usec 2500000\n");
  host.write(base + "cpu.max", "50000 100000\n");
  host.write(base + "cpu.weight", "100\n");
  host.write(base + "memory.current", "1000000\n");
  host.write(base + "memory.peak", "2000000\n");
  host.write(base + "memory.swap.current", "6\n");
  host.write(base + "memory.max", "max\n");
  host.write(base + "memory.swap.max", "4194304\n");
  host.write(base + "memory.low", "2097152\n");
  host.write(base + "memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\n");
  host.write(base + "memory.stat",
             "anon 400000\nfile 300000\nkernel 4096\nfile_mapped 5\ninactive_file 200000\n"
             "active_file 100000\npgfault 13\npgmajfault 14\n");
  host.write(base + "memory.numa_stat", "anon N0=16384 N1=4096\nfile N0=12288\nslab N0=4096\n");
  host.write(base + "io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=512 dios=1\n");
  host.write(base + "pids.current", "5\n");
  host.write(base + "pids.max", "100\n");
  host.write(base + "cpu.pressure",
             "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
             "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n");
  host.write(base + "io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=20\n");
}

void write_machine(HostTree& host) {
  host.write("proc/meminfo",
             "MemTotal: 1000 kB\nMemFree: 400 kB\nSwapTotal: 20 kB\nSwapFree: 5 kB\n");
  host.write("proc/partitions", "major minor  #blocks  name\n\n 254 0 1024 vda\n");
  host.write("proc/sys/kernel/osrelease", "6.1.0\n");
  host.write("proc/sys/kernel/random/boot_id", "b-1\n");
  host.write("proc/1/net/dev",
             "Inter-|   Receive\n face |bytes\n    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n"
             "  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\nveth12: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n");
  host.write("proc/77/net/dev", "a|b\n eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0\n");
  host.write("proc/diskstats", " 254 0 vda 1 2 3 4000 5 6 7 8000 9 10000 11000 0 0 0 0\n");
  host.write("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n");
  host.write("etc/machine-id", "m-1\n");
  for (const char* cpu : {"cpu0", "cpu1"}) {
    const std::string base = std::string("sys/devices/system/cpu/") + cpu + "/topology/";
    host.write(base + "core_id", "0\n");
    host.write(base + "physical_package_id", "0\n");
  }
}

// The page, with what differs between machines taken out.
std::string page_text(const std::vector<model::MetricFamily>& page) {
  std::string out = wire::write_exposition(page);
  CHECK(wire::read_families(out));
  RE2::GlobalReplace(&out, R"((cadvisorVersion)=\"[^\"]*\")", R"(\1="V")");
  RE2::GlobalReplace(&out, R"((container_start_time_seconds\{id=.*\}) .*)", R"(\1 T)");
  RE2::GlobalReplace(&out, R"((container_fs_(inodes_free|inodes_total|limit_bytes)\{.*\}) .*)",
                     R"(\1 N)");
  RE2::GlobalReplace(&out, R"((container_fs_usage_bytes\{.*id=\"/\"\}) .*)", R"(\1 N)");
  return out;
}

void check_golden(const std::string& name, const std::string& got) {
  const std::string path = SOURCE_DIR "/tests/golden/cadvisor/" + name;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << got;
  const auto wanted = read_file(path);
  REQUIRE(wanted);
  CHECK(got == *wanted);
}

ScriptedDocker::Known web() {
  return {.name = "/web",
          .status = "Up 2 minutes (healthy)",
          .labels = R"({"com.docker.compose.service":"web","odd key":"v"})",
          .restarts = 2,
          .pid = 77};
}

TEST_CASE("cadvisor: version 1, names from Docker") {
  HostTree host;
  write_machine(host);
  host.write("proc/self/mounts", kMountsV1);
  write_v1(host, "/docker/" + kWeb, 3);
  write_v1(host, "/system.slice/ssh.service", 1);
  host.write("sys/fs/cgroup/memory/system.slice/boot.mount/memory.usage_in_bytes", "1\n");
  ScriptedDocker docker(host.socket());
  docker.set(kWeb, web());
  CadvisorArgs args;
  args.raw_cgroup_prefix_allowlist = {"/system.slice/"};
  check_golden("v1.prom", page_text(host.scraper(args).scrape({})));
}

TEST_CASE("cadvisor: version 2 with systemd's names") {
  HostTree host;
  write_machine(host);
  host.write("proc/self/mounts",
             "/dev/vda / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
  host.write("sys/fs/cgroup/cpu.stat", "usage_usec 9000000\nuser_usec 8000000\nsystem_usec 5\n");
  host.write("sys/fs/cgroup/memory.stat", "anon 1\nfile 2\ninactive_file 102400\n");
  write_v2(host, "/system.slice/docker-" + kWeb + ".scope");
  ScriptedDocker docker(host.socket());
  docker.set(kWeb, web());
  CadvisorArgs args;
  args.docker_only = true;
  check_golden("v2.prom", page_text(host.scraper(args).scrape({})));
}

TEST_CASE("cadvisor: a hybrid host has controllers in version 1 and pressure in version 2") {
  HostTree host;
  write_machine(host);
  host.write("proc/self/mounts",
             std::string(kMountsV1) + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
  write_v1(host, "/docker/" + kWeb, 3);
  host.write("sys/fs/cgroup/unified/docker/" + kWeb + "/cpu.stat", "usage_usec 1\n");
  host.write("sys/fs/cgroup/unified/docker/" + kWeb + "/memory.pressure", "some total=7000000\n");
  CadvisorArgs args;
  args.enabled_metrics = {"cpu", "pressure"};
  args.docker_only = true;
  args.raw_cgroup_prefix_allowlist = {"/docker/"};
  args.disable_root_cgroup_stats = true;
  const std::string page = text(host.scraper(args).scrape({}), "/docker/" + kWeb);
  const std::string id = R"({id="/docker/)" + kWeb + R"("} )";
  CHECK(page.find("container_cpu_system_seconds_total" + id + "0.5\n") != std::string::npos);
  CHECK(page.find("container_cpu_usage_seconds_total{cpu=\"total\", id=\"/docker/" + kWeb +
                  "\"} 3\n") != std::string::npos);
  CHECK(page.find("container_pressure_memory_waiting_seconds_total" + id + "7\n") !=
        std::string::npos);
  CHECK(page.find("container_memory") == std::string::npos);
}

}  // namespace
}  // namespace cadvisor
}  // namespace agent::exporter
