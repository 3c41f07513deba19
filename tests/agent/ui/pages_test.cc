#include "agent/ui/pages.h"

#include <catch2/catch.hpp>

#include "agent/component/receiver.h"
#include "agent/runtime/check.h"
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
  static component::Schema<ThingArgs> schema() {
    return component::Schema<ThingArgs>()
        .optional("text", &ThingArgs::text, "Text.")
        .block("auth", &ThingArgs::auth, "Auth.");
  }
};

// Unhealthy when its text says so.
class Thing final : public component::Configured<ThingArgs> {
 public:
  explicit Thing(component::Host host) : host_(std::move(host)) {}
  Result<component::Commit> prepare(ThingArgs args) override {
    return component::Commit([this, args] {
      if (args.text.starts_with("ill")) host_.health.bad("it is <b>" + args.text + "</b>");
    });
  }
  void debug_info(component::DebugWriter& out) const override { out.value("queue", "<7>"); }

 private:
  component::Host host_;
};

struct Fixture {
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Registry registry;
  std::unique_ptr<lang::World> world = runtime::unknown_world();
  lang::Stdlib stdlib{*world};
  std::unique_ptr<runtime::Runtime> runtime;
  Pages::Reloaded reloaded{true, ""};
  int reloads = 0;
  std::unique_ptr<Pages> pages;

  Fixture() {
    registry.add(component::declare<Thing>("test.thing", "A thing."));
    runtime = std::make_unique<runtime::Runtime>(runtime::Runtime::Environment{
        registry, stdlib, clock, labels, Log::none(), metrics, dir.path()});
    pages = std::make_unique<Pages>(*runtime, registry, metrics, "1.2.3", [this] {
      ++reloads;
      return reloaded;
    });
  }
  void load(const std::string& text) { REQUIRE(runtime->load({{"t.alloy", text}}).ok()); }
  ServerReply get(const std::string& path) const {
    return pages->handle({"GET", path, {}, {}, "", ""});
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

TEST_CASE("pages: a reload is a POST from here") {
  Fixture f;
  CHECK(f.get("/-/reload").status == 405);
  const auto post = [&](std::vector<std::pair<std::string, std::string>> headers) {
    return f.pages->handle({"POST", "/-/reload", {}, std::move(headers), "", ""});
  };
  CHECK(post({}).status == 200);
  CHECK(post({{"host", "127.0.0.1:12345"}, {"origin", "http://127.0.0.1:12345"}}).status == 200);
  CHECK(post({{"host", "127.0.0.1:12345"}, {"origin", "https://evil.example"}}).status == 403);
  CHECK(post({{"sec-fetch-site", "cross-site"}}).status == 403);
  CHECK(f.reloads == 2);
  f.reloaded = {false, "t.alloy:1:1: error: no\n"};
  CHECK(post({}).status == 400);
  CHECK(post({}).body == f.reloaded.report);
  f.reloaded = {true, "t.alloy:1:1: warning: odd\n"};
  CHECK(post({}).status == 200);
  CHECK(post({}).body == "config reloaded\nt.alloy:1:1: warning: odd\n");
}

TEST_CASE("pages: what comes from outside is escaped, and no script may run") {
  Fixture f;
  f.load("test.thing \"a\" { text = \"ill <script>alert(1)</script>\" }");
  for (const char* path : {"/", "/component/test.thing.a"}) {
    const ServerReply reply = f.get(path);
    INFO(path);
    CHECK(reply.status == 200);
    CHECK(reply.body.find("<script>") == std::string::npos);
    CHECK(reply.body.find("&lt;script&gt;") != std::string::npos);
    CHECK(reply.headers.front().second.find("default-src 'none'") == 0);
  }
  CHECK(f.get("/component/test.thing.a").body.find("&lt;7&gt;") != std::string::npos);
  CHECK(f.get("/component/<x>").status == 404);
  CHECK(f.get("/component/<x>").body.find("<x>") == std::string::npos);
}

TEST_CASE("pages: secrets are masked by the schema, also those written in the clear") {
  Fixture f;
  f.load(
      "test.thing \"a\" {\n  text = \"shown\"\n  auth {\n    password = \"canary-4711\"\n  }\n}");
  for (const char* path : {"/", "/component/test.thing.a", "/api/v0/web/components",
                           "/api/v0/web/components/test.thing.a", "/metrics"}) {
    INFO(path);
    CHECK(f.get(path).status == 200);
    CHECK(f.get(path).body.find("canary") == std::string::npos);
  }
  CHECK(f.get("/component/test.thing.a")
            .body.find("text = &quot;shown&quot;\nauth {\n  password = (secret)\n}") !=
        std::string::npos);
}

TEST_CASE("pages: components as JSON") {
  Fixture f;
  f.load("test.thing \"a\" { }");
  CHECK(f.get("/api/v0/web/components")
            .body.find(R"({"name":"test.thing","type":"block","localID":"test.thing.a")") !=
        std::string::npos);
  CHECK(f.get("/api/v0/web/components/test.thing.b").status == 404);
  CHECK(f.pages->handle({"DELETE", "/", {}, {}, "", ""}).status == 405);
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

}  // namespace agent::ui
