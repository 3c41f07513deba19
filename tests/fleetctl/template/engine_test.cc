// What the oracle test cannot see: places, secrets, limits, hosts, lookups. (What templates render
// to is there.)
#include "fleetctl/template/engine.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "agent/base/file.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/value/text.h"
#include "tests/support/fake_clock.h"

using namespace fleetctl;
using template_::Engine;
using template_::Place;
using template_::ProblemKind;
using template_::World;
using value::Value;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Value json(std::string_view text) { return value::parse_json(text).value(); }

class Texts final : public template_::TemplateLoader {
 public:
  explicit Texts(std::vector<std::pair<std::string, std::string>> texts)
      : texts_(std::move(texts)) {}
  agent::Result<std::optional<std::string>> load(std::string_view name) const override {
    for (const auto& [key, text] : texts_) {
      if (key == name) return std::optional<std::string>(text);
    }
    return std::optional<std::string>();
  }

 private:
  std::vector<std::pair<std::string, std::string>> texts_;
};

struct Outcome {
  std::string text;
  std::string error;
  ProblemKind kind = ProblemKind::kRuntime;
};
Outcome render(std::string_view text, const Value& variables, World world = {}) {
  const Engine engine(std::move(world));
  const template_::DictVariables names(variables.as_dict());
  auto made = engine.render(text, "t.j2", names);
  if (made) return {made->text, "", {}};
  return {"", made.error()->text(), made.error()->kind};
}

std::string where(const Place& place) { return place.file + ":" + std::to_string(place.line); }

}  // namespace

TEST_CASE("template: an undefined name is an error with its place and the nearest name") {
  const auto out =
      render("line one\nport = {{ syslog_prot }}\n", json(R"({"syslog_port": 51401})"));
  CHECK(out.kind == ProblemKind::kUndefined);
  CHECK(out.error == "t.j2:2:11: 'syslog_prot' is undefined, did you mean 'syslog_port'?");
}

TEST_CASE("template: a missing attribute says of what") {
  CHECK(render("{{ d.x }}", json(R"({"d": {}})")).error ==
        "t.j2:1:6: 'dict object' has no attribute 'x'");
  CHECK(render("{{ l[3] }}", json(R"({"l": []})")).error ==
        "t.j2:1:5: list object has no element 3");
}

TEST_CASE("template: syntax errors carry line and column") {
  CHECK(render("a\n{% if x %}\nb", json("{}")).error ==
        "t.j2:3:2: Unexpected end of template. Jinja was looking for the following tags: 'elif' or "
        "'else' or 'endif'. The innermost block that needs to be closed is 'if' of line 2.");
  CHECK(render("{% inclued 'x' %}", json("{}")).error ==
        "t.j2:1:4: Encountered unknown tag 'inclued', did you mean 'include'?");
  CHECK(render("a\n  {{ 1 + }}", json("{}")).error ==
        "t.j2:2:10: unexpected 'end of print statement'");
  CHECK(render("x {{ a|uper }}", json(R"({"a": "b"})")).error ==
        "t.j2:1:8: No filter named 'uper', did you mean 'upper'?");
  CHECK(render("{{ a | default(\xe2\x80\x9cx\xe2\x80\x9d) }}", json("{}")).error ==
        "t.j2:1:16: Invalid character in identifier '\xe2\x80\x9cx\xe2\x80\x9d'");
  CHECK(render("{{ gr\xc3\xb6\xc3\x9f"
               "e }}",
               json("{\"gr\xc3\xb6\xc3\x9f"
                    "e\": 5}"))
            .text == "5");
  CHECK(render("#jinja2: lstrip_blocks: True\nok\n{{ a b }}", json("{}")).error ==
        "t.j2:3:6: expected token 'end of print statement', got 'b'");
}

