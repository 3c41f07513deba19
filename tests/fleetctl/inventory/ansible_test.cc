// Compares with Ansible itself (Debian's ansible-core): the same trees through both must give the
// same hosts, groups, variables and selections.
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/inventory/extra_vars.h"
#include "fleetctl/inventory/layers.h"
#include "fleetctl/inventory/pattern.h"
#include "fleetctl/inventory/sources.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/text.h"

using namespace fleetctl;
using value::Value;
namespace fs = std::filesystem;

namespace {

agent::Result<std::string> no_password(std::string_view) {
  return agent::fail(agent::ErrorCode::kNotFound, "no password");
}

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "inventory.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string run(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[65536];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  const int status = pclose(pipe);
  INFO(command);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return out;
}

bool ansible_is_there() {
  if (std::system("PATH=/usr/bin:/bin python3 -c 'import ansible' 2>/dev/null") == 0) return true;
  WARN("ansible-core is not installed: nothing was compared");
  return false;
}

const std::string kOracle =
    "PATH=/usr/bin:/bin python3 " SOURCE_DIR "/tests/fleetctl/inventory/ansible_oracle.py";

struct Case {
  fs::path tree;
  std::vector<std::string> sources;
  std::vector<std::string> limits;
};

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  const auto text = agent::read_file(path);
  if (!text) return lines;
  for (const std::string_view line : agent::split(*text, '\n'))
    if (!line.empty()) lines.emplace_back(line);
  return lines;
}

Case case_of(const fs::path& tree) {
  Case result{tree, {}, lines_of(tree / "limits.txt")};
  for (const std::string& source : lines_of(tree / "sources.txt"))
    result.sources.push_back(source.find(',') == std::string::npos ? (tree / source).string()
                                                                   : source);
  for (const char* name : {"hosts", "hosts.yml", "hosts.json"})
    if (result.sources.empty() && fs::exists(tree / name))
      result.sources.push_back((tree / name).string());
  return result;
}

// Below its children's level Ansible walks the groups in an order of its own (a Python set): where
// two groups of one level have children, the order of the hosts further down is chance.
bool order_is_chance(const inventory::Group& group) {
  std::vector<const inventory::Group*> level(group.children.begin(), group.children.end());
  for (int depth = 0; !level.empty() && depth < 50; ++depth) {
    std::vector<const inventory::Group*> below;
    int with_children = 0;
    for (const inventory::Group* g : level) {
      with_children += g->children.empty() ? 0 : 1;
      below.insert(below.end(), g->children.begin(), g->children.end());
    }
    if (with_children > 1) return true;
    level = std::move(below);
  }
  return false;
}

Value sorted(const Value& list) {
  if (!list.is_list()) return list;
  std::vector<Value> items = list.items();
  std::sort(items.begin(), items.end(),
            [](const Value& a, const Value& b) { return a.as_string() < b.as_string(); });
  return Value::list(std::move(items));
}

Value strings(const std::vector<std::string>& texts) {
  std::vector<Value> items;
  for (const std::string& text : texts) items.push_back(Value::string(text));
  return Value::list(std::move(items));
}

// Encrypted and unsafe values as Ansible's JSON writes them.
Value as_json(const Value& value) {
  if (value.is_string() && value.has(value::kUnsafe)) {
    value::Dict dict;
    dict.set("__ansible_unsafe", Value::string(value.as_string()));
    return Value::dict(std::move(dict));
  }
  if (value.is_object()) {
    value::Dict dict;
    dict.set("__ansible_vault", Value::string(value.as_object()->text()));
    return Value::dict(std::move(dict));
  }
  if (value.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(as_json(item));
    return Value::list(std::move(items));
  }
  if (value.is_dict()) {
    value::Dict dict;
    for (const auto& [key, item] : value.as_dict()) dict.set(key, as_json(item));
    return Value::dict(std::move(dict));
  }
  return value;
}

