// prometheus.exporter.cadvisor over hosts that are folders of files, and a daemon that is a script.
#include <re2/re2.h>

#include <atomic>
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
      const std::string line =
          family.name + (point.all_labels().empty() ? "" : model::labels_text(point.all_labels())) +
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
  // As a proxy that lets lists and inspections pass and nothing else.
  void forbid_info() {
    MutexLock lock(mutex_);
    info_ = false;
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
    if (request.target == "/info" && !info_) out.status = 403;
    if (out.status != 200) {
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
  bool info_ GUARDED_BY(mutex_) = true;
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

std::string labels_line(const wire::DockerContainer& listed,
                        const wire::DockerInspection& inspected,
                        const DockerOptions& options = {}) {
  return model::labels_text(container_labels(listed, inspected, options));
}

TEST_CASE("cadvisor: labels of containers may be anything") {
  wire::DockerContainer listed;
  listed.name = "/w\"e\\b\xff";
  listed.image = "sha256:1";
  listed.labels = {{"a_b", "second"}, {"a.b", "first"}, {"1st", std::string(5000, 'x')}, {"", "e"}};
  wire::DockerInspection inspected;
  inspected.restarts = 3;
  inspected.environment = {"SHOP_ZONE=a=b", "SHOP_=", "SHOPPING", "PATH=/bin", "=x"};
  CHECK(labels_line(listed, inspected) ==
        R"({container_label_="e", container_label_1st=")" + std::string(4096, 'x') +
            R"(", container_label_a_b="first", image="sha256:1", name="w\"e\\b)"
            "\xEF\xBF\xBD"
            R"("})");
  DockerOptions some;
  some.all_labels = false;
  some.labels = {"a_b", "restartcount"};
  some.environment = {"", "SHOP_"};
  inspected.image = "shop/web:1";
  CHECK(
      labels_line(listed, inspected, some) ==
      R"({container_env_shop_zone="a=b", container_label_a_b="second", container_label_restartcount="3", image="shop/web:1", name="w\"e\\b)"
      "\xEF\xBF\xBD"
      R"("})");
  for (int n = 0; n < 1000; ++n) listed.labels.emplace_back("many" + std::to_string(n), "v");
  CHECK(container_labels(listed, {}, {}).size() <= 256 + 2);
}

TEST_CASE("cadvisor: the id of a container in the path of its control group") {
  CHECK(docker_id("/docker/" + kWeb) == kWeb);
  CHECK(docker_id("/system.slice/docker-" + kWeb + ".scope") == kWeb);
  CHECK(docker_id("/kubepods/" + kWeb) == kWeb);
  CHECK(docker_id("/docker/" + kWeb + "/init.scope").empty());
  CHECK(docker_id("/docker/a" + kWeb).empty());
  CHECK(docker_id("/docker/" + std::string(64, 'x')).empty());
  CHECK(docker_id("/system.slice/var-lib-docker-" + kWeb + ".mount").empty());
  CHECK(docker_id("/").empty());
}

TEST_CASE("cadvisor: which control groups are told of") {
  CadvisorArgs args;
  CHECK(args.wants_raw("/user.slice"));
  CHECK_FALSE(args.wants_raw("/system.slice/boot.mount"));
  args.docker_only = true;
  CHECK(args.wants_raw("/"));
  CHECK_FALSE(args.wants_raw("/user.slice"));
  args.raw_cgroup_prefix_allowlist = {"/system.slice/ssh", "/user"};
  CHECK(args.wants_raw("/user.slice"));
  CHECK(args.wants_raw("/system.slice/ssh.service"));
  CHECK_FALSE(args.wants_raw("/system.slice/cron.service"));
}

TEST_CASE("cadvisor: disabled_metrics replaces the default, enabled_metrics is exact") {
  const Kinds usual = Kinds::chosen({}, {});
  CHECK((usual.has(Kind::kCpu) && usual.has(Kind::kPressure) && !usual.has(Kind::kProcess)));
  const Kinds without_cpu = Kinds::chosen({}, {"cpu"});
  CHECK((!without_cpu.has(Kind::kCpu) && without_cpu.has(Kind::kProcess)));
  const Kinds exact = Kinds::chosen({"udp"}, {"udp"});
  CHECK((exact.has(Kind::kUdp) && !exact.has(Kind::kCpu)));
}