TEST_CASE("template: an error in an included template or a macro names both places") {
  const Texts loader(
      {{"inner.j2", "\n{{ nope }}"}, {"m.j2", "{% macro m(x) %}\n{{ x.y }}{% endmacro %}"}});
  World world;
  world.loader = &loader;
  CHECK(render("a\n{% include 'inner.j2' %}", json("{}"), world).error ==
        "inner.j2:2:4: 'nope' is undefined\n  in what t.j2:2 calls or includes");
  CHECK(render("{% import 'm.j2' as m %}\n\n{{ m.m(1) }}", json("{}"), world).error.substr(0, 50) ==
        "m.j2:2:6: 'int object' has no attribute 'y'");
}

TEST_CASE("template: every undefined name can be listed at once") {
  const Value variables = json(R"({"known": 1})");
  const template_::DictVariables names(variables.as_dict());
  const Engine engine{World()};
  const auto found = engine.undefined_names(
      "{{ a }}\n{{ known }}\n{% if b.c %}x{% endif %}\n{% for i in c %}{% endfor %}{{ d|default(1) "
      "}}\n{{ knwon }}",
      "t.j2", names);
  REQUIRE(found.size() == 4);
  CHECK(found[0].text() == "t.j2:1:4: 'a' is undefined");
  CHECK(found[1].text() == "t.j2:3:4: 'b' is undefined");
  CHECK(found[2].text() == "t.j2:4:4: 'c' is undefined");
  CHECK(found[3].text() == "t.j2:5:4: 'knwon' is undefined, did you mean 'known'?");
}

TEST_CASE("template: each output line knows the template line that made it") {
  const Texts loader(Pairs{{"part.j2", "p1\np2\n"}});
  World world;
  world.loader = &loader;
  const Value variables = json(R"({"xs": ["a", "b"], "two": "1\n2"})");
  const template_::DictVariables names(variables.as_dict());
  const Engine engine(world);
  const auto made = engine.render(
      "#jinja2: lstrip_blocks: False\nhead\n{% for x in xs %}\n  item {{ x }}\n{% endfor %}\n{% "
      "include 'part.j2' %}\n"
      "{{ two }}\ntail\n",
      "t.j2", names);
  REQUIRE(made.has_value());
  CHECK(made->text == "head\n  item a\n  item b\np1\np21\n2\ntail\n");
  REQUIRE(made->lines.size() == 7);
  const std::vector<std::string> expected{"t.j2:2",    "t.j2:4", "t.j2:4", "part.j2:1",
                                          "part.j2:2", "t.j2:7", "t.j2:8"};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(where(made->lines[i]) == expected[i]);
}

