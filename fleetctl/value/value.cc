#include "fleetctl/value/value.h"

#include <charconv>
#include <cmath>
#include <functional>

namespace fleetctl::value {
namespace {

constexpr int kMaxDepth = 500;
constexpr std::size_t kIndexFrom = 12;  // smaller dicts are searched from front to back

double text_number(const std::string& digits) { return std::strtod(digits.c_str(), nullptr); }

std::partial_ordering order_of(int sign) {
  if (sign < 0) return std::partial_ordering::less;
  return sign > 0 ? std::partial_ordering::greater : std::partial_ordering::equivalent;
}

// Both are decimal texts without leading zeros.
int compare_digits(const std::string& a, const std::string& b) {
  const bool negative = a[0] == '-';
  if (negative != (b[0] == '-')) return negative ? -1 : 1;
  int sign = 0;
  if (a.size() != b.size()) {
    sign = a.size() < b.size() ? -1 : 1;
  } else {
    sign = a.compare(b);
  }
  return negative ? -sign : sign;
}

std::int64_t small_int(const Value& v) { return v.is_bool() ? (v.as_bool() ? 1 : 0) : v.as_int(); }

std::partial_ordering compare_numbers(const Value& a, const Value& b) {
  if (a.is_float() || b.is_float()) return number_of(a) <=> number_of(b);
  if (a.kind() == Kind::kBigInt || b.kind() == Kind::kBigInt) {
    const auto digits = [](const Value& v) {
      return v.kind() == Kind::kBigInt ? v.as_string() : std::to_string(small_int(v));
    };
    return order_of(compare_digits(digits(a), digits(b)));
  }
  return small_int(a) <=> small_int(b);
}

bool equal_at(const Value& a, const Value& b, int depth);

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b, int depth) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal_at(a[i], b[i], depth)) return false;
  }
  return true;
}

bool equal_at(const Value& a, const Value& b, int depth) {
  if (depth > kMaxDepth) return false;
  if (a.is_number() && b.is_number()) {
    return compare_numbers(a, b) == std::partial_ordering::equivalent;
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.as_string() == b.as_string();
    case Kind::kList:
    case Kind::kTuple:
      return a.same_object(b) || equal_items(a.items(), b.items(), depth + 1);
    case Kind::kDict: {
      if (a.same_object(b)) return true;
      if (a.as_dict().size() != b.as_dict().size()) return false;
      for (const auto& [key, value] : a.as_dict()) {
        const Value* other = b.as_dict().find(key);
        if (other == nullptr || !equal_at(value, *other, depth + 1)) return false;
      }
      return true;
    }
    default:
      return a.same_object(b);
  }
}

std::optional<std::partial_ordering> compare_at(const Value& a, const Value& b, int depth) {
  if (depth > kMaxDepth) return std::nullopt;
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) return order_of(a.as_string().compare(b.as_string()));
  if (a.kind() == b.kind() && a.is_sequence()) {
    const auto& x = a.items();
    const auto& y = b.items();
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equal_at(x[i], y[i], depth + 1)) return compare_at(x[i], y[i], depth + 1);
    }
    return x.size() <=> y.size();
  }
  return std::nullopt;
}

void copy_into(const Value& from, Value& to, int depth) {
  to = from;
  if (depth > kMaxDepth) return;
  if (from.is_sequence()) {
    std::vector<Value> items(from.items().size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      copy_into(from.items()[i], items[i], depth + 1);
    }
    to = from.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  } else if (from.is_dict()) {
    Dict copy;
    for (const auto& [key, value] : from.as_dict()) {
      Value inner;
      copy_into(value, inner, depth + 1);
      copy.set(key, std::move(inner));
    }
    to = Value::dict(std::move(copy));
  } else {
    return;
  }
  to.set_mark(from.shared_mark());
  for (const Flag flag : {kTainted, kUnsafe, kMarkup, kVerbatim}) {
    if (from.has(flag)) to.set_flag(flag);
  }
}

bool any_tainted(const Value& value, int depth) {
  if (value.has(kTainted)) return true;
  if (depth > kMaxDepth) return true;
  if (value.is_sequence()) {
    for (const Value& item : value.items()) {
      if (any_tainted(item, depth + 1)) return true;
    }
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict()) {
      if (key.has(kTainted) || any_tainted(item, depth + 1)) return true;
    }
  }
  return false;
}

