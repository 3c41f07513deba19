// The bootstrap's words, and the script itself in the shells that hosts have, on this machine with
// the system's tools replaced by a folder of our own.
#include "fleetctl/plan/bootstrap.h"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "agent/base/file.h"
#include "agent/install/bundle.h"
#include "fleetctl/remote/local.h"
#include "tests/support/listening_dialogue.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::plan {
namespace {

Wanted wanted() {
  return Wanted{standard_files("loki.echo \"x\" {}\n", "[Unit]\n"), {"adm"}, "2222222222222222"};
}

// The script with the host's places moved into `root`, and what makes it a root's script taken as
// given.
std::string moved(std::string script, const std::string& root, const std::string& patience) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (auto at = script.find(from); at != std::string::npos;
         at = script.find(from, at + to.size())) {
      script.replace(at, from.size(), to);
    }
  };
  replace("PATIENCE=300", "PATIENCE=" + patience);
  replace("PATH=/usr/local/sbin", "PATH=" + root + "/bin:/usr/local/sbin");
  for (const char* place :
       {"/opt/fleet-agent", "/var/lib/fleetctl", "/var/lib/fleet-agent", "/etc/fleet-agent",
        "/etc/systemd/system", "/run/fleetctl.lock", "/run/systemd/system"}) {
    replace(place, root + place);
  }
  return script;
}

struct Host {
  agent::TempDir folder;
  std::string root = folder.path().string();
  std::filesystem::path link =
      folder / "etc/systemd/system/multi-user.target.wants/fleet-agent.service";  // enabled
  Host() {
    for (const char* place :
         {"opt", "run/systemd/system", "bin", "etc/fleet-agent", "var/lib/fleetctl"}) {
      std::filesystem::create_directories(folder / place);
    }
    tool("id", "case $1 in -u) echo 0;; -un) echo root;; -nG) echo fleet-agent adm;; esac");
    tool("systemctl", "case $1 in is-active) echo active; echo inactive;; esac");
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::create_symlink("../fleet-agent.service", link);
  }
  void tool(const std::string& name, const std::string& body) {
    const auto path = (folder / ("bin/" + name)).string();
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    ::chmod(path.c_str(), 0755);
  }
  std::string patience = "300";
  bool closes = true;  // the end of the orders is the end of the input
  // What the script answers to `orders` when `shell` runs it.
  std::string talk(const std::string& shell, const std::string& orders,
                   Orders kind = Orders::kDeploy, bool lock = true) {
    ::signal(SIGPIPE, SIG_IGN);
    Exec exec{"abc123", "me@box, run r1", Become::kNone, "root", lock};
    std::string line = command(exec);
    line.replace(line.find("/bin/sh"), 7, shell);
    remote::ListeningDialogue dialogue(moved(script(exec, wanted(), kind), root, patience) + orders,
                                       closes);
    const agent::SystemClock clock;
    const auto status =
        remote::Local(clock).exec(line, dialogue, clock.mono() + std::chrono::seconds(60));
    return dialogue.output + dialogue.errors + (status ? "" : status.error().message);
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("bootstrap: it tells how running containers log, or why it cannot") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  Host host;
  const auto told = [&] { return host.talk(shell, "containers\nend\n"); };
  const std::string checks =
      "[ \"$1 $2\" = '--host unix:///var/run/docker.sock' ] || exit 9\nshift 2\n";
  host.tool("docker", checks + R"(case $1 in
    ps) echo aa; echo bb;;
    inspect) echo "[\"/one\",{}]$4"; echo '["/two",{"Type":"syslog"}]'; head -c 9000 /dev/zero | tr '\0' x;
      echo 'Error: No such object: cc' >&2; exit 1;;
  esac)");
  const std::string both = told();
  CHECK(contains(
      both, "abc123 | [\"/one\",{}]aa\nabc123 | [\"/two\",{\"Type\":\"syslog\"}]\nabc123 | xxx"));
  CHECK(contains(both, "x\nabc123 listed\n"));
  CHECK(both.size() < 6000);
  CHECK(!contains(both, "No such object"));
  host.tool("docker", checks + "[ $1 = ps ] || exit 9");
  CHECK(contains(told(), "abc123 ready\nabc123 listed\n"));
  host.tool("docker", checks + "[ $1 = ps ] && echo aa");
  CHECK(contains(told(), "abc123 ready\nabc123 unlisted docker inspect told nothing\n"));
  host.tool("docker", "echo 'Cannot connect to the Docker daemon'; echo more; exit 1");
  CHECK(contains(told(), "abc123 ready\nabc123 unlisted Cannot connect to the Docker daemon\n"));
}

