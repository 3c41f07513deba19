// JMESPath's functions: those of the specification, and the community's for strings and objects.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/model/jmespath_node.h"

namespace agent::model {
namespace {

using Arguments = std::vector<JmesArgument>;
using Function = JmesFunction;

constexpr std::size_t kMaxText = 4 << 20;

tl::unexpected<Error> wrong(const std::string& why) { return fail(ErrorCode::kInvalid, why); }
Json whole(std::size_t number) { return Json(static_cast<std::int64_t>(number)); }
// JSON has neither.
Json finite(double number) { return std::isfinite(number) ? Json(number) : Json(); }

Result<Json> text_of_size(JmesEvaluation& run, std::string text) {
  if (text.size() > kMaxText)
    return fail(ErrorCode::kExhausted, "the expression makes too long a text");
  if (auto ok = run.spend(text.size() / 16); !ok) return fail(ok.error());
  return Json(std::move(text));
}

// -1, 0 or 1 of two numbers or two strings.
int order(const Json& a, const Json& b) {
  if (a.is_number()) return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  return a.string().compare(b.string());
}

// ---- numbers

Result<Json> abs_of(JmesEvaluation&, const Arguments& a) {
  const Json& value = a[0].value;
  if (value.kind() == Json::Kind::kInt && value.integer() != INT64_MIN)
    return Json(std::int64_t{std::abs(value.integer())});
  return Json(std::abs(value.number()));
}
Result<Json> ceil_of(JmesEvaluation&, const Arguments& a) {
  if (a[0].value.kind() == Json::Kind::kInt) return a[0].value;
  return Json(std::ceil(a[0].value.number()));
}
Result<Json> floor_of(JmesEvaluation&, const Arguments& a) {
  if (a[0].value.kind() == Json::Kind::kInt) return a[0].value;
  return Json(std::floor(a[0].value.number()));
}
double total(const Json::Array& numbers) {
  double sum = 0;
  for (const Json& number : numbers) sum += number.number();
  return sum;
}
Result<Json> sum_of(JmesEvaluation& run, const Arguments& a) {
  const Json::Array& numbers = a[0].value.array();
  if (auto ok = run.spend(numbers.size()); !ok) return fail(ok.error());
  return finite(total(numbers));
}
Result<Json> avg_of(JmesEvaluation& run, const Arguments& a) {
  const Json::Array& numbers = a[0].value.array();
  if (auto ok = run.spend(numbers.size()); !ok) return fail(ok.error());
  return numbers.empty() ? Json() : finite(total(numbers) / static_cast<double>(numbers.size()));
}
Result<Json> to_number(JmesEvaluation&, const Arguments& a) {
  const Json& value = a[0].value;
  if (value.is_number()) return value;
  if (value.kind() != Json::Kind::kString) return Json();
  std::string_view text = value.string();
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer);
      read.ec == std::errc() && read.ptr == end)
    return Json(integer);
  double number = 0;
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end ? finite(number) : Json();
}

// ---- arrays

Result<Json> extreme(JmesEvaluation& run, const Json::Array& items, int wanted) {
  if (auto ok = run.spend(items.size()); !ok) return fail(ok.error());
  const Json* best = nullptr;
  for (const Json& item : items)
    if (best == nullptr || order(item, *best) * wanted > 0) best = &item;
  return best == nullptr ? Json() : *best;
}
Result<Json> max_of(JmesEvaluation& run, const Arguments& a) {
  return extreme(run, a[0].value.array(), 1);
}
Result<Json> min_of(JmesEvaluation& run, const Arguments& a) {
  return extreme(run, a[0].value.array(), -1);
}

