// What a real Prometheus made of the rules in tests/golden/relabel (relabel_recorder.py), made
// again.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/model/relabel.h"
#include "agent/model/relabel_review.h"

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

// A target as Prometheus has it before its rules.
LabelBuilder target_of(const Json& recorded, std::size_t number) {
  LabelBuilder labels;
  labels.set("job", "case " + std::to_string(number));
  labels.set("__address__", "127.0.0.1:1");
  labels.set("__metrics_path__", "/metrics");
  labels.set("__scheme__", "http");
  labels.set("__scrape_interval__", "1d");
  labels.set("__scrape_timeout__", "10s");
  for (const auto& [name, value] : recorded["input"].items())
    labels.set(name, value.get<std::string>());
  return labels;
}

std::string outcome(const std::vector<RelabelRule>& rules, Precedence precedence,
                    LabelBuilder labels) {
  const auto compiled = RelabelRules::compile(rules, precedence);
  REQUIRE(compiled);
  return compiled->apply(labels) ? labels_text(labels.labels()) : "dropped";
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
    LabelBuilder labels = target_of(cases[i], i);
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

TEST_CASE("relabel review: a rule without effect can go, of all recorded sets") {
  const std::vector<Json> cases = recorded("rules");
  std::size_t remarks = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::vector<RelabelRule> rules;
    for (const Json& rule : cases[i]["rules"]) rules.push_back(rule_of(rule));
    for (const Precedence precedence : {Precedence::kLastMatch, Precedence::kFirstMatch}) {
      for (const RuleRemark& remark : review(rules, precedence)) {
        CAPTURE(cases[i].dump(), remark.rule, static_cast<int>(remark.kind));
        std::vector<RelabelRule> others = rules;
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(remark.rule));
        // On the recorded labels, and on those of some other cases.
        for (std::size_t j = i; j < cases.size(); j += 97)
          CHECK(outcome(rules, precedence, target_of(cases[j], j)) ==
                outcome(others, precedence, target_of(cases[j], j)));
        ++remarks;
      }
    }
  }
  CHECK(remarks >= 50);
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