TEST_CASE("cadvisor: arguments that cannot do what they say are refused") {
  ComponentBox box("prometheus.exporter.cadvisor.x");
  RunningComponent component(box, prometheus_exporter_cadvisor());
  const auto said = [&](std::vector<std::pair<std::string, lang::Value>> attributes) {
    return component.configure(body_of(std::move(attributes)));
  };
  CHECK(said({}).empty());
  CHECK(said({{"containerd_host", lang::Value("/run/other.sock")}})
            .find("containerd_host is not supported: only Docker is asked for names") !=
        std::string::npos);
  CHECK(said({{"perf_events_config", lang::Value("/etc/perf.json")}}).find("not supported") !=
        std::string::npos);
  CHECK(said({{"enabled_metrics", string_list({"cpus"})}})
            .find(R"(there is no kind of metrics "cpus")") != std::string::npos);
  CHECK(said({{"enabled_metrics", string_list({"cpu", "app"})}})
            .find(R"(no metrics of the kind "app")") != std::string::npos);
  CHECK_FALSE(component.refused());
  CHECK(said({{"docker_host", lang::Value("nowhere")}}).find("is not an address") !=
        std::string::npos);
  CHECK(component.refused());
  CHECK(said({{"use_docker_tls", lang::Value(true)}}).find("no effect with unix://") !=
        std::string::npos);
  CHECK(said({{"use_docker_tls", lang::Value(true)},
              {"docker_host", lang::Value("tcp://docker.example:2376")}})
            .empty());
  CadvisorArgs tls;
  tls.use_docker_tls = true;
  tls.docker_host = "tcp://docker.example:2376";
  CHECK(tls.docker()->origin.base_url == "https://docker.example:2376");
  CHECK(tls.docker()->http.tls.ca_file == "ca.pem");
  REQUIRE(box.collectors.find("prometheus.exporter.cadvisor.x"));
}

