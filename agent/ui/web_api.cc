#include "agent/ui/web_api.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "agent/base/secret.h"
#include "agent/base/strings.h"
#include "agent/runtime/redact.h"
#include "agent/ui/json_list.h"

namespace agent::ui {
namespace {

using component::FieldInfo;
using io::ServerReply;
using io::ServerRequest;
using lang::Value;
using runtime::ComponentStatus;

std::string text(std::string_view value) {
  return json_string(to_valid_utf8(runtime::mask_userinfo(value)));
}

// Go's zero time for what never happened.
std::string time_text(std::int64_t ns) {
  if (ns == 0) return "0001-01-01T00:00:00Z";
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  std::array<char, 32> buffer{};
  const std::size_t n = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return {buffer.data(), n};
}

// --- alloyjson: {"type": ..., "value": ...}

std::string value_json(const Value& value);

std::string typed(std::string_view type, const std::string& value) {
  return "{\"type\":" + json_string(type) + ",\"value\":" + value + "}";
}

std::string value_json(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return typed("null", "null");
    case Value::Kind::kBool:
      return typed("bool", value.boolean() ? "true" : "false");
    case Value::Kind::kInt:
    case Value::Kind::kUint:
    case Value::Kind::kFloat:
      return typed("number", value.text());
    case Value::Kind::kString:
      return typed("string", text(value.string()));
    case Value::Kind::kList:
      return typed("array", json_list(value.list(), value_json));
    case Value::Kind::kObject:
      return typed("object", json_list(value.object(), [](const Value::Member& member) {
                     return "{\"key\":" + text(member.first) +
                            ",\"value\":" + value_json(member.second) + "}";
                   }));
    case Value::Kind::kFunction:
      return typed("function", text(value.text()));
    case Value::Kind::kSecret:
    case Value::Kind::kCapsule:
    case Value::Kind::kPlaceholder:
      break;
  }
  return typed("capsule", text(value.text()));
}

std::string attribute_json(std::string_view name, const std::string& value) {
  return "{\"name\":" + text(name) + ",\"type\":\"attr\",\"value\":" + value + "}";
}

const FieldInfo* find_field(const std::vector<FieldInfo>& fields, std::string_view name) {
  for (const FieldInfo& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

// What no schema knows is masked like a secret.
std::string body_json(const lang::Body& body, const std::vector<FieldInfo>& fields) {
  std::vector<std::string> statements;
  for (const lang::Attribute& attribute : body.attributes) {
    const FieldInfo* field = find_field(fields, attribute.name);
    const bool secret = field == nullptr || field->type.find("secret") != std::string::npos;
    statements.push_back(attribute_json(attribute.name, secret ? typed("capsule", text(kSecretText))
                                                               : value_json(attribute.value)));
  }
  for (const lang::Block& block : body.blocks) {
    const FieldInfo* field = find_field(fields, block.name);
    std::string out = "{\"name\":" + text(block.name) + ",\"type\":\"block\"";
    if (!block.label.empty()) out += ",\"label\":" + text(block.label);
    out += ",\"body\":" +
           body_json(block.body, field == nullptr ? std::vector<FieldInfo>() : field->fields) + "}";
    statements.push_back(std::move(out));
  }
  return json_list(statements, [](const std::string& one) { return one; });
}

// --- modules: "shop.a/inner.b" is the module inner.b in the module shop.a

std::string_view parent_of(std::string_view module) {
  const auto slash = module.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : module.substr(0, slash);
}

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The name within `module` of what holds `id`, or is it; "" when that is elsewhere.
std::string local_name(std::string_view id, std::string_view module) {
  if (!module.empty()) {
    if (!id.starts_with(module) || id.substr(module.size(), 1) != "/") return {};
    id.remove_prefix(module.size() + 1);
  } else if (id.starts_with(std::string(runtime::kRemotecfg) + "/")) {
    return {};  // beside the configuration, not in it
  }
  return std::string(id.substr(0, id.find('/')));
}

std::set<std::string> local_names(const std::vector<std::string>& ids, std::string_view module) {
  std::set<std::string> out;
  for (const std::string& id : ids)
    if (std::string name = local_name(id, module); !name.empty()) out.insert(std::move(name));
  return out;
}

// An entry of a module's list.
struct Entry {
  std::string name, label, local, module;
  std::set<std::string> references, referenced_by;
  bool healthy = true;
  std::string message;
  std::int64_t since_ns = 0;
  std::string created;  // the module that it holds; "" for a built-in component
};

// Without the closing brace.
std::string head_json(const Entry& entry) {
  std::string out = "{\"name\":" + text(entry.name) +
                    ",\"type\":\"block\",\"localID\":" + text(entry.local) +
                    ",\"moduleID\":" + text(entry.module);
  if (!entry.label.empty()) out += ",\"label\":" + text(entry.label);
  out += ",\"referencesTo\":" + json_list(entry.references, text) +
         ",\"referencedBy\":" + json_list(entry.referenced_by, text) + ",\"health\":{\"state\":\"" +
         (entry.healthy ? "healthy" : "unhealthy") + "\",\"message\":" + text(entry.message) +
         ",\"updatedTime\":" + text(time_text(entry.since_ns)) + "},\"original\":\"\"";
  if (!entry.created.empty()) out += ",\"createdModuleIDs\":[" + text(entry.created) + "]";
  return out;
}

// The members behind the head.
std::string inside_json(const ComponentStatus& status, const component::Declaration& declaration) {
  std::string out = ",\"arguments\":" + body_json(status.arguments, declaration.fields()) +
                    ",\"exports\":" + json_list(status.exports, [](const auto& member) {
                      return attribute_json(member.first, value_json(member.second));
                    });
  if (!status.debug_info.empty())
    out += ",\"debugInfo\":" + json_list(status.debug_info, [](const auto& row) {
             return attribute_json(row.first, typed("string", text(row.second)));
           });
  return out;
}

// All of `module`, in the order of the graph; what is deeper stands for what holds it.
std::vector<Entry> entries_of(const std::vector<ComponentStatus>& all, std::string_view module,
                              bool& known) {
  std::vector<Entry> out;
  std::map<std::string, std::size_t> places;
  known = module.empty();
  for (const ComponentStatus& status : all) {
    const std::string local = local_name(status.id, module);
    if (local.empty()) continue;
    known = true;
    const auto [at, first] = places.emplace(local, out.size());
    if (first) {
      Entry entry;
      entry.local = local;
      entry.module = module;
      const bool built_in = status.module == module;
      const auto dot = local.rfind('.');
      entry.name = built_in ? status.name : local.substr(0, dot);
      entry.label = built_in || dot == std::string::npos ? status.label : local.substr(dot + 1);
      if (!built_in) entry.created = (module.empty() ? "" : std::string(module) + "/") + local;
      out.push_back(std::move(entry));
    }
    Entry& entry = out[at->second];
    entry.references.merge(local_names(status.references, module));
    entry.referenced_by.merge(local_names(status.referenced_by, module));
    entry.references.erase(local);
    entry.referenced_by.erase(local);
    if (entry.healthy && !status.healthy) {
      entry.healthy = false;
      entry.message = entry.created.empty() ? status.message : status.id + ": " + status.message;
    }
    entry.since_ns = std::max(entry.since_ns, status.since_ns);
  }
  return out;
}

}  // namespace

std::optional<ServerReply> WebApi::handle(const ServerRequest& request) const {
  constexpr std::string_view kApi = "/api/v0/web/";
  std::string_view path = request.path;
  if (!path.starts_with(kApi)) return std::nullopt;
  path.remove_prefix(kApi.size());
  constexpr std::string_view kComponent = "components/";
  constexpr std::string_view kRemoteComponent = "remotecfg/components/";
  constexpr std::string_view kModule = "modules/";
  constexpr std::string_view kOfModule = "/components";
  std::optional<std::string> body;
  if (path == "components") {
    body = components("");
  } else if (path.starts_with(kComponent)) {
    body = component(path.substr(kComponent.size()));
  } else if (path.starts_with(kModule) && path.ends_with(kOfModule) &&
             path.size() > kModule.size() + kOfModule.size()) {
    path.remove_prefix(kModule.size());
    path.remove_suffix(kOfModule.size());
    body = components(path);
  } else if (path == "remotecfg/components") {
    body = components(runtime::kRemotecfg).value_or("[]");
  } else if (path.starts_with(kRemoteComponent)) {
    body = component(path.substr(kRemoteComponent.size()));
  } else if (path == "peers") {
    // An agent works alone: it is the one member.
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
    body = "[{\"name\":" + text(name.data()) + ",\"addr\":" + text(request.header("host")) +
           ",\"isSelf\":true,\"state\":\"participant\"}]";
  }
  if (!body)
    return ServerReply{404, "application/json", "{\"error\":\"there is no such thing\"}\n", {}};
  return ServerReply{200, "application/json", *body + "\n", {}};
}

std::optional<std::string> WebApi::components(std::string_view module) const {
  bool known = false;
  const std::vector<Entry> entries = entries_of(runtime_.status(), module, known);
  if (!known) return std::nullopt;
  return json_list(entries, [](const Entry& entry) { return head_json(entry) + "}"; });
}

std::optional<std::string> WebApi::component(std::string_view id) const {
  const std::vector<ComponentStatus> all = runtime_.status();
  const std::string_view module = parent_of(id);
  bool known = false;
  for (const Entry& entry : entries_of(all, module, known)) {
    if (entry.local != last_of(id)) continue;
    std::string out = head_json(entry);
    for (const ComponentStatus& status : all)
      if (status.id == id) out += inside_json(status, *registry_.find(status.name));
    return out + "}";
  }
  return std::nullopt;
}

std::string WebApi::details() const {
  return json_list(runtime_.status(), [&](const ComponentStatus& status) {
    Entry entry;
    entry.name = status.name;
    entry.label = status.label;
    entry.local = status.id;
    entry.module = status.module;
    entry.references.insert(status.references.begin(), status.references.end());
    entry.referenced_by.insert(status.referenced_by.begin(), status.referenced_by.end());
    entry.healthy = status.healthy;
    entry.message = status.message;
    entry.since_ns = status.since_ns;
    return head_json(entry) + inside_json(status, *registry_.find(status.name)) + "}";
  });
}

}  // namespace agent::ui
