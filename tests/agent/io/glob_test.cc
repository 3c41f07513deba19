#include "agent/io/glob.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

bool matches(std::string_view pattern, std::string_view path) {
  const auto glob = Glob::compile(pattern);
  if (!glob) FAIL(glob.error().message);
  return glob->matches(path);
}

}  // namespace

TEST_CASE("glob: a star stays within a level") {
  CHECK(matches("/var/log/*.log", "/var/log/a.log"));
  CHECK(matches("/var/log/*.log", "/var/log/.log"));
  CHECK_FALSE(matches("/var/log/*.log", "/var/log/x/a.log"));
  CHECK_FALSE(matches("/var/log/*.log", "/var/log/a.logs"));
  CHECK(matches("/v*/*g/*a*b*c", "/var/log/xaybzc"));
  CHECK_FALSE(matches("/v*/*g/*a*b*c", "/var/log/xaybz"));
}

TEST_CASE("glob: two stars are any number of levels") {
  CHECK(matches("/var/**/*.log", "/var/a.log"));
  CHECK(matches("/var/**/*.log", "/var/x/y/a.log"));
  CHECK(matches("/var/**", "/var/x/y"));
  CHECK(matches("/**/b/**/d", "/a/b/b/c/d"));
  CHECK_FALSE(matches("/**/b/**/d", "/a/c/d"));
}

TEST_CASE("glob: characters, sets, alternatives, escapes") {
  CHECK(matches("a?c", "abc"));
  CHECK(matches("a?c",
                "a\xc3\xa4"
                "c"));
  CHECK_FALSE(matches("a?c", "a/c"));
  CHECK(matches("[a-c]x[!0-9]", "bxy"));
  CHECK_FALSE(matches("[a-c]x[!0-9]", "bx5"));
  CHECK(matches("[]]", "]"));
  CHECK(matches("{a,b{1,2}}.log", "b2.log"));
  CHECK_FALSE(matches("{a,b{1,2}}.log", "b3.log"));
  CHECK(matches("/x/{a/b,c}/d", "/x/a/b/d"));
  CHECK(matches("\\*\\{", "*{"));
  CHECK_FALSE(matches("\\*", "a"));
}

TEST_CASE("glob: a pattern that cannot be one is refused") {
  CHECK_FALSE(Glob::compile(""));
  CHECK_FALSE(Glob::compile("{a,b"));
  CHECK_FALSE(Glob::compile("[a"));
  CHECK_FALSE(Glob::compile("a\\"));
  CHECK_FALSE(Glob::compile("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
}

TEST_CASE("glob: finds files, each once, sorted, and passes over folders and loops") {
  TempDir dir;
  for (const char* folder : {"x/y", "x/z.log", "w"})
    std::filesystem::create_directories(dir / folder);
  for (const char* file : {"b.log", "a.log", "x/c.log", "x/y/d.log", "x/y/e.txt", "w/*.log"})
    std::ofstream(dir / file) << "x";
  std::filesystem::create_directory_symlink(dir.path(), dir / "x/loop");
  const std::string root = dir.path().string();
  const auto find = [&](const std::string& pattern) {
    std::vector<std::string> out;
    for (const auto& path : Glob::compile(root + pattern).value().find())
      out.push_back(path.substr(root.size()));
    return out;
  };
  using Paths = std::vector<std::string>;
  CHECK(find("/*.log") == Paths{"/a.log", "/b.log"});
  CHECK(find("/**/*.log") == Paths{"/a.log", "/b.log", "/w/*.log", "/x/c.log", "/x/y/d.log"});
  CHECK(find("/{x,x/y}/*.{log,txt}") == Paths{"/x/c.log", "/x/y/d.log", "/x/y/e.txt"});
  CHECK(find("/w/\\*.log") == Paths{"/w/*.log"});
  CHECK(find("/a.log") == Paths{"/a.log"});
  CHECK(find("/none/*").empty());
  CHECK(find("/x/**") == Paths{"/x/c.log", "/x/y/d.log", "/x/y/e.txt"});
}

}  // namespace agent::io
