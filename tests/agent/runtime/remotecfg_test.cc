#include "agent/runtime/remotecfg.h"

#include <fstream>
#include <set>

#include "agent/base/file.h"
#include "agent/base/hand_clock.h"
#include "agent/lang/source.h"
#include "tests/agent/runtime/parts.h"
#include "tests/support/protobuf_page.h"
#include "tests/support/scripted_server.h"

namespace agent::runtime {
namespace {

using protobuf_page::bytes;
using protobuf_page::number;
using Answer = ScriptedServer::Answer;

// Sorted, with a space behind each.
std::string ids(const Runtime& runtime) {
  std::set<std::string> all;
  for (const ComponentStatus& one : runtime.status()) all.insert(one.id);
  std::string out;
  for (const std::string& id : all) out += id + " ";
  return out;
}

Answer status(int number) {
  Answer answer;
  answer.status = number;
  return answer;
}
Answer proto(std::string body) {
  Answer answer;
  answer.status = 200;
  answer.headers = {{"Content-Type", "application/proto"}};
  answer.body = std::move(body);
  return answer;
}
Answer config(const std::string& text, const std::string& hash) {
  return proto(bytes(1, text) + bytes(2, hash));
}

// Answers GetConfig with `answer`, or "not modified" to who has its hash; says yes to all else.
class ConfigServer {
 public:
  std::string url() const { return server_.url(""); }
  void say(const std::string& text, const std::string& hash) { say(config(text, hash), hash); }
  void say(Answer answer, const std::string& hash = "") {
    MutexLock lock(mutex_);
    answer_ = std::move(answer);
    hash_ = hash;
  }
  // Bodies of GetConfig so far.
  std::vector<std::string> asked() const {
    MutexLock lock(mutex_);
    return asked_;
  }
  std::string last() const {
    MutexLock lock(mutex_);
    return asked_.empty() ? "" : asked_.back();
  }
  std::size_t count() const { return asked().size(); }
  // Bodies of UnregisterCollector.
  std::vector<std::string> left() const {
    MutexLock lock(mutex_);
    return left_;
  }
  std::string registered() const {
    MutexLock lock(mutex_);
    return registered_;
  }

 private:
  Answer script(const ScriptedServer::Request& request) {
    MutexLock lock(mutex_);
    if (request.method != "POST" || request.headers.at("content-type") != "application/proto")
      return status(415);
    if (request.target == "/collector.v1.CollectorService/RegisterCollector") {
      registered_ = request.body;
      return proto("");
    }
    if (request.target == "/collector.v1.CollectorService/UnregisterCollector") {
      left_.push_back(request.body);
      return proto("");
    }
    if (request.target != "/collector.v1.CollectorService/GetConfig") return status(404);
    asked_.push_back(request.body);
    if (!hash_.empty() && request.body.find(bytes(3, hash_)) != std::string::npos)
      return proto(number(3, 1));
    return answer_;
  }

  mutable Mutex mutex_;
  Answer answer_ GUARDED_BY(mutex_);
  std::string hash_ GUARDED_BY(mutex_), registered_ GUARDED_BY(mutex_);
  std::vector<std::string> asked_ GUARDED_BY(mutex_), left_ GUARDED_BY(mutex_);
  ScriptedServer server_{
      [this](const ScriptedServer::Request& request, std::size_t) { return script(request); }};
};

struct Remote : Fixture {
  HandClock hand;
  std::optional<ConfigServer> server{std::in_place};

