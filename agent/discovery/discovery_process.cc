// discovery.process: the processes of this host as targets, joined with what else is known of their
// containers.
#include "agent/discovery/discovery_process.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/in_force.h"
#include "agent/discovery/target_lists.h"

namespace agent::discovery {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxProcesses = 50'000;
constexpr std::size_t kMaxText = 4'096;     // bytes of a command line or a path
constexpr std::size_t kMaxFile = 1U << 20;  // of a process
constexpr std::size_t kMaxPasswd = 16U << 20;
constexpr std::size_t kContainerId = 64;  // hexadecimal digits
constexpr char kContainer[] = "__container_id__";

struct DiscoverArgs {
  bool exe = true;
  bool cwd = true;
  bool commandline = true;
  bool username = false;
  bool uid = false;
  bool container_id = true;
  bool cgroup_path = false;
  static component::Schema<DiscoverArgs> schema() {
    using A = DiscoverArgs;
    return component::Schema<A>()
        .optional("exe", &A::exe, "Adds __meta_process_exe, the program's file.")
        .optional("cwd", &A::cwd, "Adds __meta_process_cwd, the folder it works in.")
        .optional("commandline", &A::commandline, "Adds __meta_process_commandline.")
        .optional("username", &A::username, "Adds __meta_process_username.")
        .optional("uid", &A::uid, "Adds __meta_process_uid.")
        .optional("container_id", &A::container_id,
                  "Adds __container_id__ to processes of a container.")
        .optional("cgroup_path", &A::cgroup_path,
                  "Adds __meta_cgroup_path; of control groups version 1 all paths, with | between "
                  "them.");
  }
};

struct ProcessArgs {
  std::vector<model::Target> join;
  Duration refresh_interval = std::chrono::minutes(1);
  DiscoverArgs discover_config;
  static component::Schema<ProcessArgs> schema() {
    return component::Schema<ProcessArgs>()
        .optional("join", &ProcessArgs::join,
                  "Targets of containers, whose labels their processes get.")
        .optional("refresh_interval", &ProcessArgs::refresh_interval, "Time between two looks.")
        .block("discover_config", &ProcessArgs::discover_config, "What to tell of a process.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (refresh_interval <= Duration::zero())
      diagnostics.error(body.span_of("refresh_interval"),
                        "refresh_interval must be greater than 0s");
  }
};

std::string text_of(std::string_view bytes) { return to_valid_utf8(utf8_head(bytes, kMaxText)); }

// The container that a path of control groups names: a part that ends in 64 digits, perhaps with
// something before a dash and behind a dot: "/system.slice/docker-<id>.scope".
std::string_view container_of(std::string_view path) {
  const auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    std::string_view id = part->substr(0, part->find('.'));
    id.remove_prefix(std::min(id.rfind('-') + 1, id.size()));  // none: npos + 1 is 0
    if (id.size() == kContainerId && id.find_first_not_of("0123456789abcdef") == id.npos) return id;
  }
  return {};
}

// hierarchy:controllers:path
struct ControlGroups {
  std::string paths;
  std::string container;
};
ControlGroups control_groups(std::string_view file) {
  ControlGroups out;
  for (const std::string_view line : split(file, '\n')) {
    const std::size_t second = line.find(':', std::min(line.find(':'), line.size()) + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view path = line.substr(second + 1);
    if (!out.paths.empty()) out.paths += '|';
    out.paths += path;
    if (out.container.empty()) out.container = container_of(path);
  }
  return out;
}

// The real user of /proc/<pid>/status.
std::string user_of(std::string_view status) {
  for (const std::string_view line : split(status, '\n')) {
    if (!line.starts_with("Uid:")) continue;
    const std::string_view rest = trim(line.substr(4));
    return std::string(rest.substr(0, rest.find_first_of(" \t")));
  }
  return {};
}

// name:x:uid:...
std::map<std::string, std::string, std::less<>> names_of(std::string_view passwd) {
  std::map<std::string, std::string, std::less<>> out;
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() > 2) out.emplace(fields[2], fields[0]);
  }
  return out;
}

std::string_view container_of(const model::Target& target) {
  const auto value = [&](std::string_view name) {
    const auto found = std::find_if(target.begin(), target.end(),
                                    [&](const model::Label& one) { return one.name == name; });
    return found == target.end() ? std::string_view() : std::string_view(found->value);
  };
  if (const auto id = value(kContainer); !id.empty()) return id;
  if (const auto id = value("__meta_kubernetes_pod_container_id"); !id.empty()) {
    const std::size_t scheme = id.find("://");
    return scheme == std::string_view::npos ? std::string_view() : id.substr(scheme + 3);
  }
  return value("__meta_docker_container_id");
}

