#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "agent/lang/functions.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;

Result<const Value::List*> objects_argument(const Arguments& arguments, std::size_t index) {
  auto list = list_argument(arguments, index);
  if (!list) return list;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    const Value& item = (**list)[i];
    if (item.kind() != Kind::kObject)
      return fail(ErrorCode::kInvalid, "item " + std::to_string(i) + " of argument " +
                                           std::to_string(index + 1) + " should be object, got " +
                                           std::string(item.kind_name()));
  }
  return list;
}

// The values under `keys` as one text for a hash table, or nothing when one is missing or null.
// Equal values have equal texts; the reverse is checked by comparing.
std::optional<std::string> join_text(const Value& object, const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    const Value* value = object.find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    // 1 and 1.0 are equal.
    out += value->is_number()               ? std::to_string(value->as_double())
           : value->kind() == Kind::kObject ? std::string("object")
                                            : value->text();
    out += '\n';
  }
  return out;
}

bool joins(const Value& left, const Value& right, const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return *left.find(key) == *right.find(key); });
}

bool is_empty(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return !value.boolean();
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kFloat:
      return value.as_double() == 0;
    case Kind::kString:
      return value.string().empty();
    case Kind::kSecret:
      return value.secret().empty();
    case Kind::kList:
      return value.list().empty();
    case Kind::kObject:
      return value.object().empty();
    default:
      return false;
  }
}

}  // namespace

Result<Value> array_concat(const Arguments& arguments) {
  Value::List out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto list = list_argument(arguments, i);
    if (!list) return fail(list.error());
    if (arguments.size() == 1) return arguments[0];
    if (out.size() + (*list)->size() > kMaxListItems) return too_large();
    out.insert(out.end(), (*list)->begin(), (*list)->end());
  }
  return Value(std::move(out));
}

Result<Value> array_combine_maps(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 3, 4); !counted)
    return fail(std::move(counted).error());
  const auto left = objects_argument(arguments, 0);
  if (!left) return fail(left.error());
  const auto right = objects_argument(arguments, 1);
  if (!right) return fail(right.error());
  const auto conditions = list_argument(arguments, 2);
  if (!conditions) return fail(conditions.error());
  bool passthrough = false;
  if (arguments.size() == 4) {
    const auto flag = bool_argument(arguments, 3);
    if (!flag) return fail(flag.error());
    passthrough = *flag;
  }
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < (*conditions)->size(); ++i) {
    const Value& key = (**conditions)[i];
    if (key.kind() != Kind::kString)
      return fail(ErrorCode::kInvalid, "item " + std::to_string(i) +
                                           " of argument 3 should be string, got " +
                                           std::string(key.kind_name()));
    keys.push_back(key.string());
  }
  if (keys.empty()) return fail(ErrorCode::kInvalid, "argument 3 names no key to join by");

  std::unordered_map<std::string, std::vector<const Value*>> partners;
  for (const Value& item : **right) {
    if (auto text = join_text(item, keys)) partners[std::move(*text)].push_back(&item);
  }
  Value::List out;
  for (const Value& item : **left) {
    bool matched = false;
    const auto text = join_text(item, keys);
    const auto found = text ? partners.find(*text) : partners.end();
    if (found != partners.end()) {
      for (const Value* partner : found->second) {
        if (!joins(item, *partner, keys)) continue;
        matched = true;
        if (out.size() >= kMaxListItems) return too_large();
        Value::Object both = item.object();
        both.insert(both.end(), partner->object().begin(), partner->object().end());
        out.emplace_back(std::move(both));
      }
    }
    if (!matched && passthrough) out.push_back(item);
  }
  return Value(std::move(out));
}

Result<Value> array_group_by(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 3); !counted) return fail(std::move(counted).error());
  const auto items = objects_argument(arguments, 0);
  if (!items) return fail(items.error());
  const auto key = text_argument(arguments, 1);
  if (!key) return fail(key.error());
  const auto drop_missing = bool_argument(arguments, 2);
  if (!drop_missing) return fail(drop_missing.error());

  // Alloy's order of groups is arbitrary; this one is by the key's value, so that an unchanged
  // input gives an unchanged output.
  std::map<std::string, Value::List> groups;
  for (const Value& item : **items) {
    const Value* value = item.find(*key);
    if (value == nullptr && *drop_missing) continue;
    std::string name;
    if (value != nullptr)
      name = value->kind() == Kind::kString ? value->string()
             : value->is_null()             ? ""
                                            : value->text();
    groups[std::move(name)].push_back(item);
  }
  Value::List out;
  for (auto& [name, members] : groups) {
    Value::Object group;
    group.emplace_back(*key, Value(name));
    group.emplace_back("items", Value(std::move(members)));
    out.emplace_back(std::move(group));
  }
  return Value(std::move(out));
}

Result<Value> coalesce(const Arguments& arguments) {
  for (const Value& argument : arguments)
    if (!is_empty(argument)) return argument;
  return arguments.empty() ? Value() : arguments.back();
}

}  // namespace agent::lang