// A host of version 2 with one container.
struct OneContainer {
  OneContainer() {
    write_machine(host);
    host.write("proc/self/mounts",
               "/dev/vda / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    write_v2(host, "/docker/" + kWeb);
  }
  HostTree host;
};

bool has(const std::vector<model::MetricFamily>& page, std::string_view part) {
  return !text(page, part).empty();
}

// The answers are as the documentation of Docker's API 1.52 has them: no GraphDriver, images are
// manifests, a container whose image lost its name is listed with a digest, and what was not
// written has no size.
TEST_CASE("cadvisor: names and sizes with the image store of containerd") {
  HostTree host;
  write_machine(host);
  const std::string docker_data = (host.dir / "docker").string();
  std::filesystem::create_directories(docker_data + "/containerd/daemon");
  host.write("proc/self/mounts", "/dev/vda / ext4 rw 0 0\n/dev/vdb " + docker_data +
                                     " ext4 rw 0 0\n/dev/vdc " + docker_data +
                                     "/containerd ext4 rw 0 0\n"
                                     "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
  const auto repeated = [](const std::string& four) {
    std::string out;
    for (int i = 0; i < 16; ++i) out += four;
    return out;
  };
  const std::string web = repeated("5c1e");
  const std::string idle = repeated("a7d2");
  for (const std::string& id : {web, idle}) write_v2(host, "/system.slice/docker-" + id + ".scope");
  const ScriptedServer docker(
      [&](const ScriptedServer::Request& request, std::size_t) {
        std::string file = request.target.substr(1);
        if (file == "containers/" + web + "/json") file = "web";
        if (file == "containers/" + idle + "/json") file = "idle";
        if (file.starts_with("containers/json")) file = "containers";
        const auto text =
            read_file(SOURCE_DIR "/tests/fixtures/docker/engine_29/" + file + ".json");
        ScriptedServer::Answer out;
        out.status = text ? 200 : 404;
        out.body = text ? *text : R"({"message":"page not found"})";
        // A daemon that has started a containerd of its own.
        RE2::Replace(&out.body, "/var/lib/docker\"", docker_data + "\"");
        RE2::Replace(&out.body, "/run/containerd", "/run/docker/containerd");
        return out;
      },
      host.socket());
  const auto page = host.scraper({}).scrape({});
  CHECK(has(page, "container_scrape_error 0"));
  CHECK(has(page, "dockerVersion=\"29.1.3\""));
  const auto labels = [](const std::string& id, const std::string& name, const std::string& image,
                         const std::string& device) {
    return "{container_label_com_docker_compose_service=\"" + name +
           "\", container_label_maintainer=\"NGINX Docker Maintainers <docker-maint@nginx.com>\"" +
           device + ", id=\"/system.slice/docker-" + id + ".scope\", image=\"" + image +
           "\", name=\"" + name + "\"} ";
  };
  const std::string web_image = "docker/welcome-to-docker:latest";
  const std::string idle_image = "shop/idle:2";
  CHECK(has(page, "container_memory_usage_bytes" + labels(web, "web", web_image, "") + "1e+06\n"));
  CHECK(
      has(page, "container_memory_usage_bytes" + labels(idle, "idle", idle_image, "") + "1e+06\n"));
  CHECK(has(page, "container_health_state" + labels(web, "web", web_image, "") + "1\n"));
  CHECK(has(page, "container_start_time_seconds" + labels(web, "web", web_image, "")));
  // On containerd's file system, not Docker's.
  const std::string device = ", device=\"/dev/vdc\"";
  CHECK(has(page, "container_fs_usage_bytes" + labels(web, "web", web_image, device) + "81920\n"));
  CHECK(has(page, "container_fs_usage_bytes" + labels(idle, "idle", idle_image, device) + "0\n"));
}

TEST_CASE("cadvisor: Docker is asked for a container once, and again when it is another") {
  OneContainer one;
  ScriptedDocker docker(one.host.socket());
  docker.set(kWeb, web());
  Scraper scraper = one.host.scraper({});
  for (int i = 0; i < 5; ++i) CHECK(has(scraper.scrape({}), "name=\"web\""));
  CHECK(docker.asked("/containers/" + kWeb) == 1);
  CHECK(docker.asked("/containers/json") == 5 + 1);  // one with sizes
  CHECK(docker.asked("size=1") == 1);

  auto renamed = web();
  renamed.name = "/shop";
  renamed.status = "Up 3 minutes (unhealthy)";
  docker.set(kWeb, renamed);
  auto page = scraper.scrape({});
  CHECK(has(page, "name=\"shop\""));
  CHECK_FALSE(has(page, "name=\"web\""));
  CHECK(text(page, "container_health_state").ends_with(" 0\n"));
  CHECK(docker.asked("/containers/" + kWeb) == 2);

  // Started again: its control group is a new one.
  const auto place = one.host.dir / "sys/fs/cgroup/docker";
  std::filesystem::create_directories(place / "new");
  std::filesystem::remove_all(place / kWeb);
  std::filesystem::rename(place / "new", place / kWeb);
  (void)scraper.scrape({});
  CHECK(docker.asked("/containers/" + kWeb) == 3);

  one.host.clock.advance(std::chrono::minutes(6));
  (void)scraper.scrape({});
  CHECK(docker.asked("size=1") == 2);
}

TEST_CASE("cadvisor: without the kind disk nobody asks for sizes") {
  OneContainer one;
  ScriptedDocker docker(one.host.socket());
  docker.set(kWeb, web());
  CadvisorArgs args;
  args.enabled_metrics = {"cpu"};
  CHECK_FALSE(has(one.host.scraper(args).scrape({}), "container_fs"));
  CHECK(docker.asked("size=1") == 0);
}

TEST_CASE("cadvisor: a daemon that fails costs no names that are known, and is told of") {
  OneContainer one;
  ScriptedDocker docker(one.host.socket());
  docker.set(kWeb, web());
  Scraper scraper = one.host.scraper({});
  CHECK(has(scraper.scrape({}), "container_scrape_error 0"));
  docker.fail(500);
  write_v2(one.host, "/docker/" + kDb);
  const auto page = scraper.scrape({});
  CHECK(has(page, "container_scrape_error 1"));
  CHECK(has(page, "container_memory_usage_bytes{container_label"));
  CHECK(has(page, "container_memory_usage_bytes{id=\"/docker/" + kDb + "\"} 1e+06"));
  docker.fail(200);
  docker.set(kDb, {.name = "/db"});
  const auto again = scraper.scrape({});
  CHECK(has(again, "container_scrape_error 0"));
  CHECK(has(again, "name=\"db\""));
}

TEST_CASE("cadvisor: a proxy that forbids what is not needed costs no names") {
  OneContainer one;
  ScriptedDocker docker(one.host.socket());
  docker.forbid_info();
  docker.set(kWeb, web());
  const auto page = one.host.scraper({}).scrape({});
  CHECK(has(page, "container_scrape_error 0"));
  CHECK(has(page, "name=\"web\""));
}

TEST_CASE("cadvisor: a daemon that hangs is left alone for a while") {
  OneContainer one;
  SystemClock real;
  std::atomic<int> asked = 0;
  ScriptedServer silent(
      [&](const ScriptedServer::Request&, std::size_t) {
        ++asked;
        return ScriptedServer::silence();
      },
      one.host.socket());
  CadvisorArgs args;
  args.docker_host = "unix://" + one.host.socket();
  Scraper scraper(args, args.docker().value(),
                  {one.host.dir / "proc", one.host.dir / "sys", one.host.dir / "etc"}, real,
                  Log::none());
  for (int i = 0; i < 3; ++i) {
    const auto page = scraper.scrape({});
    CHECK(has(page, "container_scrape_error 1"));
    CHECK(has(page, "container_memory_usage_bytes{id=\"/docker/" + kWeb + "\"} 1e+06"));
  }
  CHECK(asked == 1);
}

TEST_CASE("cadvisor: block I/O of version 1, whichever files the kernel counts in") {
  HostTree host;
  write_machine(host);
  host.write("proc/self/mounts", kMountsV1);
  const auto group = [&](const std::string& name) {
    host.write("sys/fs/cgroup/memory/docker/" + name + "/memory.usage_in_bytes", "1\n");
    return "sys/fs/cgroup/blkio/docker/" + name + "/blkio.";
  };
  const std::string empty = "Total 0\n";
  // With the groups below it, on two devices, one of which sysfs does not know.
  std::string at = group("recursive");
  host.write(at + "throttle.io_service_bytes_recursive",
             "8:0 Read 4096\n8:0 Write 512\n8:0 Sync 4608\n8:0 Async 0\n8:0 Discard 64\n8:0 Total "
             "4672\n254:0 Read 1\n254:0 Write 2\nTotal 4675\n");
  host.write(at + "throttle.io_serviced_recursive",
             "8:0 Read 2\n8:0 Write 1\n254:0 Read 1\n254:0 Write 1\nTotal 5\n");
  host.write(at + "throttle.io_service_bytes", "8:0 Read 99\nTotal 99\n");
  host.write(at + "bfq.io_service_bytes_recursive", "8:0 Read 77\nTotal 77\n");
  // Kernels before 4.17 have no files for the groups below.
  at = group("old");
  host.write(at + "throttle.io_service_bytes", "8:0 Read 10\n8:0 Write 20\nTotal 30\n");
  host.write(at + "throttle.io_serviced", "8:0 Read 3\n8:0 Write 4\nTotal 7\n");
  // The scheduler BFQ counts in files of its own and leaves the others empty.
  at = group("bfq");
  for (const char* name : {"throttle.io_service_bytes_recursive", "throttle.io_serviced_recursive",
                           "throttle.io_service_bytes", "throttle.io_serviced"})
    host.write(at + name, empty);
  host.write(at + "bfq.io_service_bytes_recursive", "254:0 Read 100\n254:0 Write 200\nTotal 300\n");
  host.write(at + "bfq.io_serviced_recursive", "254:0 Read 5\n254:0 Write 6\nTotal 11\n");
  // Nothing was read or written yet; and a file that is none.
  host.write(group("idle") + "throttle.io_service_bytes_recursive", empty);
  host.write(group("odd") + "throttle.io_service_bytes_recursive",
             "8:0 Read\n8:x Write 5\n8:0 Write -1\n8:0 Read 18446744073709551616000\n");
  CadvisorArgs args;
  args.docker_only = false;
  args.raw_cgroup_prefix_allowlist = {"/docker/"};
  std::string got;
  const std::string page = text(host.scraper(args).scrape({}), "id=\"/docker/");
  for_each_line(page, [&](std::string_view line) {
    if (line.starts_with("container_blkio_") || line.starts_with("container_fs_reads") ||
        line.starts_with("container_fs_writes"))
      got.append(line).append("\n");
  });
  check_golden("v1_blkio.prom", got);
}

TEST_CASE("cadvisor: a host without Docker is no error") {
  OneContainer one;
  const auto page = one.host.scraper({}).scrape({});
  CHECK(has(page, "container_scrape_error 0"));
  CHECK(has(page, "container_memory_usage_bytes{id=\"/docker/" + kWeb + "\"} 1e+06"));
}

TEST_CASE("cadvisor: a host without control groups, and one with too many below each other") {
  HostTree host;
  write_machine(host);
  CHECK(has(host.scraper({}).scrape({}), "container_scrape_error 1"));
  std::string path = "/a";
  for (int i = 0; i < 40; ++i) path += "/b";
  host.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
  write_v2(host, path);
  const auto page = host.scraper({}).scrape({});
  CHECK(has(page, "container_scrape_error 1"));
  CHECK(has(page, "container_last_seen{id=\"/a/b/b\"}"));
}

TEST_CASE("cadvisor: files of control groups that are not what they should be") {
  Stats stats;
  v2::parse_cpu_max("max", stats.limits);
  v2::parse_cpu_max("nonsense 5 6", stats.limits);
  CHECK_FALSE(stats.limits.cpu_quota);
  v2::parse_io_stat("8:0\nx:y rbytes=1\n8:0 rbytes=abc wbytes=7\n254: rbytes=1\n", stats.io);
  REQUIRE(stats.io.size() == 1);
  CHECK_FALSE(stats.io[0].bytes[kRead]);
  CHECK(stats.io[0].bytes[kWrite] == 7);
  v1::parse_blkio("8:16 Read\n8:16 Odd 5\nTotal 9\n", &DeviceIo::bytes, stats.io);
  CHECK(stats.io.size() == 1);
  v1::parse_usage_percpu("1000000000 x 3", stats.cpu);
  CHECK(stats.cpu.per_cpu == std::vector<double>{1});
  v2::parse_pressure("some\nfull avg10=0 total=\n total=5\n", stats.io_pressure);
  CHECK_FALSE(stats.io_pressure.waiting);
  CHECK(v2::shares_of_weight(1) == 2);
  CHECK(v2::shares_of_weight(10'000) == 262'144);
  CHECK(v2::shares_of_weight(1e300) == 262'144);
  CHECK(v2::shares_of_weight(-1) == 2);
}

TEST_CASE("cadvisor: what tasks have run only grows") {
  RunTimes times;
  times.update({{10, {5, 1, 7}}, {11, {3, 0, 2}}});
  CHECK(times.total().run_seconds == 8);
  times.update({{10, {6, 1, 8}}});  // 11 has ended
  CHECK(times.total().run_seconds == 9);
  times.update({{10, {0.5, 0, 1}}});  // another task of the same number
  CHECK(times.total().run_seconds == 9.5);
  CHECK(times.total().run_periods == 11);
}

TEST_CASE("cadvisor: processes count for their group and those above") {
  HostTree host;
  write_machine(host);
  host.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
  host.write("sys/fs/cgroup/a/b/cgroup.procs", "21\n22\n");
  host.write("sys/fs/cgroup/a/b/cgroup.threads", "21\n22\n23\n");
  host.write("sys/fs/cgroup/a-c/cgroup.procs", "31\n");
  host.write("sys/fs/cgroup/a-c/cgroup.threads", "31\n");
  for (const auto& [task, state] : {std::pair{"21", "R"}, {"22", "S"}, {"23", "D"}, {"31", "R"}}) {
    const std::string place = std::string("proc/") + task + "/task/" + task + "/";
    host.write(place + "stat", std::string(task) + " (a b) x) " + state + " 1\n");
    host.write(place + "schedstat", "2000000000 1000000000 4\n");
  }
  host.write("proc/21/limits", "Limit  Soft  Hard\nMax open files   1024   4096   files\n");
  host.write("proc/21/fd/0", "");
  CadvisorArgs args;
  args.enabled_metrics = {"process", "cpuLoad", "sched"};
  Scraper scraper = host.scraper(args);
  const auto page = scraper.scrape({});
  CHECK(text(page, "container_processes") ==
        "container_processes{id=\"/\"} 3\ncontainer_processes{id=\"/a\"} 2\n"
        "container_processes{id=\"/a-c\"} 1\ncontainer_processes{id=\"/a/b\"} 2\n");
  CHECK(has(page, "container_tasks_state{id=\"/a\", state=\"uninterruptible\"} 1"));
  CHECK(has(page, "container_tasks_state{id=\"/\", state=\"running\"} 2"));
  CHECK(has(page, "container_cpu_load_average_10s{id=\"/a-c\"} 1000"));
  CHECK(has(page, "container_cpu_schedstat_run_seconds_total{id=\"/a\"} 6"));
  CHECK(has(page, "container_ulimits_soft{id=\"/a/b\", ulimit=\"max_open_files\"} 1024"));
  CHECK(has(page, "container_file_descriptors{id=\"/a\"} 1"));
  // What a group that is gone has run stays with the one above.
  std::filesystem::remove_all(host.dir / "sys/fs/cgroup/a/b");
  CHECK(has(scraper.scrape({}), "container_cpu_schedstat_run_seconds_total{id=\"/a\"} 6"));
}

}  // namespace
}  // namespace cadvisor
}  // namespace agent::exporter
