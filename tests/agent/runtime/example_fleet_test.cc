// Every configuration of the example fleet is loaded by the real runtime with the real components.
#include <catch2/catch.hpp>
#include <filesystem>

#include "agent/base/file.h"
#include "agent/lang/rendering.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "agent/runtime/runtime.h"
#include "tests/support/temp_dir.h"

namespace agent::runtime {

TEST_CASE("example fleet: each host's configuration starts, and the next host's can replace it") {
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Registry registry;
  register_components(registry);
  const auto world = unknown_world();
  const lang::Stdlib stdlib(*world);
  Runtime runtime(Runtime::Environment{registry, stdlib, clock, labels, Log::none(), metrics,
                                       dir.path(), lint::review});
  int hosts = 0;
  for (const auto& host : std::filesystem::directory_iterator(SOURCE_DIR "/tests/golden/ouranos")) {
    const auto file = host.path() / "config.alloy";
    INFO(file.string());
    const auto text = read_file(file);
    REQUIRE(text);
    const LoadReport report = runtime.load({{file.string(), *text}});
    if (!report.diagnostics.empty()) FAIL(lang::render(report.diagnostics, report.sources.front()));
    CHECK(runtime.component_count() >= 2);
    ++hosts;
  }
  CHECK(hosts >= 8);
}

}  // namespace agent::runtime
