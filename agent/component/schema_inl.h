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

template <class T>
std::string text_of_member(const void* member) {
  return Decoder<T>::text(*static_cast<const T*>(member));
}

template <class T>
void decode_into_member(const lang::Attribute& attribute, void* member,
                        lang::Diagnostics& diagnostics) {
  T& out = *static_cast<T*>(member);
  if (attribute.value.is_null()) {
    out = T{};
  } else {
    Decoder<T>::decode(attribute.value, attribute.value_span, out, diagnostics);
  }
}

template <class Args>
template <class T>
Schema<Args>& Schema<Args>::attribute(std::string name, T Args::*member, std::string doc,
                                      bool required) {
  SchemaField field;
  field.info.name = std::move(name);
  field.info.type = Decoder<T>::type_name();
  field.info.required = required;
  field.info.doc = std::move(doc);
  field.offset = offset_of(member);
  if (!required) field.text = text_of_member<T>;
  field.decode_attribute = decode_into_member<T>;
  add(std::move(field), defaults_.get());
  return *this;
}

template <class Args>
template <class T>
Schema<Args>& Schema<Args>::add_block(std::string name, T Args::*member, std::string doc,
                                      bool required) {
  SchemaField field;
  field.info.kind = FieldInfo::Kind::kBlock;
  field.info.name = std::move(name);
  field.info.required = required;
  field.info.repeated = IsVector<T>::value;
  field.info.doc = std::move(doc);
  field.offset = offset_of(member);
  if constexpr (IsVector<T>::value || IsOptional<T>::value) {
    using Element =
        typename std::conditional_t<IsVector<T>::value, IsVector<T>, IsOptional<T>>::Element;
    field.nested = [] { return Element::schema().info(); };
    field.decode_block = [](const lang::Block& block, void* at, lang::Diagnostics& diagnostics) {
      Element element{};
      component::decode(block.body, element, diagnostics);
      T& out = *static_cast<T*>(at);
      if constexpr (IsVector<T>::value) {
        out.push_back(std::move(element));
      } else {
        out = std::move(element);
      }
    };
  } else {
    field.nested = [] { return T::schema().info(); };
    field.decode_block = [](const lang::Block& block, void* at, lang::Diagnostics& diagnostics) {
      component::decode(block.body, *static_cast<T*>(at), diagnostics);
    };
  }
  add(std::move(field), nullptr);
  return *this;
}

template <class Args>
template <class Element>
Schema<Args>& Schema<Args>::variants(std::vector<Element> Args::*member,
                                     const std::vector<Variant<Element>>& kinds) {
  for (const Variant<Element>& kind : kinds) {
    SchemaField field;
    field.info.kind = FieldInfo::Kind::kBlock;
    field.info.name = kind.name;
    field.info.repeated = true;
    field.info.doc = kind.doc;
    field.offset = offset_of(member);
    field.nested = kind.fields;
    field.decode_block = [decode_element = kind.decode](const lang::Block& block, void* at,
                                                        lang::Diagnostics& diagnostics) {
      decode_element(block, *static_cast<std::vector<Element>*>(at), diagnostics);
    };
    add(std::move(field), nullptr);
  }
  return *this;
}

template <class Args>
void decode(const lang::Body& body, Args& args, lang::Diagnostics& diagnostics) {
  lang::Diagnostics own;
  Args::schema().decode(body, &args, own);
  if constexpr (requires { args.validate(body, own); }) {
    // Values that are only known at run time would be judged by their defaults.
    if (!own.has_errors() && !has_placeholder(body)) args.validate(body, own);
  }
  diagnostics.add(std::move(own));
}

}  // namespace agent::component
