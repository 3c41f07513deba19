#include "agent/runtime/modules.h"

#include <algorithm>
#include <fstream>

#include "agent/base/process.h"
#include "agent/io/http_server.h"
#include "tests/agent/runtime/parts.h"

namespace agent::runtime {
namespace {

using lang::Value;

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::vector<std::string> ids(const Runtime& runtime) {
  std::vector<std::string> out;
  for (const ComponentStatus& status : runtime.status()) out.push_back(status.id);
  std::sort(out.begin(), out.end());
  return out;
}

std::string text_of(const Runtime& runtime, const std::string& id) {
  for (const ComponentStatus& status : runtime.status())
    if (status.id == id) return status.arguments.find("text")->value.text();
  return "(none)";
}

std::vector<std::string> messages(const CheckReport& report) {
  std::vector<std::string> out;
  for (const lang::Diagnostic& d : report.diagnostics.all())
    out.push_back(d.span.begin.text() + " " + d.message);
  return out;
}

constexpr char kShop[] = R"(
declare "shop" {
  argument "forward_to" { }
  argument "text" {
    optional = true
    default  = "plain"
  }
  test.part "in" {
    forward_to = argument.forward_to.value
    text       = argument.text.value
  }
  export "receiver" { value = test.part.in.receiver }
  export "note" { value = test.part.in.note + "!" }
}
)";

}  // namespace

TEST_CASE("modules: a custom component opens up into components of its own") {
  Fixture f;
  REQUIRE(f.load(std::string(kShop) + R"(
test.part "source" {
  forward_to = [shop.a.receiver, shop.b.receiver]
  text       = shop.a.note
}
shop "a" {
  forward_to = [test.part.end.receiver]
  text       = "of " + test.part.end.note
}
shop "b" { forward_to = [test.part.end.receiver] }
test.part "end" { note = "the end" }
)")
              .empty());
  CHECK(ids(*f.runtime) == std::vector<std::string>{"shop.a/test.part.in", "shop.b/test.part.in",
                                                    "test.part.end", "test.part.source"});
  CHECK(text_of(*f.runtime, "shop.a/test.part.in") == "\"of the end\"");
  CHECK(text_of(*f.runtime, "shop.b/test.part.in") == "\"plain\"");
  CHECK(text_of(*f.runtime, "test.part.source") == "\"!\"");
  for (const ComponentStatus& status : f.runtime->status()) {
    if (status.id == "shop.a/test.part.in") {
      CHECK(status.references == std::vector<std::string>{"test.part.end"});
      CHECK(status.referenced_by == std::vector<std::string>{"test.part.source"});
      CHECK(status.module == "shop.a");
    }
  }
}

TEST_CASE("modules: what changes outside reaches the inside, and the other way round") {
  Fixture f;
  const auto text = [](const std::string& note) {
    return std::string(kShop) + "shop \"a\" { forward_to = []\n text = test.part.end.note }\n" +
           "test.part \"end\" { note = \"" + note + "\" }\n";
  };
  REQUIRE(f.load(text("one")).empty());
  CHECK(f.diary.wait_for("commit shop.a/test.part.in one"));
  REQUIRE(f.load(text("two")).empty());
  CHECK(f.diary.wait_for("commit shop.a/test.part.in two"));
  CHECK(f.diary.wait_for("run shop.a/test.part.in"));  // threads say so when they get to it
  CHECK(f.diary.wait_for("run test.part.end"));
  f.diary.take();
  REQUIRE(f.load(text("two") + "// a comment\n").empty());
  CHECK(f.diary.take().empty());
}

TEST_CASE("modules: custom components hold custom components, and see those around them") {
  Fixture f;
  REQUIRE(f.load(R"(
declare "inner" {
  argument "text" { }
  test.part "p" { text = argument.text.value }
}
declare "outer" {
  declare "own" {
    inner "deep" { text = "deep" }
  }
  inner "i" { text = "i" }
  own "o" { }
}
outer "x" { }
)")
              .empty());
  CHECK(ids(*f.runtime) == std::vector<std::string>{"outer.x/inner.i/test.part.p",
                                                    "outer.x/own.o/inner.deep/test.part.p"});
}

