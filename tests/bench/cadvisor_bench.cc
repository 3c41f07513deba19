// A scrape of prometheus.exporter.cadvisor: CPU time of the thread that scrapes, on a host of 100
// containers (Compose's labels on each, a daemon in another thread) and as many services of
// systemd. The files lie in a folder; how much the kernel takes to make real ones is not in it.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/exporter/cadvisor/scraper.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace {

using agent::ScriptedServer;
using namespace agent::exporter::cadvisor;  // NOLINT

constexpr int kContainers = 100;

std::string id_of(int n) {
  std::string out = std::to_string(1000 + n);
  while (out.size() < 64)
    out += "0123456789abcdef"[(out.size() * 7 + static_cast<std::size_t>(n)) % 16];
  return out;
}

// About 2.5 KiB a container, as the daemon writes them.
std::string listed(int n) {
  const std::string number = std::to_string(n), id = id_of(n);
  const auto pair = [](const std::string& name, const std::string& value) {
    return "\"" + name + "\":\"" + value + "\"";
  };
  const std::string compose = "com.docker.compose.";
  return "{" + pair("Id", id) + ",\"Names\":[\"/shop-web-" + number + "\"]," +
         pair("Image", "registry.example.com/shop/web:1.2.3") + "," +
         pair("ImageID", "sha256:" + id) + "," + pair("Command", "/bin/sh -c 'exec web'") +
         ",\"Created\":1795254494,\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":"
         "8080,\"Type\":\"tcp\"}],\"Labels\":{" +
         pair(compose + "config-hash", id) + "," + pair(compose + "container-number", "1") + "," +
         pair(compose + "depends_on", "") + "," + pair(compose + "image", "sha256:" + id) + "," +
         pair(compose + "oneoff", "False") + "," + pair(compose + "project", "shop") + "," +
         pair(compose + "project.config_files", "/srv/shop/compose.yaml") + "," +
         pair(compose + "project.working_dir", "/srv/shop") + "," +
         pair(compose + "service", "web-" + number) + "," + pair(compose + "version", "2.21.0") +
         "},\"State\":\"running\",\"Status\":\"Up 5 days\",\"HostConfig\":{\"NetworkMode\":"
         "\"shop_default\"},\"NetworkSettings\":{\"Networks\":{\"shop_default\":{" +
         pair("NetworkID", id) + "," + pair("EndpointID", id) + "," +
         pair("Gateway", "172.18.0.1") + "," + pair("IPAddress", "172.18.0." + number) +
         ",\"IPPrefixLen\":16," + pair("MacAddress", "02:42:ac:12:00:02") +
         ",\"DriverOpts\":null}}},\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv/shop/data\","
         "\"Destination\":\"/data\",\"Mode\":\"rw\",\"RW\":true,\"Propagation\":\"rprivate\"}]}";
}

class Tree {
 public:
  explicit Tree(bool version2)
      : server_([this](const ScriptedServer::Request& r, std::size_t) { return answer(r); },
                (dir_ / "docker.sock").string()) {
    for (int n = 0; n < kContainers; ++n) {
      const std::string scope =
          version2 ? "/system.slice/docker-" + id_of(n) + ".scope" : "/docker/" + id_of(n);
      const std::string service = "/system.slice/service-" + std::to_string(n) + ".service";
      for (const std::string& group : {scope, service}) version2 ? v2(group) : v1(group);
      write(
          "proc/" + std::to_string(1000 + n) + "/net/dev",
          "Inter-|\n face |\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 123456789 12345 0 0 "
          "0 0 0 0 123456789 12345 0 0 0 0 0 0\n");
      list_ += (n > 0 ? "," : "[") + listed(n);
    }
    list_ += "]";
    write("proc/self/mounts",
          version2 ? "/dev/vda / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
                   : "/dev/vda / ext4 rw 0 0\n"
                     "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
                     "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
                     "cgroup /sys/fs/cgroup/blkio cgroup rw,blkio 0 0\n"
                     "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n");
    write("proc/partitions", " 254 0 1024 vda\n");
    CadvisorArgs args;
    args.docker_host = "unix://" + (dir_ / "docker.sock").string();
    scraper_ = std::make_unique<Scraper>(args, args.docker().value(),
                                         HostRoots{dir_ / "proc", dir_ / "sys", dir_ / "etc"},
                                         clock_, agent::Log::none());
  }
  std::vector<agent::model::MetricFamily> scrape() { return scraper_->scrape({}); }

