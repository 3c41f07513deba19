#include "agent/model/labels.h"

#include <algorithm>
#include <unordered_set>

#include "agent/base/mutex.h"
#include "agent/base/strings.h"

namespace agent::model {
namespace {

// FNV-1a over the names and values; stable between runs.
std::uint64_t hash_labels(const Labels& labels) {
  std::uint64_t hash = 14695981039346656037U;
  const auto mix = [&](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    hash = (hash ^ 0xFF) * 1099511628211U;
  };
  for (const Label& label : labels) {
    mix(label.name);
    mix(label.value);
  }
  return hash;
}

const Labels& no_labels() {
  static const Labels* const empty = new Labels();
  return *empty;
}

auto place_of(Labels& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& l, std::string_view n) { return l.name < n; });
}

std::string_view value_of(const Labels& labels, std::string_view name) {
  const auto it = std::lower_bound(labels.begin(), labels.end(), name,
                                   [](const Label& l, std::string_view n) { return l.name < n; });
  return it != labels.end() && it->name == name ? std::string_view(it->value) : std::string_view();
}

}  // namespace

struct LabelSet::Node {
  std::atomic<std::uint32_t> references{1};
  std::uint64_t hash = 0;
  std::shared_ptr<Interner::Table> table;
  Labels labels;
};

struct Interner::Table {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const LabelSet::Node* node) const { return node->hash; }
    std::size_t operator()(const std::pair<std::uint64_t, const Labels*>& key) const {
      return key.first;
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const LabelSet::Node* a, const LabelSet::Node* b) const { return a == b; }
    bool operator()(const std::pair<std::uint64_t, const Labels*>& key,
                    const LabelSet::Node* n) const {
      return key.first == n->hash && *key.second == n->labels;
    }
    bool operator()(const LabelSet::Node* n,
                    const std::pair<std::uint64_t, const Labels*>& key) const {
      return (*this)(key, n);
    }
  };
  mutable Mutex mutex;
  std::unordered_set<LabelSet::Node*, Hash, Equal> nodes GUARDED_BY(mutex);
};

LabelSet::LabelSet(const LabelSet& other) noexcept : node_(other.node_) {
  if (node_ != nullptr) node_->references.fetch_add(1, std::memory_order_relaxed);
}

LabelSet::~LabelSet() {
  if (node_ == nullptr) return;
  // Only the table's lock lets a count rise from zero or a node leave, so that intern() never hands
  // out a dying node.
  std::uint32_t count = node_->references.load(std::memory_order_relaxed);
  while (count > 1) {
    if (node_->references.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel))
      return;
  }
  const std::shared_ptr<Interner::Table> table = node_->table;
  {
    MutexLock lock(table->mutex);
    if (node_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    table->nodes.erase(node_);
  }
  delete node_;
}

const Labels& LabelSet::labels() const { return node_ == nullptr ? no_labels() : node_->labels; }
std::string_view LabelSet::get(std::string_view name) const { return value_of(labels(), name); }
std::uint64_t LabelSet::hash() const { return node_ == nullptr ? 0 : node_->hash; }
std::string LabelSet::text() const { return labels_text(labels()); }

Interner::Interner() : table_(std::make_shared<Table>()) {}
Interner::~Interner() = default;

LabelSet Interner::intern(Labels labels) {
  std::stable_sort(labels.begin(), labels.end(),
                   [](const Label& a, const Label& b) { return a.name < b.name; });
  // Of equal names the last one counts.
  Labels unique;
  unique.reserve(labels.size());
  for (Label& label : labels) {
    if (!unique.empty() && unique.back().name == label.name) unique.pop_back();
    unique.push_back(std::move(label));
  }
  unique.erase(std::remove_if(unique.begin(), unique.end(),
                              [](const Label& label) { return label.value.empty(); }),
               unique.end());
  if (unique.empty()) return {};
  const std::uint64_t hash = hash_labels(unique);
  MutexLock lock(table_->mutex);
  const auto it = table_->nodes.find(std::pair<std::uint64_t, const Labels*>(hash, &unique));
  if (it != table_->nodes.end()) {
    (*it)->references.fetch_add(1, std::memory_order_relaxed);
    return LabelSet(*it);
  }
  auto* node = new LabelSet::Node();
  node->hash = hash;
  node->table = table_;
  node->labels = std::move(unique);
  table_->nodes.insert(node);
  return LabelSet(node);
}

std::size_t Interner::size() const {
  MutexLock lock(table_->mutex);
  return table_->nodes.size();
}

void LabelBuilder::set(std::string_view name, std::string_view value) {
  if (value.empty()) return remove(name);
  const auto it = place_of(labels_, name);
  if (it != labels_.end() && it->name == name) {
    it->value = value;
  } else {
    labels_.insert(it, Label{std::string(name), std::string(value)});
  }
}

void LabelBuilder::remove(std::string_view name) {
  const auto it = place_of(labels_, name);
  if (it != labels_.end() && it->name == name) labels_.erase(it);
}

std::string_view LabelBuilder::get(std::string_view name) const { return value_of(labels_, name); }

void LabelBuilder::remove_prefix(std::string_view prefix) {
  const auto first = place_of(labels_, prefix);
  auto last = first;
  while (last != labels_.end() && std::string_view(last->name).substr(0, prefix.size()) == prefix)
    ++last;
  labels_.erase(first, last);
}

bool is_valid_label_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string sanitize_label_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '_';
  }
  return out;
}

std::string labels_text(const Labels& labels) {
  std::string out = "{";
  const char* separator = "";
  for (const Label& label : labels) {
    out += separator;
    out += label.name;
    out += '=';
    append_json_string(out, label.value);
    separator = ", ";
  }
  out += '}';
  return out;
}

}  // namespace agent::model
