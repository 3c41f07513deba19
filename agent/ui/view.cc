#include "agent/ui/view.h"
#include "agent/ui/json_list.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "agent/base/secret.h"
#include "agent/base/strings.h"
#include "agent/runtime/redact.h"
#include "agent/ui/assets.h"
#include "agent/ui/figures.h"
#include "agent/ui/flow.h"
#include "agent/ui/site.h"

namespace agent::ui {
namespace {

using io::ServerReply;
using io::ServerRequest;
using model::MetricFamily;
using runtime::ComponentStatus;

constexpr std::string_view kApi = "/api/v0/ui/";

// --- JSON ---

std::string text(std::string_view value) {
  return json_string(to_valid_utf8(runtime::mask_userinfo(value)));
}

// What JSON cannot write is null.
std::string number(double value) {
  return std::isfinite(value) && value != -1 ? json_number(value) : "null";
}

std::string seconds(std::int64_t ns) { return json_number(static_cast<double>(ns) / 1e9); }

std::string health_json(const ComponentStatus& status) {
  return "\"healthy\":" + std::string(status.healthy ? "true" : "false") +
         ",\"message\":" + text(status.message) + ",\"since\":" + seconds(status.since_ns);
}

std::string rows_json(const std::vector<std::pair<std::string, std::string>>& rows) {
  return json_list(
      rows, [](const auto& row) { return "[" + text(row.first) + "," + text(row.second) + "]"; });
}

std::string series_json(const MetricFamily& family, const MetricFamily::Point& point) {
  std::string labels;
  point.each_label([&](const model::Label& label) {
    if (label.name == "component_id" || label.name == "component_path") return;
    labels += (labels.empty() ? "" : ", ") + label.name + "=" + json_string(label.value);
  });
  return "{\"name\":" + text(family.name + point.suffix) + ",\"labels\":" + text(labels) +
         ",\"value\":" + text(format_number(point.value)) + ",\"help\":" + text(family.help) + "}";
}

std::string fields_json(const std::vector<component::FieldInfo>& fields) {
  return json_list(fields, [](const component::FieldInfo& field) {
    const bool block = field.kind == component::FieldInfo::Kind::kBlock;
    return "{\"name\":" + text(field.name) + ",\"block\":" + (block ? "true" : "false") +
           ",\"type\":" + text(field.type) +
           ",\"required\":" + (field.required ? "true" : "false") +
           ",\"default\":" + text(field.default_value) + ",\"doc\":" + text(field.doc) +
           ",\"fields\":" + fields_json(field.fields) + "}";
  });
}

// --- arguments ---

const component::FieldInfo* find_field(const std::vector<component::FieldInfo>& fields,
                                       std::string_view name) {
  for (const component::FieldInfo& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

// What no table knows is masked.
void append_arguments(std::string& out, const lang::Body& body,
                      const std::vector<component::FieldInfo>& fields, int depth) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  for (const lang::Attribute& attribute : body.attributes) {
    const component::FieldInfo* field = find_field(fields, attribute.name);
    const bool secret = field == nullptr || field->type.find("secret") != std::string::npos;
    out += indent + attribute.name + " = " +
           (secret ? std::string(kSecretText) : attribute.value.text()) + "\n";
  }
  for (const lang::Block& block : body.blocks) {
    const component::FieldInfo* field = find_field(fields, block.name);
    out += indent + block.name;
    if (!block.label.empty()) out += " " + json_string(block.label);
    out += " {\n";
    append_arguments(out, block.body,
                     field != nullptr ? field->fields : std::vector<component::FieldInfo>(),
                     depth + 1);
    out += indent + "}\n";
  }
}

}  // namespace

std::string arguments_text(const lang::Body& body,
                           const std::vector<component::FieldInfo>& fields) {
  std::string out;
  append_arguments(out, body, fields, 0);
  return out;
}

View::View(const runtime::Runtime& runtime, const component::Registry& registry,
           const component::Metrics& metrics, std::string version)
    : runtime_(runtime), registry_(registry), metrics_(metrics), version_(std::move(version)) {}

std::optional<ServerReply> View::handle(const ServerRequest& request) const {
  std::string_view path = request.path;
  if (!path.starts_with(kApi)) return std::nullopt;
  path.remove_prefix(kApi.size());
  constexpr std::string_view kComponent = "component/";
  constexpr std::string_view kReference = "reference/";
  std::optional<std::string> body;
  if (path == "overview") {
    body = overview();
  } else if (path == "figures") {
    body = figures_json(runtime_.status(), metrics_.collect());
  } else if (path == "targets") {
    body = debug_info([](std::string_view name) { return name == "prometheus.scrape"; });
  } else if (path == "sources") {
    body = debug_info([](std::string_view name) {
      return name.starts_with("loki.source.") || name == "prometheus.receive_http" ||
             name == "loki.write" || name == "prometheus.remote_write";
    });
  } else if (path.starts_with(kComponent)) {
    body = component(path.substr(kComponent.size()));
  } else if (path.starts_with(kReference)) {
    body = reference(path.substr(kReference.size()));
  }
  ServerReply reply{200, "application/json", {}, page_headers()};
  if (!body) reply.status = 404;
  reply.body = body ? *body + "\n" : "{\"error\":\"there is no such thing\"}\n";
  return reply;
}

std::string View::overview() const {
  const std::vector<ComponentStatus> all = runtime_.status();
  const std::vector<MetricFamily> families = metrics_.collect();
  const std::vector<Edge> edges = edges_of(all);
  const Flows flows = flows_of(families, edges);
  const auto process = [&](std::string_view name) {
    for (const MetricFamily& family : families)
      if (family.name == name && !family.points.empty()) return number(family.points[0].value);
    return std::string("null");
  };
  std::string out = "{\"version\":" + text(version_) + ",\"pages\":" + text(assets_version()) +
                    ",\"loaded\":" + (runtime_.loaded() ? "true" : "false") +
                    ",\"cpu_seconds\":" + process("process_cpu_seconds_total") +
                    ",\"resident_bytes\":" + process("process_resident_memory_bytes") +
                    ",\"start\":" + process("process_start_time_seconds") + ",\"components\":";
  out += json_list(all, [&](const ComponentStatus& status) {
    const auto flow = flows.find(status.id);
    const Flow figures = flow == flows.end() ? Flow() : flow->second;
    return "{\"id\":" + text(status.id) + ",\"name\":" + text(status.name) +
           ",\"label\":" + text(status.label) + ",\"module\":" + text(status.module) + "," +
           health_json(status) + ",\"out\":" + number(figures.out) +
           ",\"bytes\":" + number(figures.bytes) + ",\"dropped\":" + number(figures.dropped) + "}";
  });
  out += ",\"edges\":" + json_list(edges, [](const Edge& edge) {
           return "{\"from\":" + text(edge.from) + ",\"to\":" + text(edge.to) +
                  ",\"kind\":" + text(edge.kind) + "}";
         });
  return out + "}";
}

std::string View::debug_info(bool (*wanted)(std::string_view name)) const {
  std::vector<ComponentStatus> all = runtime_.status();
  std::erase_if(all, [&](const ComponentStatus& status) { return !wanted(status.name); });
  return json_list(all, [](const ComponentStatus& status) {
    return "{\"id\":" + text(status.id) + ",\"name\":" + text(status.name) + "," +
           health_json(status) + ",\"rows\":" + rows_json(status.debug_info) + "}";
  });
}

std::optional<std::string> View::component(std::string_view id) const {
  const std::vector<ComponentStatus> all = runtime_.status();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const ComponentStatus& status) { return status.id == id; });
  if (found == all.end()) return std::nullopt;
  const component::Declaration* declaration = registry_.find(found->name);
  std::string metrics;
  for (const MetricFamily& family : metrics_.collect())
    for (const MetricFamily::Point& point : family.points)
      if (component_of(point) == id)
        metrics += (metrics.empty() ? "" : ",") + series_json(family, point);
  return "{\"id\":" + text(found->id) + ",\"name\":" + text(found->name) +
         ",\"label\":" + text(found->label) + ",\"module\":" + text(found->module) +
         ",\"doc\":" + text(declaration->doc) + ",\"place\":" + text(found->place) + "," +
         health_json(*found) + ",\"history\":" +
         json_list(found->history,
                   [](const component::Health::State& state) {
                     return "{\"healthy\":" + std::string(state.healthy ? "true" : "false") +
                            ",\"message\":" + text(state.message) +
                            ",\"since\":" + seconds(state.since_ns) + "}";
                   }) +
         ",\"references\":" + json_list(found->references, text) +
         ",\"referenced_by\":" + json_list(found->referenced_by, text) +
         ",\"arguments\":" + text(arguments_text(found->arguments, declaration->fields())) +
         ",\"exports\":" +
         json_list(found->exports,
                   [](const auto& exported) {
                     return "[" + text(exported.first) + "," + text(exported.second.text()) + "]";
                   }) +
         ",\"rows\":" + rows_json(found->debug_info) + ",\"metrics\":[" + metrics + "]}";
}

std::optional<std::string> View::reference(std::string_view name) const {
  const component::Declaration* declaration = registry_.find(name);
  if (declaration == nullptr) return std::nullopt;
  return "{\"name\":" + text(declaration->name) + ",\"doc\":" + text(declaration->doc) +
         ",\"fields\":" + fields_json(declaration->fields()) + ",\"exports\":" +
         json_list(declaration->exports,
                   [](const component::ExportInfo& info) {
                     return "{\"name\":" + text(info.name) + ",\"type\":" + text(info.type) +
                            ",\"doc\":" + text(info.doc) + "}";
                   }) +
         "}";
}

}  // namespace agent::ui
