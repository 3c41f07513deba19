#include "agent/ui/pages.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/component/receiver.h"
#include "agent/io/gzip.h"
#include "agent/io/http_client.h"
#include "agent/runtime/check.h"
#include "agent/ui/assets.h"
#include "agent/ui/process_metrics.h"
#include "tests/support/temp_dir.h"

namespace agent::ui {
namespace {

using component::LogReceiver;
using io::ServerReply;
using io::ServerRequest;

struct AuthArgs {
  Secret password;
  static component::Schema<AuthArgs> schema() {
    return component::Schema<AuthArgs>().optional("password", &AuthArgs::password, "Password.");
  }
};
struct ThingArgs {
  std::string text;
  AuthArgs auth;
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  static component::Schema<ThingArgs> schema() {
    return component::Schema<ThingArgs>()
        .optional("text", &ThingArgs::text, "Text.")
        .block("auth", &ThingArgs::auth, "Auth.")
        .optional("forward_to", &ThingArgs::forward_to, "Receivers.");
  }
};

// Unhealthy when its text says so. Three lines left it; one that is quiet dropped one instead, and
// does not count what it passes on.
class Thing final : public component::Configured<ThingArgs> {
 public:
  explicit Thing(component::Host host)
      : host_(std::move(host)),
        sent_(host_.metrics.counter(host_.id.starts_with("test.quiet")
                                        ? "loki_secretfilter_lines_dropped_total"
                                        : "loki_process_sent_lines_total",
                                    "Lines.", {{"host", "<i>"}})) {
    sent_->add(host_.id.starts_with("test.quiet") ? 1 : 3);
    host_.exports(
        {{"receiver", component::capsule<LogReceiver>(std::make_shared<component::LogFanout>())},
         {"word", lang::Value("well")}});
  }
  Result<component::Commit> prepare(ThingArgs args) override {
    return component::Commit([this, args] {
      if (args.text.starts_with("ill")) return host_.health.bad("it is <b>" + args.text + "</b>");
      host_.health.good();
    });
  }
  void debug_info(component::DebugWriter& out) const override {
    if (host_.id.starts_with("loki.source.")) {
      out.value("unacknowledged_entries", "12");
      out.value("oldest_unacknowledged_seconds", host_.id.ends_with("a") ? "40" : "nan");
      out.value("backlog_bytes", "200");
      out.value("queue.bytes_on_disk", host_.id.ends_with("a") ? "100" : "");
    } else if (host_.id.starts_with("loki.write.")) {
      out.value("endpoint.0.queued_bytes", "450");
      out.value("endpoint.0.oldest_queued_seconds", "41");
      out.value("endpoint.0.last_error", "503 <b>");
    } else if (host_.id.starts_with("prometheus.")) {
      out.value("unacknowledged_samples", "8");
    } else {
      out.value("queue", "<7>");
    }
  }

