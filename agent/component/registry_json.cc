#include "agent/component/registry_json.h"

#include "agent/base/strings.h"

namespace agent::component {
namespace {

void member(std::string& out, std::string_view key, std::string_view text) {
  if (out.back() != '{') out += ", ";
  append_json_string(out, key);
  out += ": ";
  append_json_string(out, text);
}

void member(std::string& out, std::string_view key, bool value) {
  if (out.back() != '{') out += ", ";
  append_json_string(out, key);
  out += value ? ": true" : ": false";
}

void write_fields(std::string& out, const std::vector<FieldInfo>& fields) {
  out += ", \"fields\": [";
  for (const FieldInfo& field : fields) {
    out += out.back() == '[' ? "{" : ", {";
    const bool attribute = field.kind == FieldInfo::Kind::kAttribute;
    member(out, "kind", std::string_view(attribute ? "attribute" : "block"));
    member(out, "name", field.name);
    if (attribute) member(out, "type", field.type);
    member(out, "required", field.required);
    if (attribute && !field.required) member(out, "default", field.default_value);
    member(out, "doc", field.doc);
    if (!attribute) {
      member(out, "repeated", field.repeated);
      write_fields(out, field.fields);
    }
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string registry_json(const Registry& registry) {
  std::string out = "[";
  for (const Declaration& declaration : registry.all()) {
    out += out.size() == 1 ? "\n{" : ",\n{";
    member(out, "name", declaration.name);
    member(out, "doc", declaration.doc);
    write_fields(out, declaration.fields());
    out += ", \"exports\": [";
    for (const ExportInfo& exported : declaration.exports) {
      out += out.back() == '[' ? "{" : ", {";
      member(out, "name", exported.name);
      member(out, "type", exported.type);
      member(out, "doc", exported.doc);
      out += '}';
    }
    out += "]}";
  }
  return out + "\n]";
}

}  // namespace agent::component