  Remote() { again(); }
  ~Remote() { runtime.reset(); }  // before the clock
  // As if the agent had been started anew, on the same disk.
  void again() {
    runtime.reset();
    runtime = std::make_unique<Runtime>(Runtime::Environment{
        registry, stdlib, hand, labels, Log::none(), metrics, dir.path(), {}, {}, {}, "v1.2.3"});
  }
  std::string block(const std::string& more = "") const {
    return "remotecfg {\n  url = \"" + server->url() + "\"\n  id = \"me\"\n" + more + "}\n";
  }
  // The next poll has come, and what it brought is dealt with.
  void poll() {
    const double polls = value("remotecfg_load_attempts_total");
    hand.advance(std::chrono::seconds(61));  // polls are not quite regular
    REQUIRE(eventually([&] { return value("remotecfg_load_attempts_total") > polls; }));
  }
  // Of the only series of this name; -1: there is none.
  double value(const std::string& name) const {
    for (const auto& family : metrics.collect())
      if (family.name == name && !family.points.empty()) return family.points[0].value;
    return -1;
  }
  std::string problem() const {
    for (const auto& [who, what] : runtime->unhealthy())
      if (who == "remotecfg") return what;
    return {};
  }
  // The hash of the only series of remotecfg_hash.
  std::string hash() const {
    for (const auto& family : metrics.collect())
      if (family.name == "remotecfg_hash" && family.points.size() == 1)
        for (const auto& label : family.points[0].labels)
          if (label.name == "hash") return label.value;
    return {};
  }
  bool has(const std::string& id) const {
    return (" " + ids(*runtime)).find(" " + id + " ") != std::string::npos;
  }
};

constexpr char kLocal[] = "test.part \"p\" { text = \"local\" }\n";
constexpr char kPart[] = "test.part \"p\" { text = \"remote\" }\n";

}  // namespace

TEST_CASE("remotecfg: what the server sends runs beside the configuration, with names of its own") {
  Remote f;
  const std::string text = std::string(kPart) +
                           "declare \"d\" { test.part \"in\" { } }\nd \"x\" { }\n"
                           "test.part \"q\" { text = test.part.p.note + module_path }\n";
  f.server->say(text, "h1");
  REQUIRE(f.load(std::string(kLocal) +
                 f.block("  name = \"web 1\"\n  attributes = { \"env\" = \"test\" }\n"))
              .empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  CHECK(ids(*f.runtime) ==
        "remotecfg/d.x/test.part.in remotecfg/test.part.p remotecfg/test.part.q test.part.p ");
  // Its fate is told at once, and once, with the text that runs.
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  const auto attribute = [](const std::string& name, const std::string& value) {
    return bytes(4, bytes(1, name) + bytes(2, value));
  };
  const std::string applied = bytes(5, number(1, 1));
  const std::string file = bytes(1, text) + bytes(2, "text/plain");
  const std::string runs = bytes(6, bytes(1, bytes(1, bytes(1, "") + bytes(2, file))));
  const std::vector<std::string> first = {f.server->registered(), f.server->asked()[0]};
  for (const std::string& body : first) {
    CHECK(body.starts_with(bytes(1, "me")));
    CHECK(body.find(attribute("env", "test")) != std::string::npos);
    CHECK(body.find(attribute("collector.os", "linux")) != std::string::npos);
    CHECK(body.find(attribute("collector.version", "v1.2.3")) != std::string::npos);
    CHECK(body.find(applied) == std::string::npos);
  }
  CHECK(f.server->registered().find(bytes(3, "web 1")) != std::string::npos);
  CHECK(f.server->asked()[1].find(bytes(3, "h1")) != std::string::npos);
  CHECK(f.server->asked()[1].ends_with(applied + runs));
  f.poll();
  REQUIRE(f.eventually([&] { return f.server->count() == 3; }));
  CHECK(f.server->asked()[2].find(applied) == std::string::npos);
  CHECK(f.server->asked()[2].find(text) == std::string::npos);

  CHECK(f.eventually([&] { return f.value("remotecfg_last_load_not_modified") == 1; }));
  CHECK(f.value("remotecfg_last_load_successful") == 1);
  CHECK(f.value("remotecfg_load_attempts_total") == 2);
  CHECK(f.value("remotecfg_load_failures_total") == 0);
  CHECK(f.value("remotecfg_last_load_success_timestamp_seconds") == 1.7e9);
  CHECK(f.value("remotecfg_hash") == 1);
  CHECK(f.runtime->unhealthy().empty());
  // Nothing of the configuration's own was touched.
  const auto lines = f.diary.take();
  CHECK(std::count(lines.begin(), lines.end(), "commit test.part.p local") == 1);
}

TEST_CASE("remotecfg: the server learns of a stop, and of no reload") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(f.load(f.block()).empty());
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  REQUIRE(f.load(f.block("  name = \"another\"\n")).empty());
  REQUIRE(
      f.eventually([&] { return f.server->registered().find("another") != std::string::npos; }));
  CHECK(f.server->left().empty());
  f.runtime->stop();
  CHECK(f.server->left() == std::vector<std::string>{bytes(1, "me")});
}

TEST_CASE("remotecfg: another text takes the place of the last one, an empty one of all") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(f.load(kLocal + f.block()).empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  CHECK(f.eventually([&] { return f.hash() == "4f39f84c"; }));
  f.server->say("test.part \"other\" { }\n", "h2");
  f.poll();
  CHECK(f.diary.wait_for("run remotecfg/test.part.other"));
  CHECK(f.diary.wait_for("flush remotecfg/test.part.p"));
  CHECK(f.eventually([&] { return ids(*f.runtime) == "remotecfg/test.part.other test.part.p "; }));
  f.server->say("", "h3");
  f.poll();
  CHECK(f.diary.wait_for("flush remotecfg/test.part.other"));
  CHECK(f.eventually([&] { return ids(*f.runtime) == "test.part.p "; }));
  CHECK(f.eventually([&] { return f.hash() == "811c9dc5"; }));
  CHECK(f.problem().empty());
}

TEST_CASE("remotecfg: what cannot run leaves what runs, and says so wherever somebody looks") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(f.load(kLocal + f.block()).empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  const auto refused = [&](const std::string& text, const std::string& hash,
                           const std::string& why) {
    const std::size_t before = f.server->count();
    f.server->say(text, hash);
    f.poll();
    REQUIRE(f.eventually([&] { return f.server->count() == before + 2; }));
    CHECK(f.problem() == why);
    CHECK(f.server->last().ends_with(bytes(5, number(1, 3) + bytes(2, why))));
    CHECK(f.value("remotecfg_last_load_successful") == 0);
    CHECK(f.has("remotecfg/test.part.p"));
    CHECK(f.has("test.part.p"));
  };
  refused("test.part \"p\" {", "h2", "remotecfg:1:16: expected \"}\", got end of file");
  refused("\ntest.part \"p\" { txt = 1 }", "h3",
          "remotecfg:2:17: unrecognized attribute name \"txt\"");
  refused("test.part \"p\" { text = \"wrong\" }", "h4",
          "remotecfg:1:1: remotecfg/test.part.p: text is wrong");
  refused("logging { }", "h5",
          "remotecfg:1:1: block \"logging\" is only allowed in the main configuration");
  refused("remotecfg { }", "h6",
          "remotecfg:1:1: block \"remotecfg\" is only allowed in the main configuration");
  // Refused again and again, without telling it again.
  const std::size_t before = f.server->count();
  f.poll();
  REQUIRE(f.eventually([&] { return f.server->count() == before + 1; }));
  CHECK(f.eventually([&] { return f.value("remotecfg_load_failures_total") == 6; }));
  CHECK_FALSE(f.problem().empty());
  // A reload meanwhile is about the local text alone.
  REQUIRE(f.load("test.part \"new\" { }\n" + f.block()).empty());
  CHECK(ids(*f.runtime) == "remotecfg/test.part.p test.part.new ");
  f.server->say("test.part \"fine\" { }\n", "h7");
  f.poll();
  CHECK(f.diary.wait_for("run remotecfg/test.part.fine"));
  CHECK(f.eventually([&] { return f.problem().empty(); }));
  CHECK(f.eventually([&] { return f.value("remotecfg_last_load_successful") == 1; }));
}

TEST_CASE("remotecfg: answers that are none, or too large, change nothing") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(f.load(f.block()).empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  Answer page;
  page.status = 200;
  page.headers = {{"Content-Type", "text/html"}};
  page.body = bytes(1, "test.part \"html\" { }");
  Answer trouble;
  trouble.status = 500;
  trouble.body = R"({"code":"internal","message":"no database"})";
  const std::string much(lang::Source::kMaxBytes + 1, '\n');
  double failures = 0;
  for (const Answer& answer :
       {page, trouble, proto("\x0A\x7Fshort"), proto(bytes(1, "\xFF")), proto(number(3, 1)),
        config(much, "h2"), config(much + std::string(1U << 20, ' '), "h2"),
        config("", std::string(2000, 'h')), status(404), ScriptedServer::reset()}) {
    const bool same = answer.body == number(3, 1);  // as what was sent last: no failure
    f.server->say(answer);
    f.poll();
    if (!same) ++failures;
    CHECK(f.eventually([&] {
      return f.value("remotecfg_load_failures_total") == failures &&
             (!same || f.value("remotecfg_last_load_successful") == 1);
    }));
    CHECK(ids(*f.runtime) == "remotecfg/test.part.p ");
  }
  CHECK(f.problem().empty());  // trouble of the server's is no trouble of the text's
  CHECK(f.value("remotecfg_last_load_successful") == 0);
  f.server->say(kPart, "h1");
  f.poll();
  CHECK(f.eventually([&] { return f.value("remotecfg_last_load_successful") == 1; }));
}

TEST_CASE("remotecfg: a copy serves while the server is away") {
  Remote f;
  f.server->say(kPart, "h1");
  const std::string text = kLocal + f.block();
  REQUIRE(f.load(text).empty());
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  const auto elsewhere = [&] { return "remotecfg {\n  url = \"" + f.server->url() + "/b\"\n}\n"; };
  const std::string other = elsewhere();
  f.runtime.reset();
  f.server.reset();
  f.diary.take();
  SECTION("it is what ran last") {
    f.again();
    REQUIRE(f.load(text).empty());
    CHECK(f.diary.wait_for("commit remotecfg/test.part.p remote"));
    CHECK(f.eventually([&] { return f.value("remotecfg_hash") == 1; }));
    CHECK(f.value("remotecfg_last_load_successful") == 0);
    CHECK(f.runtime->unhealthy().empty());
  }
  SECTION("it is one server's") {
    f.again();
    REQUIRE(f.load(kLocal + other).empty());
    CHECK(f.eventually([&] { return f.value("remotecfg_load_failures_total") == 1; }));
    CHECK(ids(*f.runtime) == "test.part.p ");
  }
  SECTION("one that does not run any more holds up nothing") {
    for (const auto& entry : std::filesystem::directory_iterator(f.dir.path() / "remotecfg"))
      if (entry.is_regular_file()) std::ofstream(entry.path()) << "of.a.later { }\n";
    f.again();
    REQUIRE(f.load(text).empty());
    CHECK(f.eventually([&] {
      return f.problem() == "remotecfg:1:1: component \"of.a.later\" must have a label" ||
             f.problem() == "remotecfg:1:1: unknown component \"of.a.later\"";
    }));
    CHECK(ids(*f.runtime) == "test.part.p ");
  }
  SECTION("without one, only the configuration's own runs") {
    std::filesystem::remove_all(f.dir.path() / "remotecfg");
    f.again();
    REQUIRE(f.load(text).empty());
    CHECK(f.diary.wait_for("run test.part.p"));
    CHECK(f.eventually([&] { return f.value("remotecfg_load_failures_total") == 1; }));
    CHECK(ids(*f.runtime) == "test.part.p ");
  }
}

TEST_CASE("remotecfg: what cannot start yet waits, and holds up no reload") {
  Remote f;
  const auto block = [&](bool taken) {
    const std::lock_guard lock(f.diary.mutex);
    f.diary.blocked["remotecfg/test.part.p"] = taken;
  };
  block(true);
  f.server->say(kPart, "h1");
  REQUIRE(f.load(kLocal + f.block()).empty());
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  CHECK(f.message_of("remotecfg/test.part.p") == "the port is taken");
  CHECK(f.value("remotecfg_last_load_successful") == 1);
  CHECK(f.load("test.part \"new\" { }\n" + f.block()).empty());
  CHECK(ids(*f.runtime) == "remotecfg/test.part.p test.part.new ");
  block(false);
  CHECK(f.hand.advance_until([&] { return f.message_of("remotecfg/test.part.p").empty(); },
                             std::chrono::seconds(1)));
}

TEST_CASE("remotecfg: a reload without the block ends it") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(f.load(kLocal + f.block()).empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  REQUIRE(f.eventually([&] { return f.server->count() == 2; }));
  const bool without_url = GENERATE(false, true);
  REQUIRE(f.load(without_url ? std::string(kLocal) + "remotecfg { }\n" : kLocal).empty());
  CHECK(f.diary.wait_for("flush remotecfg/test.part.p"));
  CHECK(ids(*f.runtime) == "test.part.p ");
  CHECK(f.eventually([&] { return f.value("remotecfg_hash") == -1; }));
  f.hand.advance(std::chrono::minutes(5));
  // What came before is not there when the block comes back; the server is asked.
  f.server->say("test.part \"later\" { }\n", "h2");
  REQUIRE(f.load(kLocal + f.block()).empty());
  CHECK(f.diary.wait_for("run remotecfg/test.part.later"));
  CHECK_FALSE(f.has("remotecfg/test.part.p"));
  REQUIRE(f.eventually([&] { return f.server->count() == 4; }));
  CHECK(f.server->asked()[2].find(bytes(3, "h1")) == std::string::npos);
}

TEST_CASE("remotecfg: ends while the server is silent, by a reload or a stop") {
  Remote f;
  f.server->say(ScriptedServer::silence());
  REQUIRE(f.load(kLocal + f.block()).empty());
  REQUIRE(f.eventually([&] { return f.server->count() == 1; }));
  if (GENERATE(false, true)) {
    f.server->say(kPart, "h1");
    REQUIRE(f.load(kLocal + f.block("  name = \"other\"\n")).empty());
    CHECK(f.diary.wait_for("run remotecfg/test.part.p"));
  }
  f.runtime->stop();
}

TEST_CASE(
    "remotecfg: a stop does not wait for what the server's text imports, nor blames the text") {
  Remote f;
  const ScriptedServer silent(
      [](const ScriptedServer::Request&, std::size_t) { return ScriptedServer::silence(); });
  f.server->say("import.http \"web\" {\n  url = \"" + silent.url() +
                    "\"\n  poll_timeout = \"1h\"\n  poll_frequency = \"2h\"\n}\n",
                "h1");
  REQUIRE(f.load(kLocal + f.block()).empty());
  REQUIRE(silent.wait_for(1));
  f.runtime->stop();
  CHECK(f.server->count() == 1);
  CHECK(f.value("remotecfg_load_failures_total") == 0);
}

TEST_CASE("remotecfg: without an id one is made once, and Alloy's is kept") {
  Remote f;
  f.server->say("", "h1");
  const std::string text = "remotecfg { url = \"" + f.server->url() + "\" }\n";
  const auto seed = [&] { return read_file(f.dir.path() / "alloy_seed.json").value_or(""); };
  SECTION("made") {
    REQUIRE(f.load(text).empty());
    REQUIRE(f.eventually([&] { return f.server->count() >= 1; }));
    const std::string made = seed();
    REQUIRE(made.size() == 47);
    CHECK(f.server->asked()[0].starts_with(bytes(1, made.substr(8, 36))));
    f.again();
    REQUIRE(f.load(text).empty());
    REQUIRE(f.eventually([&] { return f.server->count() >= 3; }));
    CHECK(f.server->last().starts_with(bytes(1, made.substr(8, 36))));
    CHECK(seed() == made);
  }
  SECTION("Alloy's") {
    std::ofstream(f.dir.path() / "alloy_seed.json")
        << R"({"UID":"b1a2","created_at":"2024-03-01T10:00:00Z","version":"v1.5.0"})";
    REQUIRE(f.load(text).empty());
    REQUIRE(f.eventually([&] { return f.server->count() >= 1; }));
    CHECK(f.server->asked()[0].starts_with(bytes(1, "b1a2")));
  }
}

TEST_CASE("remotecfg: credentials may come from a component, and follow it") {
  Remote f;
  f.server->say(kPart, "h1");
  REQUIRE(
      f.load("test.part \"name\" { note = \"one\" }\n" + f.block("  name = test.part.name.note\n"))
          .empty());
  CHECK(f.eventually(
      [&] { return f.server->registered().find(bytes(3, "one")) != std::string::npos; }));
  REQUIRE(
      f.load("test.part \"name\" { note = \"two\" }\n" + f.block("  name = test.part.name.note\n"))
          .empty());
  CHECK(f.eventually(
      [&] { return f.server->registered().find(bytes(3, "two")) != std::string::npos; }));
}

TEST_CASE("remotecfg: what is wrong with the block is told with its place") {
  Fixture f;
  const auto tried = [&](const std::string& text) {
    std::string out;
    const CheckReport report = check({{"t", text}}, f.registry, *f.world);
    for (const auto& d : report.diagnostics.all())
      out += d.span.begin.text() + " " + d.message + "\n";
    return out;
  };
  CHECK(tried("remotecfg { }\n").empty());
  CHECK(tried("remotecfg {\n  url = \"http://h/\"\n  poll_frequency = \"9s\"\n"
              "  attributes = { \"collector.os\" = \"mine\" }\n}\n") ==
        "t:3:20 poll_frequency must be at least 10s\n"
        "t:4:16 attribute \"collector.os\" is not free: the agent says it itself\n");
  CHECK(tried("remotecfg { url = \"ftp://h\" }\nremotecfg \"x\" { nope = 1 }\n")
            .find("t:1:19 url is not a URL that can be requested") == 0);
  CHECK(tried("remotecfg { }\nremotecfg { }\n").find("may only be specified once") !=
        std::string::npos);
}

}  // namespace agent::runtime