TEST_CASE("template: what came from a secret is known in the output") {
  Value variables = json(
      R"({"user": "ann", "password": "s3cret", "nested": {"k": ["x", "t0ken"]}, "url": "http://{{ user }}:{{ password }}@h", "n": 1})");
  variables.mutable_dict().find_mutable(Value::string("password"))->set_flag(value::kTainted);
  variables.mutable_dict()
      .find_mutable(Value::string("nested"))
      ->mutable_dict()
      .find_mutable(Value::string("k"))
      ->mutable_items()[1]
      .set_flag(value::kTainted);
  const template_::DictVariables names(variables.as_dict());
  const Engine engine{World()};
  const auto masked = [&](std::string_view text) {
    const auto made = engine.render(text, "t", names);
    return made ? made->masked("***") : made.error()->text();
  };
  CHECK(masked("u={{ user }} p={{ password }}\n") == "u=ann p=***\n");
  CHECK(masked("{{ password | upper | to_json }}|{{ user | upper }}") == "***|ANN");
  CHECK(masked("{{ url }}") == "***");
  CHECK(masked("{{ nested }} {{ nested.k[0] }} {{ nested.k[1][0] }}") == "*** x ***");
  CHECK(masked("{{ nested.k | first }} {{ nested.k | last }} {{ nested.k | join(',') }}") ==
        "x *** ***");
  CHECK(
      masked("{% set x = 'a' ~ password %}{{ x }} {% set y %}y{{ password }}{% endset %}{{ y }}") ==
      "*** ***");
  CHECK(masked("{% macro m(p) %}[{{ p }}]{% endmacro %}{{ m(password) }}{{ m(user) }}") ==
        "***[ann]");
  CHECK(masked("{% for c in password %}{{ c }}{% endfor %}{{ user }}") == "***ann");
  CHECK(masked("{{ password.split('c') }}{{ password[1:] }}{{ '%s' % password }}{{ 'a "
               "{}'.format(password) }}!") == "***!");
  CHECK(masked("{{ {'a': password} | to_nice_yaml }}") == "***");
  CHECK(masked("{{ n + 1 }}{{ password == 'x' }}") == "2False");
}

TEST_CASE("template: hostile templates end with a clear error") {
  const Value variables = json(R"({"big": "x"})");
  World world;
  world.limits.steps = 100'000;
  world.limits.output_bytes = 1U << 20;
  world.limits.work_bytes = 8U << 20;
  for (const std::string_view text :
       {"{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s "
        "%}{% endfor %}",
        "{{ 'a' * 1000000000 }}", "{{ [1] * 100000000 }}", "{{ range(1000000000) }}",
        "{% for i in range(2000) %}{{ 'x' * 1000 }}{% endfor %}", "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}", "{{ 'a'.ljust(1000000000) }}",
        "{{ big | regex_replace('', 'y' * 900000) }}{{ ('y' * 9000) | replace('', 'z' * 9000) }}",
        "{{ ('a' * 40) | regex_search('(a+)+[bc]') }}", "{{ 9 ** 9 ** 9 }}",
        "{% for n in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{{ range(200) | permutations(6) | list }}",
        "{{ range(1000) | product(range(1000)) | list }}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor "
        "%}{{ ns.x | flatten }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% "
        "endfor %}"}) {
    CAPTURE(text);
    const auto out = render(text, variables, world);
    CHECK_FALSE(out.error.empty());
    CHECK((out.kind == ProblemKind::kLimit || out.kind == ProblemKind::kRuntime));
  }
  std::string deep = "{{ ";
  for (int i = 0; i < 100'000; ++i) deep += "(";
  CHECK(render(deep, variables).kind == ProblemKind::kSyntax);
  std::string chain = "{{ 1";
  for (int i = 0; i < 100'000; ++i) chain += "+1";
  CHECK(render(chain + " }}", variables).kind == ProblemKind::kSyntax);
  std::string tags;
  for (int i = 0; i < 100'000; ++i) tags += "{% if 1 %}";
  CHECK(render(tags, variables).kind == ProblemKind::kSyntax);
}

TEST_CASE("template: templates that include or extend each other in a circle end") {
  const Texts loader(Pairs{{"a", "{% include 'b' %}"},
                           {"b", "{% include 'a' %}"},
                           {"e", "{% extends 'f' %}"},
                           {"f", "{% extends 'e' %}"}});
  World world;
  world.loader = &loader;
  CHECK(render("{% include 'a' %}", json("{}"), world).kind == ProblemKind::kLimit);
  CHECK(render("{% extends 'e' %}", json("{}"), world).kind == ProblemKind::kLimit);
}

TEST_CASE("template: a list cannot be put into itself") {
  CHECK(render("{% set l = [] %}{% do l.append(l) %}", json("{}")).error ==
        "t.j2:1:25: a list or dict cannot be put into itself");
  CHECK(render("{% set d = {} %}{% do d.update(a=[d]) %}", json("{}")).error ==
        "t.j2:1:25: a list or dict cannot be put into itself");
}

TEST_CASE("template: templates do not change the caller's variables") {
  const Value variables = json(R"({"xs": [1]})");
  CHECK(render("{% do xs.append(2) %}{{ xs }}", variables).text == "[1, 2]");
  CHECK(value::repr(variables) == "{'xs': [1]}");
}

TEST_CASE("template: a variable that needs itself is an error, one that is never read is not") {
  CHECK(render("{{ a }}", json(R"({"a": "{{ b }}", "b": "{{ a }}"})"))
            .error.find("recursive loop detected") != std::string::npos);
  CHECK(render("fine", json(R"({"a": "{{ a }}", "c": "{{ broken"})")).text == "fine");
}

TEST_CASE("template: an undefined name inside a variable says which variable and where") {
  Value variables = json(R"({"url": "http://{{ hots }}/", "host": "h"})");
  auto mark = std::make_shared<value::Mark>(value::Mark{"group_vars/all.yml", 7, 6});
  variables.mutable_dict().find_mutable(Value::string("url"))->set_mark(mark);
  CHECK(render("{{ url }}", variables).error ==
        "t.j2:1:4: 'hots' is undefined in the value of 'url' (group_vars/all.yml:7)");
  CHECK(render("{{ url | default('none') }}", variables).text == "none");
  variables.mutable_dict().set("bad", Value::string("{{ 1 +").set_mark(mark));
  CHECK(render("{{ bad }}", variables).error.substr(0, 22) == "group_vars/all.yml:7:8");
}

TEST_CASE("template: unsafe values are never rendered") {
  Value variables = json(R"({"a": "{{ b }}", "c": "{{ a }}!"})");
  variables.mutable_dict().find_mutable(Value::string("a"))->set_flag(value::kUnsafe);
  CHECK(render("{{ a }} {{ c }}", variables).text == "{{ b }} {{ b }}!");
}

TEST_CASE("template: hostvars renders each host with its own variables") {
  class TwoHosts final : public template_::Hosts {
   public:
    const template_::Variables* find(std::string_view host) const override {
      if (host == "puck") return &puck_;
      if (host == "ariel") return &ariel_;
      return nullptr;
    }
    std::vector<std::string> names() const override { return {"puck", "ariel"}; }

   private:
    Value a_ = json(R"({"ip": "10.0.0.1", "url": "http://{{ ip }}", "bad": "{{ missing }}"})");
    Value b_ = json(R"({"ip": "10.0.0.2", "url": "http://{{ ip }}"})");
    template_::DictVariables puck_{a_.as_dict()};
    template_::DictVariables ariel_{b_.as_dict()};
  };
  const TwoHosts hosts;
  World world;
  world.hosts = &hosts;
  const Value variables = json(R"({"ip": "own"})");
  CHECK(render("{{ hostvars['puck'].url }} {{ hostvars.ariel['url'] }} {{ ip }}", variables, world)
            .text == "http://10.0.0.1 http://10.0.0.2 own");
  CHECK(render("{{ hostvars['puck'].bad }}", variables, world).text == "{{ missing }}");
  CHECK(render("{{ hostvars['nobody'].url | default('-') }} {{ 'puck' in hostvars }}", variables,
               world)
            .text == "- True");
  CHECK(render("{{ ['puck', 'ariel'] | map('extract', hostvars, 'ip') | join(',') }}", variables,
               world)
            .text == "10.0.0.1,10.0.0.2");
  CHECK(render("{% for h in hostvars %}{{ h }} {% endfor %}", variables, world).text ==
        "puck ariel ");
}

TEST_CASE("template: lookups need to be allowed") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("lookups-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "files");
  std::ofstream(folder / "files" / "motd") << "hello\n\n";
  std::ofstream(folder / "outside") << "secret";
  std::filesystem::create_symlink(folder / "outside", folder / "files" / "link");
  const template_::BasicLookups none({});
  template_::BasicLookups::Allow allow;
  allow.file_folders = {(folder / "files").string()};
  allow.read_file = [](const std::string& path) -> agent::Result<Value> {
    auto text = agent::read_file(path);
    if (!text) return agent::fail(text.error());
    return Value::string(std::move(*text), value::kTainted);
  };
  const template_::BasicLookups files(allow);
  World world;
  world.lookups = &none;
  CHECK(render("{{ lookup('file', 'motd') }}", json("{}"), world).error.find("not allowed here") !=
        std::string::npos);
  CHECK(render("{{ lookup('env', 'HOME') }}", json("{}"), world).error.find("not allowed here") !=
        std::string::npos);
  CHECK(render("{{ lookup('pipe', 'id') }}", json("{}"), world).error.find("not allowed here") !=
        std::string::npos);
  world.lookups = &files;
  CHECK(render("{{ lookup('file', 'motd') }}|", json("{}"), world).text == "hello|");
  CHECK(render("{{ lookup('unvault', 'motd') }}|", json("{}"), world).text == "hello\n\n|");
  CHECK_FALSE(render("{{ lookup('file', '../outside') }}", json("{}"), world).error.empty());
  CHECK_FALSE(render("{{ lookup('file', 'link') }}", json("{}"), world).error.empty());
  CHECK_FALSE(render("{{ lookup('file', '/etc/passwd') }}", json("{}"), world).error.empty());
  CHECK(render("{{ lookup('file', 'nope', errors='ignore') }}|", json("{}"), world).text == "|");
  std::filesystem::remove_all(folder);
}

TEST_CASE("template: the folder loader does not leave its folders") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("loader-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "templates" / "sub");
  std::ofstream(folder / "templates" / "sub" / "a.j2") << "A";
  std::ofstream(folder / "outside.j2") << "secret";
  std::filesystem::create_symlink(folder / "outside.j2", folder / "templates" / "link.j2");
  const template_::FolderLoader loader(
      {(folder / "none").string(), (folder / "templates").string()});
  CHECK(loader.load("sub/a.j2").value() == "A");
  CHECK_FALSE(loader.load("missing.j2").value().has_value());
  CHECK_FALSE(loader.load("../outside.j2"));
  CHECK_FALSE(loader.load("link.j2"));
  CHECK_FALSE(loader.load((folder / "outside.j2").string()));
  CHECK_FALSE(loader.load(""));
  std::filesystem::remove_all(folder);
}

TEST_CASE("template: now() asks the given clock") {
  agent::FakeClock clock;
  World world;
  CHECK(render("{{ now() }}", json("{}"), world).error.find("not allowed") != std::string::npos);
  world.clock = &clock;
  CHECK(render("{{ now(utc=true, fmt='%Y') | int > 1900 }}", json("{}"), world).text == "True");
}

TEST_CASE("template: from_yaml uses the given reader") {
  World world;
  CHECK_FALSE(render("{{ 'a' | from_yaml }}", json("{}"), world).error.empty());
  world.read_yaml = [](std::string_view text) { return value::parse_json(text); };
  CHECK(render("{{ ('[1, 2]' | from_yaml)[1] }}", json("{}"), world).text == "2");
}

TEST_CASE("template: the template lookup renders another template and keeps its last newline") {
  const Texts loader(Pairs{{"one.j2", "x = {{ n }}\n"}, {"list.j2", "[{{ n }}, 2]"}});
  World world;
  world.loader = &loader;
  const Value variables = json(R"({"n": 1})");
  CHECK(render("{{ lookup('template', 'one.j2') }}|", variables, world).text == "x = 1\n|");
  CHECK(render("{{ lookup('template', 'list.j2')[1] }}", variables, world).text == "2");
  CHECK(
      render("{{ lookup('template', 'list.j2', convert_data=false)[1] }}", variables, world).text ==
      "1");
}

TEST_CASE("template: expressions can be evaluated alone") {
  const Value variables = json(R"({"services": ["alloy"], "n": "{{ 1 + 1 }}"})");
  const template_::DictVariables names(variables.as_dict());
  const Engine engine{World()};
  CHECK(value::repr(engine.evaluate("'alloy' in services", names).value()) == "True");
  CHECK(value::repr(engine.evaluate("n", names).value()) == "'2'");
  CHECK_FALSE(engine.evaluate("nope", names).has_value());
  CHECK_FALSE(engine.evaluate("1 }} {{ 2", names).has_value());
}