// What the expression gives for each item: numbers all, or strings all.
Result<Json::Array> keys_by(JmesEvaluation& run, const Json::Array& items,
                            const JmesPath::Node& expression, std::string_view function) {
  Json::Array keys;
  for (const Json& item : items) {
    auto key = run.run(expression, item);
    if (!key) return fail(key.error());
    const bool fits = key->is_number() || key->kind() == Json::Kind::kString;
    if (!fits || (!keys.empty() && keys.front().is_number() != key->is_number()))
      return wrong(std::string(function) + "() needs numbers or strings of its expression");
    keys.push_back(std::move(*key));
  }
  return keys;
}
Result<Json> extreme_by(JmesEvaluation& run, const Arguments& a, int wanted,
                        std::string_view function) {
  const Json::Array& items = a[0].value.array();
  auto keys = keys_by(run, items, *a[1].expression, function);
  if (!keys) return fail(keys.error());
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i)
    if (order((*keys)[i], (*keys)[best]) * wanted > 0) best = i;
  return items.empty() ? Json() : items[best];
}
Result<Json> max_by(JmesEvaluation& run, const Arguments& a) {
  return extreme_by(run, a, 1, "max_by");
}
Result<Json> min_by(JmesEvaluation& run, const Arguments& a) {
  return extreme_by(run, a, -1, "min_by");
}

Result<> spend_on_sorting(JmesEvaluation& run, std::size_t count) { return run.spend(count * 4); }
Result<Json> sort_of(JmesEvaluation& run, const Arguments& a) {
  Json::Array items = a[0].value.array();
  if (auto ok = spend_on_sorting(run, items.size()); !ok) return fail(ok.error());
  std::stable_sort(items.begin(), items.end(),
                   [](const Json& x, const Json& y) { return order(x, y) < 0; });
  return Json(std::move(items));
}
Result<Json> sort_by(JmesEvaluation& run, const Arguments& a) {
  const Json::Array& items = a[0].value.array();
  auto keys = keys_by(run, items, *a[1].expression, "sort_by");
  if (!keys) return fail(keys.error());
  if (auto ok = spend_on_sorting(run, items.size()); !ok) return fail(ok.error());
  std::vector<std::size_t> sorted(items.size());
  std::iota(sorted.begin(), sorted.end(), std::size_t{0});
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::size_t x, std::size_t y) { return order((*keys)[x], (*keys)[y]) < 0; });
  Json::Array out;
  for (const std::size_t place : sorted) out.push_back(items[place]);
  return Json(std::move(out));
}
Result<Json> map_of(JmesEvaluation& run, const Arguments& a) {
  Json::Array out;
  for (const Json& item : a[1].value.array()) {
    auto made = run.run(*a[0].expression, item);
    if (!made) return made;
    out.push_back(std::move(*made));
  }
  return Json(std::move(out));
}
Result<Json> group_by(JmesEvaluation& run, const Arguments& a) {
  std::vector<std::pair<std::string, Json::Array>> groups;
  for (const Json& item : a[0].value.array()) {
    auto key = run.run(*a[1].expression, item);
    if (!key) return key;
    if (key->is_null()) continue;
    if (key->kind() != Json::Kind::kString)
      return wrong("group_by() needs strings of its expression");
    if (auto ok = run.spend(groups.size()); !ok) return fail(ok.error());
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& g) { return g.first == key->string(); });
    if (group == groups.end()) group = groups.insert(groups.end(), {key->string(), {}});
    group->second.push_back(item);
  }
  Json::Object out;
  for (auto& [name, items] : groups) out.emplace_back(std::move(name), Json(std::move(items)));
  return Json(std::move(out));
}
Result<Json> join(JmesEvaluation& run, const Arguments& a) {
  std::string out;
  std::string_view separator;
  for (const Json& item : a[1].value.array()) {
    out += separator;
    out += item.string();
    separator = a[0].value.string();
    if (out.size() > kMaxText) break;
  }
  if (auto ok = run.spend(a[1].value.array().size()); !ok) return fail(ok.error());
  return text_of_size(run, std::move(out));
}
Result<Json> zip(JmesEvaluation& run, const Arguments& a) {
  std::size_t length = SIZE_MAX;
  for (const JmesArgument& list : a) length = std::min(length, list.value.array().size());
  if (auto ok = run.spend(length * a.size()); !ok) return fail(ok.error());
  Json::Array out;
  for (std::size_t i = 0; i < length; ++i) {
    Json::Array row;
    for (const JmesArgument& list : a) row.push_back(list.value.array()[i]);
    out.emplace_back(std::move(row));
  }
  return Json(std::move(out));
}

