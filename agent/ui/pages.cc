#include "agent/ui/pages.h"

#include <array>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/secret.h"
#include "agent/base/strings.h"
#include "agent/wire/exposition.h"

namespace agent::ui {
namespace {

using io::ServerReply;
using io::ServerRequest;
using runtime::ComponentStatus;

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--line:#8884;--bad:#c62828;--good:#2e7d32}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
pre{overflow-x:auto;border:1px solid var(--line);border-radius:4px;padding:.8rem}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good)}
@media(prefers-color-scheme:dark){:root{--bad:#ef9a9a;--good:#a5d6a7}}
)css";

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : to_valid_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

ServerReply text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), {}};
}

ServerReply json(int status, std::string body) {
  return {status, "application/json", std::move(body), {}};
}

ServerReply html(int status, std::string_view title, const std::string& content) {
  std::string body = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
  body += escape(title);
  body += "</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body>";
  body += content + "</body></html>\n";
  return {status,
          "text/html; charset=utf-8",
          std::move(body),
          {{"Content-Security-Policy",
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"},
           {"Referrer-Policy", "no-referrer"}}};
}

std::string time_text(std::int64_t ns) {
  if (ns == 0) return {};
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  std::array<char, 32> buffer{};
  const std::size_t n = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return {buffer.data(), n};
}

std::string health_cell(const ComponentStatus& status) {
  if (status.healthy) return "<span class=\"good\">healthy</span>";
  return "<span class=\"bad\">unhealthy</span> " + escape(status.message);
}

std::string link(const std::string& id) {
  return "<a href=\"/component/" + escape(id) + "\">" + escape(id) + "</a>";
}

const component::FieldInfo* find_field(const std::vector<component::FieldInfo>& fields,
                                       std::string_view name) {
  for (const component::FieldInfo& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

// An argument that no table knows (inside a nested stage) is looked up in the enclosing table;
// unknown ones are masked.
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

std::string string_list_json(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ',';
    append_json_string(out, item);
  }
  return out + "]";
}

// Without the closing brace.
std::string summary_json(const ComponentStatus& status) {
  return "{\"name\":" + json_string(status.name) +
         ",\"type\":\"block\",\"localID\":" + json_string(status.name + "." + status.label) +
         ",\"moduleID\":" + json_string(status.module) + ",\"label\":" + json_string(status.label) +
         ",\"referencesTo\":" + string_list_json(status.references) +
         ",\"referencedBy\":" + string_list_json(status.referenced_by) +
         ",\"health\":{\"state\":\"" + (status.healthy ? "healthy" : "unhealthy") +
         "\",\"message\":" + json_string(to_valid_utf8(status.message)) +
         ",\"updatedTime\":" + json_string(time_text(status.since_ns)) + "}";
}

std::optional<ComponentStatus> find(const runtime::Runtime& runtime, const std::string& id) {
  for (ComponentStatus& status : runtime.status())
    if (status.id == id) return std::move(status);
  return std::nullopt;
}

}  // namespace

std::string arguments_text(const lang::Body& body,
                           const std::vector<component::FieldInfo>& fields) {
  std::string out;
  append_arguments(out, body, fields, 0);
  return out;
}

Pages::Pages(const runtime::Runtime& runtime, const component::Registry& registry,
             const component::Metrics& metrics, std::string version, Reload reload)
    : runtime_(runtime),
      registry_(registry),
      metrics_(metrics),
      version_(std::move(version)),
      reload_(std::move(reload)) {}

ServerReply Pages::handle(const ServerRequest& request) const {
  const std::string& path = request.path;
  if (path == "/-/reload") return reload(request);
  if (request.method != "GET" && request.method != "HEAD")
    return text(405, "only GET is allowed here\n");
  if (path == "/metrics")
    return {200, wire::kExpositionContentType, wire::write_exposition(metrics_.collect()), {}};
  if (path == "/-/ready" || path == "/ready") return ready();
  if (path == "/-/healthy" || path == "/healthy") return healthy();
  if (path == "/style.css") return {200, "text/css; charset=utf-8", std::string(kStyle), {}};
  if (path == "/api/v0/web/components") return components_json();
  constexpr std::string_view kApi = "/api/v0/web/components/";
  if (path.starts_with(kApi)) return component_json(path.substr(kApi.size()));
  if (const auto id = component::exporter_of_path(path); !id.empty()) return exporter(id);
  constexpr std::string_view kComponent = "/component/";
  if (path.starts_with(kComponent)) return component_page(path.substr(kComponent.size()));
  if (path == "/") return component_list();
  return html(404, "not found",
              "<h1>There is no such page</h1><p><a href=\"/\">All components</a></p>");
}

// Every component of the configuration has started; what became of it since is for /-/healthy.
ServerReply Pages::ready() const {
  if (!runtime_.loaded()) return text(503, "fleet-agent is not ready.\n");
  const auto waiting = runtime_.waiting();
  if (waiting.empty()) return text(200, "fleet-agent is ready.\n");
  std::string body = "fleet-agent is not ready: these cannot start yet:\n";
  for (const auto& [id, message] : waiting) body += id + ": " + message + "\n";
  return text(503, std::move(body));
}

ServerReply Pages::healthy() const {
  if (!runtime_.loaded()) return text(503, "no configuration runs yet\n");
  const auto unhealthy = runtime_.unhealthy();
  if (unhealthy.empty()) return text(200, "All fleet-agent components are healthy.\n");
  std::string body = "unhealthy components:\n";
  for (const auto& [id, message] : unhealthy) body += id + ": " + message + "\n";
  return text(500, std::move(body));
}

ServerReply Pages::reload(const ServerRequest& request) const {
  if (request.method != "POST") return text(405, "POST it: a reload changes something\n");
  // A page of another site that a browser on this host shows must not be able to do this.
  const std::string_view origin = request.header("origin");
  const bool foreign =
      !origin.empty() && !origin.ends_with("://" + std::string(request.header("host")));
  if (foreign || request.header("sec-fetch-site") == "cross-site")
    return text(403, "a reload cannot come from another site\n");
  const Reloaded reloaded = reload_();
  return reloaded.ok ? text(200, "config reloaded\n" + reloaded.report)
                     : text(400, reloaded.report);
}

ServerReply Pages::exporter(std::string_view id) const {
  const auto collector = runtime_.collectors().find(id);
  if (!collector) return text(404, "there is no exporter " + std::string(id) + "\n");
  const auto families = collector->collect({});
  if (!families) return text(500, families.error().message + "\n");
  return {200, wire::kExpositionContentType, wire::write_exposition(*families), {}};
}

ServerReply Pages::component_list() const {
  std::string content =
      "<h1>fleet-agent " + escape(version_) +
      "</h1><p><a href=\"/metrics\">metrics</a> · <a href=\"/-/healthy\">health</a></p><table>"
      "<thead><tr><th>component</th><th>health</th><th>refers to</th></tr></thead><tbody>";
  for (const ComponentStatus& status : runtime_.status()) {
    content += "<tr><td>" + link(status.id) + "</td><td>" + health_cell(status) + "</td><td>";
    for (const std::string& id : status.references) content += link(id) + " ";
    content += "</td></tr>";
  }
  return html(200, "fleet-agent", content + "</tbody></table>");
}

ServerReply Pages::component_page(const std::string& id) const {
  const auto status = find(runtime_, id);
  if (!status)
    return html(
        404, id,
        "<h1>There is no component " + escape(id) + "</h1><p><a href=\"/\">All components</a></p>");
  const component::Declaration* declaration = registry_.find(status->name);
  std::string content = "<p><a href=\"/\">All components</a></p><h1>" + escape(id) + "</h1><p>" +
                        escape(declaration->doc) + "</p><p>" + health_cell(*status) +
                        "</p><p>Declared at " + escape(status->place) +
                        "</p><h2>Arguments</h2><pre>" +
                        escape(arguments_text(status->arguments, declaration->fields())) +
                        "</pre><h2>Exports</h2><pre>";
  for (const auto& [name, value] : status->exports)
    content += escape(name + " = " + value.text()) + "\n";
  content += "</pre>";
  if (!status->debug_info.empty()) {
    content += "<h2>Now</h2><table><tbody>";
    for (const auto& [name, value] : status->debug_info)
      content += "<tr><th>" + escape(name) + "</th><td>" + escape(value) + "</td></tr>";
    content += "</tbody></table>";
  }
  if (!status->referenced_by.empty()) {
    content += "<h2>Referred to by</h2><p>";
    for (const std::string& other : status->referenced_by) content += link(other) + " ";
    content += "</p>";
  }
  return html(200, id, content);
}

ServerReply Pages::components_json() const {
  std::string out = "[";
  for (const ComponentStatus& status : runtime_.status()) {
    if (out.size() > 1) out += ',';
    out += summary_json(status) + "}";
  }
  return json(200, out + "]\n");
}

ServerReply Pages::component_json(const std::string& id) const {
  const auto status = find(runtime_, id);
  if (!status) return json(404, "{\"error\":\"there is no such component\"}\n");
  const component::Declaration* declaration = registry_.find(status->name);
  std::string out =
      summary_json(*status) + ",\"arguments\":" +
      json_string(to_valid_utf8(arguments_text(status->arguments, declaration->fields()))) +
      ",\"exports\":{";
  const char* separator = "";
  for (const auto& [name, value] : status->exports) {
    out += separator + json_string(name) + ":" + json_string(to_valid_utf8(value.text()));
    separator = ",";
  }
  out += "},\"debugInfo\":{";
  separator = "";
  for (const auto& [name, value] : status->debug_info) {
    out += separator + json_string(to_valid_utf8(name)) + ":" + json_string(to_valid_utf8(value));
    separator = ",";
  }
  return json(200, out + "}}\n");
}

}  // namespace agent::ui