Value ours(const Case& tree) {
  inventory::Inventory inventory;
  inventory::Loader loader(no_password, inventory.warnings());
  const auto read = inventory::read_sources(tree.sources, loader, inventory);
  INFO(tree.tree.string() << (read ? "" : ": " + read.error().message));
  REQUIRE(read);
  inventory::Layers layers(inventory, loader);
  layers.inventory_folders = inventory::variable_folders(tree.sources);
  layers.play_folders = {tree.tree};
  const auto names = [](const std::vector<const inventory::Host*>& hosts) {
    std::vector<std::string> out;
    for (const inventory::Host* host : hosts) out.push_back(host->name);
    return out;
  };
  value::Dict groups;
  for (const auto& group : inventory.groups())
    groups.set(group->name, strings(names(inventory.hosts_of(*group))));
  std::vector<std::string> chance;
  for (const auto& group : inventory.groups())
    if (order_is_chance(*group)) chance.push_back(group->name);
  value::Dict hostvars;
  for (const auto& host : inventory.hosts()) {
    auto merged = layers.merged(*host);
    INFO((merged ? "" : merged.error().message));
    REQUIRE(merged);
    hostvars.set(host->name, as_json(Value::dict(std::move(*merged))));
  }
  value::Dict limits;
  for (const std::string& limit : tree.limits) {
    const auto selection = inventory::select_hosts(inventory, {limit});
    limits.set(limit, selection ? strings(names(selection->hosts)) : Value::none());
  }
  value::Dict all;
  all.set("groups", Value::dict(std::move(groups)));
  all.set("chance", strings(chance));
  all.set("hostvars", Value::dict(std::move(hostvars)));
  all.set("limits", Value::dict(std::move(limits)));
  return Value::dict(std::move(all));
}

// Only where Ansible's answer is nothing or an error may ours be an error.
bool same_selection(const Value& ours, const Value& theirs) {
  if (ours.is_none()) return theirs.is_none() || theirs.items().empty();
  return value::equal(ours, theirs);
}

void compare(const std::vector<fs::path>& trees, const fs::path& scratch) {
  std::vector<Case> cases;
  std::vector<Value> questions;
  for (const fs::path& tree : trees) {
    cases.push_back(case_of(tree));
    value::Dict question;
    question.set("sources", strings(cases.back().sources));
    question.set("basedir", Value::string(tree.string()));
    question.set("limits", strings(cases.back().limits));
    questions.push_back(Value::dict(std::move(question)));
  }
  const auto text = value::to_json(Value::list(std::move(questions)));
  REQUIRE(text);
  REQUIRE(agent::write_file_atomic(scratch / "questions.json", *text));
  const auto answers =
      value::parse_json(run(kOracle + " < " + (scratch / "questions.json").string()));
  REQUIRE(answers);
  REQUIRE(answers->items().size() == cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Value mine = ours(cases[i]);
    const Value& theirs = answers->items()[i];
    INFO(cases[i].tree.string());
    const auto by_chance = [&](const Value& name) {
      const auto& names = mine.get("chance")->items();
      return std::any_of(names.begin(), names.end(),
                         [&](const Value& n) { return value::equal(n, name); });
    };
    const bool all_by_chance = by_chance(Value::string("all"));
    for (const char* part : {"groups", "hostvars"}) {
      INFO(part);
      const value::Dict& expected = theirs.get(part)->as_dict();
      CHECK(mine.get(part)->as_dict().size() == expected.size());
      for (const auto& [name, value] : expected) {
        const Value* found = mine.get(part)->as_dict().find(name);
        INFO(value::str(name));
        REQUIRE(found != nullptr);
        INFO("ours    " << value::repr(*found));
        INFO("Ansible " << value::repr(value));
        const bool sort = part == std::string("groups") && by_chance(name);
        CHECK(value::equal(sort ? sorted(*found) : *found, sort ? sorted(value) : value));
      }
    }
    for (const auto& [pattern, value] : theirs.get("limits")->as_dict()) {
      const Value& found = *mine.get("limits")->as_dict().find(pattern);
      INFO("--limit " << value::str(pattern));
      INFO("ours    " << value::repr(found));
      INFO("Ansible " << value::repr(value));
      if (all_by_chance && value::str(pattern).ends_with(']')) continue;
      CHECK(same_selection(all_by_chance ? sorted(found) : found,
                           all_by_chance ? sorted(value) : value));
    }
  }
}

std::vector<fs::path> trees_in(const fs::path& folder) {
  std::vector<fs::path> trees;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory()) trees.push_back(entry.path());
  std::sort(trees.begin(), trees.end());
  return trees;
}

}  // namespace

TEST_CASE("inventory: the trees of tests/fixtures/inventories mean what they mean to Ansible") {
  if (!ansible_is_there()) return;
  const Folder scratch;
  const auto trees = trees_in(SOURCE_DIR "/tests/fixtures/inventories");
  REQUIRE(trees.size() >= 10);
  compare(trees, scratch.path);
}

TEST_CASE("inventory: random trees mean what they mean to Ansible") {
  if (!ansible_is_there()) return;
  const Folder scratch;
  const char* seed = std::getenv("TREES_SEED");
  run(kOracle + " --generate " + (scratch.path / "trees").string() + " 60 " +
      (seed != nullptr ? seed : "1"));
  compare(trees_in(scratch.path / "trees"), scratch.path);
}