// ---- objects

Result<Json> keys(JmesEvaluation& run, const Arguments& a) {
  Json::Array out;
  for (const auto& [name, member] : a[0].value.object()) out.emplace_back(name);
  if (auto ok = run.spend(out.size()); !ok) return fail(ok.error());
  return Json(std::move(out));
}
Result<Json> values(JmesEvaluation& run, const Arguments& a) {
  Json::Array out;
  for (const auto& [name, member] : a[0].value.object()) out.push_back(member);
  if (auto ok = run.spend(out.size()); !ok) return fail(ok.error());
  return Json(std::move(out));
}
// Sets a member of an object under construction.
Result<> set_member(JmesEvaluation& run, Json::Object& object, const std::string& name,
                    const Json& value) {
  if (auto ok = run.spend(1 + object.size() / 4); !ok) return ok;
  const auto same = std::find_if(object.begin(), object.end(),
                                 [&](const auto& member) { return member.first == name; });
  if (same != object.end()) {
    same->second = value;
  } else {
    object.emplace_back(name, value);
  }
  return {};
}
Result<Json> merge(JmesEvaluation& run, const Arguments& a) {
  Json::Object out;
  for (const JmesArgument& object : a)
    for (const auto& [name, member] : object.value.object())
      if (auto ok = set_member(run, out, name, member); !ok) return fail(ok.error());
  return Json(std::move(out));
}
Result<Json> items_of(JmesEvaluation& run, const Arguments& a) {
  Json::Array out;
  for (const auto& [name, member] : a[0].value.object())
    out.emplace_back(Json::Array{Json(name), member});
  if (auto ok = run.spend(out.size() * 3); !ok) return fail(ok.error());
  return Json(std::move(out));
}
Result<Json> from_items(JmesEvaluation& run, const Arguments& a) {
  Json::Object out;
  for (const Json& item : a[0].value.array()) {
    if (item.kind() != Json::Kind::kArray || item.array().size() != 2 ||
        item.array()[0].kind() != Json::Kind::kString)
      return wrong("from_items() needs [name, value] pairs");
    if (auto ok = set_member(run, out, item.array()[0].string(), item.array()[1]); !ok)
      return fail(ok.error());
  }
  return Json(std::move(out));
}

// ---- any value

Result<Json> length(JmesEvaluation& run, const Arguments& a) {
  const Json& value = a[0].value;
  if (value.kind() == Json::Kind::kArray) return whole(value.array().size());
  if (value.kind() == Json::Kind::kObject) return whole(value.object().size());
  if (auto ok = run.spend(value.string().size() / 16); !ok) return fail(ok.error());
  return whole(count_code_points(value.string()));
}
Result<Json> contains(JmesEvaluation& run, const Arguments& a) {
  const Json& value = a[0].value;
  const Json& wanted = a[1].value;
  if (value.kind() == Json::Kind::kString) {
    if (auto ok = run.spend(value.string().size() / 16); !ok) return fail(ok.error());
    return Json(wanted.kind() == Json::Kind::kString &&
                value.string().find(wanted.string()) != std::string::npos);
  }
  for (const Json& item : value.array()) {
    auto same = run.equal(item, wanted);
    if (!same) return fail(same.error());
    if (*same) return Json(true);
  }
  return Json(false);
}
Result<Json> reverse(JmesEvaluation& run, const Arguments& a) {
  const Json& value = a[0].value;
  if (value.kind() == Json::Kind::kArray) {
    if (auto ok = run.spend(value.array().size()); !ok) return fail(ok.error());
    return Json(Json::Array(value.array().rbegin(), value.array().rend()));
  }
  std::string out;
  const std::vector<std::string_view> characters = utf8_characters(value.string());
  for (auto it = characters.rbegin(); it != characters.rend(); ++it) out += *it;
  return text_of_size(run, std::move(out));
}
Result<Json> to_array(JmesEvaluation&, const Arguments& a) {
  if (a[0].value.kind() == Json::Kind::kArray) return a[0].value;
  return Json(Json::Array{a[0].value});
}
Result<Json> to_string(JmesEvaluation& run, const Arguments& a) {
  if (a[0].value.kind() == Json::Kind::kString) return a[0].value;
  auto text = run.text(a[0].value);
  if (!text) return fail(text.error());
  return Json(std::move(*text));
}
Result<Json> type_of(JmesEvaluation&, const Arguments& a) {
  return Json(jmes_type_name(a[0].value));
}
Result<Json> not_null(JmesEvaluation&, const Arguments& a) {
  for (const JmesArgument& argument : a)
    if (!argument.value.is_null()) return argument.value;
  return Json();
}