TEST_CASE(
    "bootstrap: the command line survives any login shell: one line, no exclamation mark, balanced "
    "quotes") {
  Exec exec{"abc123", "me@box", Become::kSudo, "root", true};
  for (const Become become : {Become::kNone, Become::kSudo, Become::kPassword}) {
    exec.become = become;
    const std::string line = command(exec);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find('!') == std::string::npos);
    CHECK(std::count(line.begin(), line.end(), '\'') % 2 == 0);
    CHECK(line.find("me@box") == std::string::npos);
  }
}

TEST_CASE("bootstrap: nothing that is quoted into the script can leave its quotes") {
  Exec exec{"abc123", "x'; rm -rf /; '\n", Become::kNone, "root", true};
  CHECK(contains(script(exec, wanted()), "\nWHO='x_; rm -rf /; __'\n"));
}

TEST_CASE("bootstrap: of several releases the host takes the one for what it is") {
  Wanted several = wanted();
  several.releases = {{"aarch64", "1111111111111111"}, {"x86_64", "2222222222222222"}};
  const std::string text = script(Exec{"abc123", "me", Become::kNone, "root", true}, several);
  const std::string choice = text.substr(0, text.find("GROUPS_WANTED"));
  for (const auto& [machine, release] : std::map<std::string, std::string>{
           {"aarch64", "1111111111111111"}, {"x86_64", "2222222222222222"}, {"riscv64", ""}}) {
    remote::ListeningDialogue dialogue;
    const agent::SystemClock clock;
    const auto status = remote::Local(clock).exec(
        "uname() { echo " + machine + "; }\n" + choice + "echo \"<$RELEASE>\"", dialogue,
        clock.mono() + std::chrono::seconds(60));
    CHECK(status);
    CHECK(dialogue.output == "<" + release + ">\n");
  }
}

TEST_CASE("bootstrap: the bundle that is sent is the one that apply reads") {
  const std::string order = apply_order(wanted(), "r1", "me@box");
  REQUIRE(order.rfind("apply\n", 0) == 0);
  const auto bundle = agent::install::parse_bundle(std::string_view(order).substr(6));
  INFO((bundle ? "" : bundle.error().message));
  REQUIRE(bundle);
  CHECK(bundle->run == "r1");
  CHECK(bundle->who == "me@box");
  CHECK(bundle->release == "2222222222222222");
  CHECK(bundle->groups == std::vector<std::string>{"adm"});
  REQUIRE(bundle->files.size() == 2);
  CHECK(bundle->files[0].path == kConfigPath);
  CHECK(bundle->files[0].mode == 0640);
  CHECK(bundle->files[1].bytes == "[Unit]\n");
  CHECK(bundle->restart == agent::install::Restart::kWhenNeeded);
  CHECK(bundle->rolls_back);
}

TEST_CASE("bootstrap: what is wanted of restarts and the way back is what apply reads") {
  const auto read = [](const Wanted& what) {
    const auto bundle =
        agent::install::parse_bundle(std::string_view(apply_order(what, "r1", "me@box")).substr(6));
    REQUIRE(bundle);
    return std::pair(bundle->restart, bundle->rolls_back);
  };
  using agent::install::Restart;
  Wanted what = wanted();
  what.restart = plan::Restart::kAlways;
  CHECK(read(what) == std::pair(Restart::kAlways, true));
  what.restart = plan::Restart::kNever;
  what.rolls_back = false;
  CHECK(read(what) == std::pair(Restart::kNever, false));
  what = wanted();
  what.again = true;
  CHECK(read(what) == std::pair(Restart::kAlways, true));
}

TEST_CASE("bootstrap: when a change is taken for good is what apply reads") {
  const auto read = [](const Gate& gate) {
    Wanted what = wanted();
    what.gate = gate;
    auto bundle =
        agent::install::parse_bundle(std::string_view(apply_order(what, "r1", "me@box")).substr(6));
    REQUIRE(bundle);
    return *bundle;
  };
  CHECK_FALSE(read({}).grace);
  CHECK(read({}).ready == std::chrono::seconds(30));
  CHECK(read({}).delivery);
  Gate gate;
  gate.grace = std::chrono::milliseconds(2500);
  gate.timeout = std::chrono::seconds(90);
  gate.delivery = false;
  CHECK(read(gate).grace == std::chrono::milliseconds(2500));
  CHECK(read(gate).ready == std::chrono::seconds(90));
  CHECK_FALSE(read(gate).delivery);
}

