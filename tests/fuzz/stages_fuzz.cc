// Arbitrary lines through the stages that read text. Input: lines, separated by NUL. What comes out
// has labels that are UTF-8 and, once everything is flushed, every line that went in is accounted
// for: each receipt is settled by what leaves.
#include <cstdint>
#include <cstdlib>

#include "agent/base/strings.h"
#include "agent/process/stage.h"

namespace agent::process {
StageDeclaration stage_cri();
StageDeclaration stage_decolorize();
StageDeclaration stage_json();
StageDeclaration stage_logfmt();
StageDeclaration stage_luhn();
StageDeclaration stage_pattern();
StageDeclaration stage_regex();
StageDeclaration stage_split_json();
StageDeclaration stage_truncate();
}  // namespace agent::process

namespace {

using agent::lang::Body;
using agent::lang::Value;

Body body_of(std::vector<std::pair<std::string, Value>> attributes) {
  Body body;
  for (auto& [name, value] : attributes) {
    agent::lang::Attribute attribute;
    attribute.name = name;
    attribute.value = std::move(value);
    body.attributes.push_back(std::move(attribute));
  }
  return body;
}
Value text(const char* value) { return Value(std::string(value)); }
Value map(std::vector<std::pair<std::string, Value>> members) {
  Value::Object object;
  for (auto& [name, value] : members) object.push_back({name, std::move(value)});
  return Value(std::move(object));
}

std::vector<agent::process::StageSpec> specs() {
  using namespace agent::process;
  std::vector<StageSpec> out;
  agent::lang::Diagnostics diagnostics;
  const auto add = [&](const StageDeclaration& stage, Body body) {
    agent::lang::Block block;
    block.body = std::move(body);
    stage.decode(block, out, diagnostics);
  };
  add(stage_cri(), {});
  add(stage_decolorize(), {});
  add(stage_split_json(), {});
  add(stage_json(), body_of({{"expressions", map({{"a", text("")}, {"all", text("*[].b || @")}})},
                             {"regex", text("x")}}));
  add(stage_logfmt(), body_of({{"mapping", map({{"msg", text("")}})}, {"regex", text("^x")}}));
  add(stage_regex(), body_of({{"expression", text("(?P<word>\\w+)(?P<rest>.)?")},
                              {"labels_from_groups", Value(true)}}));
  add(stage_pattern(),
      body_of({{"pattern", text("<first> <_>\"<second>\"")}, {"labels_from_groups", Value(true)}}));
  add(stage_luhn(), body_of({{"delimiters", text(" -")}, {"skip_regex", text("id=.*?;|")}}));
  Body truncate;
  for (const char* type : {"line", "label", "extracted"}) {
    agent::lang::Block rule;
    rule.name = "rule";
    rule.body =
        body_of({{"limit", text("20B")}, {"suffix", text("..")}, {"source_type", text(type)}});
    truncate.blocks.push_back(std::move(rule));
  }
  add(stage_truncate(), std::move(truncate));
  if (diagnostics.has_errors()) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::process;
  static const std::vector<StageSpec>* const kSpecs = new std::vector<StageSpec>(specs());
  agent::SystemClock clock;
  agent::component::Metrics metrics;
  agent::model::Interner labels;
  const StageHost host("loki.process.fuzz", clock, agent::Log::none(), metrics, labels);
  Pipeline pipeline(*kSpecs, host);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  bool delivered = false;
  agent::model::EntryBatch entries(agent::model::Receipt([&](bool good) { delivered = good; }));
  for (const std::string_view line : agent::split(input, '\0'))
    entries.entries.push_back({{}, 0, entries.arena.store(line), {}});
  {
    Batch batch(std::move(entries));
    pipeline.process(batch);
    Batch rest;
    pipeline.flush(rest, clock.mono(), true);
    batch.append(std::move(rest));
    for (const Item& item : batch.items) {
      if (item.line.size() > 20) std::abort();
      for (const auto& label : item.labels.labels())
        if (!agent::is_valid_utf8(label.value) || label.value.size() > 20) std::abort();
    }
    for (auto& receipt : batch.receipts) receipt.settle();
  }
  if (!delivered) std::abort();
  return 0;
}
