#include "agent/component/schema.h"

#include <map>
#include <set>

#include "agent/base/strings.h"

namespace agent::component {
namespace {

std::string suggestion(std::string_view name, const std::vector<const FieldInfo*>& known,
                       FieldInfo::Kind kind) {
  std::vector<std::string_view> names;
  for (const FieldInfo* info : known) {
    if (info->kind == kind) names.push_back(info->name);
    if (info->name == name) {
      return info->kind == FieldInfo::Kind::kBlock
                 ? "\"" + std::string(name) + "\" is a block: write " + std::string(name) +
                       " { ... }"
                 : "\"" + std::string(name) + "\" is an attribute: write " + std::string(name) +
                       " = ...";
    }
  }
  const std::string_view near = nearest(name, names);
  return near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?";
}

bool value_has_placeholder(const lang::Value& value) {
  switch (value.kind()) {
    case lang::Value::Kind::kPlaceholder:
      return true;
    case lang::Value::Kind::kList:
      for (const lang::Value& item : value.list())
        if (value_has_placeholder(item)) return true;
      return false;
    case lang::Value::Kind::kObject:
      for (const auto& [key, member] : value.object())
        if (value_has_placeholder(member)) return true;
      return false;
    default:
      return false;
  }
}

}  // namespace

void check_names(const lang::Body& body, const std::vector<const FieldInfo*>& known,
                 lang::Diagnostics& diagnostics) {
  std::map<std::string_view, const FieldInfo*> attributes;
  std::map<std::string_view, const FieldInfo*> blocks;
  for (const FieldInfo* info : known)
    (info->kind == FieldInfo::Kind::kBlock ? blocks : attributes).emplace(info->name, info);

  std::set<std::string_view> seen;
  for (const lang::Attribute& attribute : body.attributes) {
    if (!attributes.contains(attribute.name)) {
      diagnostics.error(attribute.name_span,
                        "unrecognized attribute name \"" + attribute.name + "\"",
                        suggestion(attribute.name, known, FieldInfo::Kind::kAttribute));
    }
    if (!seen.insert(attribute.name).second) {
      diagnostics.error(attribute.name_span,
                        "attribute \"" + attribute.name + "\" may only be provided once");
    }
  }
  std::set<std::string_view> seen_blocks;
  for (const lang::Block& block : body.blocks) {
    const auto it = blocks.find(block.name);
    if (it == blocks.end()) {
      diagnostics.error(block.span, "unrecognized block name \"" + block.name + "\"",
                        suggestion(block.name, known, FieldInfo::Kind::kBlock));
      continue;
    }
    if (!seen_blocks.insert(block.name).second && !it->second->repeated) {
      diagnostics.error(block.span, "block \"" + block.name + "\" may only be specified once");
    }
  }
  for (const FieldInfo* info : known) {
    if (!info->required) continue;
    if (info->kind == FieldInfo::Kind::kAttribute && !seen.contains(info->name))
      diagnostics.error(body.span, "missing required attribute \"" + info->name + "\"");
    if (info->kind == FieldInfo::Kind::kBlock && !seen_blocks.contains(info->name))
      diagnostics.error(body.span, "missing required block \"" + info->name + "\"");
  }
}

bool has_placeholder(const lang::Body& body) {
  for (const lang::Attribute& attribute : body.attributes)
    if (value_has_placeholder(attribute.value)) return true;
  for (const lang::Block& block : body.blocks)
    if (has_placeholder(block.body)) return true;
  return false;
}

}  // namespace agent::component
