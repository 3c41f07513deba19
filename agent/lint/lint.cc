#include "agent/lint/lint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/strings.h"
#include "agent/component/relabel_args.h"
#include "agent/io/socket.h"
#include "agent/lang/evaluator.h"
#include "agent/model/relabel_review.h"

namespace agent::lint {
namespace {

using lang::BlockNode;
using lang::Body;
using lang::Diagnostics;
using lang::Value;
using runtime::Graph;
using runtime::Node;

struct Configuration {
  const Graph& graph;
  const std::vector<const Body*>& bodies;
};

// A block with its text and its values.
using Visit = std::function<void(const Node& node, const BlockNode& text, const Body& body)>;

void visit_blocks(const Node& node, const BlockNode& text, const Body& body, const Visit& visit) {
  visit(node, text, body);
  std::size_t next = 0;  // blocks are evaluated one by one
  for (const lang::Statement& statement : text.body) {
    if (statement.block == nullptr || next >= body.blocks.size()) continue;
    visit_blocks(node, *statement.block, body.blocks[next++].body, visit);
  }
}

void visit_blocks(const Configuration& configuration, const Visit& visit) {
  for (std::size_t i = 0; i < configuration.graph.nodes.size(); ++i) {
    const Node& node = configuration.graph.nodes[i];
    visit_blocks(node, *node.block, *configuration.bodies[i], visit);
  }
}

// The key of an object that is written out as the value of `attribute`; else the whole value.
lang::Span span_of_key(const Node& node, const BlockNode& text, const Body& body,
                       std::string_view attribute, std::string_view key) {
  for (const lang::Statement& statement : text.body) {
    if (statement.name != attribute || statement.value == nullptr) continue;
    for (const lang::Expr::Key& one : statement.value->keys)
      if (one.name == key) return node.source->span(one.range);
  }
  return body.span_of(attribute);
}

std::optional<std::string> text_of(const Body& body, std::string_view attribute) {
  const lang::Attribute* found = body.find(attribute);
  if (found == nullptr || found->value.kind() != Value::Kind::kString) return std::nullopt;
  return found->value.string();
}

// The rules of a component, with their blocks, up to the first whose values are not known yet: it
// might read what the ones before it set.
struct Rules {
  std::vector<model::RelabelRule> rules;
  std::vector<const lang::Block*> blocks;
};

Rules rules_in(const Body& body, const component::Schema<component::RuleArgs>& schema) {
  Rules out;
  for (const lang::Block& block : body.blocks) {
    if (block.name != "rule" && block.name != "write_relabel_config") continue;
    if (component::has_placeholder(block.body)) break;
    component::RuleArgs args;
    Diagnostics ignored;  // a block of another kind that is called so as well
    // The rules that hold between its arguments have been checked.
    schema.decode(block.body, &args, ignored);
    if (ignored.has_errors()) break;
    out.rules.push_back(component::to_rule(args));
    out.blocks.push_back(&block);
  }
  return out;
}

// --- the warnings

void rules_without_effect(const Rules& found, const Body& body, Diagnostics& diagnostics) {
  const bool first = text_of(body, "precedence") == "first_match";
  const auto precedence = first ? model::Precedence::kFirstMatch : model::Precedence::kLastMatch;
  for (const model::RuleRemark& remark : model::review(found.rules, precedence)) {
    const lang::Span& span = found.blocks[remark.rule]->span;
    const std::string label = json_string(found.rules[remark.rule].target_label);
    const std::string other = remark.other ? "rule " + std::to_string(*remark.other + 1) : "";
    switch (remark.kind) {
      case model::RuleRemark::Kind::kOverwritten:
        diagnostics.warning(
            span, "this rule has no effect: " + other + " overwrites " + label + " each time",
            "the last match wins: put the fallback first, or set precedence = \"first_match\"");
        break;
      case model::RuleRemark::Kind::kPassedOver:
        diagnostics.warning(span, "this rule has no effect: " + other + " has always set " + label +
                                      " before, and the first match wins");
        break;
      case model::RuleRemark::Kind::kNeverReached:
        diagnostics.warning(span, "this rule is never reached: " + other + " drops everything");
        break;
      case model::RuleRemark::Kind::kNeverMatches:
        diagnostics.warning(span,
                            "this rule has no effect: without source_labels it looks at an "
                            "empty value, which its regex does not match");
        break;
      case model::RuleRemark::Kind::kNoEffect:
        diagnostics.warning(span, "this rule changes nothing");
        break;
    }
  }
}

// What only exports does nothing until somebody refers to it. Exporters are also read from outside,
// through the agent's pages.
void unused_components(const Configuration& configuration, Diagnostics& diagnostics) {
  const Graph& graph = configuration.graph;
  std::set<std::size_t> used;
  for (const Node& node : graph.nodes)
    used.insert(node.dependencies.begin(), node.dependencies.end());
  for (const runtime::SettingsBlock& settings : graph.settings) {
    for (const lang::Reference& reference : lang::references(settings.block->body)) {
      const auto found = graph.find(0, reference.names);
      if (found && found->named != nullptr && found->named->node) used.insert(*found->named->node);
    }
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (used.contains(i) || graph.structural.contains(node.id) ||
        node.declaration->exports.empty() ||
        node.declaration->name.starts_with("prometheus.exporter."))
      continue;
    diagnostics.warning(node.header(), "nothing refers to " + node.id + ": it does nothing");
  }
}

// The components that `node` sends to.
std::vector<std::size_t> receivers_of(const Graph& graph, const Node& node) {
  std::vector<std::size_t> out;
  for (const lang::Reference& reference : lang::references(node.block->body)) {
    const auto found = graph.find(node.scope, reference.names);
    if (found && found->named != nullptr && found->named->node &&
        found->parts < reference.names.size() && reference.names[found->parts] == "receiver")
      out.push_back(*found->named->node);
  }
  return out;
}

void docker_stage_behind_docker_source(const Configuration& configuration,
                                       Diagnostics& diagnostics) {
  const Graph& graph = configuration.graph;
  std::set<std::size_t> behind;
  std::vector<std::size_t> next;
  for (const Node& node : graph.nodes) {
    if (node.declaration->name != "loki.source.docker") continue;
    for (const std::size_t at : receivers_of(graph, node)) next.push_back(at);
  }
  while (!next.empty()) {
    const std::size_t at = next.back();
    next.pop_back();
    if (!behind.insert(at).second) continue;
    for (const std::size_t further : receivers_of(graph, graph.nodes[at])) next.push_back(further);
  }
  for (const std::size_t at : behind) {
    const Node& node = graph.nodes[at];
    visit_blocks(
        node, *node.block, *configuration.bodies[at],
        [&](const Node&, const BlockNode& text, const Body& body) {
          if (text.name != "stage.docker") return;
          diagnostics.warning(
              body.span,
              "stage.docker behind loki.source.docker: its lines are not those of Docker's "
              "files, and a line that is itself JSON with a \"log\" field is replaced by it",
              "leave the stage out");
        });
  }
}

struct Listener {
  std::string component;
  std::string protocol;
  std::string host;
  std::string port;
  lang::Span span;
};

bool same_port(const Listener& a, const Listener& b) {
  const auto all = [](const std::string& host) {
    return host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]";
  };
  return a.protocol == b.protocol && a.port == b.port && a.port != "0" &&
         (a.host == b.host || all(a.host) || all(b.host));
}

void shared_syslog_ports(const Configuration& configuration, Diagnostics& diagnostics) {
  std::vector<Listener> listeners;
  visit_blocks(configuration, [&](const Node& node, const BlockNode& text, const Body& body) {
    if (node.declaration->name != "loki.source.syslog" || text.name != "listener") return;
    const auto address = text_of(body, "address");
    const auto protocol = body.find("protocol") == nullptr ? "tcp" : text_of(body, "protocol");
    if (!address || !protocol) return;
    if (auto parts = io::split_host_port(*address))
      listeners.push_back({node.id, *protocol, std::move(parts->first), std::move(parts->second),
                           body.span_of("address")});
  });
  std::sort(listeners.begin(), listeners.end(), [](const Listener& a, const Listener& b) {
    return a.span.begin.line < b.span.begin.line;
  });
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!same_port(listeners[i], listeners[j])) continue;
      diagnostics.warning(listeners[i].span, "the " + listeners[i].protocol + " port " +
                                                 listeners[i].port + " is taken by a listener of " +
                                                 listeners[j].component);
      break;
    }
  }
}

