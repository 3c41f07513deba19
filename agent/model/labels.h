// Label sets: what a stream, a series or a target is known by.
//
// A LabelSet is immutable, sorted by name and interned: a copy is one reference count, equality one
// compare. Sets of different Interners must not be compared. Names and values are bytes; whoever
// reads them from outside bounds them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::model {

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// Sorted by name, names unique, no empty values. The plain form, for building and for targets.
using Labels = std::vector<Label>;

// What a discovery found: an object of strings.
using Target = Labels;

class LabelSet {
 public:
  LabelSet() = default;  // no labels
  LabelSet(const LabelSet& other) noexcept;
  LabelSet(LabelSet&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  LabelSet& operator=(LabelSet other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~LabelSet();

  const Labels& labels() const;
  bool empty() const { return node_ == nullptr; }
  // The value of `name`, "" when absent: an empty value and an absent label are the same thing.
  std::string_view get(std::string_view name) const;
  std::uint64_t hash() const;  // equal sets of one Interner have equal hashes
  // {a="b", c="d"} with Go quoting, as Loki's push API wants it.
  std::string text() const;
  bool operator==(const LabelSet& other) const { return node_ == other.node_; }

 private:
  friend class Interner;
  struct Node;
  explicit LabelSet(Node* node) : node_(node) {}
  Node* node_ = nullptr;  // null: the empty set
};

// Makes equal label sets the same object. Holds them weakly: a set that nobody uses is freed.
// Thread-safe. LabelSets may outlive the Interner.
class Interner {
 public:
  Interner();
  ~Interner();
  Interner(const Interner&) = delete;
  Interner& operator=(const Interner&) = delete;

  LabelSet intern(
      Labels labels);  // in any order; the last of equal names counts, empty values are left out
  std::size_t size() const;  // sets alive

 private:
  friend class LabelSet;
  struct Table;
  std::shared_ptr<Table> table_;
};

// A label set under construction. Keeps the invariants of Labels.
class LabelBuilder {
 public:
  LabelBuilder() = default;
  explicit LabelBuilder(Labels sorted) : labels_(std::move(sorted)) {}
  explicit LabelBuilder(const LabelSet& set) : labels_(set.labels()) {}

  void set(std::string_view name, std::string_view value);  // an empty value removes
  void remove(std::string_view name);
  std::string_view get(std::string_view name) const;
  // Removes every label whose name starts with `prefix` ("__" before entries leave).
  void remove_prefix(std::string_view prefix);
  const Labels& labels() const { return labels_; }
  Labels take() && { return std::move(labels_); }

 private:
  Labels labels_;
};

// [a-zA-Z_][a-zA-Z0-9_]*
bool is_valid_label_name(std::string_view name);
// Every byte outside [a-zA-Z0-9_] becomes '_'.
std::string sanitize_label_name(std::string_view name);
// The text of LabelSet::text().
std::string labels_text(const Labels& labels);

struct LabelSetHash {
  std::size_t operator()(const LabelSet& set) const { return set.hash(); }
};

}  // namespace agent::model