// As Alloy joins: processes with the labels of their containers, and the containers themselves.
std::vector<model::Target> joined(std::vector<model::Target> processes,
                                  const std::vector<model::Target>& containers) {
  std::map<std::string_view, const model::Target*> by_id;
  std::vector<model::Target> out;
  for (const model::Target& one : containers) {
    const std::string_view id = container_of(one);
    if (id.empty()) {
      out.push_back(one);
    } else {
      by_id[id] = &one;
    }
  }
  for (model::Target& process : processes) {
    const std::string_view id = container_of(process);
    const auto container = id.empty() ? by_id.end() : by_id.find(id);
    if (container == by_id.end()) {
      out.push_back(std::move(process));
      continue;
    }
    model::LabelBuilder labels(std::move(process));
    for (const model::Label& label : *container->second) labels.set(label.name, label.value);
    out.push_back(std::move(labels).take());
  }
  for (const auto& [id, container] : by_id) out.push_back(*container);
  return out;
}

class DiscoveryProcess final : public component::Configured<ProcessArgs>, public component::Worker {
 public:
  explicit DiscoveryProcess(component::Host host, fs::path root = "/")
      : host_(std::move(host)), root_(std::move(root)), lists_(host_, "process") {}

  using Configured::prepare;
  Result<component::Commit> prepare(ProcessArgs args) override {
    auto settings = std::make_shared<const ProcessArgs>(std::move(args));
    return component::Commit([this, settings] { in_force_.set(settings); });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const ProcessArgs& args, const std::stop_token& token) {
      do {
        auto processes = look(args.discover_config, token);
        if (token.stop_requested()) return;
        if (processes) {
          host_.health.good();
          lists_.set("", joined(std::move(*processes), args.join));
          lists_.publish();
        } else {
          host_.health.bad(processes.error().message);
        }
      } while (host_.clock.sleep_for(args.refresh_interval, token));
    });
    return {};
  }

  void debug_info(component::DebugWriter& out) const override { lists_.debug_info(out); }

 private:
  Result<std::vector<model::Target>> look(const DiscoverArgs& wanted,
                                          const std::stop_token& token) const {
    std::error_code error;
    std::vector<long> pids;
    fs::directory_iterator entries(root_ / "proc", error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const std::string name = entries->path().filename().string();
      long pid = 0;
      const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (bad == std::errc() && end == name.data() + name.size() && pids.size() < kMaxProcesses)
        pids.push_back(pid);
    }
    if (error) return fail(ErrorCode::kIo, "list /proc: " + error.message());
    std::sort(pids.begin(), pids.end());
    std::map<std::string, std::string, std::less<>> names;
    if (wanted.username)
      names = names_of(read_file(root_ / "etc/passwd", kMaxPasswd).value_or(std::string()));
    std::vector<model::Target> out;
    for (const long pid : pids) {
      if (token.stop_requested()) break;
      if (auto target = target_of(pid, wanted, names)) out.push_back(std::move(*target));
    }
    return out;
  }

  // None: it has ended, or is a thread of the kernel. What must not be read is left out.
  std::optional<model::Target> target_of(
      long pid, const DiscoverArgs& wanted,
      const std::map<std::string, std::string, std::less<>>& names) const {
    const fs::path folder = root_ / "proc" / std::to_string(pid);
    model::LabelBuilder labels;
    labels.set("__process_pid__", std::to_string(pid));
    bool gone = false;
    const auto link = [&](const char* name, const char* label) {
      std::error_code error;
      const fs::path to = fs::read_symlink(folder / name, error);
      gone |= error == std::errc::no_such_file_or_directory || error == std::errc::no_such_process;
      if (!error) labels.set(label, text_of(to.native()));
    };
    if (wanted.exe) link("exe", "__meta_process_exe");
    if (wanted.cwd && !gone) link("cwd", "__meta_process_cwd");
    if (gone) return std::nullopt;
    const auto file = [&](const char* name) {
      return read_file(folder / name, kMaxFile).value_or(std::string());
    };
    if (wanted.commandline) {
      std::string line = file("cmdline");
      std::replace(line.begin(), line.end(), '\0', ' ');
      labels.set("__meta_process_commandline", text_of(trim(line)));
    }
    if (wanted.uid || wanted.username) {
      const std::string user = user_of(file("status"));
      if (wanted.uid) labels.set("__meta_process_uid", user);
      const auto name = names.find(user);
      if (wanted.username && name != names.end())
        labels.set("__meta_process_username", text_of(name->second));
    }
    if (wanted.container_id || wanted.cgroup_path) {
      const ControlGroups groups = control_groups(file("cgroup"));
      if (wanted.container_id) labels.set(kContainer, groups.container);
      if (wanted.cgroup_path) labels.set("__meta_cgroup_path", text_of(groups.paths));
    }
    return std::move(labels).take();
  }

  component::Host host_;
  const fs::path root_;
  component::InForce<ProcessArgs> in_force_;
  TargetLists lists_;  // of the thread in run()
};

}  // namespace

component::Declaration discovery_process_from(fs::path root) {
  auto declaration = component::declare<DiscoveryProcess>(
      "discovery.process", "Finds the processes of this host.",
      {{"targets", "list(map(string))", "A target for each process, and those of join."}});
  declaration.make = [root = std::move(root)](component::Host host) {
    return std::make_unique<DiscoveryProcess>(std::move(host), root);
  };
  return declaration;
}

component::Declaration discovery_process() { return discovery_process_from("/"); }

}  // namespace agent::discovery