// ---- strings

const std::string& string_at(const Arguments& a, std::size_t i) { return a[i].value.string(); }

// A whole number that an argument must be.
Result<std::int64_t> whole_at(const Arguments& a, std::size_t i) {
  const double number = a[i].value.number();
  if (number != std::floor(number) || std::abs(number) > 1e15)
    return wrong("argument " + std::to_string(i + 1) + " must be a whole number");
  return static_cast<std::int64_t>(number);
}

Result<Json> starts_with(JmesEvaluation&, const Arguments& a) {
  return Json(string_at(a, 0).starts_with(string_at(a, 1)));
}
Result<Json> ends_with(JmesEvaluation&, const Arguments& a) {
  return Json(string_at(a, 0).ends_with(string_at(a, 1)));
}
Result<Json> lower(JmesEvaluation& run, const Arguments& a) {
  return text_of_size(run, map_code_points(string_at(a, 0), to_lower));
}
Result<Json> upper(JmesEvaluation& run, const Arguments& a) {
  return text_of_size(run, map_code_points(string_at(a, 0), to_upper));
}
Result<Json> trimmed(JmesEvaluation& run, const Arguments& a, bool left, bool right) {
  static constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::vector<std::string_view> characters = utf8_characters(string_at(a, 0));
  const std::vector<std::string_view> wanted = utf8_characters(
      a.size() > 1 && !string_at(a, 1).empty() ? std::string_view(string_at(a, 1)) : kSpace);
  if (auto ok = run.spend(characters.size() / 16 + wanted.size()); !ok) return fail(ok.error());
  const auto is_wanted = [&](std::string_view c) {
    return std::find(wanted.begin(), wanted.end(), c) != wanted.end();
  };
  std::size_t begin = 0;
  std::size_t end = characters.size();
  while (left && begin < end && is_wanted(characters[begin])) ++begin;
  while (right && end > begin && is_wanted(characters[end - 1])) --end;
  std::string out;
  for (std::size_t i = begin; i < end; ++i) out += characters[i];
  return text_of_size(run, std::move(out));
}
Result<Json> trim_both(JmesEvaluation& run, const Arguments& a) {
  return trimmed(run, a, true, true);
}
Result<Json> trim_left(JmesEvaluation& run, const Arguments& a) {
  return trimmed(run, a, true, false);
}
Result<Json> trim_right(JmesEvaluation& run, const Arguments& a) {
  return trimmed(run, a, false, true);
}
Result<Json> padded(JmesEvaluation& run, const Arguments& a, bool left) {
  auto width = whole_at(a, 1);
  if (!width) return fail(width.error());
  if (*width < 0) return wrong("the width must not be negative");
  const std::string pad = a.size() > 2 ? string_at(a, 2) : " ";
  if (utf8_characters(pad).size() != 1) return wrong("what pads must be one character");
  const std::size_t length = utf8_characters(string_at(a, 0)).size();
  const auto wanted = static_cast<std::size_t>(*width);
  if (wanted > kMaxText) return fail(ErrorCode::kExhausted, "the width is too large");
  std::string padding;
  for (std::size_t i = length; i < wanted; ++i) padding += pad;
  return text_of_size(run, left ? padding + string_at(a, 0) : string_at(a, 0) + padding);
}
Result<Json> pad_left(JmesEvaluation& run, const Arguments& a) { return padded(run, a, true); }
Result<Json> pad_right(JmesEvaluation& run, const Arguments& a) { return padded(run, a, false); }

