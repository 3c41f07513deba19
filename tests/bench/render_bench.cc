// `fleetctl render` and `fleetctl lint` without the printing: a tree of N hosts with the example
// fleet's templates, each host with variables of its own, read, rendered, checked and reviewed.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/component/component.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/lint.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

// A tree of `hosts` hosts in `dir`.
void make_tree(const agent::TempDir& dir, std::int64_t hosts) {
  const fs::path source = SOURCE_DIR;
  fs::copy(source / "templates", dir / "templates", fs::copy_options::recursive);
  fs::copy(source / "group_vars", dir / "group_vars", fs::copy_options::recursive);
  fs::copy_file(source / "templates/miranda/config.alloy.j2", dir / "templates/config.alloy.j2",
                fs::copy_options::overwrite_existing);
  fs::create_directories(dir / "host_vars");
  write(dir / "inventory/hosts.yml", "all:\n  children:\n    lab:\n      hosts:\n        h[1:" +
                                         std::to_string(hosts) + "].lab:\n");
  for (std::int64_t i = 1; i <= hosts; ++i)
    fs::copy_file(source / "host_vars/miranda.incus.yml",
                  dir / ("host_vars/h" + std::to_string(i) + ".lab.yml"));
}

ConfigurationCheck checker(const agent::component::Registry& registry) {
  return [&](std::string_view text, std::string file) {
    const auto world = agent::runtime::unknown_world();
    return agent::runtime::check({{std::move(file), std::string(text)}}, registry, *world,
                                 agent::lint::review)
        .diagnostics;
  };
}

void render_fleet(benchmark::State& state) {
  const agent::TempDir dir;
  make_tree(dir, state.range(0));
  agent::component::Registry registry;
  agent::register_components(registry);
  const ConfigurationCheck check = checker(registry);
  FleetOptions options;
  options.root = dir.path();
  for (auto _ : state) {
    const auto fleet = load_fleet(options, check);
    if (!fleet || !fleet->problems.empty() ||
        fleet->hosts.size() != static_cast<std::size_t>(state.range(0)))
      std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(render_fleet)->Arg(10)->Arg(200)->Unit(benchmark::kMillisecond);

// Each host's file tells of all the others, as one of peers does: hosts times hosts variables.
void render_peers(benchmark::State& state) {
  const agent::TempDir dir;
  make_tree(dir, state.range(0));
  std::ofstream(dir / "templates/config.alloy.j2", std::ios::app)
      << "{% for host in groups['all'] %}\n// {{ hostvars[host].loki_url }} "
         "{{ hostvars[host]['inventory_hostname'] }}\n{% endfor %}\n";
  FleetOptions options;
  options.root = dir.path();
  for (auto _ : state) {
    const auto fleet = load_fleet(options, nullptr);
    if (!fleet || !fleet->problems.empty()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(0));
}
BENCHMARK(render_peers)->Arg(10)->Arg(200)->Unit(benchmark::kMillisecond);

void lint_fleet(benchmark::State& state) {
  const agent::TempDir dir;
  make_tree(dir, state.range(0));
  agent::component::Registry registry;
  agent::register_components(registry);
  const ConfigurationCheck check = checker(registry);
  LintOptions options;
  options.fleet.root = dir.path();
  for (auto _ : state) {
    for (const Finding& finding : find_all(options, check))
      if (finding.error) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(lint_fleet)->Arg(10)->Arg(200)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetctl::command

BENCHMARK_MAIN();