TEST_CASE(
    "bootstrap: a rollback's bundle is one that apply reads, for the agent that is installed") {
  Gate gate;
  gate.delivery = false;
  const std::string order = rollback_order(12, gate, "r1", "me@box");
  REQUIRE(order.rfind("apply current\n", 0) == 0);
  const auto bundle = agent::install::parse_bundle(std::string_view(order).substr(14));
  REQUIRE(bundle);
  CHECK(bundle->back_to == 12U);
  CHECK(bundle->who == "me@box");
  CHECK_FALSE(bundle->delivery);
}

TEST_CASE("bootstrap: the installed agent rolls back and tells, whatever release is wanted") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const std::string release = "opt/fleet-agent/1111111111111111/bin";
  std::filesystem::create_directories(host.folder / release);
  std::filesystem::create_symlink("1111111111111111", host.folder / "opt/fleet-agent/current");
  host.tool("../" + release + "/fleet-agent", "echo \"the agent: $*\"; cat");
  const std::string back = host.talk(shell, rollback_order(0, {}, "r1", "me@box"));
  INFO(back);
  CHECK(contains(back, "the agent: apply --frame abc123"));
  CHECK(contains(back, "\"back_to\":0"));
  CHECK(contains(host.talk(shell, "installed\n"), "the agent: installed --frame abc123\n"));
}

TEST_CASE("bootstrap: every shell tells the same facts") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  std::ofstream(host.folder / "etc/fleet-agent/config.alloy") << "x = 1";
  std::ofstream(host.folder / "var/lib/fleetctl/underway.json") << R"({"run":"r0","who":"you"})";
  const std::string said = host.talk(shell, "end\n");
  INFO(said);
  CHECK(contains(said, "abc123 arch "));
  CHECK(contains(said, "abc123 systemd yes\n"));
  CHECK(contains(said, "abc123 unit active enabled\n"));
  if (!contains(shell, "busybox")) {  // whose own `id` comes before the replaced one
    CHECK(contains(said, "abc123 user yes\n"));
    CHECK(contains(said, "abc123 group adm member\n"));
  }
  const std::string config = "abc123 file " + host.root + "/etc/fleet-agent/config.alloy " +
                             agent::sha256_hex("x = 1") + " 6";
  CHECK(contains(said, config));
  CHECK_FALSE(contains(said, "fleet-agent.service"));
  CHECK_FALSE(contains(said, "alloy active"));
  CHECK(contains(said, "abc123 libc glibc "));
  CHECK(contains(said, "abc123 free "));
  CHECK(contains(said, R"(abc123 underway {"run":"r0","who":"you"})"));
  CHECK(contains(said, "abc123 ready\n"));
  CHECK_FALSE(contains(said, "abc123 error"));

  // With the unit and the release there, and Alloy beside.
  const std::string unit = host.root + "/etc/systemd/system/fleet-agent.service";
  std::filesystem::remove(host.link);
  std::ofstream(unit) << "[Unit]\n";
  ::chmod(unit.c_str(), 0604);
  std::filesystem::create_directories(host.folder / "opt/fleet-agent/2222222222222222");
  std::ofstream(host.folder / "opt/fleet-agent/2222222222222222/.complete");
  host.tool("systemctl", "case $1 in is-active) echo failed; echo active;; esac");
  const std::string then = host.talk(shell, "end\n");
  INFO(then);
  CHECK(contains(then, config));
  CHECK(contains(then, "abc123 file " + unit + " " + agent::sha256_hex("[Unit]\n") + " 604 "));
  CHECK(contains(then, "abc123 release yes\n"));
  CHECK(contains(then, "abc123 unit failed disabled\n"));
  CHECK(contains(then, "abc123 alloy active\n"));
  CHECK_FALSE(contains(then, "abc123 free "));
}

