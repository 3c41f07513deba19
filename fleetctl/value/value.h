// The data of inventories and templates: what YAML, JSON and Jinja2 expressions evaluate to, with
// Python's rules for equality, ordering, truth and printing, because that is what the users'
// templates were written against.
//
// A Value is cheap to copy: strings, lists and dicts are shared. Lists and dicts have Python's
// reference semantics (a template's `.append` is seen by every holder), so whoever hands out shared
// data gives a deep_copy() to code that may change it. Reading from several threads is safe as long
// as nobody writes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace fleetctl::value {

class Dict;
class Value;

// Where a value was written; line and column count from 1, 0 is "not known".
struct Mark {
  std::string file;
  int line = 0;
  int column = 0;
};

enum class Kind : std::uint8_t {
  kUndefined,  // a name or key that is not there; exists only while a template runs
  kNone,
  kBool,
  kInt,
  kBigInt,  // an integer beyond 64 bits, kept as its decimal text
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kObject,  // something a template can hold but no file can: a macro, a loop, a namespace
};

enum Flag : std::uint8_t {
  kTainted = 1,   // derived from a secret: outputs that people read must mask it
  kUnsafe = 2,    // never templated (YAML `!unsafe`, lookups)
  kMarkup = 4,    // already HTML-escaped
  kVerbatim = 8,  // text that Ansible does not read as a literal (what to_json returns)
};

// What kObject and kUndefined point to. Derived classes belong to the folder that makes them.
class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual std::string text() const = 0;
};

struct List {
  std::vector<Value> items;
  List() = default;
  explicit List(std::vector<Value> values);
  ~List();  // without recursion, however deep the nesting
  List(const List&) = delete;
  List& operator=(const List&) = delete;
};

class Value {
 public:
  Value() = default;  // None
  static Value none() { return {}; }
  static Value boolean(bool b);
  static Value integer(std::int64_t i);
  // Decimal digits with an optional sign; becomes kInt when it fits.
  static Value integer_text(std::string_view digits);
  static Value real(double d);
  static Value string(std::string text, std::uint8_t flags = 0);
  static Value list(std::vector<Value> items = {});
  static Value tuple(std::vector<Value> items = {});
  static Value dict();
  static Value dict(Dict entries);
  static Value object(std::shared_ptr<Object> object);
  static Value undefined(std::shared_ptr<Object> why);

  Kind kind() const { return kind_; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_bool() const { return kind_ == Kind::kBool; }
  bool is_int() const { return kind_ == Kind::kInt; }  // not bool, not beyond 64 bits
  bool is_float() const { return kind_ == Kind::kFloat; }
  bool is_number() const { return kind_ >= Kind::kBool && kind_ <= Kind::kFloat; }  // bool too
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_tuple() const { return kind_ == Kind::kTuple; }
  bool is_sequence() const { return is_list() || is_tuple(); }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_object() const { return kind_ == Kind::kObject; }

  // Each needs the kind it names.
  bool as_bool() const { return std::get<bool>(data_); }
  std::int64_t as_int() const { return std::get<std::int64_t>(data_); }
  double as_float() const { return std::get<double>(data_); }
  const std::string& as_string() const;     // kString, kBigInt
  const std::vector<Value>& items() const;  // kList, kTuple
  std::vector<Value>& mutable_items();
  const Dict& as_dict() const;
  Dict& mutable_dict();
  const std::shared_ptr<Object>& as_object() const;  // kObject, kUndefined

  // nullptr unless this is a dict that has the key.
  const Value* get(std::string_view key) const;

  std::uint8_t flags() const { return flags_; }
  bool has(Flag flag) const { return (flags_ & flag) != 0; }
  Value& set_flag(Flag flag) {
    flags_ = static_cast<std::uint8_t>(flags_ | flag);
    return *this;
  }
  Value& clear_flag(Flag flag) {
    flags_ = static_cast<std::uint8_t>(flags_ & ~flag);
    return *this;
  }
  const Mark* mark() const { return mark_.get(); }
  Value& set_mark(std::shared_ptr<const Mark> mark) {
    mark_ = std::move(mark);
    return *this;
  }
  const std::shared_ptr<const Mark>& shared_mark() const { return mark_; }

  bool same_object(const Value& other) const;  // Python's `is`

 private:
  friend struct List;
  friend class Dict;
  using Text = std::shared_ptr<const std::string>;
  std::variant<std::monostate, bool, std::int64_t, double, Text, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<Object>>
      data_;
  std::shared_ptr<const Mark> mark_;
  Kind kind_ = Kind::kNone;
  std::uint8_t flags_ = 0;
};

// Insertion ordered. Keys are scalars or tuples of them (see hashable()); setting an existing key
// keeps its place.
class Dict {
 public:
  using Item = std::pair<Value, Value>;
  Dict() = default;
  Dict(Dict&&) = default;
  Dict& operator=(Dict&&) = default;
  Dict(const Dict&) = default;  // the entries' containers stay shared
  Dict& operator=(const Dict&) = default;
  ~Dict();
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const std::vector<Item>& items() const { return items_; }
  std::vector<Item>::const_iterator begin() const { return items_.begin(); }
  std::vector<Item>::const_iterator end() const { return items_.end(); }
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  Value* find_mutable(const Value& key);
  void set(Value key, Value value);
  void set(std::string_view key, Value value);
  bool erase(const Value& key);
  void clear();

 private:
  friend struct List;
  std::ptrdiff_t index_of(const Value& key) const;
  std::vector<Item> items_;
  std::unordered_multimap<std::size_t, std::uint32_t>
      index_;  // only when larger than a cache line or two
};

// Python's rules. Nesting deeper than 500 is treated as unequal / unordered, so hostile data cannot
// overflow the stack.
bool equal(const Value& a, const Value& b);  // 1 == 1.0 == True
// nullopt where Python raises TypeError ('<' between str and int).
std::optional<std::partial_ordering> compare(const Value& a, const Value& b);
bool truthy(const Value& value);
bool hashable(const Value& value);
std::size_t hash_of(const Value& value);
// bool, int, beyond 64 bits or float as a double; needs is_number().
double number_of(const Value& value);

Value deep_copy(const Value& value);
bool tainted_deep(const Value& value);
// Sets `flag` on the value and everything inside it (in place for lists and dicts).
void set_flag_deep(Value& value, Flag flag);
// Whether `container` can be reached from `value`: storing value in container would make a cycle.
bool reaches(const Value& value, const Value& container);

// "int", "str", "NoneType", ... as Python's type(x).__name__.
std::string_view type_name(const Value& value);

}  // namespace fleetctl::value
