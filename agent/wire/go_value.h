// The values of Go templates (go_template.h) and the memory they live in while one execution lasts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace agent::wire {

class TimeZone;
class GoValue;

// Memory that is given back all at once. It gives what is asked for and remembers when that was
// more than the limit; whoever asks for much asks room() first. One thread at a time.
class GoScratch {
 public:
  explicit GoScratch(std::size_t limit) : limit_(limit) {}
  bool room(std::size_t bytes) const { return bytes <= limit_ - std::min(used_, limit_); }
  bool exhausted() const { return used_ > limit_; }

  char* bytes(std::size_t size);
  std::string_view store(std::string_view text);
  template <class T>
  T* make(T value) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (aligned(sizeof(T))) T(std::move(value));
  }
  template <class T>
  T* array(std::size_t size) {
    static_assert(std::is_trivially_destructible_v<T>);
    T* first = static_cast<T*>(aligned(size * sizeof(T)));
    for (std::size_t i = 0; i < size; ++i) new (first + i) T();
    return first;
  }
  // Forgets everything; keeps one chunk for the next time.
  void reset();

 private:
  void* aligned(std::size_t size);
  std::size_t limit_;
  std::size_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> chunks_;  // all of one size
  std::vector<std::unique_ptr<char[]>> large_;
  char* free_ = nullptr;
  std::size_t left_ = 0;
};

// The types that Go's functions tell apart.
enum class GoType : std::uint8_t {
  kNil,  // also what a missing key gives
  kBool,
  kInt,
  kInt64,
  kByte,
  kFloat,
  kString,
  kTime,
  kList,        // []interface{}
  kStringList,  // []string
  kIntList,     // []int
  kListList,    // [][]interface{}
  kMap,         // map[string]interface{}
  kStringMap    // map[string]string
};

struct GoList {
  const GoValue* items = nullptr;
  std::size_t size = 0;
};

struct GoTime {
  std::int64_t seconds = 0;  // since 1970 UTC
  std::int32_t nanoseconds = 0;
  const TimeZone* zone = nullptr;
};

class GoMap;

// Small, copied freely; texts, lists, maps and times lie in a GoScratch or outlive the execution.
class GoValue {
 public:
  GoValue() = default;
  explicit GoValue(bool value) : type_(GoType::kBool) { data_.integer = value ? 1 : 0; }
  explicit GoValue(std::int64_t value, GoType type = GoType::kInt) : type_(type) {
    data_.integer = value;
  }
  explicit GoValue(double value) : type_(GoType::kFloat) { data_.number = value; }
  explicit GoValue(std::string_view value) : type_(GoType::kString), size_(value.size()) {
    data_.text = value.data();
  }
  GoValue(const GoList* value, GoType type) : type_(type) { data_.list = value; }
  explicit GoValue(GoMap* value, GoType type = GoType::kMap) : type_(type) { data_.map = value; }
  explicit GoValue(const GoTime* value) : type_(GoType::kTime) { data_.time = value; }

  GoType type() const { return type_; }
  bool is_nil() const { return type_ == GoType::kNil; }
  bool is_integer() const {
    return type_ == GoType::kInt || type_ == GoType::kInt64 || type_ == GoType::kByte;
  }
  bool is_string() const { return type_ == GoType::kString; }
  bool is_list() const { return type_ >= GoType::kList && type_ <= GoType::kListList; }
  bool is_map() const { return type_ >= GoType::kMap; }

  // Each of its type only.
  bool boolean() const { return data_.integer != 0; }
  std::int64_t integer() const { return data_.integer; }
  double number() const { return data_.number; }
  std::string_view string() const { return {data_.text, size_}; }
  std::span<const GoValue> list() const { return {data_.list->items, data_.list->size}; }
  GoMap& map() const { return *data_.map; }
  const GoTime& time() const { return *data_.time; }

 private:
  union {
    std::int64_t integer;
    double number;
    const char* text;
    const GoList* list;
    GoMap* map;
    const GoTime* time;
  } data_ = {0};
  GoType type_ = GoType::kNil;
  std::size_t size_ = 0;  // of a text
};

// What a template is executed on, asked for as the template needs it.
class GoData {
 public:
  using Pair = std::pair<std::string_view, GoValue>;
  virtual ~GoData() = default;
  // nil when there is no such key. The value lives as long as the execution.
  virtual GoValue find(std::string_view key, GoScratch& scratch) = 0;
  // Every key with its value, each key once, in any order.
  virtual void all(std::vector<Pair>& out, GoScratch& scratch) = 0;
};

// Keys in order. Lives in a GoScratch; several values may refer to it.
class GoMap {
 public:
  struct Pair {
    std::string_view key;
    GoValue value;
  };
  GoMap() = default;
  // The keys of `data`, taken over when more than single ones are asked for.
  explicit GoMap(GoData& data) : data_(&data) {}

  // Null when there is no such key.
  const GoValue* find(std::string_view key, GoScratch& scratch);
  std::span<const Pair> pairs(GoScratch& scratch);
  void set(std::string_view key, GoValue value, GoScratch& scratch);
  void erase(std::string_view key, GoScratch& scratch);

 private:
  Pair* lower_bound(std::string_view key);
  void load(GoScratch& scratch);
  GoData* data_ = nullptr;
  GoValue found_;
  Pair* pairs_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Go's name of the type ("map[string]interface {}") and of its kind ("map").
std::string_view go_type_name(GoType type);
std::string_view go_kind_name(GoType type);
// As `if` sees it.
bool go_truth(const GoValue& value, GoScratch& scratch);
// reflect.DeepEqual. `work` grows with what was compared; false beyond a depth of 64 and a million
// values.
bool go_equal(const GoValue& a, const GoValue& b, GoScratch& scratch, std::size_t& work);

}  // namespace agent::wire
