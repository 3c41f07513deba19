// The templates of schema.h.
#pragma once

namespace agent::component {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {
  using Element = T;
};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {
  using Element = T;
};

template <class Args>
template <class T>
Schema<Args>& Schema<Args>::attribute(std::string name, T Args::*member, std::string doc,
                                      bool required) {
  Field field;
  field.info.name = std::move(name);
  field.info.type = Decoder<T>::type_name();
  field.info.required = required;
  field.info.doc = std::move(doc);
  if (!required) {
    field.text = [member](const Args& args) { return Decoder<T>::text(args.*member); };
    field.info.default_value = field.text(Args{});
  }
  field.decode_attribute = [member](const lang::Attribute& attribute, Args& args,
                                    lang::Diagnostics& diagnostics) {
    if (attribute.value.is_null()) {
      args.*member = T{};
      return;
    }
    Decoder<T>::decode(attribute.value, attribute.value_span, args.*member, diagnostics);
  };
  fields_.push_back(std::move(field));
  return *this;
}

template <class Args>
template <class T>
Schema<Args>& Schema<Args>::add_block(std::string name, T Args::*member, std::string doc,
                                      bool required) {
  Field field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.required = required;
  field.info.repeated = IsVector<T>::value;
  field.info.doc = std::move(doc);
  if constexpr (IsVector<T>::value || IsOptional<T>::value) {
    using Element =
        typename std::conditional_t<IsVector<T>::value, IsVector<T>, IsOptional<T>>::Element;
    field.nested = [] { return Element::schema().info(); };
    field.decode_block = [member](const lang::Block& block, Args& args,
                                  lang::Diagnostics& diagnostics) {
      Element element{};
      component::decode(block.body, element, diagnostics);
      if constexpr (IsVector<T>::value) {
        (args.*member).push_back(std::move(element));
      } else {
        args.*member = std::move(element);
      }
    };
  } else {
    field.nested = [] { return T::schema().info(); };
    field.decode_block = [member](const lang::Block& block, Args& args,
                                  lang::Diagnostics& diagnostics) {
      component::decode(block.body, args.*member, diagnostics);
    };
  }
  fields_.push_back(std::move(field));
  return *this;
}

template <class Args>
template <class Element>
Schema<Args>& Schema<Args>::variants(std::vector<Element> Args::*member,
                                     const std::vector<Variant<Element>>& kinds) {
  for (const Variant<Element>& kind : kinds) {
    Field field;
    field.info.kind = FieldInfo::Kind::kBlock;
    field.info.name = kind.name;
    field.info.repeated = true;
    field.info.doc = kind.doc;
    field.nested = kind.fields;
    field.decode_block = [member, decode_element = kind.decode](
                             const lang::Block& block, Args& args, lang::Diagnostics& diagnostics) {
      decode_element(block, args.*member, diagnostics);
    };
    fields_.push_back(std::move(field));
  }
  return *this;
}

template <class Args>
template <class T>
Schema<Args>& Schema<Args>::include(T Args::*member) {
  const Schema<T> inner = T::schema();
  for (const auto& part : inner.fields()) {
    Field field;
    field.info = part.info;
    if (part.text) {  // the including struct may have a default of its own
      field.text = [member, text = part.text](const Args& args) { return text(args.*member); };
      field.info.default_value = field.text(Args{});
    }
    field.nested = part.nested;
    if (part.decode_attribute) {
      field.decode_attribute = [member, decode_part = part.decode_attribute](
                                   const lang::Attribute& attribute, Args& args,
                                   lang::Diagnostics& diagnostics) {
        decode_part(attribute, args.*member, diagnostics);
      };
    }
    if (part.decode_block) {
      field.decode_block = [member, decode_part = part.decode_block](
                               const lang::Block& block, Args& args,
                               lang::Diagnostics& diagnostics) {
        decode_part(block, args.*member, diagnostics);
      };
    }
    fields_.push_back(std::move(field));
  }
  return *this;
}

template <class Args>
Schema<Args>& Schema<Args>::ignored(std::string name, std::string doc) {
  Field field;
  field.info.name = std::move(name);
  field.info.type = "any";
  field.info.doc = std::move(doc);
  field.decode_attribute = [](const lang::Attribute&, Args&, lang::Diagnostics&) {};
  fields_.push_back(std::move(field));
  return *this;
}

template <class Args>
Schema<Args>& Schema<Args>::ignored_block(std::string name, std::string doc) {
  Field field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.repeated = true;
  field.info.doc = std::move(doc);
  field.decode_block = [](const lang::Block&, Args&, lang::Diagnostics&) {};
  fields_.push_back(std::move(field));
  return *this;
}

template <class Args>
Schema<Args>& Schema<Args>::refused_block(std::string name, std::string why) {
  Field field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.doc = "Refused: " + why;
  field.decode_block = [why = std::move(why)](const lang::Block& block, Args&,
                                              lang::Diagnostics& diagnostics) {
    diagnostics.error(block.span, "the block " + block.name + " is not supported: " + why);
  };
  fields_.push_back(std::move(field));
  return *this;
}

template <class Args>
void decode(const lang::Body& body, Args& args, lang::Diagnostics& diagnostics) {
  const Schema<Args> schema = Args::schema();
  std::vector<const FieldInfo*> known;
  known.reserve(schema.fields().size());
  for (const auto& field : schema.fields()) known.push_back(&field.info);
  lang::Diagnostics own;
  check_names(body, known, own);
  for (const lang::Attribute& attribute : body.attributes) {
    for (const auto& field : schema.fields()) {
      if (!field.decode_attribute || field.info.name != attribute.name) continue;
      field.decode_attribute(attribute, args, own);
    }
  }
  for (const lang::Block& block : body.blocks) {
    for (const auto& field : schema.fields()) {
      if (!field.decode_block || field.info.name != block.name) continue;
      field.decode_block(block, args, own);
    }
  }
  if constexpr (requires { args.validate(body, own); }) {
    // Values that are only known at run time would be judged by their defaults.
    if (!own.has_errors() && !has_placeholder(body)) args.validate(body, own);
  }
  diagnostics.add(std::move(own));
}

}  // namespace agent::component