 private:
  void write(const std::string& file, const std::string& text) {
    const auto path = dir_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static std::string memory_stat() {
    std::string out = "anon 12345678\nfile 23456789\nkernel 345678\n";
    for (int i = 0; i < 30; ++i) out += "some_counter_" + std::to_string(i) + " 123456\n";
    return out + "inactive_file 1234567\nactive_file 2345678\npgfault 123456\npgmajfault 12\n";
  }
  void v2(const std::string& group) {
    const std::string at = "sys/fs/cgroup" + group + "/";
    write(at + "cpu.stat",
          "usage_usec 123456789\nuser_usec 23456789\nsystem_usec 100000000\nnr_periods 0\n"
          "nr_throttled 0\nthrottled_usec 0\n");
    write(at + "cpu.max", "max 100000\n");
    write(at + "cpu.weight", "100\n");
    for (const char* name : {"current", "peak", "swap.current", "low"})
      write(at + "memory." + name, "12345678\n");
    for (const char* name : {"max", "swap.max"}) write(at + "memory." + name, "max\n");
    write(at + "memory.stat", memory_stat());
    write(at + "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    write(at + "io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
    for (const char* name : {"cpu", "memory", "io"})
      write(at + name + ".pressure",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 "
            "avg300=0.00 total=500000\n");
  }
  void v1(const std::string& group) {
    const std::string base = "sys/fs/cgroup/", cpu = base + "cpu,cpuacct" + group + "/";
    write(cpu + "cpuacct.usage", "123456789123\n");
    write(cpu + "cpuacct.stat", "user 123456\nsystem 12345\n");
    write(cpu + "cpuacct.usage_percpu", "12345678912 12345678912 12345678912 12345678912 \n");
    write(cpu + "cpu.cfs_period_us", "100000\n");
    write(cpu + "cpu.cfs_quota_us", "-1\n");
    write(cpu + "cpu.shares", "1024\n");
    const std::string memory = base + "memory" + group + "/memory.";
    for (const char* name : {"usage_in_bytes", "max_usage_in_bytes", "kmem.usage_in_bytes",
                             "limit_in_bytes", "memsw.limit_in_bytes", "soft_limit_in_bytes"})
      write(memory + name, "123456789\n");
    write(memory + "failcnt", "0\n");
    write(memory + "oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    write(memory + "stat", memory_stat());
    write(base + "blkio" + group + "/blkio.throttle.io_service_bytes_recursive",
          "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 0\n254:0 Async 0\n254:0 Discard 0\n254:0 "
          "Total 12288\nTotal 12288\n");
    write(base + "blkio" + group + "/blkio.throttle.io_serviced_recursive",
          "254:0 Read 1\n254:0 Write 2\n254:0 Total 3\nTotal 3\n");
    write(base + "pids" + group + "/pids.current", "5\n");
  }
  ScriptedServer::Answer answer(const ScriptedServer::Request& request) {
    ScriptedServer::Answer out;
    out.status = 200;
    if (request.target == "/info") {
      out.body = R"({"ServerVersion":"20.10.24","DockerRootDir":"/var/lib/docker"})";
    } else if (request.target.starts_with("/containers/json")) {
      out.body = list_;
    } else {
      const std::string id = request.target.substr(12, 64);
      out.body =
          R"({"Id":")" + id + R"(","Name":"/x","State":{"Running":true,"Pid":)" + id.substr(0, 4) +
          R"(,"StartedAt":"2026-11-21T09:48:14.883289504Z"},"Config":{"Image":"shop/web:1"}})";
    }
    return out;
  }

  agent::TempDir dir_;
  agent::SystemClock clock_;
  std::string list_;
  ScriptedServer server_;
  std::unique_ptr<Scraper> scraper_;
};

void scrape(benchmark::State& state) {
  Tree tree(state.range(0) == 2);
  std::size_t series = 0;
  (void)tree.scrape();  // inspects each container, once
  for (auto _ : state) {
    series = 0;
    for (const auto& family : tree.scrape()) series += family.points.size();
  }
  state.counters["series"] = static_cast<double>(series);
}
BENCHMARK(scrape)->Name("scrape/version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