TEST_CASE("bootstrap: files that deploys put there are told of, and what is no file") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const std::string folder = host.root + "/etc/fleet-agent/", config = folder + "config.alloy";
  for (const char* name : {"config.alloy", "gone.json", "other", "a b"})
    std::ofstream(folder + name) << "x";
  std::filesystem::create_symlink("gone.json", folder + "link");
  std::filesystem::create_directories(folder + "folder");
  REQUIRE(::mkfifo((folder + "pipe").c_str(), 0600) == 0);
  std::string files;
  for (const char* name : {"config.alloy", "gone.json", "link", "folder", "pipe", "missing", "a b"})
    files += (files.empty() ? "\"" : ",\"") + folder + name + "\":\"00\"";
  const std::string applied =
      "{\"files\":{" + files + ",\"/etc/passwd\":\"\"},\"run\":\"/\",\"who\":\"\\\"/\"}";
  std::ofstream(host.folder / "var/lib/fleetctl/applied.json") << applied << "\n";
  const std::string told = host.talk(shell, "end\n");
  INFO(told);
  CHECK(contains(told, "abc123 file " + folder + "gone.json " + agent::sha256_hex("x") + " 6"));
  const auto first = told.find("abc123 file " + config);
  CHECK(first != std::string::npos);
  CHECK(told.find("abc123 file " + config, first + 1) == std::string::npos);
  for (const char* name : {"link", "folder", "pipe"})
    CHECK(contains(told, "abc123 nofile " + folder + name + "\n"));
  for (const char* name : {"missing\n", "other", "a b 6", "a\n"})
    CHECK_FALSE(contains(told, "file " + folder + name));
  CHECK_FALSE(contains(told, "file /etc/passwd"));
  CHECK(contains(told, "abc123 applied " + applied + "\n"));
}

TEST_CASE("bootstrap: what a generation has kept is shown by its checksum, after all of them") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  for (const auto& [number, text] :
       std::map<std::string, std::string>{{"2", "two"}, {"3", "a\nb"}}) {
    const auto kept = host.folder / "var/lib/fleetctl/generations" / number / "files";
    std::filesystem::create_directories(kept);
    std::ofstream(kept / "0") << text;
  }
  const std::string release = "opt/fleet-agent/1111111111111111/bin";
  std::filesystem::create_directories(host.folder / release);
  std::filesystem::create_symlink("1111111111111111", host.folder / "opt/fleet-agent/current");
  host.tool("../" + release + "/fleet-agent", "echo \"the agent: $*\"; cat");
  const std::string told = host.talk(shell, "generations\nkept " + agent::sha256_hex("a\nb") +
                                                "\nkept " + agent::sha256_hex("none") + "\nend\n");
  INFO(told);
  CHECK(contains(told, "the agent: installed --frame abc123\nabc123 told\nabc123 | a\nabc123 | b"));
  CHECK(contains(told, "\nabc123 shown\nabc123 missing\n"));
}

TEST_CASE("bootstrap: it shows the configuration line by line") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  const std::string end = GENERATE(as<std::string>{}, "\n", "");
  Host host;
  std::ofstream(host.folder / "etc/fleet-agent/config.alloy") << "a\n  b" + end;
  const std::string told = host.talk(shell, "show\nend\n");
  CHECK(contains(told, "abc123 | a\nabc123 |   b\n"));
  CHECK(contains(told, "\nabc123 shown\n"));
}

TEST_CASE("bootstrap: it shows another file, and of a large one no more than is compared") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const std::string file = host.root + "/etc/fleet-agent/endpoints.json";
  const auto told = [&] { return host.talk(shell, "show " + file + "\nend\n"); };
  CHECK(contains(told(), "abc123 ready\n\nabc123 shown\n"));
  std::ofstream(file) << "[\n1]";
  CHECK(contains(told(), "abc123 | [\nabc123 | 1]\nabc123 shown\n"));
  std::ofstream(file) << std::string(3U << 20, 'x');
  const std::string large = told();
  CHECK(contains(large, "\nabc123 shown\n"));
  CHECK(std::count(large.begin(), large.end(), 'x') < (1 << 20) + 1000);
}

TEST_CASE("bootstrap: every file is asked for, however many there are") {
  Wanted many = wanted();
  for (int i = 0; i < 32; ++i)
    many.files.push_back(
        {"/etc/fleet-agent/" + std::string(180, 'x') + std::to_string(i), "0640", "", ""});
  const std::string sent = script({"abc123", "me@box", Become::kNone, "root", true}, many);
  CHECK(contains(sent, "\nFILES='/etc/fleet-agent/config.alloy "));
  for (const WantedFile& file : many.files) CHECK(contains(sent, file.path));
}

