// Relabelling: the first seed's rules for journal entries on labels that were not seen before, and
// a label set that was.
#include <benchmark/benchmark.h>

#include "agent/model/relabel.h"

namespace agent::model {
namespace {

RelabelRules journal_rules() {
  RelabelRule specific;
  specific.source_labels = {"__journal_syslog_identifier"};
  specific.regex = "kottos";
  specific.target_label = "service";
  specific.replacement = "pallas";
  RelabelRule fallback;
  fallback.source_labels = {"__journal__systemd_unit"};
  fallback.regex = ".+";
  fallback.target_label = "job";
  fallback.replacement = "systemd";
  return RelabelRules::compile({specific, fallback}).value();
}

Labels journal_labels() {
  Labels labels = {{"__journal__systemd_unit", "ssh.service"},
                   {"__journal_syslog_identifier", "sshd"}};
  for (int i = 10; i < 30; ++i)
    labels.push_back({"__journal_field_" + std::to_string(i), "value of the field"});
  return labels;
}

void rules_on_new_labels(benchmark::State& state) {
  const RelabelRules rules = journal_rules();
  const Labels labels = journal_labels();
  for (auto _ : state) {
    LabelBuilder builder(labels);
    benchmark::DoNotOptimize(rules.apply(builder));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(rules_on_new_labels);

void regex_with_groups(benchmark::State& state) {
  RelabelRule rule;
  rule.source_labels = {"__journal__systemd_unit"};
  rule.regex = "([a-z]+)(@[^.]*)?\\.(service|scope)";
  rule.target_label = "unit";
  const RelabelRules rules = RelabelRules::compile({rule}).value();
  const Labels labels = journal_labels();
  for (auto _ : state) {
    LabelBuilder builder(labels);
    benchmark::DoNotOptimize(rules.apply(builder));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(regex_with_groups);

void known_label_set(benchmark::State& state) {
  Interner interner;
  Relabeler relabeler(interner, journal_rules(), 10'000);
  const LabelSet labels = interner.intern(journal_labels());
  for (auto _ : state) benchmark::DoNotOptimize(relabeler.apply(labels));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(known_label_set);

}  // namespace
}  // namespace agent::model

BENCHMARK_MAIN();