TEST_CASE("modules: what is wrong with custom components is told with its place") {
  Fixture f;
  const CheckReport report = check({{"t", std::string(kShop) + R"(
shop "a" { }
shop "b" {
  forward_to = []
  txt        = "x"
  rule { }
}
shop { forward_to = [] }
shop "c" { forward_to = 5 }
shoop "d" { }
declare "self" { self "again" { } }
self "x" { }
argument "x" { }
declare "logging" { }
declare "shop" { }
declare "late" { logging { } }
late "l" { }
)"}},
                                   f.registry, *f.world);
  CHECK(messages(report) ==
        std::vector<std::string>{
            // the value is the argument of shop.c: told where it is used
            "t:9:18 expected list(LogsReceiver), got number 5",
            "t:16:1 missing required attribute \"forward_to\"",
            "t:19:3 unrecognized attribute name \"txt\"", "t:20:3 unrecognized block name \"rule\"",
            "t:22:1 component \"shop\" must have a label", "t:24:1 unknown component \"shoop\"",
            "t:25:18 custom component \"self\" contains itself",
            "t:27:1 block \"argument\" is only allowed inside of a declare block",
            "t:28:1 \"logging\" is the name of a block already",
            "t:29:1 custom component \"shop\" already declared at t:2:1",
            "t:30:18 block \"logging\" is only allowed in the main configuration"});
}

TEST_CASE("modules: a component of Alloy's that is not here is known by name") {
  Fixture f;
  const CheckReport report =
      check({{"t", "otelcol.receiver.otlp \"x\" { }\n"}}, f.registry, *f.world);
  REQUIRE(report.diagnostics.all().size() == 1);
  CHECK(report.diagnostics.all()[0].message ==
        "component \"otelcol.receiver.otlp\" is not supported here");
  CHECK(report.diagnostics.all()[0].hint == "run an OpenTelemetry collector beside this agent");
}

TEST_CASE("modules: names in a custom component are its own") {
  Fixture f;
  const CheckReport report = check({{"t", R"(
declare "shop" {
  test.part "p" { text = test.part.outside.note }
  export "note" { value = test.part.nothing.note }
}
test.part "outside" { }
shop "a" { }
test.part "q" { text = test.part.p.note + shop.a.nope }
)"}},
                                   f.registry, *f.world);
  CHECK(messages(report) ==
        std::vector<std::string>{
            "t:3:26 component \"test.part.outside.note\" does not exist or is out of scope",
            "t:4:27 component \"test.part.nothing.note\" does not exist or is out of scope",
            "t:8:24 component \"test.part.p.note\" does not exist or is out of scope",
            "t:8:50 field \"nope\" does not exist in shop.a"});
}

TEST_CASE("modules: cycles through custom components are found") {
  Fixture f;
  const CheckReport values = check({{"t", R"(
declare "same" {
  argument "in" { }
  export "out" { value = argument.in.value }
}
same "a" { in = same.b.out }
same "b" { in = same.a.out }
)"}},
                                   f.registry, *f.world);
  REQUIRE(messages(values).size() == 1);
  CHECK(messages(values)[0].find("refer to each other in a cycle") != std::string::npos);
  const CheckReport components = check({{"t", std::string(kShop) + R"(
shop "a" { forward_to = [shop.b.receiver] }
shop "b" { forward_to = [shop.a.receiver] }
)"}},
                                       f.registry, *f.world);
  REQUIRE(messages(components).size() == 1);
  CHECK(messages(components)[0].find("shop.a/test.part.in -> shop.b/test.part.in -> "
                                     "shop.a/test.part.in") != std::string::npos);
  // Two ways through one custom component are no cycle.
  const CheckReport fine = check({{"t", R"(
declare "pair" {
  argument "x" { }
  argument "y" { }
  export "x" { value = argument.x.value }
  export "y" { value = argument.y.value }
}
pair "p" {
  x = "1"
  y = pair.p.x + "2"
}
test.part "a" { text = pair.p.y }
)"}},
                                 f.registry, *f.world);
  CHECK(messages(fine).empty());
}

TEST_CASE("modules: growth without end is refused") {
  Fixture f;
  std::string text = "declare \"d0\" { test.part \"p\" { } }\n";
  for (int i = 1; i < 30; ++i) {
    const std::string below = "d" + std::to_string(i - 1);
    text += "declare \"d" + std::to_string(i) + "\" {\n" + below + " \"a\" { }\n" + below +
            " \"b\" { }\n}\n";
  }
  const CheckReport report = check({{"t", text + "d29 \"x\" { }\n"}}, f.registry, *f.world);
  REQUIRE(report.diagnostics.all().size() == 1);
  CHECK(report.diagnostics.all()[0].message.find("opens up to more than") != std::string::npos);
  // A long chain of values costs no stack.
  std::string chain =
      "declare \"same\" {\n argument \"in\" { }\n export \"out\" { value = argument.in.value "
      "}\n}\n";
  chain += "same \"a0\" { in = \"x\" }\n";
  for (int i = 1; i < 5000; ++i)
    chain +=
        "same \"a" + std::to_string(i) + "\" { in = same.a" + std::to_string(i - 1) + ".out }\n";
  const CheckReport deep = check({{"t", chain}}, f.registry, *f.world);
  REQUIRE_FALSE(deep.ok());
  CHECK(deep.diagnostics.all()[0].message.find("through too many others") != std::string::npos);
}

TEST_CASE("modules: import.file brings the custom components of a file or a folder") {
  Fixture f;
  write(f.dir.path() / "lib/shop.alloy", kShop);
  write(
      f.dir.path() / "lib/more.alloy",
      "declare \"more\" {\n  shop \"s\" {\n    forward_to = []\n    text = module_path\n  }\n}\n");
  write(f.dir.path() / "one.alloy",
        "import.file \"again\" { filename = file.path_join(module_path, \"lib\") }\n"
        "declare \"one\" { again.more \"m\" { } }\n");
  const std::string lib = (f.dir.path() / "lib").string();
  const std::string text =
      "import.file \"lib\" { filename = \"" + lib + "\" }\nimport.file \"one\" { filename = \"" +
      (f.dir.path() / "one.alloy").string() + "\" }\nlib.more \"a\" { }\none.one \"b\" { }\n";
  REQUIRE(f.load(text).empty());
  CHECK(ids(*f.runtime) == std::vector<std::string>{"lib.more.a/shop.s/test.part.in",
                                                    "one.one.b/again.more.m/shop.s/test.part.in"});
  CHECK(text_of(*f.runtime, "lib.more.a/shop.s/test.part.in") == "\"" + lib + "\"");

  SECTION("a change of the file takes effect by itself") {
    f.diary.take();
    write(f.dir.path() / "lib/more.alloy",
          "declare \"more\" {\n  shop \"s\" {\n    forward_to = []\n    text = \"new\"\n  }\n}\n");
    CHECK(f.diary.wait_for("commit lib.more.a/shop.s/test.part.in new"));
  }
  SECTION("a change that cannot run leaves what runs, and says so") {
    write(f.dir.path() / "lib/more.alloy", "declare \"more\" {");
    // The next good change shows that the bad one was seen before it.
    const auto said = [&] {
      const auto bad = f.runtime->unhealthy();
      return bad.size() == 1 && bad[0].first == "modules" &&
             bad[0].second.find("more.alloy:1:") != std::string::npos;
    };
    CHECK(f.eventually(said));
    CHECK(ids(*f.runtime).size() == 2);
    write(f.dir.path() / "lib/more.alloy", "declare \"more\" { test.part \"p\" { } }");
    CHECK(f.diary.wait_for("run lib.more.a/test.part.p"));
    CHECK(f.eventually([&] { return f.runtime->unhealthy().empty(); }));
  }
}

TEST_CASE("modules: a load that succeeds ends the complaint about an earlier change") {
  Fixture f;
  const std::string file = (f.dir.path() / "m.alloy").string();
  write(file, "declare \"m\" { test.part \"p\" { } }\n");
  REQUIRE(f.load("import.file \"x\" { filename = \"" + file + "\" }\nx.m \"a\" { }\n").empty());
  write(file, "declare \"m\" {");
  REQUIRE(f.eventually([&] { return !f.runtime->unhealthy().empty(); }));
  CHECK(f.runtime->unhealthy()[0].first == "modules");
  SECTION("not one that fails") {
    CHECK_FALSE(f.load("test.part \"a\" { text = \"wrong\" }").empty());
    CHECK(f.runtime->unhealthy().size() == 1);
  }
  SECTION("of another configuration") {
    REQUIRE(f.load("test.part \"a\" { }").empty());
    CHECK(f.runtime->unhealthy().empty());
  }
}

TEST_CASE("modules: what is wrong with imports") {
  Fixture f;
  write(f.dir.path() / "bad.alloy",
        "test.part \"x\" { }\nlogging { }\nexport \"y\" { value = 1 }\n");
  write(f.dir.path() / "loop.alloy",
        "import.file \"loop\" { filename = file.path_join(module_path, \"loop.alloy\") }\n");
  const std::string dir = f.dir.path().string();
  const auto tried = [&](const std::string& text) {
    CheckReport report = check({{dir + "/t", text}}, f.registry, *f.world, {}, local_importer());
    std::vector<std::string> out = messages(report);
    for (std::string& message : out)
      for (std::size_t at; (at = message.find(dir + "/")) != std::string::npos;)
        message.erase(at, dir.size() + 1);
    return out;
  };
  CHECK(tried("import.file \"a\" { filename = module_path + \"/bad.alloy\" }\na.x \"y\" { }\n") ==
        std::vector<std::string>{
            "bad.alloy:1:1 block \"test.part\" is not allowed in a module",
            "bad.alloy:2:1 block \"logging\" is only allowed in the main configuration",
            "bad.alloy:3:1 block \"export\" is not allowed in a module",
            "t:2:1 unknown component \"a.x\""});
  CHECK(tried("import.file \"a\" { filename = module_path + \"/none\" }\na.x \"y\" { }\n") ==
        std::vector<std::string>{"t:1:1 import.file.a: open none: No such file or directory"});
  const auto endless = tried("import.file \"a\" { filename = module_path + \"/loop.alloy\" }\n");
  REQUIRE(endless.size() == 1);
  CHECK(endless[0] == "loop.alloy:1:1 modules import each other without end");
  CHECK(tried("import.nothing \"a\" { }\n") ==
        std::vector<std::string>{"t:1:1 import.nothing.a: there is no import.nothing"});
  CHECK(tried("import.file \"a\" { }\nimport.file \"a\" { filename = 1 }\n") ==
        std::vector<std::string>{"t:1:1 missing required attribute \"filename\"",
                                 "t:2:1 namespace \"a\" is imported twice"});
  // Over the network: not here.
  CHECK(tried("import.http \"a\" { url = \"http://127.0.0.1:1/\" }\na.x \"y\" { }\n"
              "test.part \"p\" { text = a.x.y.note }\n") ==
        std::vector<std::string>{
            "t:1:1 import.http.a is not known here: what uses it is not checked"});
}

TEST_CASE("modules: import.string takes its text from a component, and follows it") {
  Fixture f;
  const auto text = [](const std::string& inside) {
    return R"(
test.part "holder" { note = `declare "made" { test.part "p" { text = ")" +
           inside + R"(" } }` }
import.string "s" { content = test.part.holder.note }
s.made "m" { }
)";
  };
  REQUIRE(f.load(text("one")).empty());
  CHECK(f.diary.wait_for("commit s.made.m/test.part.p one"));
  REQUIRE(f.load(text("two")).empty());
  CHECK(f.diary.wait_for("commit s.made.m/test.part.p two"));
}

TEST_CASE("modules: import.http asks again and again, and outlives its server") {
  Fixture f;
  Mutex mutex;
  std::string answer = "declare \"d\" { test.part \"p\" { text = \"one\" } }";
  io::HttpServer::Options options;
  options.address = "127.0.0.1:0";
  auto server = io::HttpServer::start(options, [&](const io::ServerRequest& request) {
    MutexLock lock(mutex);
    return io::ServerReply{request.path == "/m.alloy" ? 200 : 404, "text/plain", answer, {}};
  });
  REQUIRE(server);
  const std::string text =
      "import.http \"web\" {\n  url = \"http://" + (*server)->address() +
      "/m.alloy\"\n  poll_frequency = \"100ms\"\n  poll_timeout = \"90ms\"\n}\n"
      "web.d \"x\" { }\n";
  REQUIRE(f.load(text).empty());
  CHECK(f.diary.wait_for("commit web.d.x/test.part.p one"));
  {
    MutexLock lock(mutex);
    answer = "declare \"d\" { test.part \"p\" { text = \"two\" } }";
  }
  CHECK(f.diary.wait_for("commit web.d.x/test.part.p two"));
  const std::string url = (*server)->address();
  server->reset();
  // Another agent that starts now has what was fetched last.
  f.restart();
  f.diary.take();
  REQUIRE(f.load(text).empty());
  CHECK(f.diary.wait_for("commit web.d.x/test.part.p two"));
  f.restart();
  std::filesystem::remove_all(f.dir.path() / "modules");
  CHECK(f.load(text).find("import.http.web: ") != std::string::npos);
}

TEST_CASE("modules: import.git follows a branch") {
  Fixture f;
  const std::string repository = (f.dir.path() / "repository").string();
  const auto git = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@t"});
    Spawn spawn;
    spawn.argv = arguments;
    const auto done = run_process(spawn, {}, f.clock, std::chrono::minutes(1));
    REQUIRE(done);
    INFO(done->output);
    REQUIRE(done->status == 0);
  };
  const auto commit = [&](const std::string& text) {
    write(repository + "/modules/m.alloy",
          "declare \"d\" { test.part \"p\" { text = \"" + text + "\" } }");
    git({"add", "."});
    git({"commit", "-q", "-m", text});
  };
  std::filesystem::create_directories(repository);
  git({"init", "-q", "-b", "main"});
  commit("one");
  const auto text = [&](const std::string& path) {
    return "import.git \"repo\" {\n  repository = \"file://" + repository + "\"\n  path = \"" +
           path + "\"\n  pull_frequency = \"200ms\"\n}\nrepo.d \"x\" { }\n";
  };
  REQUIRE(f.load(text("modules/m.alloy")).empty());
  CHECK(f.diary.wait_for("commit repo.d.x/test.part.p one"));
  commit("two");
  CHECK(f.diary.wait_for("commit repo.d.x/test.part.p two"));
  CHECK_THAT(f.load(text("../../etc")), Catch::Contains("import.git.repo: "));
  CHECK_THAT(f.load(text("nothing")), Catch::Contains("the repository holds no nothing"));
  CHECK(f.load("import.git \"repo\" {\n  repository = \"--upload-pack=x\"\n  path = \"x\"\n}\n")
            .find("repository must be a name") != std::string::npos);
  CHECK(f.load("import.git \"repo\" {\n  repository = \"ext::sh -c id\"\n  path = \"x\"\n}\n")
            .find("not allowed") != std::string::npos);
}

TEST_CASE("modules: foreach makes its components once for each item") {
  Fixture f;
  const auto text = [](const std::string& items) {
    return "foreach \"shops\" {\n  collection = [" + items + R"(]
  var        = "each"
  id         = "name"
  template {
    test.part "p" {
      text       = each.name + "/" + each["kind"]
      forward_to = [test.part.end.receiver]
    }
  }
}
test.part "end" { }
)";
  };
  const std::string a = "{ name = \"a b\", kind = \"x\" }";
  const std::string b = "{ name = \"c\", kind = \"y\" }";
  REQUIRE(f.load(text(a + ", " + b)).empty());
  CHECK(ids(*f.runtime) == std::vector<std::string>{"foreach.shops/a_b_1/test.part.p",
                                                    "foreach.shops/c_1/test.part.p",
                                                    "test.part.end"});
  CHECK(f.diary.wait_for("run foreach.shops/a_b_1/test.part.p"));
  CHECK(f.diary.wait_for("run foreach.shops/c_1/test.part.p"));
  CHECK(f.diary.wait_for("run test.part.end"));
  f.diary.take();
  // Another order is no change; an item less is a component less.
  REQUIRE(f.load(text(b + ", " + a)).empty());
  CHECK(f.diary.take().empty());
  REQUIRE(f.load(text(b)).empty());
  CHECK(ids(*f.runtime).size() == 2);
}

TEST_CASE("modules: foreach follows what a component exports") {
  Fixture f;
  constexpr char kText[] = R"(
foreach "letters" {
  collection = encoding.from_json(test.part.list.note)
  var        = "letter"
  template {
    test.part "p" { text = letter }
  }
}
test.part "list" { note = `)";
  REQUIRE(f.load(std::string(kText) + "[\"a\"]` }").empty());
  CHECK(f.diary.wait_for("run foreach.letters/a_1/test.part.p"));
  REQUIRE(f.load(std::string(kText) + "[\"a\", \"b\", \"b\"]` }").empty());
  CHECK(f.diary.wait_for("run foreach.letters/b_2/test.part.p"));
  CHECK(f.eventually([&] { return f.runtime->component_count() == 4; }));
}

TEST_CASE("modules: what is wrong with foreach") {
  Fixture f;
  const CheckReport report = check({{"t", R"(
foreach "a" { }
foreach "b" {
  collection = 5
  var        = "x"
  template { }
}
foreach "c" {
  collection = [1]
  var        = "not one"
  template { test.part "p" { text = y } }
}
foreach "d" {
  collection = test.part.p.note
  var        = "x"
  template {
    test.part "q" { txt = x }
    argument "z" { }
  }
}
test.part "p" { }
)"}},
                                   f.registry, *f.world);
  CHECK(messages(report) ==
        std::vector<std::string>{
            "t:2:1 missing required attribute \"collection\"",
            "t:2:1 missing required attribute \"var\"", "t:2:1 missing required block \"template\"",
            "t:3:1 collection should be list, got number",
            "t:10:16 \"not one\" is not a valid identifier",
            "t:17:21 unrecognized attribute name \"txt\"",
            "t:18:5 block \"argument\" is only allowed inside of a declare block"});
}

}  // namespace agent::runtime
