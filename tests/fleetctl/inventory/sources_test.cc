#include "fleetctl/inventory/sources.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

using namespace fleetctl::inventory;
namespace fs = std::filesystem;

namespace {

struct Reading {
  explicit Reading(const std::vector<std::string>& sources)
      : loader([](std::string_view) { return agent::fail(agent::ErrorCode::kNotFound, "no key"); },
               inventory.warnings()),
        read(read_sources(sources, loader, inventory)) {}
  std::string hosts() const {
    if (!read) return "error: " + read.error().message;
    std::string out;
    for (const Host* host : inventory.hosts_of(inventory.all())) out += host->name + " ";
    return out;
  }
  Inventory inventory;
  Loader loader;
  agent::Result<> read;
};

void write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("sources: a folder is read in the order of names, without what is no inventory") {
  const agent::TempDir dir;
  write(dir.path() / "b.yml", "g: {hosts: {two: }}\n");
  write(dir.path() / "a", "one\n");
  write(dir.path() / "c/nested.yaml", "g: {hosts: {three: }}\n");
  write(dir.path() / "README.md", "[broken\n");
  write(dir.path() / ".hidden", "[broken\n");
  write(dir.path() / "a~", "[broken\n");
  write(dir.path() / "group_vars/all.yml", "x: 1\n");
  CHECK(Reading({dir.path().string()}).hosts() == "one two three ");
}

TEST_CASE("sources: a comma list is hosts") {
  CHECK(Reading({"a,b:2222,"}).hosts() == "a b ");
  CHECK(variable_folders({"a,b"}).empty());
}

TEST_CASE("sources: a file without extension may be YAML or INI") {
  const agent::TempDir dir;
  write(dir.path() / "yaml", "g:\n  hosts:\n    one:\n");
  write(dir.path() / "ini", "one x=1\n");
  write(dir.path() / "neither", "one: [\n");
  CHECK(Reading({(dir.path() / "yaml").string()}).hosts() == "one ");
  CHECK(Reading({(dir.path() / "ini").string()}).hosts() == "one ");
  CHECK_THAT(Reading({(dir.path() / "neither").string()}).hosts(),
             Catch::StartsWith("error: neither YAML nor INI") && Catch::Contains("as YAML: ") &&
                 Catch::Contains("as INI: "));
}

TEST_CASE("sources: programs, plugin configurations and TOML are refused with the way out") {
  const agent::TempDir dir;
  write(dir.path() / "script", "#!/bin/sh\necho '{}'\n");
  fs::permissions(dir.path() / "script", fs::perms::owner_all);
  write(dir.path() / "aws.yml", "plugin: amazon.aws.aws_ec2\n");
  write(dir.path() / "hosts.toml", "[all]\n");
  CHECK_THAT(Reading({(dir.path() / "script").string()}).hosts(),
             Catch::Contains("ansible-inventory --list"));
  CHECK_THAT(Reading({(dir.path() / "aws.yml").string()}).hosts(),
             Catch::Contains("aws.yml:1:9: ") && Catch::Contains("ansible-inventory --list"));
  CHECK_THAT(Reading({(dir.path() / "hosts.toml").string()}).hosts(),
             Catch::Contains("TOML is not read"));
}

TEST_CASE("sources: what is no inventory says where") {
  const agent::TempDir dir;
  const auto said = [&](std::string_view text) {
    write(dir.path() / "hosts.yml", text);
    return Reading({(dir.path() / "hosts.yml").string()}).hosts();
  };
  CHECK_THAT(said("- a\n"), Catch::Contains("hosts.yml:1:1: an inventory is a map of groups"));
  CHECK_THAT(said("g:\n  hosts: [a]\n"), Catch::Contains("hosts.yml:2:10: group 'g': 'hosts'"));
  CHECK_THAT(said("g:\n  hosts:\n    10: {}\n"), Catch::Contains("put it in quotes"));
  CHECK_THAT(said("5: {}\n"), Catch::Contains("put it in quotes"));
  CHECK_THAT(said("a: {children: {b: {children: {a: }}}}\n"), Catch::Contains("closes a circle"));
  CHECK_THAT(said("a: {children: {a: }}\n"), Catch::Contains("its own child"));
  CHECK_THAT(said("g: {vars: {ansible_group_priority: high}}\n"),
             Catch::Contains("not a whole number"));
  CHECK(said("# nothing\n") == "");
  CHECK(said("all: {hosts: {a: }}\n") == "a ");
}