TEST_CASE("bootstrap: a release is taken, checked, unpacked and handed the bundle") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const auto made = host.folder / "made";
  std::filesystem::create_directories(made / "bin");
  std::filesystem::create_directories(made / "lib");
  std::filesystem::create_directories(made / "lib-fallback");
  std::ofstream(made / "lib-fallback/libnowhere.so.9") << "x";
  std::ofstream(made / "lib-fallback/libc.so.6") << "x";
  std::ofstream(made / "bin/fleet-agent") << "#!/bin/sh\necho \"called with $*\"\ncat\n";
  std::filesystem::permissions(made / "bin/fleet-agent", std::filesystem::perms(0755));
  const std::string archive = (host.folder / "r.tar.gz").string();
  REQUIRE(std::system(("tar -C " + made.string() + " -czf " + archive + " .").c_str()) == 0);
  Release release;
  release.archive = std::make_shared<const std::string>(agent::read_file(archive).value_or(""));
  release.sha256 = agent::sha256_hex(*release.archive);

  SECTION("whole") {
    // head may read ahead: fleetctl sends the next order after `received`; here a pause stands for
    // that wait.
    const std::string said = host.talk(shell, release_order(release) + *release.archive);
    INFO(said);
    CHECK(contains(said, "abc123 received\n"));
    const std::string then = host.talk(shell, "apply\nthe bundle");
    INFO(then);
    CHECK(contains(then, "abc123 release yes\n"));
    CHECK(contains(then, "called with apply --frame abc123 --lock-fd 9\nthe bundle"));
    const std::string lib = host.root + "/opt/fleet-agent/2222222222222222/lib/";
    CHECK(std::filesystem::is_symlink(lib + "libnowhere.so.9"));
    CHECK_FALSE(std::filesystem::is_symlink(lib + "libc.so.6"));
  }
  SECTION("damaged") {
    release.sha256 = std::string(64, '0');
    CHECK(contains(host.talk(shell, release_order(release) + *release.archive),
                   "abc123 error failed receiving the agent: wrong checksum\n"));
  }
  SECTION("cut off") {
    CHECK(contains(host.talk(shell, release_order(release) + release.archive->substr(0, 40)),
                   "wrong checksum"));
  }
  if (release.sha256 == std::string(64, '0')) {
    CHECK(std::filesystem::is_empty(host.folder / "opt/fleet-agent"));
  }
}

TEST_CASE("bootstrap: who holds the lock is told") {
  Host host;
  const std::string lock = host.root + "/run/fleetctl.lock";
  std::ofstream(lock) << "you@there, run r9 since 2026-01-01T00:00:00Z\n";
  host.tool("flock", "exit 1");
  CHECK(contains(host.talk("/bin/sh", "end\n"),
                 "abc123 error locked you@there, run r9 since 2026-01-01T00:00:00Z\n"));
}

TEST_CASE("bootstrap: an operator who vanishes without a word does not leave the host locked") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  host.patience = "2";
  host.closes = false;
  const std::string said = host.talk(shell, "");
  INFO(said);
  CHECK(contains(said, "abc123 ready\n"));
  CHECK_FALSE(contains(said, "no end in time"));
  CHECK(std::system(("flock -n " + host.root + "/run/fleetctl.lock true").c_str()) == 0);
}

TEST_CASE("bootstrap: what those left who were killed at their work goes, under the lock alone") {
  Host host;
  const std::vector<std::string> left{"opt/fleet-agent/.new/bin/x",
                                      "etc/fleet-agent/.config.alloy.staged",
                                      "etc/fleet-agent/.config.alloy.staged.aB3xYz"};
  const std::vector<std::string> others{"opt/fleet-agent/current", "etc/fleet-agent/config.alloy",
                                        "etc/fleet-agent/.mine"};
  std::filesystem::create_directories(host.folder / "opt/fleet-agent/.new/bin");
  for (const auto* list : {&left, &others})
    for (const std::string& path : *list) std::ofstream(host.folder / path) << "x";
  std::filesystem::create_symlink("nowhere", host.folder / "opt/fleet-agent/.current.new");
  const auto are_there = [&](const std::vector<std::string>& paths) {
    return std::count_if(paths.begin(), paths.end(), [&](const std::string& path) {
      return std::filesystem::exists(host.folder / path);
    });
  };
  CHECK(contains(host.talk("/bin/dash", "end\n", Orders::kDeploy, false), "ready"));
  CHECK(are_there(left) == 3);
  CHECK(contains(host.talk("/bin/dash", "end\n"), "ready"));
  CHECK(are_there(left) == 0);
  CHECK_FALSE(std::filesystem::is_symlink(host.folder / "opt/fleet-agent/.current.new"));
  CHECK(are_there(others) == 3);
}

