// What a real Prometheus made of the rules in tests/golden/relabel (relabel_recorder.py), made
// again.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/model/relabel.h"

namespace agent::model {
namespace {

using Json = nlohmann::json;

std::vector<Json> recorded(const char* key) {
  std::ifstream file(SOURCE_DIR "/tests/golden/relabel/prometheus.jsonl");
  REQUIRE(file);
  std::vector<Json> out;
  for (std::string line; std::getline(file, line);)
    if (Json json = Json::parse(line); json.contains(key)) out.push_back(std::move(json));
  return out;
}

RelabelRule rule_of(const Json& json) {
  RelabelRule rule;
  const auto action = parse_action(json.value("action", "replace"));
  REQUIRE(action);
  rule.action = *action;
  rule.source_labels = json.value("source_labels", rule.source_labels);
  rule.separator = json.value("separator", rule.separator);
  rule.regex = json.value("regex", rule.regex);
  rule.modulus = json.value("modulus", rule.modulus);
  rule.target_label = json.value("target_label", rule.target_label);
  rule.replacement = json.value("replacement", rule.replacement);
  return rule;
}

// Without names that Loki would refuse: Prometheus' labelmap makes them, ours does not.
std::string text_of(const Json& labels) {
  LabelBuilder builder;
  for (const auto& [name, value] : labels.items())
    if (is_valid_label_name(name)) builder.set(name, value.get<std::string>());
  return labels_text(builder.labels());
}

}  // namespace

TEST_CASE("relabel: every recorded set of labels becomes what Prometheus made of it") {
  const std::vector<Json> cases = recorded("rules");
  CHECK(cases.size() >= 600);
  std::size_t dropped = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(cases[i].dump());
    std::vector<RelabelRule> list;
    for (const Json& rule : cases[i]["rules"]) list.push_back(rule_of(rule));
    const auto rules = RelabelRules::compile(std::move(list));
    REQUIRE(rules);
    // A target as Prometheus has it before its rules.
    LabelBuilder labels;
    labels.set("job", "case " + std::to_string(i));
    labels.set("__address__", "127.0.0.1:1");
    labels.set("__metrics_path__", "/metrics");
    labels.set("__scheme__", "http");
    labels.set("__scrape_interval__", "1d");
    labels.set("__scrape_timeout__", "10s");
    for (const auto& [name, value] : cases[i]["input"].items())
      labels.set(name, value.get<std::string>());
    const bool kept = rules->apply(labels);
    if (!kept) ++dropped;
    REQUIRE(kept == !cases[i]["output"].is_null());
    if (!kept) continue;
    labels.remove_prefix("__");
    if (labels.get("instance").empty()) labels.set("instance", "127.0.0.1:1");
    CHECK(labels_text(labels.labels()) == text_of(cases[i]["output"]));
  }
  CHECK(dropped >= 100);
}

TEST_CASE("relabel: every recorded rule is refused where Prometheus refuses it, and only there") {
  const std::vector<Json> rules = recorded("rule");
  CHECK(rules.size() >= 300);
  for (const Json& json : rules) {
    CAPTURE(json.dump());
    const auto checked = check_rule(rule_of(json["rule"]));
    CAPTURE(checked ? "" : checked.error().message);
    CHECK(checked.has_value() == json["valid"].get<bool>());
  }
}

}  // namespace agent::model
