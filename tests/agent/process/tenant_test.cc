// From stage.tenant to the header that Loki reads.
#include <catch2/catch.hpp>
#include <future>
#include <set>

#include "tests/support/component_box.h"
#include "tests/support/scripted_server.h"

namespace agent::process {
component::Declaration loki_process();
}  // namespace agent::process
namespace agent::write {
component::Declaration loki_write();
}  // namespace agent::write

namespace agent {

TEST_CASE("stage.tenant: loki.write sends each tenant's entries with its X-Scope-OrgID") {
  ScriptedServer server([](const ScriptedServer::Request&, std::size_t) {
    return ScriptedServer::Answer();  // 204
  });
  ComponentBox write_box("loki.write.w");
  RunningComponent write(write_box, write::loki_write());
  REQUIRE(write.configure(body_of({}, {{"endpoint", body_of({{"url", server.url("/push")},
                                                             {"batch_wait", "20ms"},
                                                             {"tenant_id", "usual"}})}})) == "");
  write.start();
  ComponentBox process_box("loki.process.p");
  RunningComponent process(process_box, process::loki_process());
  REQUIRE(process.configure(body_of(
              {{"forward_to", receivers(write_box.receiver())}},
              {{"stage.json",
                body_of({{"expressions", lang::Value::Object{{"customer", lang::Value("")}}}})},
               {"stage.tenant", body_of({{"source", "customer"}})}})) == "");

  std::promise<bool> delivered;
  model::EntryBatch batch(model::Receipt([&](bool good) { delivered.set_value(good); }));
  const model::LabelSet labels = process_box.labels.intern({{"job", "j"}});
  for (const char* line : {R"({"customer": "a"})", R"({"customer": 7})", "no JSON"})
    batch.entries.push_back({labels, 1, batch.arena.store(line), {}});
  REQUIRE(process_box.receiver()->consume(std::move(batch), {}));
  auto outcome = delivered.get_future();
  REQUIRE(outcome.wait_for(std::chrono::minutes(1)) == std::future_status::ready);
  CHECK(outcome.get());
  std::multiset<std::string> tenants;
  for (const auto& request : server.requests()) tenants.insert(request.headers.at("x-scope-orgid"));
  CHECK(tenants == std::multiset<std::string>{"7", "a", "usual"});
}

}  // namespace agent
