#include "agent/component/path_targets.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace agent::component {
namespace {

struct Fixture {
  TempDir dir;
  PathTargets::Seen seen;

  void write(const std::string& name) {
    std::filesystem::create_directories((dir / name).parent_path());
    std::ofstream(dir / name) << "x\n";
  }
  PathTargets compile(const std::string& pattern) {
    return PathTargets::compile({{{"__path__", (dir / pattern).string()}}}).value();
  }
  // The number of files; none when it says that nothing changed.
  std::optional<std::size_t> look(const PathTargets& targets) {
    const auto found = targets.find_changed(seen, Duration::zero(), 0);
    return found ? std::optional(found->size()) : std::nullopt;
  }
  // Until it trusts the folders' times.
  void settle(const PathTargets& targets) {
    for (int i = 0; i < 3 && look(targets); ++i) {
    }
  }
};

}  // namespace

TEST_CASE("path targets: folders that did not change are not searched") {
  Fixture f;
  f.write("a/1.log");
  const PathTargets targets = f.compile("a/*.log");
  CHECK(f.look(targets) == 1);
  CHECK(f.look(targets) == 1);
  CHECK(f.look(targets) == std::nullopt);
  f.write("a/2.log");
  CHECK(f.look(targets) == 2);
  f.settle(targets);
  CHECK(f.look(targets) == std::nullopt);
  std::filesystem::rename(f.dir / "a/2.log", f.dir / "a/2.txt");
  CHECK(f.look(targets) == 1);
  f.settle(targets);
  f.write("beside");  // the folder above changes: nothing that was looked for
  CHECK(f.look(targets) == std::nullopt);
  std::filesystem::rename(f.dir / "a", f.dir / "b");
  CHECK(f.look(targets) == 0);
}

TEST_CASE("path targets: what appears below, or in place of a folder that was missing, is found") {
  Fixture f;
  f.write("a/b/1.log");
  const PathTargets deep = f.compile("a/**/*.log");
  const PathTargets literal = f.compile("later/x.log");
  f.settle(deep);
  CHECK(f.look(deep) == std::nullopt);
  f.write("a/b/c/2.log");
  CHECK(f.look(deep) == 2);
  f.seen = {};
  CHECK(f.look(literal) == 0);
  f.settle(literal);
  CHECK(f.look(literal) == std::nullopt);
  f.write("later/x.log");
  CHECK(f.look(literal) == 1);
}

TEST_CASE("path targets: a link that leads nowhere yet is looked at every time") {
  Fixture f;
  f.write("a/1.log");
  std::filesystem::create_symlink(f.dir / "b/2.log", f.dir / "a/2.log");
  const PathTargets targets = f.compile("a/*.log");
  f.settle(targets);
  CHECK(f.look(targets) == 1);
  f.write("b/2.log");
  CHECK(f.look(targets) == 2);
}

TEST_CASE("path targets: now and then everything is searched") {
  Fixture f;
  f.write("a/1.log");
  const PathTargets targets = f.compile("a/*.log");
  f.settle(targets);
  int searches = 0;
  for (int i = 0; i < 100; ++i) searches += f.look(targets) ? 1 : 0;
  CHECK(searches >= 3);
  CHECK(searches <= 4);
}

}  // namespace agent::component