TEST_CASE("bootstrap: nothing of it stays when whom it talks to is gone") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  Host host;
  host.patience = "54321";
  std::ofstream(host.folder / "script")
      << moved(script({"abc123", "me@box, run r1", Become::kNone, "root", true}, wanted()),
               host.root, host.patience);
  std::string line = command({"abc123", "me@box, run r1", Become::kNone, "root", true});
  line.replace(line.find("/bin/sh"), 7, shell);
  // It is given an order when its listener has heard one line and left.
  const std::string test = "cd " + host.root +
                           R"(; mkfifo in out
    (head -n 1 <out; : >gone) & (cat script; until [ -e gone ]; do sleep 0.05; done; echo show) >in &
    ()" + line + R"() <in >out 2>&1; echo "ended $?"; i=0
    while [ $i -lt 600 ]; do grep -lsa "slee[p].54321" /proc/[0-9]*/cmdline >/dev/null || break; i=$((i + 1)); sleep 0.1; done
    [ $i -lt 600 ] && echo none)";
  ::signal(SIGPIPE, SIG_IGN);
  remote::ListeningDialogue dialogue("", true);
  const agent::SystemClock clock;
  const auto status =
      remote::Local(clock).exec(test, dialogue, clock.mono() + std::chrono::seconds(120));
  INFO(dialogue.output << dialogue.errors);
  CHECK(status);
  CHECK(contains(dialogue.output, "none\n"));
}

TEST_CASE("bootstrap: without root it says what to do") {
  Host host;
  host.tool("id", "echo 1000");
  CHECK(contains(host.talk("/bin/sh", "end\n"),
                 "abc123 error not-root not root on this host: give --become (-b)"));
}

TEST_CASE("bootstrap: the holders of a lock are told, and ended where they are named") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const auto ask = [&](const std::string& order) {
    return host.talk(shell, "upkeep " + order + "\n", Orders::kUpkeep, false);
  };
  CHECK(contains(ask("lock"), "abc123 lock free\nabc123 done\n"));
  const std::string lock = host.root + "/run/fleetctl.lock";
  // It does not end when it is asked to, as an apply does not.
  REQUIRE(std::system(("(trap '' TERM; exec 9>>" + lock + "; flock 9; echo you@there >&9; " +
                       "exec sleep 600 >/dev/null 2>&1) & until grep -qsx sleep /proc/$!/comm; " +
                       "do sleep 0.1; done")
                          .c_str()) == 0);
  const std::string said = ask("lock");
  INFO(said);
  CHECK(contains(said, "abc123 lock held\nabc123 by you@there\nabc123 since "));
  const auto at = said.find("abc123 holder ");
  REQUIRE(at != std::string::npos);
  const std::string pid = said.substr(at + 14, said.find(' ', at + 14) - at - 14);
  CHECK(contains(said, "abc123 holder " + pid + " sleep\n"));
  CHECK(contains(ask("unlock 1"), "abc123 lock held\n"));
  CHECK(contains(ask("unlock " + pid), "abc123 lock free\n"));
  CHECK(std::system(("flock -n " + lock + " true").c_str()) == 0);
}

TEST_CASE("bootstrap: what was done to a host is told from its book, and from the one before it") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  CHECK(contains(host.talk(shell, "upkeep history 2\n", Orders::kUpkeep, false),
                 "abc123 ready\nabc123 done\n"));
  std::ofstream(host.folder / "var/lib/fleetctl/history.jsonl.1") << "{\"a\":1}\n{\"a\":2}\n";
  std::ofstream(host.folder / "var/lib/fleetctl/history.jsonl") << "{\"a\":\"\\n\"}\n";
  CHECK(contains(host.talk(shell, "upkeep history 2\n", Orders::kUpkeep, false),
                 "abc123 ready\nabc123 run {\"a\":2}\nabc123 run {\"a\":\"\\n\"}\nabc123 done\n"));
}