bool reaches_at(const Value& value, const Value& container, int depth) {
  if (depth > kMaxDepth) return true;
  if (value.same_object(container)) return true;
  if (value.is_sequence()) {
    for (const Value& item : value.items()) {
      if ((item.is_sequence() || item.is_dict()) && reaches_at(item, container, depth + 1)) {
        return true;
      }
    }
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict()) {
      if ((item.is_sequence() || item.is_dict()) && reaches_at(item, container, depth + 1)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

List::List(std::vector<Value> values) : items(std::move(values)) {}

// A list that dies hands the containers that nobody else holds to one worklist, instead of
// destroying them one inside the other on the stack.
List::~List() {
  std::vector<Value> dying;
  const auto take = [&dying](Value& value) {
    if (auto* list = std::get_if<std::shared_ptr<List>>(&value.data_)) {
      if (*list && list->use_count() == 1 && !(*list)->items.empty()) {
        dying.push_back(std::move(value));
      }
    } else if (auto* dict = std::get_if<std::shared_ptr<Dict>>(&value.data_)) {
      if (*dict && dict->use_count() == 1 && !(*dict)->empty()) dying.push_back(std::move(value));
    }
  };
  for (Value& item : items) take(item);
  while (!dying.empty()) {
    Value last = std::move(dying.back());
    dying.pop_back();
    if (auto* list = std::get_if<std::shared_ptr<List>>(&last.data_)) {
      for (Value& item : (*list)->items) take(item);
      (*list)->items.clear();
    } else if (auto* dict = std::get_if<std::shared_ptr<Dict>>(&last.data_)) {
      for (auto& [key, item] : (*dict)->items_) take(item);
      (*dict)->items_.clear();
    }
  }
}

Dict::~Dict() {
  bool nested = false;
  for (const auto& [key, value] : items_) nested = nested || value.is_sequence() || value.is_dict();
  if (!nested) return;
  List rest;  // its destructor does the work
  rest.items.reserve(items_.size());
  for (auto& [key, value] : items_) rest.items.push_back(std::move(value));
}

Value Value::boolean(bool b) {
  Value v;
  v.kind_ = Kind::kBool;
  v.data_ = b;
  return v;
}
Value Value::integer(std::int64_t i) {
  Value v;
  v.kind_ = Kind::kInt;
  v.data_ = i;
  return v;
}
Value Value::integer_text(std::string_view digits) {
  const bool negative = !digits.empty() && digits[0] == '-';
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  std::string text = negative ? "-" : "";
  text += digits;
  std::int64_t small = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), small);
  if (error == std::errc() && end == text.data() + text.size()) return integer(small);
  Value v;
  v.kind_ = Kind::kBigInt;
  v.data_ = std::make_shared<const std::string>(std::move(text));
  return v;
}
Value Value::real(double d) {
  Value v;
  v.kind_ = Kind::kFloat;
  v.data_ = d;
  return v;
}
Value Value::string(std::string text, std::uint8_t flags) {
  Value v;
  v.kind_ = Kind::kString;
  v.data_ = std::make_shared<const std::string>(std::move(text));
  v.flags_ = flags;
  return v;
}
Value Value::list(std::vector<Value> items) {
  Value v;
  v.kind_ = Kind::kList;
  v.data_ = std::make_shared<List>(std::move(items));
  return v;
}
Value Value::tuple(std::vector<Value> items) {
  Value v = list(std::move(items));
  v.kind_ = Kind::kTuple;
  return v;
}
Value Value::dict() { return dict(Dict()); }
Value Value::dict(Dict entries) {
  Value v;
  v.kind_ = Kind::kDict;
  v.data_ = std::make_shared<Dict>(std::move(entries));
  return v;
}
Value Value::object(std::shared_ptr<Object> object) {
  Value v;
  v.kind_ = Kind::kObject;
  v.data_ = std::move(object);
  return v;
}
Value Value::undefined(std::shared_ptr<Object> why) {
  Value v = object(std::move(why));
  v.kind_ = Kind::kUndefined;
  return v;
}

const std::string& Value::as_string() const { return *std::get<Text>(data_); }
const std::vector<Value>& Value::items() const {
  return std::get<std::shared_ptr<List>>(data_)->items;
}
std::vector<Value>& Value::mutable_items() { return std::get<std::shared_ptr<List>>(data_)->items; }
const Dict& Value::as_dict() const { return *std::get<std::shared_ptr<Dict>>(data_); }
Dict& Value::mutable_dict() { return *std::get<std::shared_ptr<Dict>>(data_); }
const std::shared_ptr<Object>& Value::as_object() const {
  return std::get<std::shared_ptr<Object>>(data_);
}
const Value* Value::get(std::string_view key) const {
  return is_dict() ? as_dict().find(key) : nullptr;
}

bool Value::same_object(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::kList:
    case Kind::kTuple:
      return std::get<std::shared_ptr<List>>(data_) == std::get<std::shared_ptr<List>>(other.data_);
    case Kind::kDict:
      return std::get<std::shared_ptr<Dict>>(data_) == std::get<std::shared_ptr<Dict>>(other.data_);
    case Kind::kObject:
    case Kind::kUndefined:
      return as_object() == other.as_object();
    case Kind::kString:
    case Kind::kBigInt:
      return as_string() == other.as_string();
    case Kind::kNone:
      return true;
    default:
      return data_ == other.data_;
  }
}

