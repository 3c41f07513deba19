#include "agent/model/json_value.h"

#include <nlohmann/json.hpp>

#include "agent/base/strings.h"

namespace agent::model {
namespace {

Json from_nlohmann(const nlohmann::ordered_json& from) {
  using Type = nlohmann::detail::value_t;
  switch (from.type()) {
    case Type::boolean:
      return Json(from.get<bool>());
    case Type::number_integer:
      return Json(from.get<std::int64_t>());
    case Type::number_unsigned:
      if (const auto whole = from.get<std::uint64_t>(); whole <= INT64_MAX)
        return Json(static_cast<std::int64_t>(whole));
      return Json(from.get<double>());
    case Type::number_float:
      return Json(from.get<double>());
    case Type::string:
      return Json(from.get_ref<const std::string&>());
    case Type::array: {
      Json::Array array;
      array.reserve(from.size());
      for (const auto& item : from) array.push_back(from_nlohmann(item));
      return Json(std::move(array));
    }
    case Type::object: {
      Json::Object object;
      object.reserve(from.size());
      for (const auto& [name, member] : from.items())
        object.emplace_back(name, from_nlohmann(member));
      return Json(std::move(object));
    }
    default:
      return {};
  }
}

// How deep the brackets of a text go, those in strings left out.
int depth_of(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\') ++i;
    } else if (text[i] == '[' || text[i] == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (const auto& [key, member] : object())
    if (key == name) return &member;
  return nullptr;
}

bool Json::append_text(std::string& out, std::size_t limit) const {
  switch (kind()) {
    case Kind::kNull:
      out += "null";
      break;
    case Kind::kBool:
      out += boolean() ? "true" : "false";
      break;
    case Kind::kInt:
      out += std::to_string(integer());
      break;
    case Kind::kDouble:
      out += json_number(number());
      break;
    case Kind::kString:
      if (string().size() > limit) return false;
      append_json_string(out, string());
      break;
    case Kind::kArray: {
      const char* separator = "[";
      for (const Json& item : array()) {
        out += separator;
        separator = ",";
        if (!item.append_text(out, limit)) return false;
      }
      out += array().empty() ? "[]" : "]";
      break;
    }
    case Kind::kObject: {
      const char* separator = "{";
      for (const auto& [name, member] : object()) {
        out += separator;
        separator = ",";
        append_json_string(out, name);
        out += ':';
        if (!member.append_text(out, limit)) return false;
      }
      out += object().empty() ? "{}" : "}";
      break;
    }
  }
  return out.size() <= limit;
}

Result<Json> Json::parse(std::string_view text, int depth) {
  if (depth_of(text) > depth) return fail(ErrorCode::kInvalid, "the JSON is nested too deeply");
  const auto parsed = nlohmann::ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return fail(ErrorCode::kInvalid, "not JSON");
  return from_nlohmann(parsed);
}

}  // namespace agent::model
