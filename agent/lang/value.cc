#include "agent/lang/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agent/base/strings.h"

namespace agent::lang {
namespace {

bool numbers_equal(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.kind() == Kind::kFloat || b.kind() == Kind::kFloat) return a.as_double() == b.as_double();
  const bool a_negative = a.kind() == Kind::kInt && a.integer() < 0;
  const bool b_negative = b.kind() == Kind::kInt && b.integer() < 0;
  if (a_negative != b_negative) return false;
  const auto bits = [](const Value& v) {
    return v.kind() == Kind::kInt ? static_cast<std::uint64_t>(v.integer()) : v.unsigned_integer();
  };
  return bits(a) == bits(b);
}

void append(std::string& out, const Value& value) {
  using Kind = Value::Kind;
  switch (value.kind()) {
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kBool:
      out += value.boolean() ? "true" : "false";
      return;
    case Kind::kInt:
      out += std::to_string(value.integer());
      return;
    case Kind::kUint:
      out += std::to_string(value.unsigned_integer());
      return;
    case Kind::kFloat:
      out += fmt::format("{}", value.floating());
      return;
    case Kind::kString:
      append_json_string(out, value.string());
      return;
    case Kind::kSecret:
      out += kSecretText;
      return;
    case Kind::kList: {
      out += '[';
      const char* separator = "";
      for (const Value& item : value.list()) {
        out += separator;
        append(out, item);
        separator = ", ";
      }
      out += ']';
      return;
    }
    case Kind::kObject: {
      out += '{';
      const char* separator = "";
      for (const auto& [key, member] : value.object()) {
        out += separator;
        append_json_string(out, key);
        out += " = ";
        append(out, member);
        separator = ", ";
      }
      out += '}';
      return;
    }
    case Kind::kCapsule:
      out += "capsule(\"" + std::string(value.capsule().type) + "\")";
      return;
    case Kind::kFunction:
      out += "function(" + std::string(value.function().name) + ")";
      return;
    case Kind::kPlaceholder:
      out += "unknown(" + value.placeholder().type + ")";
      return;
  }
}

}  // namespace

Value::Value(Object o) {
  // Few members: look back. Many: by map, so that a hostile object is not quadratic.
  std::map<std::string_view, std::size_t> places;
  Object unique;
  unique.reserve(o.size());
  for (Member& member : o) {
    std::size_t at = unique.size();
    if (o.size() > 16) {
      at = places.emplace(member.first, unique.size()).first->second;
    } else {
      const auto it = std::find_if(unique.begin(), unique.end(),
                                   [&](const Member& m) { return m.first == member.first; });
      at = static_cast<std::size_t>(it - unique.begin());
    }
    if (at < unique.size()) {
      unique[at].second = std::move(member.second);
    } else {
      unique.emplace_back(member.first, std::move(member.second));
    }
  }
  data_ = std::make_shared<const Object>(std::move(unique));
}

std::string_view Value::kind_name() const {
  switch (kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kFloat:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kSecret:
      return "secret";
    case Kind::kList:
      return "list";
    case Kind::kObject:
      return "object";
    case Kind::kCapsule:
      return "capsule";
    case Kind::kFunction:
      return "function";
    case Kind::kPlaceholder:
      return "unknown";
  }
  return "unknown";
}

double Value::as_double() const {
  switch (kind()) {
    case Kind::kInt:
      return static_cast<double>(integer());
    case Kind::kUint:
      return static_cast<double>(unsigned_integer());
    default:
      return floating();
  }
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, member] : object())
    if (name == key) return &member;
  return nullptr;
}

bool Value::operator==(const Value& other) const {
  if (is_number() && other.is_number()) return numbers_equal(*this, other);
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kString:
      return string() == other.string();
    case Kind::kSecret:
      return secret() == other.secret();
    case Kind::kList:
      return &list() == &other.list() || list() == other.list();
    case Kind::kObject: {
      if (&object() == &other.object()) return true;
      if (object().size() != other.object().size()) return false;
      // Order does not matter; in the usual case it is the same.
      for (std::size_t i = 0; i < object().size(); ++i) {
        const auto& [key, member] = object()[i];
        const Member& peer = other.object()[i];
        const Value* match = peer.first == key ? &peer.second : other.find(key);
        if (match == nullptr || !(member == *match)) return false;
      }
      return true;
    }
    case Kind::kFunction:
      return false;
    case Kind::kPlaceholder:
      return placeholder() == other.placeholder();
    default:
      return data_ == other.data_;
  }
}

std::string Value::text() const {
  std::string out;
  append(out, *this);
  return out;
}

}  // namespace agent::lang