// Names of values that differ from line to line or from container to container: as labels each of
// their values is a stream of its own.
bool names_many(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  constexpr std::array<std::string_view, 20> kNames = {
      "bootid",       "connectionid", "containerid", "correlationid", "cursor",
      "invocationid", "messageid",    "msgcounter",  "pid",           "processid",
      "procid",       "reqid",        "requestid",   "sequence",      "sessionid",
      "spanid",       "timestamp",    "traceid",     "userid",        "uuid"};
  return std::find(kNames.begin(), kNames.end(), plain) != kNames.end();
}

// What a source offers to relabelling that has many values.
constexpr std::array<std::string_view, 12> kMany = {"__journal__boot_id",
                                                    "__journal__pid",
                                                    "__journal__source_realtime_timestamp",
                                                    "__journal__systemd_invocation_id",
                                                    "__journal_invocation_id",
                                                    "__journal_message",
                                                    "__journal_syslog_pid",
                                                    "__journal_syslog_timestamp",
                                                    "__meta_docker_container_id",
                                                    "__syslog_message_msg_counter",
                                                    "__syslog_message_proc_id",
                                                    "__syslog_message_sequence"};
constexpr std::uint64_t kSamples = 64;

// The `n`th value of such a label: an id of hexadecimal digits, or a number.
std::string sample(std::string_view label, std::uint64_t n) {
  const bool number = label.find("pid") != std::string_view::npos ||
                      label.find("timestamp") != std::string_view::npos ||
                      label.find("_proc_id") != std::string_view::npos ||
                      label.find("counter") != std::string_view::npos ||
                      label.find("sequence") != std::string_view::npos;
  if (number) return std::to_string(1000 + n * 7919);
  std::string bytes;
  for (std::uint64_t i = 0, state = n + 1; i < 32; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    bytes += static_cast<char>(state >> 56U);
  }
  return to_hex(bytes);
}