Result<Json> replace(JmesEvaluation& run, const Arguments& a) {
  std::int64_t most = INT64_MAX;
  if (a.size() > 3) {
    auto given = whole_at(a, 3);
    if (!given) return fail(given.error());
    if (*given < 0) return wrong("the count must not be negative");
    most = *given;
  }
  const std::string& text = string_at(a, 0);
  const std::string& from = string_at(a, 1);
  std::string out;
  std::size_t done = 0;
  for (; most > 0 && !from.empty(); --most) {
    const std::size_t found = text.find(from, done);
    if (found == std::string::npos) break;
    out.append(text, done, found - done);
    out += string_at(a, 2);
    done = found + from.size();
    if (out.size() > kMaxText) break;
  }
  out.append(text, done);
  return text_of_size(run, std::move(out));
}
Result<Json> split_text(JmesEvaluation& run, const Arguments& a) {
  std::int64_t most = INT64_MAX;
  if (a.size() > 2) {
    auto given = whole_at(a, 2);
    if (!given) return fail(given.error());
    if (*given < 0) return wrong("the count must not be negative");
    most = *given;
  }
  std::string_view text = string_at(a, 0);
  const std::string& separator = string_at(a, 1);
  if (auto ok = run.spend(text.size()); !ok) return fail(ok.error());
  Json::Array out;
  if (separator.empty()) {
    for (const std::string_view character : utf8_characters(text)) {
      if (most-- <= 0) break;
      out.emplace_back(std::string(character));
      text.remove_prefix(character.size());
    }
    if (!text.empty()) out.emplace_back(std::string(text));
    return Json(std::move(out));
  }
  for (; most > 0; --most) {
    const std::size_t found = text.find(separator);
    if (found == std::string_view::npos) break;
    out.emplace_back(std::string(text.substr(0, found)));
    text.remove_prefix(found + separator.size());
  }
  out.emplace_back(std::string(text));
  return Json(std::move(out));
}

// The place, in characters, of the first or last occurrence between two places.
Result<Json> found_place(JmesEvaluation& run, const Arguments& a, bool first) {
  const std::vector<std::string_view> text = utf8_characters(string_at(a, 0));
  const std::vector<std::string_view> wanted = utf8_characters(string_at(a, 1));
  if (auto ok = run.spend(text.size() + wanted.size()); !ok) return fail(ok.error());
  const auto size = static_cast<std::int64_t>(text.size());
  std::int64_t bounds[2] = {0, size};
  for (std::size_t i = 2; i < a.size(); ++i) {
    auto given = whole_at(a, i);
    if (!given) return fail(given.error());
    bounds[i - 2] = std::clamp<std::int64_t>(*given < 0 ? *given + size : *given, 0, size);
  }
  if (wanted.empty() || bounds[0] >= bounds[1]) return Json();
  const auto begin = text.begin() + bounds[0];
  const auto end = text.begin() + bounds[1];
  const auto at = first ? std::search(begin, end, wanted.begin(), wanted.end())
                        : std::find_end(begin, end, wanted.begin(), wanted.end());
  return at == end ? Json() : Json(static_cast<std::int64_t>(at - text.begin()));
}
Result<Json> find_first(JmesEvaluation& run, const Arguments& a) {
  return found_place(run, a, true);
}
Result<Json> find_last(JmesEvaluation& run, const Arguments& a) {
  return found_place(run, a, false);
}

constexpr unsigned kAny = Function::kAny;
constexpr unsigned kNumber = Function::kNumber;
constexpr unsigned kString = Function::kString;
constexpr unsigned kArray = Function::kArray;
constexpr unsigned kObject = Function::kObject;
constexpr unsigned kExpression = Function::kExpression;
constexpr unsigned kComparable = Function::kNumbers | Function::kStrings;

