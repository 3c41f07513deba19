#include "agent/discovery/target_groups.h"

#include "agent/base/strings.h"
#include "agent/lang/documents.h"

namespace agent::discovery {
namespace {

using lang::Value;
using Kind = Value::Kind;

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::kInvalid, std::move(message));
}

Result<> add_group(const Value& group, const model::Label& extra, std::vector<model::Target>& out) {
  if (group.kind() != Kind::kObject)
    return wrong("expected an object, got " + std::string(group.kind_name()));
  for (const auto& [name, value] : group.object())
    if (name != "targets" && name != "labels") return wrong("unknown field " + json_string(name));

  model::LabelBuilder labels;
  if (const Value* given = group.find("labels"); given != nullptr && !given->is_null()) {
    if (given->kind() != Kind::kObject) return wrong("labels must be an object of strings");
    for (const auto& [name, value] : given->object()) {
      if (value.is_null()) continue;
      if (value.kind() != Kind::kString)
        return wrong("label " + json_string(name) + " must be a string");
      if (name.empty() || !is_valid_utf8(name) || !is_valid_utf8(value.string()))
        return wrong("label " + json_string(name) + " is not valid");
      labels.set(name, value.string());
    }
  }
  labels.set(extra.name, extra.value);

  const Value* targets = group.find("targets");
  if (targets == nullptr || targets->is_null()) return {};
  if (targets->kind() != Kind::kList) return wrong("targets must be a list of strings");
  for (const Value& target : targets->list()) {
    if (target.kind() != Kind::kString || !is_valid_utf8(target.string()))
      return wrong("targets must be a list of strings");
    if (out.size() == kMaxTargets)
      return fail(ErrorCode::kExhausted, "more targets than " + std::to_string(kMaxTargets));
    model::LabelBuilder one = labels;
    one.set("__address__", target.string());
    out.push_back(std::move(one).take());
  }
  return {};
}

}  // namespace

Result<std::vector<model::Target>> parse_target_groups(const std::string& text, ListFormat format,
                                                       const model::Label& extra) {
  const std::size_t limit = format == ListFormat::kJson ? kMaxJsonList : kMaxYamlList;
  if (text.size() > limit)
    return fail(ErrorCode::kExhausted, "more bytes than " + std::to_string(limit));
  const auto document = format == ListFormat::kJson
                            ? lang::value_of_json(text)
                            : lang::value_of_yaml(text, lang::YamlScalars::kAsWritten);
  if (!document) return fail(document.error());
  std::vector<model::Target> out;
  if (document->is_null()) return out;
  if (document->kind() != Kind::kList)
    return wrong("expected a list of groups, got " + std::string(document->kind_name()));
  for (std::size_t i = 0; i < document->list().size(); ++i)
    if (auto added = add_group(document->list()[i], extra, out); !added)
      return fail(std::move(added.error()).within("group " + std::to_string(i + 1)));
  return out;
}

}  // namespace agent::discovery
