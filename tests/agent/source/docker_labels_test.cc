#include "agent/source/docker_labels.h"

#include <catch2/catch.hpp>

namespace agent::source {

TEST_CASE("docker labels: the target's labels under the component's, without the hidden ones") {
  model::Interner interner;
  const auto labels =
      docker_entry_labels({{"__meta_docker_container_id", "abc"}, {"job", "a"}, {"service", "web"}},
                          {{"job", "docker"}}, nullptr, interner);
  REQUIRE(labels.streams[0]);
  CHECK(labels.streams[0]->labels.text() == R"({job="docker", service="web"})");
  CHECK(labels.streams[0] == labels.streams[1]);
}

TEST_CASE("docker labels: rules see the stream and may drop it") {
  model::Interner interner;
  model::RelabelRule name;
  name.source_labels = {"__meta_docker_container_log_stream"};
  name.target_label = "stream";
  model::RelabelRule drop;
  drop.action = model::RelabelRule::Action::kDrop;
  drop.source_labels = {"stream"};
  drop.regex = "stderr";
  const auto rules = model::RelabelRules::compile({name, drop});
  REQUIRE(rules);
  const auto labels = docker_entry_labels({}, {}, &*rules, interner);
  REQUIRE(labels.streams[0]);
  CHECK(labels.streams[0]->labels.text() == R"({stream="stdout"})");
  CHECK_FALSE(labels.streams[1]);
}

TEST_CASE("docker labels: a record gives back what was printed, anything else is refused") {
  model::Interner interner;
  DockerEntryLabels labels;
  labels.streams[1] = {interner.intern({{"a", "1:2"}, {"b", "\n\x1f\xff"}}),
                       interner.intern({{"container_name", "x"}})};
  const std::string text = print_entry_labels(labels);
  const auto again = parse_entry_labels(text, interner);
  REQUIRE(again);
  CHECK(again->streams == labels.streams);
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse_entry_labels(text.substr(0, size), interner));
  }
  CHECK_FALSE(parse_entry_labels(text + "1:x", interner));
  CHECK_FALSE(parse_entry_labels("20:99999999999999999999", interner));
  CHECK_FALSE(parse_entry_labels("9:999999999", interner));
}

TEST_CASE("docker labels: of a container that is found without a target") {
  model::Interner interner;
  wire::DockerContainer container;
  container.id = "abc";
  container.name = "/web";
  container.labels = {{"com.docker.compose.service", "api"}};
  CHECK(model::LabelBuilder(docker_own_target(container)).get("__meta_docker_container_name") ==
        "/web");
  DockerEntryLabels labels;
  labels.streams[1].emplace();
  add_docker_context(container, interner, labels);
  CHECK_FALSE(labels.streams[0]);
  CHECK(labels.streams[1]->context.text() ==
        R"({container_id="abc", container_label_com_docker_compose_service="api", )"
        R"(container_name="web", stream="stderr"})");
}

}  // namespace agent::source