constexpr Function kFunctions[] = {
    {"abs", {kNumber}, 1, 1, abs_of},
    {"avg", {Function::kNumbers}, 1, 1, avg_of},
    {"ceil", {kNumber}, 1, 1, ceil_of},
    {"contains", {kArray | kString, kAny}, 2, 2, contains},
    {"ends_with", {kString, kString}, 2, 2, ends_with},
    {"find_first", {kString, kString, kNumber, kNumber}, 2, 4, find_first},
    {"find_last", {kString, kString, kNumber, kNumber}, 2, 4, find_last},
    {"floor", {kNumber}, 1, 1, floor_of},
    {"from_items", {kArray}, 1, 1, from_items},
    {"group_by", {kArray, kExpression}, 2, 2, group_by},
    {"items", {kObject}, 1, 1, items_of},
    {"join", {kString, Function::kStrings}, 2, 2, join},
    {"keys", {kObject}, 1, 1, keys},
    {"length", {kString | kArray | kObject}, 1, 1, length},
    {"lower", {kString}, 1, 1, lower},
    {"map", {kExpression, kArray}, 2, 2, map_of},
    {"max", {kComparable}, 1, 1, max_of},
    {"max_by", {kArray, kExpression}, 2, 2, max_by},
    {"merge", {kObject}, 1, SIZE_MAX, merge},
    {"min", {kComparable}, 1, 1, min_of},
    {"min_by", {kArray, kExpression}, 2, 2, min_by},
    {"not_null", {kAny}, 1, SIZE_MAX, not_null},
    {"pad_left", {kString, kNumber, kString}, 2, 3, pad_left},
    {"pad_right", {kString, kNumber, kString}, 2, 3, pad_right},
    {"replace", {kString, kString, kString, kNumber}, 3, 4, replace},
    {"reverse", {kArray | kString}, 1, 1, reverse},
    {"sort", {kComparable}, 1, 1, sort_of},
    {"sort_by", {kArray, kExpression}, 2, 2, sort_by},
    {"split", {kString, kString, kNumber}, 2, 3, split_text},
    {"starts_with", {kString, kString}, 2, 2, starts_with},
    {"sum", {Function::kNumbers}, 1, 1, sum_of},
    {"to_array", {kAny}, 1, 1, to_array},
    {"to_number", {kAny}, 1, 1, to_number},
    {"to_string", {kAny}, 1, 1, to_string},
    {"trim", {kString, kString}, 1, 2, trim_both},
    {"trim_left", {kString, kString}, 1, 2, trim_left},
    {"trim_right", {kString, kString}, 1, 2, trim_right},
    {"type", {kAny}, 1, 1, type_of},
    {"upper", {kString}, 1, 1, upper},
    {"values", {kObject}, 1, 1, values},
    {"zip", {kArray}, 1, SIZE_MAX, zip},
};

}  // namespace

const JmesFunction* find_jmes_function(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const Function& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

std::vector<std::string_view> jmes_function_names() {
  std::vector<std::string_view> out;
  for (const Function& function : kFunctions) out.push_back(function.name);
  return out;
}

unsigned jmes_types_of(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return Function::kNull;
    case Json::Kind::kBool:
      return Function::kBool;
    case Json::Kind::kInt:
    case Json::Kind::kDouble:
      return kNumber;
    case Json::Kind::kString:
      return kString;
    case Json::Kind::kObject:
      return kObject;
    case Json::Kind::kArray:
      break;
  }
  unsigned types = kArray | kComparable;
  for (const Json& item : value.array()) {
    if (!item.is_number()) types &= ~unsigned{Function::kNumbers};
    if (item.kind() != Json::Kind::kString) types &= ~unsigned{Function::kStrings};
  }
  return types;
}

std::string jmes_type_name(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "null";
    case Json::Kind::kBool:
      return "boolean";
    case Json::Kind::kInt:
    case Json::Kind::kDouble:
      return "number";
    case Json::Kind::kString:
      return "string";
    case Json::Kind::kArray:
      return "array";
    case Json::Kind::kObject:
      break;
  }
  return "object";
}

bool jmes_is_true(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return false;
    case Json::Kind::kBool:
      return value.boolean();
    case Json::Kind::kString:
      return !value.string().empty();
    case Json::Kind::kArray:
      return !value.array().empty();
    case Json::Kind::kObject:
      return !value.object().empty();
    default:
      return true;
  }
}

}  // namespace agent::model