TEST_CASE("bootstrap: what a deploy needs of a host is looked for") {
  const std::string shell =
      GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash", "/usr/bin/busybox ash");
  INFO(shell);
  Host host;
  const std::string said = host.talk(shell, "upkeep doctor 127.0.0.1:1\n", Orders::kUpkeep, false);
  INFO(said);
  CHECK(contains(said, "abc123 clock 1"));
  CHECK(contains(said, "abc123 state-free "));
  CHECK(contains(said, "abc123 lock free\n"));
  CHECK(contains(said, "abc123 misses 127.0.0.1:1\nabc123 done\n"));
  CHECK_FALSE(contains(said, "abc123 missing"));
  CHECK_FALSE(contains(host.talk(shell, "upkeep nothing\n", Orders::kUpkeep, false), "done"));
}

TEST_CASE("bootstrap: the agent is taken off, and its state only where that is asked for") {
  // Not busybox, whose own deluser comes before the replaced one.
  const std::string shell = GENERATE(as<std::string>{}, "/bin/dash", "/bin/bash");
  INFO(shell);
  Host host;
  host.tool("userdel", "echo \"$*\" >" + host.root + "/userdel");
  const auto make = [&] {
    for (const char* place : {"opt/fleet-agent/1/bin", "var/lib/fleet-agent/x",
                              "etc/systemd/system/fleet-agent.service.d", "etc/fleet-agent"})
      std::filesystem::create_directories(host.folder / place);
    std::ofstream(host.folder / "etc/systemd/system/fleet-agent.service") << "[Unit]\n";
    const auto drop_ins = host.folder / "etc/systemd/system/fleet-agent.service.d";
    for (const char* name : {"ours.conf", "mine.conf", "begun.conf", "before.conf"})
      std::ofstream(drop_ins / name) << "[Unit]\n";
    std::ofstream(host.folder / "var/lib/fleetctl/applied.json")
        << "{\"files\":{\"" << host.root << "/etc/fleet-agent/config.alloy\":\"00\",\""
        << (drop_ins / "ours.conf").string() << "\":\"00\"}}\n";
    // Of a deploy that was interrupted: one that it put there, and one that lay there before.
    const auto books = host.folder / "var/lib/fleetctl";
    std::filesystem::create_directories(books / "generations/7");
    std::ofstream(books / "underway.json") << R"({"generation":7,"run":"r","who":"me"})";
    std::ofstream(books / "generations/7/generation.json")
        << R"({"files":[{"path":")" << (drop_ins / "begun.conf").string()
        << R"(","present":false,"uid":0},{"path":")" << (drop_ins / "before.conf").string()
        << R"(","present":true,"uid":0}]})";
  };
  make();
  const std::string said = host.talk(shell, "upkeep uninstall\n", Orders::kUpkeep);
  INFO(said);
  CHECK(contains(said, "abc123 removed the running agent\nabc123 removed " + host.root +
                           "/etc/systemd/system/fleet-agent.service\n"));
  CHECK(contains(said, "abc123 done\n"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "opt/fleet-agent"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "etc/fleet-agent"));
  CHECK(std::filesystem::exists(host.folder / "var/lib/fleet-agent/x"));
  // Of the unit's own changes those that a deploy brought.
  const auto drop_ins = host.folder / "etc/systemd/system/fleet-agent.service.d";
  CHECK(contains(said, "abc123 removed " + (drop_ins / "ours.conf").string() + "\n"));
  CHECK_FALSE(std::filesystem::exists(drop_ins / "ours.conf"));
  CHECK_FALSE(std::filesystem::exists(drop_ins / "begun.conf"));
  CHECK(std::filesystem::exists(drop_ins / "before.conf"));
  CHECK(std::filesystem::exists(drop_ins / "mine.conf"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "userdel"));

  make();
  const std::string purged = host.talk(shell, "upkeep uninstall purge\n", Orders::kUpkeep);
  INFO(purged);
  CHECK(contains(purged, "abc123 removed the user fleet-agent\nabc123 done\n"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "var/lib/fleet-agent"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "var/lib/fleetctl"));
  CHECK_FALSE(std::filesystem::exists(host.folder / "etc/systemd/system/fleet-agent.service.d"));
  CHECK(agent::read_file(host.folder / "userdel").value_or("") == "fleet-agent\n");
}

}  // namespace fleetctl::plan
