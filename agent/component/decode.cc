#include "agent/component/decode.h"

#include <charconv>
#include <cmath>

#include "agent/base/duration.h"
#include "agent/base/strings.h"

namespace agent::component {

using lang::Diagnostics;
using lang::Span;
using lang::Value;
using Kind = Value::Kind;

namespace {

// A number or string as the text of a string argument; false for other kinds.
bool to_text(const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::kString:
      out = value.string();
      return true;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kFloat:
      out = value.text();
      return true;
    default:
      return false;
  }
}

std::string describe(const Value& value) {
  std::string out(value.kind_name());
  if (value.kind() == Kind::kCapsule) out = "capsule of " + std::string(value.capsule().type);
  if (value.kind() == Kind::kString || value.kind() == Kind::kBool || value.is_number()) {
    std::string text = value.text();
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    out += " " + text;
  }
  return out;
}

bool text_argument(const Value& value, std::string_view type, const Span& span, std::string& out,
                   Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, type, span, diagnostics);
    return false;
  }
  if (value.kind() == Kind::kSecret) {
    diagnostics.error(span, "a secret cannot be used as " + std::string(type),
                      "convert.nonsensitive(...) shows that this is meant");
    return false;
  }
  if (!to_text(value, out)) {
    report_mismatch(type, value, span, diagnostics);
    return false;
  }
  return true;
}

template <class T>
bool number_from_text(const std::string& text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool accept_placeholder(const Value& value, std::string_view type, const Span& span,
                        Diagnostics& diagnostics) {
  const std::string& known = value.placeholder().type;
  if (known.empty() || known == type) return true;
  // Targets are objects of strings; whatever is a map or list of maps may hold them.
  if (known.starts_with("list(map(") && type.starts_with("list(map(")) return true;
  const bool text_like = type == "string" || type == "number" || type == "duration";
  if (known == "OptionalSecret" && (text_like || type == "secret")) return true;
  if (known == "string" && (text_like || type == "secret")) return true;
  if (known == "secret" && type == "secret") return true;
  diagnostics.error(span, "expected " + std::string(type) + ", got " + known);
  return false;
}

void report_mismatch(std::string_view expected, const Value& got, const Span& span,
                     Diagnostics& diagnostics) {
  diagnostics.error(span, "expected " + std::string(expected) + ", got " + describe(got));
}

std::string Decoder<bool>::type_name() { return "bool"; }
std::string Decoder<bool>::text(const bool& value) { return value ? "true" : "false"; }
bool Decoder<bool>::decode(const Value& value, const Span& span, bool& out,
                           Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, "bool", span, diagnostics);
    return false;
  }
  if (value.kind() != Kind::kBool) {
    report_mismatch("bool", value, span, diagnostics);
    return false;
  }
  out = value.boolean();
  return true;
}

std::string Decoder<std::int64_t>::type_name() { return "number"; }
std::string Decoder<std::int64_t>::text(const std::int64_t& value) { return std::to_string(value); }
bool Decoder<std::int64_t>::decode(const Value& value, const Span& span, std::int64_t& out,
                                   Diagnostics& diagnostics) {
  double number = 0;
  if (value.kind() == Kind::kInt) {
    out = value.integer();
    return true;
  }
  if (value.kind() == Kind::kString && number_from_text(value.string(), out)) return true;
  if (!Decoder<double>::decode(value, span, number, diagnostics)) return false;
  if (std::floor(number) != number || std::abs(number) > 9.2e18) {
    diagnostics.error(span, "expected a whole number, got " + describe(value));
    return false;
  }
  out = static_cast<std::int64_t>(number);
  return true;
}

std::string Decoder<double>::type_name() { return "number"; }
std::string Decoder<double>::text(const double& value) { return Value(value).text(); }
bool Decoder<double>::decode(const Value& value, const Span& span, double& out,
                             Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, "number", span, diagnostics);
    return false;
  }
  if (value.is_number()) {
    out = value.as_double();
    return true;
  }
  if (value.kind() == Kind::kString && number_from_text(value.string(), out)) return true;
  report_mismatch("number", value, span, diagnostics);
  return false;
}

std::string Decoder<std::string>::type_name() { return "string"; }
std::string Decoder<std::string>::text(const std::string& value) { return json_string(value); }
bool Decoder<std::string>::decode(const Value& value, const Span& span, std::string& out,
                                  Diagnostics& diagnostics) {
  return text_argument(value, "string", span, out, diagnostics);
}

std::string Decoder<Secret>::type_name() { return "secret"; }
std::string Decoder<Secret>::text(const Secret& value) {
  return value.empty() ? "\"\"" : std::string(kSecretText);
}
bool Decoder<Secret>::decode(const Value& value, const Span& span, Secret& out,
                             Diagnostics& diagnostics) {
  if (value.kind() == Kind::kSecret) {
    out = value.secret();
    return true;
  }
  std::string text;
  if (!text_argument(value, "secret", span, text, diagnostics)) return false;
  out = Secret(std::move(text));
  return true;
}