namespace {

// The texts, put to the oracle: repr of what it makes of each, None for an error.
std::vector<Value> ask(const std::string& question, const std::vector<std::string>& texts,
                       const fs::path& scratch) {
  const auto json = value::to_json(strings(texts));
  REQUIRE(json);
  REQUIRE(agent::write_file_atomic(scratch / "texts.json", *json));
  const auto answers =
      value::parse_json(run(kOracle + " " + question + " < " + (scratch / "texts.json").string()));
  REQUIRE(answers);
  REQUIRE(answers->items().size() == texts.size());
  return answers->items();
}

std::vector<std::string> random_texts(const std::vector<std::string>& pieces, int count) {
  std::mt19937 random(7);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (auto n = 1 + random() % 6; n > 0; --n) text += pieces[random() % pieces.size()];
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

TEST_CASE("yaml: random unquoted scalars mean what they mean to PyYAML") {
  if (!ansible_is_there()) return;
  const Folder scratch;
  const auto texts = random_texts(
      {"0",    "1",   "7",   "9",    "12",   "59",  "_",     ".",   "+",   "-",   ":",
       "e",    "E+",  "0x",  "0b",   "0o",   "a",   "F",     "inf", "nan", "yes", "No",
       "TRUE", "off", "~",   "null", "2024", "-01", "T",     " ",   "Z",   ":30", "-05:00",
       ".5",   "1.5", "e-3", "x",    "=",    "<<",  "01-02", "y"},
      20000);
  const auto answers = ask("--scalars", texts, scratch.path);
  int compared = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (answers[i].is_none()) continue;
    ++compared;
    if (value::repr(inventory::resolve_scalar(texts[i])) == answers[i].as_string()) continue;
    CAPTURE(texts[i]);
    CHECK(value::repr(inventory::resolve_scalar(texts[i])) == answers[i].as_string());
  }
  CHECK(compared > 10000);
}

TEST_CASE("yaml: random documents mean what they mean to PyYAML") {
  if (!ansible_is_there()) return;
  const char* seed = std::getenv("TREES_SEED");
  const auto documents =
      value::parse_json(run(kOracle + " --documents 3000 " + (seed != nullptr ? seed : "1")));
  REQUIRE(documents);
  for (const Value& document : documents->items()) {
    std::vector<std::string> warnings;
    const auto ours = inventory::read_yaml(document.get("text")->as_string(), "doc", warnings);
    if (ours && value::equal(*ours, *document.get("value"))) continue;
    INFO(document.get("text")->as_string());
    INFO("ours    " << (ours ? value::repr(*ours) : ours.error().message));
    INFO("PyYAML  " << value::repr(*document.get("value")));
    CHECK(false);
  }
}

TEST_CASE("extra vars: random key=value texts mean what they mean to Ansible") {
  if (!ansible_is_there()) return;
  const Folder scratch;
  const auto texts = random_texts({"a", "b", "=", "a=1", " ", "  ", "'", "\"", "{{ ", " }}", "x y",
                                   "\\n", "\\=", "c='d e'", "k=v ", "=\"q r\"", "{% x %}"},
                                  20000);
  const auto answers = ask("--key-values", texts, scratch.path);
  int compared = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto ours = inventory::parse_key_values(texts[i]);
    if (!ours) continue;
    if (answers[i].is_none()) continue;  // Ansible stumbles over white space at the start
    ++compared;
    const std::string mine = value::repr(Value::dict(std::move(*ours)));
    if (mine == answers[i].as_string()) continue;
    CAPTURE(texts[i]);
    CHECK(mine == answers[i].as_string());
  }
  CHECK(compared > 1000);
}

TEST_CASE("inventory: the ansible-inventory program agrees on the example fleet") {
  if (!ansible_is_there() || !fs::exists(SOURCE_DIR "/inventory/hosts.yml")) return;
  const auto theirs = value::parse_json(
      run("cd " SOURCE_DIR
          " && PATH=/usr/bin:/bin ansible-inventory -i inventory --playbook-dir . --list"));
  REQUIRE(theirs);
  Case fleet{SOURCE_DIR, {SOURCE_DIR "/inventory"}, {}};
  const Value mine = ours(fleet);
  const value::Dict& hosts = theirs->get("_meta")->get("hostvars")->as_dict();
  CHECK(hosts.size() == mine.get("hostvars")->as_dict().size());
  for (const auto& [host, variables] : hosts) {
    for (const auto& [name, value] : variables.as_dict()) {
      INFO(value::str(host) << ": " << value::str(name));
      const Value* found = mine.get("hostvars")->as_dict().find(host)->as_dict().find(name);
      REQUIRE(found != nullptr);
      CHECK(value::equal(*found, value));
    }
  }
}
