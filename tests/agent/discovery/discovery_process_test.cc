#include "agent/discovery/discovery_process.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"

namespace agent::discovery {
namespace {

const std::string kId(64, 'a');

struct Fixture {
  FakeClock clock;
  ComponentBox box{"discovery.process.x", clock};
  RunningComponent component{box, discovery_process_from(box.dir.path())};

  void add(int pid, const std::string& exe, const std::string& cgroup = "0::/init.scope\n") {
    const auto folder = box.dir / ("proc/" + std::to_string(pid));
    std::filesystem::create_directories(folder);
    if (!exe.empty()) {
      std::filesystem::create_symlink(exe, folder / "exe");
      std::filesystem::create_symlink("/srv", folder / "cwd");
    }
    std::ofstream(folder / "cmdline") << exe << '\0' << "--flag" << '\0' << "\xff" << '\0';
    std::ofstream(folder / "status") << "Name:\tx\nUid:\t1000\t0\t0\t0\n";
    std::ofstream(folder / "cgroup") << cgroup;
  }
  std::vector<std::string> targets() {
    std::vector<std::string> out;
    for (const lang::Value& one : box.exported("targets").list()) out.push_back(one.text());
    return out;
  }
  bool wait_targets(std::size_t count) {
    return box.wait_exports([&](const ComponentBox::Published& exports) {
      return exports.at("targets").list().size() == count;
    });
  }
  std::string label(std::size_t target, const std::string& name) {
    const lang::Value one = box.exported("targets").list().at(target);
    const lang::Value* value = one.find(name);
    return value == nullptr ? "" : value->string();
  }
};

lang::Body with(std::vector<std::pair<std::string, lang::Value>> config,
                std::vector<std::pair<std::string, lang::Value>> more = {}) {
  return body_of(std::move(more), {{"discover_config", body_of(std::move(config))}});
}

}  // namespace

TEST_CASE("discovery.process: processes with what is wanted of them, without the kernel's") {
  Fixture f;
  std::filesystem::create_directories(f.box.dir / "proc/self");
  std::filesystem::create_directories(f.box.dir / "etc");
  std::ofstream(f.box.dir / "etc/passwd")
      << "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
  f.add(1, "/sbin/init");
  f.add(2, "");
  f.add(17, "/bin/shop", "5:cpu:/docker/" + kId + "\n3:mem:/other\n");
  REQUIRE(f.component.configure(with({{"username", true}, {"uid", true}, {"cgroup_path", true}})) ==
          "");
  f.component.start();
  REQUIRE(f.wait_targets(2));
  CHECK(f.label(0, "__process_pid__") == "1");
  CHECK(f.label(0, "__meta_process_exe") == "/sbin/init");
  CHECK(f.label(0, "__meta_process_cwd") == "/srv");
  CHECK(f.label(0, "__meta_process_commandline") == "/sbin/init --flag \xEF\xBF\xBD");
  CHECK(f.label(0, "__meta_process_uid") == "1000");
  CHECK(f.label(0, "__meta_process_username") == "ann");
  CHECK(f.label(0, "__meta_cgroup_path") == "/init.scope");
  CHECK(f.label(0, "__container_id__").empty());
  CHECK(f.label(1, "__container_id__") == kId);
  CHECK(f.label(1, "__meta_cgroup_path") == "/docker/" + kId + "|/other");
}

TEST_CASE("discovery.process: by default neither users nor paths of control groups") {
  Fixture f;
  f.add(1, "/sbin/init");
  REQUIRE(f.component.configure({}) == "");
  f.component.start();
  REQUIRE(f.wait_targets(1));
  CHECK(f.targets().front().find("uid") == std::string::npos);
  CHECK(f.targets().front().find("username") == std::string::npos);
  CHECK(f.targets().front().find("cgroup") == std::string::npos);
}

TEST_CASE("discovery.process: containers are known by their control groups") {
  Fixture f;
  const std::vector<std::string> paths = {
      "/docker/" + kId, "/system.slice/docker-" + kId + ".scope",
      "/kubepods.slice/pod1.slice/cri-containerd-" + kId + ".scope",
      "/docker/" + kId + "/init.scope"};
  for (std::size_t i = 0; i < paths.size(); ++i)
    f.add(static_cast<int>(i + 1), "/x", "0::" + paths[i] + "\n");
  f.add(10, "/x", "0::/docker/" + kId + "a\n");
  f.add(11, "/x", "no colon\n");
  REQUIRE(f.component.configure({}) == "");
  f.component.start();
  REQUIRE(f.wait_targets(6));
  for (std::size_t i = 0; i < paths.size(); ++i) CHECK(f.label(i, "__container_id__") == kId);
  CHECK(f.label(4, "__container_id__").empty());
  CHECK(f.label(5, "__container_id__").empty());
}

TEST_CASE("discovery.process: processes get the labels of their containers, which stay targets") {
  Fixture f;
  f.add(1, "/x", "0::/docker/" + kId + "\n");
  f.add(2, "/y");
  const lang::Value join = lang::Value::List{
      lang::Value::Object{{"__meta_docker_container_id", kId}, {"name", "shop"}},
      lang::Value::Object{{"__meta_kubernetes_pod_container_id", "docker://b"}, {"name", "pod"}},
      lang::Value::Object{{"name", "alone"}}};
  REQUIRE(f.component.configure(body_of({{"join", join}})) == "");
  f.component.start();
  REQUIRE(f.wait_targets(5));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 5; ++i)
    names.push_back(f.label(i, "__process_pid__") + "/" + f.label(i, "name"));
  CHECK(names == std::vector<std::string>{"/alone", "1/shop", "2/", "/shop", "/pod"});
}

TEST_CASE("discovery.process: looks again after refresh_interval") {
  Fixture f;
  f.add(1, "/x");
  REQUIRE(f.component.configure(body_of({{"refresh_interval", "5s"}})) == "");
  f.component.start();
  REQUIRE(f.wait_targets(1));
  f.add(2, "/y");
  while (f.clock.sleepers() == 0) std::this_thread::yield();
  f.clock.advance(std::chrono::seconds(5));
  REQUIRE(f.wait_targets(2));
}

TEST_CASE("discovery.process: finds this very process") {
  ComponentBox box("discovery.process.x");
  RunningComponent component(box, discovery_process_from("/"));
  REQUIRE(component.configure({}) == "");
  component.start();
  CHECK(box.wait_exports([](const ComponentBox::Published& exports) {
    for (const lang::Value& one : exports.at("targets").list())
      if (one.find("__process_pid__")->string() == std::to_string(::getpid())) return true;
    return false;
  }));
  CHECK(component.configure(body_of({{"refresh_interval", "0s"}})) ==
        "refresh_interval must be greater than 0s");
}

}  // namespace agent::discovery