std::string Decoder<Duration>::type_name() { return "duration"; }
std::string Decoder<Duration>::text(const Duration& value) {
  return json_string(format_duration(value));
}
bool Decoder<Duration>::decode(const Value& value, const Span& span, Duration& out,
                               Diagnostics& diagnostics) {
  std::string text;
  if (!text_argument(value, "duration", span, text, diagnostics)) return false;
  auto duration = parse_duration(text);
  if (!duration) {
    diagnostics.error(span, duration.error().message);
    return false;
  }
  out = *duration;
  return true;
}

std::string Decoder<ByteSize>::type_name() { return "string"; }
std::string Decoder<ByteSize>::text(const ByteSize& value) {
  return json_string(format_byte_size(value.bytes));
}
bool Decoder<ByteSize>::decode(const Value& value, const Span& span, ByteSize& out,
                               Diagnostics& diagnostics) {
  std::string text;
  if (!text_argument(value, "string", span, text, diagnostics)) return false;
  auto size = parse_byte_size(text);
  if (!size) {
    diagnostics.error(span, size.error().message);
    return false;
  }
  out.bytes = *size;
  return true;
}

std::string Decoder<StringMap>::type_name() { return "map(string)"; }
std::string Decoder<StringMap>::text(const StringMap& value) {
  std::string out = "{";
  for (const auto& [key, member] : value) {
    if (out.size() > 1) out += ", ";
    out += key + " = " + json_string(member);
  }
  return out + "}";
}
bool Decoder<StringMap>::decode(const Value& value, const Span& span, StringMap& out,
                                Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, "map(string)", span, diagnostics);
    return false;
  }
  if (value.kind() != Kind::kObject) {
    report_mismatch("map(string)", value, span, diagnostics);
    return false;
  }
  StringMap members;
  bool good = true;
  for (const auto& [key, member] : value.object()) {
    std::string text;
    if (!member.is_null() && !text_argument(member, "string", span, text, diagnostics)) {
      good = false;
      continue;
    }
    members.emplace_back(key, std::move(text));
  }
  out = std::move(members);
  return good;
}

std::string Decoder<StringListMap>::type_name() { return "map(list(string))"; }
std::string Decoder<StringListMap>::text(const StringListMap& value) {
  std::string out = "{";
  for (const auto& [key, members] : value) {
    if (out.size() > 1) out += ", ";
    out += key + " = " + Decoder<std::vector<std::string>>::text(members);
  }
  return out + "}";
}
bool Decoder<StringListMap>::decode(const Value& value, const Span& span, StringListMap& out,
                                    Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, type_name(), span, diagnostics);
    return false;
  }
  if (value.kind() != Kind::kObject) {
    report_mismatch(type_name(), value, span, diagnostics);
    return false;
  }
  StringListMap members;
  bool good = true;
  for (const auto& [key, member] : value.object()) {
    std::vector<std::string> texts;
    if (!member.is_null() &&
        !Decoder<std::vector<std::string>>::decode(member, span, texts, diagnostics)) {
      good = false;
      continue;
    }
    members.emplace_back(key, std::move(texts));
  }
  out = std::move(members);
  return good;
}

std::string Decoder<Value>::type_name() { return "any"; }
std::string Decoder<Value>::text(const Value& value) { return value.text(); }
bool Decoder<Value>::decode(const Value& value, const Span&, Value& out, Diagnostics&) {
  if (value.is_placeholder()) return false;
  out = value;
  return true;
}

std::string Decoder<std::vector<model::Target>>::type_name() { return "list(map(string))"; }
std::string Decoder<std::vector<model::Target>>::text(const std::vector<model::Target>& value) {
  return value.empty() ? "[]" : "[...]";
}
bool Decoder<std::vector<model::Target>>::decode(const Value& value, const Span& span,
                                                 std::vector<model::Target>& out,
                                                 Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, type_name(), span, diagnostics);
    return false;
  }
  if (value.kind() != Kind::kList) {
    report_mismatch(type_name(), value, span, diagnostics);
    return false;
  }
  std::vector<model::Target> targets;
  targets.reserve(value.list().size());
  bool good = true;
  for (const Value& element : value.list()) {
    StringMap members;
    if (!Decoder<StringMap>::decode(element, span, members, diagnostics)) {
      good = false;
      continue;
    }
    model::LabelBuilder builder;
    for (const auto& [key, text] : members) builder.set(key, text);
    targets.push_back(std::move(builder).take());
  }
  out = std::move(targets);
  return good;
}

lang::Value targets_value(const std::vector<model::Target>& targets) {
  Value::List list;
  list.reserve(targets.size());
  for (const model::Target& target : targets) {
    Value::Object object;
    object.reserve(target.size());
    for (const model::Label& label : target) object.emplace_back(label.name, label.value);
    list.emplace_back(std::move(object));
  }
  return list;
}

}  // namespace agent::component