 private:
  component::Host host_;
  component::Counter sent_;
};

std::string header(const ServerReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

struct Fixture {
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Taps taps;
  component::Registry registry;
  std::unique_ptr<lang::World> world = runtime::unknown_world();
  lang::Stdlib stdlib{*world};
  std::unique_ptr<runtime::Runtime> runtime;
  Pages::Reloaded reloaded{true, ""};
  int reloads = 0;
  std::unique_ptr<Pages> pages;

  Fixture() {
    registry.add(component::declare<Thing>(
        "test.thing", "A thing.",
        {{"receiver", "LogsReceiver", "Takes entries."}, {"word", "string", "A word."}}));
    for (const char* name :
         {"test.quiet", "loki.source.test", "loki.write", "prometheus.receive_http"})
      registry.add(component::declare<Thing>(
          name, "A thing.",
          {{"receiver", "LogsReceiver", "Takes entries."}, {"word", "string", "A word."}}));
    runtime = std::make_unique<runtime::Runtime>(runtime::Runtime::Environment{
        registry, stdlib, clock, labels, Log::none(), metrics, dir.path(), {}, taps});
    pages = std::make_unique<Pages>(*runtime, registry, metrics, "1.2.3", [this] {
      ++reloads;
      return reloaded;
    });
  }
  void load(const std::string& text) { REQUIRE(runtime->load({{"t.alloy", text}}).ok()); }
  ServerReply get(const std::string& path) const {
    return pages->handle({"GET", path, {}, {}, "", ""});
  }
  nlohmann::json json(const std::string& path) const {
    const ServerReply reply = get(path);
    REQUIRE(reply.status == 200);
    return nlohmann::json::parse(reply.body);
  }
};

}  // namespace

TEST_CASE("pages: readiness and health tell the truth, under both names") {
  Fixture f;
  CHECK(f.get("/-/ready").status == 503);
  CHECK(f.get("/-/healthy").status == 503);
  f.load("test.thing \"a\" { }");
  CHECK(f.get("/ready").status == 200);
  CHECK(f.get("/healthy").status == 200);
  f.load("test.thing \"a\" { text = \"ill now\" }");
  const ServerReply reply = f.get("/-/healthy");
  CHECK(reply.status == 500);
  CHECK(reply.body == "unhealthy components:\ntest.thing.a: it is <b>ill now</b>\n");
}

TEST_CASE("pages: a reload says what came of it") {
  Fixture f;
  const auto post = [&] { return f.pages->handle({"POST", "/-/reload", {}, {}, "", ""}); };
  CHECK(post().status == 200);
  CHECK(f.get("/-/reload").status == 200);
  CHECK(f.pages->handle({"DELETE", "/-/reload", {}, {}, "", ""}).status == 405);
  CHECK(f.reloads == 2);
  f.reloaded = {false, "t.alloy:1:1: error: no\n"};
  CHECK(post().status == 400);
  CHECK(post().body == f.reloaded.report);
  f.reloaded = {true, "t.alloy:1:1: warning: odd\n"};
  CHECK(post().status == 200);
  CHECK(post().body == "config reloaded\nt.alloy:1:1: warning: odd\n");
}

TEST_CASE("pages: one shell for every page, and nothing may run but what comes with it") {
  Fixture f;
  for (const char* path : {"/", "/graph", "/sources", "/targets", "/tail",
                           "/component/test.thing.a", "/component/<x>", "/reference/test.thing"}) {
    const ServerReply reply = f.get(path);
    INFO(path);
    CHECK(reply.status == 200);
    CHECK(reply.content_type == "text/html; charset=utf-8");
    CHECK(reply.body.find("<x>") == std::string::npos);
    CHECK(reply.body.find("<script>") == std::string::npos);
    CHECK(reply.body.find("style=") == std::string::npos);
    CHECK(reply.body.find("{{") == std::string::npos);
    const std::string policy = header(reply, "Content-Security-Policy");
    CHECK(policy.find("default-src 'none'; script-src 'self'; style-src 'self'") == 0);
    CHECK(policy.find("unsafe") == std::string::npos);
  }
  CHECK(f.get("/nothing").status == 404);
}

TEST_CASE("pages: addresses in the shell are relative to where the page is") {
  Fixture f;
  CHECK(f.get("/graph").body.find("href=\"./ui/") != std::string::npos);
  CHECK(f.get("/component/a.b.c").body.find("href=\"../ui/") != std::string::npos);
  CHECK(f.get("/component/shop.a/x/a.b.c").body.find("href=\"../../../ui/") != std::string::npos);
}

TEST_CASE(
    "pages: files of the pages are compressed, and kept by the browser until they are others") {
  Fixture f;
  const auto get = [&](const std::string& path, io::HttpHeaders headers) {
    return f.pages->handle({"GET", path, {}, std::move(headers), "", ""});
  };
  const std::string folder = "/ui/" + std::string(assets_version()) + "/";
  CHECK(assets().size() > 10);
  for (const Asset& asset : assets()) {
    INFO(asset.name);
    const std::string path = folder + std::string(asset.name);
    if (asset.name == "index.html") {
      CHECK(f.get(path).status == 404);
      continue;
    }
    const ServerReply packed = get(path, {{"accept-encoding", "br, gzip"}});
    CHECK(header(packed, "Content-Encoding") == "gzip");
    CHECK(header(packed, "Cache-Control") == "public, max-age=31536000, immutable");
    const ServerReply plain = get(path, {});
    CHECK(header(plain, "Content-Encoding").empty());
    CHECK(plain.body == io::gunzip(packed.body, 1 << 20).value());
    CHECK(plain.body.size() > packed.body.size() / 2);
    const ServerReply known = get(path, {{"if-none-match", header(packed, "ETag")}});
    CHECK(known.status == 304);
    CHECK(known.body.empty());
  }
  CHECK(f.get("/ui/000000000000/app.js").status == 404);
  CHECK(f.get(folder + "../app.js").status == 404);
}

TEST_CASE("pages: secrets are masked by the schema, also those written in the clear") {
  Fixture f;
  f.load(
      "test.thing \"a\" {\n  text = \"shown\"\n  auth {\n    password = \"canary-4711\"\n  }\n}");
  for (const char* path :
       {"/", "/api/v0/ui/overview", "/api/v0/ui/component/test.thing.a", "/api/v0/web/components",
        "/api/v0/web/components/test.thing.a", "/metrics"}) {
    INFO(path);
    CHECK(f.get(path).status == 200);
    CHECK(f.get(path).body.find("canary") == std::string::npos);
  }
  CHECK(f.json("/api/v0/ui/component/test.thing.a").at("arguments") ==
        "text = \"shown\"\nauth {\n  password = (secret)\n}\n");
}

TEST_CASE("view: a component with its health's past, its own metrics and what it says of itself") {
  Fixture f;
  f.load("test.thing \"a\" { text = \"ill <script>alert(1)</script>\" }");
  f.load("test.thing \"a\" { text = \"well\" }");
  f.load("test.thing \"a\" { text = \"ill again\" }");
  const auto now = f.json("/api/v0/ui/component/test.thing.a");
  CHECK(now.at("healthy") == false);
  CHECK(now.at("message") == "it is <b>ill again</b>");
  REQUIRE(now.at("history").size() == 3);
  CHECK(now.at("history")[0].at("message") == "it is <b>ill <script>alert(1)</script></b>");
  CHECK(now.at("history")[1].at("healthy") == true);
  CHECK(now.at("history")[2].at("healthy") == false);
  CHECK(now.at("rows") == nlohmann::json::parse(R"([["queue","<7>"]])"));
  CHECK(now.at("place") == "t.alloy:1:1");
  REQUIRE(now.at("metrics").size() == 1);
  CHECK(now.at("metrics")[0].at("name") == "loki_process_sent_lines_total");
  CHECK(now.at("metrics")[0].at("labels") == "host=\"<i>\"");
  for (int i = 0; i < 10; ++i) {
    f.load("test.thing \"a\" { text = \"well\" }");
    f.load("test.thing \"a\" { text = \"ill number " + std::to_string(i) + "\" }");
  }
  const auto later = f.json("/api/v0/ui/component/test.thing.a").at("history");
  REQUIRE(later.size() == 16);
  CHECK(later.back().at("message") == "it is <b>ill number 9</b>");
  CHECK(f.get("/api/v0/ui/component/test.thing.b").status == 404);
  CHECK(f.get("/api/v0/ui/elsewhere").status == 404);
}

TEST_CASE("view: the overview has edges by what flows, and what flowed") {
  Fixture f;
  f.load(
      "test.thing \"a\" { forward_to = [test.thing.b.receiver, test.thing.b.receiver] }\n"
      "test.thing \"b\" { text = test.thing.c.word }\n"
      "test.thing \"c\" { }");
  const auto now = f.json("/api/v0/ui/overview");
  CHECK(now.at("version") == "1.2.3");
  REQUIRE(now.at("components").size() == 3);
  for (const auto& component : now.at("components")) {
    CHECK(component.at("out") == 3);
    CHECK(component.at("bytes") == nullptr);
    CHECK(component.at("dropped") == 0);
  }
  auto edges = now.at("edges");
  std::sort(edges.begin(), edges.end());
  CHECK(edges == nlohmann::json::parse(R"([
      {"from":"test.thing.a","to":"test.thing.b","kind":"logs"},
      {"from":"test.thing.c","to":"test.thing.b","kind":"values"}])"));
}

TEST_CASE("view: what does not count passes on what it gets, without what it dropped") {
  Fixture f;
  f.load(
      "test.thing \"a\" { forward_to = [test.quiet.c.receiver] }\n"
      "test.thing \"b\" { forward_to = [test.quiet.c.receiver, test.thing.e.receiver] }\n"
      "test.quiet \"c\" { forward_to = [test.quiet.d.receiver] }\n"
      "test.quiet \"d\" { forward_to = [test.thing.e.receiver] }\n"
      "test.thing \"e\" { }\n"
      "test.quiet \"f\" { forward_to = [test.quiet.g.receiver] }\n"
      "test.quiet \"g\" { }");
  std::map<std::string, nlohmann::json> out;
  const auto now = f.json("/api/v0/ui/overview");
  for (const auto& component : now.at("components"))
    out[component.at("label")] = component.at("out");
  CHECK(out ==
        std::map<std::string, nlohmann::json>{
            {"a", 3}, {"b", 3}, {"c", 5}, {"d", 4}, {"e", 3}, {"f", nullptr}, {"g", nullptr}});
}

TEST_CASE("view: the figures of the whole agent") {
  Fixture f;
  f.load(
      "loki.source.test \"a\" { }\nloki.source.test \"b\" { forward_to = [loki.write.c.receiver] "
      "}\n"
      "loki.write \"c\" { }\nprometheus.receive_http \"d\" { }");
  auto figures = f.json("/api/v0/ui/figures");
  CHECK(figures.at("lines") == 6);
  CHECK(figures.at("samples_per_second") == 0);
  CHECK(figures.at("backlog") ==
        nlohmann::json::parse(R"({"entries":24,"samples":8,"bytes":500,"oldest_seconds":41})"));
  CHECK(figures.at("last_error").at("component") == "loki.write.c");
  CHECK(figures.at("last_error").at("message") == "503 <b>");
  CHECK(figures.at("last_error").at("now") == true);
  f.load("test.thing \"a\" { text = \"ill\" }");
  f.load("test.thing \"a\" { }");
  figures = f.json("/api/v0/ui/figures");
  CHECK(figures.at("last_error").at("component") == "test.thing.a");
  CHECK(figures.at("last_error").at("message") == "it is <b>ill</b>");
  CHECK(figures.at("last_error").at("now") == false);
  CHECK(figures.at("last_error").at("time") > 0);
  f.load("test.thing \"b\" { }");
  CHECK(f.json("/api/v0/ui/figures").at("last_error") == nullptr);
}

TEST_CASE("view: the reference of a kind of component comes from its schema") {
  Fixture f;
  const auto reference = f.json("/api/v0/ui/reference/test.thing");
  CHECK(reference.at("doc") == "A thing.");
  CHECK(reference.at("fields")[0].at("name") == "text");
  CHECK(reference.at("fields")[1].at("fields")[0].at("type") == "secret");
  CHECK(reference.at("exports")[0].at("name") == "receiver");
  CHECK(f.get("/api/v0/ui/reference/test.other").status == 404);
}

TEST_CASE("web api: components have the shapes that Alloy's pages read") {
  Fixture f;
  f.load(
      "test.thing \"a\" {\n  text = \"x\"\n  auth {\n    password = \"p\"\n  }\n"
      "  forward_to = [test.thing.b.receiver]\n}\ntest.thing \"b\" { }");
  const auto all = f.json("/api/v0/web/components");
  REQUIRE(all.size() == 2);
  CHECK(all[1].at("localID") == "test.thing.a");  // after what it refers to
  CHECK(all[0] ==
        nlohmann::json::parse(R"({"name":"test.thing","type":"block","localID":"test.thing.b",
      "moduleID":"","label":"b","referencesTo":[],"referencedBy":["test.thing.a"],
      "health":{"state":"healthy","message":"","updatedTime":"0001-01-01T00:00:00Z"},
      "original":""})"));
  const auto a = f.json("/api/v0/web/components/test.thing.a");
  CHECK(a.at("referencesTo") == nlohmann::json::parse(R"(["test.thing.b"])"));
  CHECK(a.at("arguments") == nlohmann::json::parse(R"json([
      {"name":"text","type":"attr","value":{"type":"string","value":"x"}},
      {"name":"forward_to","type":"attr","value":{"type":"array","value":[
         {"type":"capsule","value":"capsule(\"LogsReceiver\")"}]}},
      {"name":"auth","type":"block","body":[
         {"name":"password","type":"attr","value":{"type":"capsule","value":"(secret)"}}]}])json"));
  CHECK(a.at("debugInfo")[0].at("type") == "attr");
  CHECK(f.get("/api/v0/web/components/test.thing.c").status == 404);
  CHECK(f.pages->handle({"DELETE", "/", {}, {}, "", ""}).status == 405);
  CHECK(f.json("/api/v0/web/remotecfg/components").empty());
  const auto peers = f.json("/api/v0/web/peers");
  REQUIRE(peers.size() == 1);
  CHECK(peers[0].at("isSelf") == true);
}

TEST_CASE("web api: a custom component is an entry of its own, which names its module") {
  Fixture f;
  f.load(
      "declare \"shop\" {\n  test.thing \"in\" { text = \"ill\" }\n}\nshop \"one\" { }\n"
      "test.thing \"out\" { }");
  const auto all = f.json("/api/v0/web/components");
  REQUIRE(all.size() == 2);
  const auto& shop = all[all[0].at("name") == "shop" ? 0 : 1];
  CHECK(shop.at("localID") == "shop.one");
  CHECK(shop.at("label") == "one");
  CHECK(shop.at("createdModuleIDs") == nlohmann::json::parse(R"(["shop.one"])"));
  CHECK(shop.at("health").at("state") == "unhealthy");
  const auto inside = f.json("/api/v0/web/modules/shop.one/components");
  REQUIRE(inside.size() == 1);
  CHECK(inside[0].at("localID") == "test.thing.in");
  CHECK(inside[0].at("moduleID") == "shop.one");
  CHECK(f.json("/api/v0/web/components/shop.one/test.thing.in").at("label") == "in");
  CHECK(f.get("/api/v0/web/modules/shop.two/components").status == 404);
}

TEST_CASE("process metrics: the process's own figures are on the page") {
  Fixture f;
  f.load("test.thing \"a\" { }");
  const auto handle = expose_process(f.metrics, *f.runtime, "1.2.3");
  const std::string body = f.get("/metrics").body;
  for (const char* name :
       {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ",
        "process_start_time_seconds ", "alloy_build_info{version=\"1.2.3\"} 1",
        "alloy_component_controller_running_components{controller_path=\"/"
        "\",health_type=\"healthy\"} 1"})
    CHECK(body.find(name) != std::string::npos);
}

TEST_CASE("pages: they cost what is asked for, and nothing when the viewer has left") {
  Fixture f;
  f.load("livedebugging { enabled = true }\nloki.source.test \"a\" { }\ntest.thing \"b\" { }");
  int collected = 0;
  int made = 0;  // sightings
  const auto handle = f.metrics.on_collect([&](std::vector<model::MetricFamily>&) { ++collected; });
  const auto entries = [&](int count) {
    for (const char* id : {"loki.source.test.a", "test.thing.b"})
      for (int i = 0; i < count; ++i) {
        const auto tap = f.taps.of(id);
        if (!tap->watched()) continue;
        tap->show({"out", tap->next_entry(), "a line", {}}, [&] {
          ++made;
          return component::Sighting();
        });
      }
  };
  entries(100);
  CHECK((collected == 0 && made == 0));
  for (const char* page :
       {"/", "/graph", "/tail", "/assets/app.js", "/api/v0/ui/reference/test.thing",
        "/api/v0/ui/targets", "/api/v0/ui/sources", "/api/v0/web/components"})
    f.get(page);
  CHECK(collected == 0);
  f.get("/api/v0/ui/overview");
  CHECK(collected == 1);
  f.get("/api/v0/ui/component/test.thing.b");
  CHECK(collected == 2);
  {
    const ServerReply viewer = f.get("/api/v0/web/tap/test.thing.b");
    entries(3);
    CHECK(made == 3);  // of the one component that somebody looks at
  }
  entries(100);
  CHECK((collected == 2 && made == 3));
}

TEST_CASE("pages: watching is refused unless the configuration allows it") {
  Fixture f;
  const std::string path = "/api/v0/web/tap/test.thing.a";
  f.load("test.thing \"a\" { }");
  CHECK(f.get(path).status == 403);
  CHECK(f.get(path).body.find("livedebugging { enabled = true }") != std::string::npos);
  f.load("livedebugging { enabled = false }\ntest.thing \"a\" { }");
  CHECK(f.get(path).status == 403);
  f.load("livedebugging { enabled = true }\ntest.thing \"a\" { }");
  CHECK(f.get("/api/v0/web/tap/test.thing.b").status == 404);
  CHECK(f.pages->handle({"GET", path, {{"what", "1"}}, {}, "", ""}).status == 400);

  ServerReply reply = f.pages->handle({"GET", path, {{"filter", "order"}}, {}, "", ""});
  REQUIRE(reply.status == 200);
  CHECK(reply.body == "{\"skipped\":0}\n");
  REQUIRE(reply.more);
  const auto tap = f.taps.of("test.thing.a");
  const auto show = [&](std::string_view line) {
    model::EntryBatch batch;
    batch.entries.push_back({f.labels.intern({{"app", "shop"}}), 5, batch.arena.store(line)});
    tap->show("out", batch);
  };
  show("an order");
  show("something else");
  std::string out;
  CHECK(reply.more(out));
  CHECK(out ==
        "{\"component\":\"test.thing.a\",\"at\":\"out\",\"time_ns\":\"5\","
        "\"line\":\"an order\",\"labels\":{\"app\":\"shop\"}}\n");
  // Ten seconds of silence.
  out.clear();
  int turns = 0;
  for (; out.empty() && turns < 1000; ++turns) CHECK(reply.more(out));
  CHECK(turns == 100);
  CHECK(out == "{\"skipped\":0}\n");

  out.clear();
  f.load("test.thing \"a\" { }");
  CHECK_FALSE(reply.more(out));
  reply.more = {};
  CHECK_FALSE(tap->watched());
}

}  // namespace agent::ui
