#include "agent/ui/flow.h"

#include <algorithm>
#include <array>

namespace agent::ui {
namespace {

using model::MetricFamily;
using runtime::ComponentStatus;

struct FlowCounter {
  std::string_view name;
  double Flow::*figure;
};
constexpr std::array kFlowCounters{
    FlowCounter{"alloy_prometheus_relabel_metrics_written", &Flow::out},
    FlowCounter{"loki_echo_entries_total", &Flow::out},
    FlowCounter{"loki_process_dropped_lines_total", &Flow::dropped},
    FlowCounter{"loki_process_sent_lines_total", &Flow::out},
    FlowCounter{"loki_relabel_entries_dropped_total", &Flow::dropped},
    FlowCounter{"loki_relabel_entries_written", &Flow::out},
    FlowCounter{"loki_secretfilter_lines_dropped_total", &Flow::dropped},
    FlowCounter{"loki_source_api_entries_written", &Flow::out},
    FlowCounter{"loki_source_docker_entries_dropped_total", &Flow::dropped},
    FlowCounter{"loki_source_docker_target_entries_total", &Flow::out},
    FlowCounter{"loki_source_file_read_lines_total", &Flow::out},
    FlowCounter{"loki_source_journal_target_lines_total", &Flow::out},
    FlowCounter{"loki_source_syslog_entries_total", &Flow::out},
    FlowCounter{"loki_write_dropped_entries_total", &Flow::dropped},
    FlowCounter{"loki_write_sent_bytes_total", &Flow::bytes},
    FlowCounter{"loki_write_sent_entries_total", &Flow::out},
    FlowCounter{"prometheus_forwarded_samples_total", &Flow::out},
    FlowCounter{"prometheus_remote_storage_bytes_total", &Flow::bytes},
    FlowCounter{"prometheus_remote_storage_samples_dropped_total", &Flow::dropped},
    FlowCounter{"prometheus_remote_storage_samples_failed_total", &Flow::dropped},
    FlowCounter{"prometheus_remote_storage_samples_lost_total", &Flow::dropped},
    FlowCounter{"prometheus_remote_storage_samples_total", &Flow::out},
};

template <class Use>
void each_capsule(const lang::Value& value, const Use& use) {
  switch (value.kind()) {
    case lang::Value::Kind::kCapsule:
      use(value.capsule());
      break;
    case lang::Value::Kind::kList:
      for (const lang::Value& item : value.list()) each_capsule(item, use);
      break;
    case lang::Value::Kind::kObject:
      for (const auto& [name, member] : value.object()) each_capsule(member, use);
      break;
    default:
      break;
  }
}

template <class Use>
void each_capsule(const lang::Body& body, const Use& use) {
  for (const lang::Attribute& attribute : body.attributes) each_capsule(attribute.value, use);
  for (const lang::Block& block : body.blocks) each_capsule(block.body, use);
}

std::string_view kind_of(const lang::Capsule& capsule) {
  if (capsule.type == component::CapsuleName<component::LogReceiver>::kName) return "logs";
  if (capsule.type == component::CapsuleName<component::MetricsReceiver>::kName) return "metrics";
  return "values";
}

// A component that counts nothing of what it passes on passes on what comes in, but for what it
// dropped. Each round knows one more at least, or is the last.
void pass_on(Flows& flows, const std::vector<Edge>& edges) {
  const auto out_of = [&](std::string_view id) {
    const auto found = flows.find(id);
    return found == flows.end() ? -1 : found->second.out;
  };
  for (bool more = true; more;) {
    more = false;
    std::map<std::string_view, double> incoming;  // -1: not all of it is known
    for (const Edge& edge : edges) {
      if (edge.kind == "values" || out_of(edge.to) >= 0) continue;
      double& sum = incoming.try_emplace(edge.to, 0.0).first->second;
      const double part = out_of(edge.from);
      sum = sum < 0 || part < 0 ? -1 : sum + part;
    }
    for (const auto& [id, sum] : incoming) {
      if (sum < 0) continue;
      Flow& flow = flows[std::string(id)];
      flow.out = std::max(0.0, sum - flow.dropped);
      more = true;
    }
  }
}

}  // namespace

// "" when the series is not a component's.
std::string component_of(const MetricFamily::Point& point) {
  std::string path, local;
  point.each_label([&](const model::Label& label) {
    if (label.name == "component_path") path = label.value;
    if (label.name == "component_id") local = label.value;
  });
  return path.size() <= 1 ? local : path.substr(1) + "/" + local;
}

// A receiver that an argument holds is one that another component exports.
std::vector<Edge> edges_of(const std::vector<ComponentStatus>& all) {
  std::map<const void*, std::string_view> owners;
  for (const ComponentStatus& status : all)
    for (const auto& [name, value] : status.exports)
      each_capsule(value, [&](const lang::Capsule& capsule) {
        if (kind_of(capsule) != "values") owners.emplace(capsule.object.get(), status.id);
      });
  std::vector<Edge> out;
  for (const ComponentStatus& status : all) {
    std::vector<std::string_view> receivers;
    each_capsule(status.arguments, [&](const lang::Capsule& capsule) {
      const auto owner = owners.find(capsule.object.get());
      if (owner == owners.end()) return;
      if (std::find(receivers.begin(), receivers.end(), owner->second) != receivers.end()) return;
      receivers.push_back(owner->second);
      out.push_back({status.id, owner->second, kind_of(capsule)});
    });
    for (const std::string& other : status.references)
      if (std::find(receivers.begin(), receivers.end(), other) == receivers.end())
        out.push_back({other, status.id, "values"});
  }
  return out;
}

Flows flows_of(const std::vector<MetricFamily>& families, const std::vector<Edge>& edges) {
  Flows out;
  for (const MetricFamily& family : families) {
    const auto counter =
        std::find_if(kFlowCounters.begin(), kFlowCounters.end(),
                     [&](const FlowCounter& known) { return known.name == family.name; });
    if (counter == kFlowCounters.end()) continue;
    for (const MetricFamily::Point& point : family.points) {
      double& figure = out[component_of(point)].*(counter->figure);
      figure = std::max(figure, 0.0) + point.value;
    }
  }
  pass_on(out, edges);
  return out;
}

}  // namespace agent::ui
