#include "agent/wire/go_value.h"

#include <algorithm>
#include <cstring>

namespace agent::wire {
namespace {

constexpr std::size_t kChunk = 16384;
constexpr int kMaxDepth = 64;
constexpr std::size_t kMostWork = 1 << 20;

bool equal(const GoValue& a, const GoValue& b, GoScratch& scratch, std::size_t& work, int depth) {
  if (a.type() != b.type() || depth > kMaxDepth || ++work > kMostWork) return false;
  if (a.is_list()) {
    const auto left = a.list();
    const auto right = b.list();
    if (left.size() != right.size()) return false;
    if (left.data() == right.data()) return true;
    for (std::size_t i = 0; i < left.size(); ++i)
      if (!equal(left[i], right[i], scratch, work, depth + 1)) return false;
    return true;
  }
  if (a.is_map()) {
    if (&a.map() == &b.map()) return true;
    const auto left = a.map().pairs(scratch);
    const auto right = b.map().pairs(scratch);
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i)
      if (left[i].key != right[i].key ||
          !equal(left[i].value, right[i].value, scratch, work, depth + 1))
        return false;
    return true;
  }
  switch (a.type()) {
    case GoType::kNil:
      return true;
    case GoType::kFloat:
      return a.number() == b.number();
    case GoType::kString:
      work += a.string().size() / 64;
      return a.string() == b.string();
    case GoType::kTime:
      return a.time().seconds == b.time().seconds && a.time().nanoseconds == b.time().nanoseconds &&
             a.time().zone == b.time().zone;
    default:
      return a.integer() == b.integer();
  }
}

}  // namespace

void* GoScratch::aligned(std::size_t size) {
  constexpr std::size_t kAlign = alignof(std::max_align_t);
  const std::size_t padding = (kAlign - reinterpret_cast<std::uintptr_t>(free_) % kAlign) % kAlign;
  const std::size_t skipped = std::min(padding, left_);
  free_ += skipped;
  left_ -= skipped;
  return bytes(size);  // out of a chunk of its own, where this one is full: aligned too
}

char* GoScratch::bytes(std::size_t size) {
  used_ += size;
  if (size > kChunk / 4) {
    large_.push_back(std::make_unique_for_overwrite<char[]>(size));
    return large_.back().get();
  }
  if (size > left_) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunk));
    free_ = chunks_.back().get();
    left_ = kChunk;
  }
  char* out = free_;
  free_ += size;
  left_ -= size;
  return out;
}

std::string_view GoScratch::store(std::string_view text) {
  if (text.empty()) return {};
  char* copy = bytes(text.size());
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

void GoScratch::reset() {
  used_ = 0;
  large_.clear();
  if (chunks_.empty()) return;
  chunks_.resize(1);
  free_ = chunks_.front().get();
  left_ = kChunk;
}

GoMap::Pair* GoMap::lower_bound(std::string_view key) {
  return std::lower_bound(
      pairs_, pairs_ + size_, key,
      [](const Pair& pair, std::string_view wanted) { return pair.key < wanted; });
}

void GoMap::load(GoScratch& scratch) {
  if (data_ == nullptr) return;
  std::vector<GoData::Pair> all;
  data_->all(all, scratch);
  data_ = nullptr;
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  pairs_ = scratch.array<Pair>(all.size());
  capacity_ = all.size();
  for (const auto& [key, value] : all) pairs_[size_++] = {key, value};
}

const GoValue* GoMap::find(std::string_view key, GoScratch& scratch) {
  if (data_ != nullptr) {
    found_ = data_->find(key, scratch);
    return found_.is_nil() ? nullptr : &found_;
  }
  const Pair* at = lower_bound(key);
  return at != pairs_ + size_ && at->key == key ? &at->value : nullptr;
}

std::span<const GoMap::Pair> GoMap::pairs(GoScratch& scratch) {
  load(scratch);
  return {pairs_, size_};
}

void GoMap::set(std::string_view key, GoValue value, GoScratch& scratch) {
  load(scratch);
  Pair* at = lower_bound(key);
  if (at != pairs_ + size_ && at->key == key) {
    at->value = value;
    return;
  }
  const std::size_t index = static_cast<std::size_t>(at - pairs_);
  if (size_ == capacity_) {
    capacity_ = std::max<std::size_t>(4, capacity_ * 2);
    Pair* grown = scratch.array<Pair>(capacity_);
    std::copy(pairs_, pairs_ + size_, grown);
    pairs_ = grown;
  }
  std::copy_backward(pairs_ + index, pairs_ + size_, pairs_ + size_ + 1);
  pairs_[index] = {key, value};
  ++size_;
}

void GoMap::erase(std::string_view key, GoScratch& scratch) {
  load(scratch);
  Pair* at = lower_bound(key);
  if (at == pairs_ + size_ || at->key != key) return;
  std::copy(at + 1, pairs_ + size_, at);
  --size_;
}

std::string_view go_type_name(GoType type) {
  switch (type) {
    case GoType::kNil:
      return "<nil>";
    case GoType::kBool:
      return "bool";
    case GoType::kInt:
      return "int";
    case GoType::kInt64:
      return "int64";
    case GoType::kByte:
      return "uint8";
    case GoType::kFloat:
      return "float64";
    case GoType::kString:
      return "string";
    case GoType::kTime:
      return "time.Time";
    case GoType::kList:
      return "[]interface {}";
    case GoType::kStringList:
      return "[]string";
    case GoType::kIntList:
      return "[]int";
    case GoType::kListList:
      return "[][]interface {}";
    case GoType::kMap:
      return "map[string]interface {}";
    case GoType::kStringMap:
      return "map[string]string";
  }
  return "";
}

std::string_view go_kind_name(GoType type) {
  switch (type) {
    case GoType::kNil:
      return "invalid";
    case GoType::kTime:
      return "struct";
    case GoType::kList:
    case GoType::kStringList:
    case GoType::kIntList:
    case GoType::kListList:
      return "slice";
    case GoType::kMap:
    case GoType::kStringMap:
      return "map";
    default:
      return go_type_name(type);
  }
}

bool go_truth(const GoValue& value, GoScratch& scratch) {
  if (value.is_list()) return !value.list().empty();
  if (value.is_map()) return !value.map().pairs(scratch).empty();
  switch (value.type()) {
    case GoType::kNil:
      return false;
    case GoType::kFloat:
      return value.number() != 0;
    case GoType::kString:
      return !value.string().empty();
    case GoType::kTime:
      return true;
    default:
      return value.integer() != 0;
  }
}

bool go_equal(const GoValue& a, const GoValue& b, GoScratch& scratch, std::size_t& work) {
  return equal(a, b, scratch, work, 0);
}

}  // namespace agent::wire
