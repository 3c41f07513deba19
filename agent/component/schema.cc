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

std::vector<FieldInfo> SchemaFields::info() const {
  std::vector<FieldInfo> out;
  for (const SchemaField& field : fields_) {
    FieldInfo copy = field.info;
    if (field.nested) copy.fields = field.nested();
    out.push_back(std::move(copy));
  }
  return out;
}

void SchemaFields::decode(const lang::Body& body, void* args,
                          lang::Diagnostics& diagnostics) const {
  std::vector<const FieldInfo*> known;
  known.reserve(fields_.size());
  for (const SchemaField& field : fields_) known.push_back(&field.info);
  check_names(body, known, diagnostics);
  const auto member = [args](const SchemaField& field) {
    return static_cast<char*>(args) + field.offset;
  };
  for (const lang::Attribute& attribute : body.attributes)
    for (const SchemaField& field : fields_)
      if (field.decode_attribute != nullptr && field.info.name == attribute.name)
        field.decode_attribute(attribute, member(field), diagnostics);
  for (const lang::Block& block : body.blocks)
    for (const SchemaField& field : fields_)
      if (field.decode_block && field.info.name == block.name)
        field.decode_block(block, member(field), diagnostics);
}

void SchemaFields::add(SchemaField field, const void* defaults) {
  if (field.text != nullptr)
    field.info.default_value = field.text(static_cast<const char*>(defaults) + field.offset);
  fields_.push_back(std::move(field));
}

void SchemaFields::include(const SchemaFields& inner, std::size_t offset, const void* defaults) {
  for (SchemaField field : inner.fields_) {
    field.offset += offset;
    add(std::move(field), defaults);  // the including struct may have a default of its own
  }
}

void SchemaFields::add_ignored(std::string name, std::string doc) {
  SchemaField field;
  field.info.name = std::move(name);
  field.info.type = "any";
  field.info.doc = std::move(doc);
  field.decode_attribute = [](const lang::Attribute&, void*, lang::Diagnostics&) {};
  fields_.push_back(std::move(field));
}

void SchemaFields::add_ignored_block(std::string name, std::string doc) {
  SchemaField field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.repeated = true;
  field.info.doc = std::move(doc);
  field.decode_block = [](const lang::Block&, void*, lang::Diagnostics&) {};
  fields_.push_back(std::move(field));
}

void SchemaFields::add_refused_block(std::string name, std::string why) {
  SchemaField field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.doc = "Refused: " + why;
  field.decode_block = [why = std::move(why)](const lang::Block& block, void*,
                                              lang::Diagnostics& diagnostics) {
    diagnostics.error(block.span, "the block " + block.name + " is not supported: " + why);
  };
  fields_.push_back(std::move(field));
}

bool has_placeholder(const lang::Body& body) {
  for (const lang::Attribute& attribute : body.attributes)
    if (value_has_placeholder(attribute.value)) return true;
  for (const lang::Block& block : body.blocks)
    if (has_placeholder(block.body)) return true;
  return false;
}

}  // namespace agent::component
