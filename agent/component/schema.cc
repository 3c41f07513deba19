#include "agent/component/schema.h"

#include <algorithm>

#include "agent/base/strings.h"

namespace agent::component {
namespace {

constexpr std::size_t kUsualFields = 16;

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
  const auto place = [&known](std::string_view name, FieldInfo::Kind kind) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const FieldInfo* info) {
      return info->kind == kind && info->name == name;
    });
    return static_cast<std::size_t>(found - known.begin());
  };
  std::vector<bool> seen(known.size());
  for (const lang::Attribute& attribute : body.attributes) {
    const std::size_t at = place(attribute.name, FieldInfo::Kind::kAttribute);
    if (at == known.size()) {
      diagnostics.error(attribute.name_span,
                        "unrecognized attribute name \"" + attribute.name + "\"",
                        suggestion(attribute.name, known, FieldInfo::Kind::kAttribute));
    } else if (seen[at]) {
      diagnostics.error(attribute.name_span,
                        "attribute \"" + attribute.name + "\" may only be provided once");
    } else {
      seen[at] = true;
    }
  }
  for (const lang::Block& block : body.blocks) {
    const std::size_t at = place(block.name, FieldInfo::Kind::kBlock);
    if (at == known.size()) {
      diagnostics.error(block.span, "unrecognized block name \"" + block.name + "\"",
                        suggestion(block.name, known, FieldInfo::Kind::kBlock));
    } else if (seen[at] && !known[at]->repeated) {
      diagnostics.error(block.span, "block \"" + block.name + "\" may only be specified once");
    } else {
      seen[at] = true;
    }
  }
  for (std::size_t at = 0; at < known.size(); ++at) {
    if (!known[at]->required || seen[at]) continue;
    const bool block = known[at]->kind == FieldInfo::Kind::kBlock;
    diagnostics.error(body.span, std::string("missing required ") +
                                     (block ? "block" : "attribute") + " \"" + known[at]->name +
                                     "\"");
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
  if (fields_.empty()) fields_.reserve(kUsualFields);
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