// The label that gets a value of its own for nearly each value of `source`; "" when none does.
std::string exploding_label(const model::RelabelRule& rule, std::string_view source) {
  const auto& sources = rule.source_labels;
  if (rule.action != model::RelabelRule::Action::kLabelMap &&
      std::find(sources.begin(), sources.end(), source) == sources.end())
    return {};
  const auto rules = model::RelabelRules::compile({rule});
  if (!rules) return {};
  std::map<std::string, std::set<std::string>> values;
  for (std::uint64_t n = 0; n < kSamples; ++n) {
    model::LabelBuilder labels;
    labels.set(source, sample(source, n));
    if (!rules->apply(labels)) continue;
    for (const model::Label& label : labels.labels())
      if (!label.name.starts_with("__")) values[label.name].insert(label.value);
  }
  for (const auto& [name, different] : values)
    if (different.size() > kSamples / 2) return name;
  return {};
}

void warn_of_many(Diagnostics& diagnostics, const lang::Span& span, const std::string& label,
                  std::string_view source) {
  diagnostics.warning(span,
                      "label " + json_string(label) + " takes a value of its own for nearly each " +
                          std::string(source) + ": each makes a stream or series of its own",
                      "keep it in the line, or make it structured metadata");
}

void rules_with_many_values(const Rules& found, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < found.rules.size(); ++i) {
    for (const std::string_view source : kMany) {
      const std::string label = exploding_label(found.rules[i], source);
      if (label.empty()) continue;
      warn_of_many(diagnostics, found.blocks[i]->span, label, source);
      break;
    }
  }
}

void rules(const Configuration& configuration, Diagnostics& diagnostics) {
  const component::Schema<component::RuleArgs> schema = component::RuleArgs::schema();
  visit_blocks(configuration, [&](const Node&, const BlockNode&, const Body& body) {
    const Rules found = rules_in(body, schema);
    rules_without_effect(found, body, diagnostics);
    rules_with_many_values(found, diagnostics);
  });
}

void labels_with_many_values(const Configuration& configuration, Diagnostics& diagnostics) {
  visit_blocks(configuration, [&](const Node& node, const BlockNode& text, const Body& body) {
    const lang::Attribute* values = text.name == "stage.labels" ? body.find("values") : nullptr;
    if (values == nullptr || values->value.kind() != Value::Kind::kObject) return;
    for (const auto& [label, value] : values->value.object()) {
      const std::string source =
          value.kind() == Value::Kind::kString && !value.string().empty() ? value.string() : label;
      if (names_many(label) || names_many(source))
        warn_of_many(diagnostics, span_of_key(node, text, body, "values", label), label, source);
    }
  });
}

void unverified_certificates(const Configuration& configuration, Diagnostics& diagnostics) {
  visit_blocks(configuration, [&](const Node&, const BlockNode&, const Body& body) {
    const lang::Attribute* found = body.find("insecure_skip_verify");
    if (found == nullptr || found->value.kind() != Value::Kind::kBool || !found->value.boolean())
      return;
    diagnostics.warning(found->value_span,
                        "certificates are not verified: whoever is in the way can read and change "
                        "everything",
                        "name the authority to trust with ca_file");
  });
}

}  // namespace

void review(const Graph& graph, const std::vector<const Body*>& bodies, Diagnostics& diagnostics) {
  const Configuration configuration{graph, bodies};
  for (const auto lint : {rules, unused_components, docker_stage_behind_docker_source,
                          shared_syslog_ports, labels_with_many_values, unverified_certificates})
    lint(configuration, diagnostics);
}

}  // namespace agent::lint