std::ptrdiff_t Dict::index_of(const Value& key) const {
  if (items_.size() < kIndexFrom) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (equal(items_[i].first, key)) return static_cast<std::ptrdiff_t>(i);
    }
    return -1;
  }
  const auto [from, to] = index_.equal_range(hash_of(key));
  for (auto it = from; it != to; ++it) {
    if (equal(items_[it->second].first, key)) return it->second;
  }
  return -1;
}
const Value* Dict::find(const Value& key) const {
  const std::ptrdiff_t at = index_of(key);
  return at < 0 ? nullptr : &items_[static_cast<std::size_t>(at)].second;
}
const Value* Dict::find(std::string_view key) const {
  if (items_.size() >= kIndexFrom) return find(Value::string(std::string(key)));
  for (const auto& [name, value] : items_) {
    if (name.is_string() && name.as_string() == key) return &value;
  }
  return nullptr;
}
Value* Dict::find_mutable(const Value& key) {
  const std::ptrdiff_t at = index_of(key);
  return at < 0 ? nullptr : &items_[static_cast<std::size_t>(at)].second;
}
void Dict::set(Value key, Value value) {
  if (const std::ptrdiff_t at = index_of(key); at >= 0) {
    items_[static_cast<std::size_t>(at)].second = std::move(value);
    return;
  }
  items_.emplace_back(std::move(key), std::move(value));
  if (items_.size() < kIndexFrom) return;
  const std::size_t from = index_.empty() ? 0 : items_.size() - 1;
  for (std::size_t i = from; i < items_.size(); ++i) {
    index_.emplace(hash_of(items_[i].first), static_cast<std::uint32_t>(i));
  }
}
void Dict::set(std::string_view key, Value value) {
  set(Value::string(std::string(key)), std::move(value));
}
bool Dict::erase(const Value& key) {
  const std::ptrdiff_t at = index_of(key);
  if (at < 0) return false;
  items_.erase(items_.begin() + at);
  index_.clear();
  if (items_.size() >= kIndexFrom) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      index_.emplace(hash_of(items_[i].first), static_cast<std::uint32_t>(i));
    }
  }
  return true;
}
void Dict::clear() {
  items_.clear();
  index_.clear();
}

bool equal(const Value& a, const Value& b) { return equal_at(a, b, 0); }
std::optional<std::partial_ordering> compare(const Value& a, const Value& b) {
  return compare_at(a, b, 0);
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.as_bool();
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kFloat:
      return value.as_float() != 0.0;
    case Kind::kString:
      return !value.as_string().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return !value.as_dict().empty();
    default:
      return true;
  }
}

bool hashable(const Value& value) {
  if (value.is_list() || value.is_dict()) return false;
  if (value.is_tuple()) {
    for (const Value& item : value.items()) {
      if (item.is_tuple() || !hashable(item)) return false;  // one level of tuples is enough
    }
  }
  return !value.is_undefined();
}

std::size_t hash_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
      return std::hash<std::int64_t>()(small_int(value));
    case Kind::kFloat: {
      const double d = value.as_float();
      if (std::floor(d) == d && std::fabs(d) < 9.0e18) {
        return std::hash<std::int64_t>()(static_cast<std::int64_t>(d));
      }
      return std::hash<double>()(d);
    }
    case Kind::kBigInt:
      return std::hash<double>()(text_number(value.as_string()));
    case Kind::kString:
      return std::hash<std::string>()(value.as_string());
    case Kind::kTuple: {
      std::size_t hash = 0x9e3779b9U;
      for (const Value& item : value.items()) hash = hash * 31 + hash_of(item);
      return hash;
    }
    case Kind::kObject:
      return std::hash<const void*>()(value.as_object().get());
    default:
      return 0;
  }
}

double number_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kFloat:
      return value.as_float();
    case Kind::kBigInt:
      return text_number(value.as_string());
    default:
      return static_cast<double>(small_int(value));
  }
}

Value deep_copy(const Value& value) {
  Value copy;
  copy_into(value, copy, 0);
  return copy;
}

bool tainted_deep(const Value& value) { return any_tainted(value, 0); }

void set_flag_deep(Value& value, Flag flag) {
  std::vector<Value> open{value};
  value.set_flag(flag);
  std::size_t seen = 0;
  while (!open.empty() && seen < 10'000'000) {
    Value next = std::move(open.back());
    open.pop_back();
    ++seen;
    if (next.is_sequence()) {
      for (Value& item : next.mutable_items()) {
        item.set_flag(flag);
        if (item.is_sequence() || item.is_dict()) open.push_back(item);
      }
    } else if (next.is_dict()) {
      for (const auto& [key, item] : next.as_dict()) {
        if (Value* inside = next.mutable_dict().find_mutable(key)) {
          inside->set_flag(flag);
          if (inside->is_sequence() || inside->is_dict()) open.push_back(*inside);
        }
      }
    }
  }
}

bool reaches(const Value& value, const Value& container) { return reaches_at(value, container, 0); }

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return value.as_object()->type_name();
  }
  return "object";
}

}  // namespace fleetctl::value
