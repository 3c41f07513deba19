#include "agent/source/journal_labels.h"

#include <catch2/catch.hpp>

namespace agent::source {
namespace {

using model::RelabelRule;

model::RelabelRules rules(std::vector<RelabelRule> list) {
  auto compiled = model::RelabelRules::compile(std::move(list));
  if (!compiled) FAIL(compiled.error().message);
  return *compiled;
}

RelabelRule replace(std::string source, std::string regex, std::string target,
                    std::string replacement = "$1") {
  RelabelRule rule;
  rule.source_labels = {std::move(source)};
  rule.regex = std::move(regex);
  rule.target_label = std::move(target);
  rule.replacement = std::move(replacement);
  return rule;
}

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string labels(JournalLabels& of, const Fields& fields) {
  of.begin();
  for (const auto& [name, value] : fields) of.field(name, value);
  return of.labels().text();
}

}  // namespace

TEST_CASE("journal labels: the rules of a host whose fallback comes last") {
  model::Interner interner;
  JournalLabels of(interner, {{"job", "loki.source.journal.x"}, {"hostname", "puck"}},
                   rules({replace("__journal_syslog_identifier", "kottos", "service", "pallas"),
                          replace("__journal__systemd_unit", ".+", "job", "systemd")}));
  CHECK(labels(of, {{"MESSAGE", "m"},
                    {"SYSLOG_IDENTIFIER", "kottos"},
                    {"_SYSTEMD_UNIT", "kottos.service"}}) ==
        R"({hostname="puck", job="systemd", service="pallas"})");
  CHECK(labels(of, {{"MESSAGE", "m"}, {"_TRANSPORT", "kernel"}}) ==
        R"({hostname="puck", job="loki.source.journal.x"})");
}

TEST_CASE("journal labels: only fields that the rules read make a difference to what is kept") {
  model::Interner interner;
  JournalLabels of(interner, {{"job", "j"}},
                   rules({replace("__journal__systemd_unit", "(.*)", "unit")}));
  for (int i = 0; i < 100; ++i) {
    CHECK(labels(of, {{"_SYSTEMD_UNIT", "a.service"},
                      {"MESSAGE", std::to_string(i)},
                      {"_PID", std::to_string(i)}}) == R"({job="j", unit="a.service"})");
  }
  CHECK(of.remembered() == 1);
  CHECK(labels(of, {{"_SYSTEMD_UNIT", ""}}) == R"({job="j"})");
}

TEST_CASE("journal labels: a rule that reads the message does not make memory grow") {
  model::Interner interner;
  RelabelRule drop;
  drop.action = RelabelRule::Action::kDrop;
  drop.source_labels = {"__journal_message"};
  drop.regex = ".*secret.*";
  JournalLabels of(interner, {{"job", "j"}}, rules({drop}));
  for (int i = 0; i < 10'000; ++i)
    CHECK(labels(of, {{"MESSAGE", "m" + std::to_string(i)}}) == R"({job="j"})");
  CHECK(of.remembered() <= 4096);
  CHECK(labels(of, {{"MESSAGE", "a secret"}}) == "{}");
  const std::size_t before = of.remembered();
  CHECK(labels(of, {{"MESSAGE", std::string(100'000, 'x')}}) == R"({job="j"})");
  CHECK(of.remembered() == before);
}

TEST_CASE("journal labels: the priority has a keyword, of a repeated field the last value counts") {
  model::Interner interner;
  JournalLabels of(interner, {},
                   rules({replace("__journal_priority_keyword", "(.*)", "level"),
                          replace("__journal_priority", "(.*)", "n")}));
  CHECK(labels(of, {{"PRIORITY", "3"}}) == R"({level="error", n="3"})");
  CHECK(labels(of, {{"PRIORITY", "3"}, {"PRIORITY", "7"}}) == R"({level="debug", n="7"})");
  CHECK(labels(of, {{"PRIORITY", "odd"}}) == R"({level="odd", n="odd"})");
  CHECK(labels(of, {{"MESSAGE", "x"}}) == "{}");
}

TEST_CASE("journal labels: labelmap copies fields that no rule names") {
  model::Interner interner;
  RelabelRule map;
  map.action = RelabelRule::Action::kLabelMap;
  map.regex = "__journal_(_hostname|container_.+|priority_keyword)";
  map.replacement = "j_$1";
  JournalLabels of(interner, {{"job", "j"}}, rules({map}));
  const Fields fields = {{"_HOSTNAME", "h"},
                         {"MESSAGE", "m"},
                         {"CONTAINER_NAME", "c"},
                         {"PRIORITY", "6"},
                         {"_PID", "1"}};
  const std::string expected =
      R"({j__hostname="h", j_container_name="c", j_priority_keyword="info", job="j"})";
  CHECK(labels(of, fields) == expected);
  CHECK(labels(of, fields) == expected);
  CHECK(of.remembered() == 1);
}

TEST_CASE("journal labels: values that are not UTF-8 become so") {
  model::Interner interner;
  JournalLabels of(interner, {}, rules({replace("__journal__comm", "(.*)", "comm")}));
  CHECK(labels(of, {{"_COMM", "a\xff"}}) == "{comm=\"a\xef\xbf\xbd\"}");
}

}  // namespace agent::source
