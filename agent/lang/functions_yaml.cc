// YAML as Go's yaml.v3 reads it into untyped values: the core schema of YAML 1.2 with the numbers
// of Go (0x, 0o, 0b, a leading 0 for octal, _ between digits), merge keys, the first document only.
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "agent/lang/documents.h"
#include "agent/lang/functions.h"
#include "agent/lang/operators.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words)
    if (text == word) return true;
  return false;
}

std::optional<Value> integer(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != '_') digits += c;
  std::string_view rest = digits;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  int base = 10;
  if (rest.size() > 2 && rest[0] == '0' && one_of(rest.substr(1, 1), {"x", "X"})) base = 16;
  if (rest.size() > 2 && rest[0] == '0' && one_of(rest.substr(1, 1), {"o", "O"})) base = 8;
  if (rest.size() > 2 && rest[0] == '0' && one_of(rest.substr(1, 1), {"b", "B"})) base = 2;
  if (base != 10) {
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
  }
  std::uint64_t magnitude = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (rest.empty() || read.ec != std::errc() || read.ptr != rest.data() + rest.size())
    return std::nullopt;
  if (negative) {
    if (magnitude > std::uint64_t{1} << 63) return std::nullopt;
    return Value(static_cast<std::int64_t>(0 - magnitude));
  }
  if (magnitude <= INT64_MAX) return Value(static_cast<std::int64_t>(magnitude));
  return Value(magnitude);
}

std::optional<Value> floating(std::string_view text) {
  if (one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}))
    return Value(std::numeric_limits<double>::infinity());
  if (one_of(text, {"-.inf", "-.Inf", "-.INF"}))
    return Value(-std::numeric_limits<double>::infinity());
  if (one_of(text, {".nan", ".NaN", ".NAN"})) return Value(std::nan(""));
  std::string digits;
  for (const char c : text)
    if (c != '_') digits += c;
  std::string_view rest = digits;
  if (!rest.empty() && rest[0] == '+') rest.remove_prefix(1);
  if (rest.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  double number = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (rest.empty() || read.ec != std::errc() || read.ptr != rest.data() + rest.size())
    return std::nullopt;
  return Value(number);
}

Value plain_scalar(const std::string& text) {
  if (one_of(text, {"", "~", "null", "Null", "NULL"})) return Value();
  if (one_of(text, {"true", "True", "TRUE"})) return Value(true);
  if (one_of(text, {"false", "False", "FALSE"})) return Value(false);
  const char first = text[0];
  if ((first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.') {
    if (auto number = integer(text)) return *number;
    if (auto number = floating(text)) return *number;
  }
  return Value(text);
}

class Converter {
 public:
  explicit Converter(YamlScalars scalars) : scalars_(scalars) {}

  Result<Value> value(const YAML::Node& node, int depth) {
    if (depth > kMaxValueDepth)
      return fail(ErrorCode::kInvalid,
                  "nested more than " + std::to_string(kMaxValueDepth) + " deep");
    // An alias counts each time it is used: what it stands for is copied.
    if (++count_ > kMaxListItems) return too_large();
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return scalar(node);
      case YAML::NodeType::Sequence: {
        Value::List items;
        for (const YAML::Node& child : node) {
          auto item = value(child, depth + 1);
          if (!item) return item;
          items.push_back(std::move(*item));
        }
        return Value(std::move(items));
      }
      case YAML::NodeType::Map:
        return map(node, depth);
      default:
        return Value();
    }
  }

 private:
  Result<Value> scalar(const YAML::Node& node) const {
    const std::string& tag = node.Tag();
    const std::string& text = node.Scalar();
    if (scalars_ == YamlScalars::kAsWritten)
      return tag == "?" && plain_scalar(text).is_null() ? Value() : Value(text);
    if (tag == "?") return plain_scalar(text);
    if (tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" ||
        tag == "tag:yaml.org,2002:bool" || tag == "tag:yaml.org,2002:null")
      return plain_scalar(text);
    return Value(text);
  }

  static std::string place(const YAML::Node& node) {
    return "line " + std::to_string(node.Mark().line + 1) + ": ";
  }

  Result<Value> map(const YAML::Node& node, int depth) {
    Value::Object members;
    std::set<std::string> own;
    std::vector<YAML::Node> merged;
    for (const auto& pair : node) {
      if (pair.first.IsScalar() && pair.first.Tag() == "?" && pair.first.Scalar() == "<<") {
        if (pair.second.IsSequence()) {
          for (const YAML::Node& each : pair.second) merged.push_back(each);
        } else {
          merged.push_back(pair.second);
        }
        continue;
      }
      auto key = value(pair.first, depth + 1);
      if (!key) return key;
      std::string name;
      if (key->kind() == Kind::kString) {
        name = key->string();
      } else if (key->is_number()) {
        name = number_text(*key);
      } else {
        return fail(ErrorCode::kInvalid, place(pair.first) + "a mapping key must be a string");
      }
      if (!own.insert(name).second)
        return fail(ErrorCode::kInvalid,
                    place(pair.first) + "mapping key \"" + name + "\" already defined");
      auto member = value(pair.second, depth + 1);
      if (!member) return member;
      members.emplace_back(std::move(name), std::move(*member));
    }
    // A key of the mapping itself, then the first mapping that has it, counts.
    for (const YAML::Node& other : merged) {
      if (!other.IsMap())
        return fail(ErrorCode::kInvalid, place(other) + "only mappings can be merged with <<");
      auto inner = value(other, depth + 1);
      if (!inner) return inner;
      for (const auto& [key, member] : inner->object())
        if (own.insert(key).second) members.emplace_back(key, member);
    }
    return Value(std::move(members));
  }

  const YamlScalars scalars_;
  std::size_t count_ = 0;
};

}  // namespace

Result<Value> value_of_yaml(const std::string& text, YamlScalars scalars) {
  try {
    return Converter(scalars).value(YAML::Load(text), 0);
  } catch (const YAML::DeepRecursion&) {
    return fail(ErrorCode::kInvalid, "nested too deep");
  } catch (const YAML::Exception& e) {
    return fail(ErrorCode::kInvalid,
                "invalid YAML in line " + std::to_string(e.mark.line + 1) + ": " + e.msg);
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInvalid, e.what());
  }
}

Result<Value> encoding_from_yaml(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 1); !counted) return fail(std::move(counted).error());
  const auto text = text_argument(arguments, 0);
  if (!text) return fail(text.error());
  return value_of_yaml(*text, YamlScalars::kTyped);
}

}  // namespace agent::lang
