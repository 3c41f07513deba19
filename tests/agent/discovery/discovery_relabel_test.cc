#include <catch2/catch.hpp>

#include "agent/component/relabel_args.h"
#include "tests/support/component_box.h"

namespace agent::discovery {

component::Declaration discovery_relabel();

namespace {
lang::Value target(lang::Value::Object labels) { return labels; }
}  // namespace

TEST_CASE(
    "discovery.relabel: targets are relabelled and dropped, their order and hidden labels stay") {
  ComponentBox box("discovery.relabel.x");
  RunningComponent component(box, discovery_relabel());
  const lang::Value targets =
      lang::Value::List{target({{"__meta_docker_container_name", "/web"}, {"__address__", "a"}}),
                        target({{"__meta_docker_container_name", "/noise"}}),
                        target({{"__meta_docker_container_name", "/db"}, {"empty", ""}})};
  const lang::Body body = body_of(
      {{"targets", targets}},
      {{"rule", body_of({{"source_labels", lang::Value::List{"__meta_docker_container_name"}},
                         {"regex", "/(.*)"},
                         {"target_label", "container"}})},
       {"rule", body_of({{"source_labels", lang::Value::List{"container"}},
                         {"regex", "noise"},
                         {"action", "drop"}})}});
  REQUIRE(component.configure(body) == "");
  CHECK(box.exported("output") ==
        lang::Value(lang::Value::List{
            target({{"__address__", "a"},
                    {"__meta_docker_container_name", "/web"},
                    {"container", "web"}}),
            target({{"__meta_docker_container_name", "/db"}, {"container", "db"}})}));
  const auto rules =
      std::static_pointer_cast<model::RelabelRules>(box.exported("rules").capsule().object);
  CHECK(rules->rules().size() == 2);
}

}  // namespace agent::discovery
