#include "agent/model/labels.h"

#include <algorithm>
#include <iterator>

#include "agent/base/keyed_hash.h"
#include "agent/base/mutex.h"
#include "agent/base/strings.h"

namespace agent::model {
namespace {

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

// A hash table of objects that bring their own link and hash.
template <class Item>
class Chains {
 public:
  template <class Equal>
  Item* find(std::uint64_t hash, const Equal& equal) const {
    if (heads_.empty()) return nullptr;
    for (Item* item = heads_[place(hash)]; item != nullptr; item = item->next)
      if (item->hash == hash && equal(*item)) return item;
    return nullptr;
  }
  void add(Item* item) {
    if (size_ >= heads_.size()) resize(std::max<std::size_t>(16, heads_.size() * 2));
    link(item);
    ++size_;
  }
  void remove(const Item* item) {
    Item** at = &heads_[place(item->hash)];
    while (*at != item) at = &(*at)->next;
    *at = item->next;
    --size_;
    if (heads_.size() > 16 && size_ < heads_.size() / 8) resize(heads_.size() / 4);
  }
  std::size_t size() const { return size_; }

 private:
  std::size_t place(std::uint64_t hash) const { return hash & (heads_.size() - 1); }
  void link(Item* item) {
    Item*& head = heads_[place(item->hash)];
    item->next = head;
    head = item;
  }
  void resize(std::size_t heads) {
    std::vector<Item*> old(heads);
    old.swap(heads_);
    for (Item* item : old)
      while (item != nullptr) link(std::exchange(item, item->next));
  }

  std::vector<Item*> heads_;  // as many as a power of two
  std::size_t size_ = 0;
};

bool is_canonical(const Labels& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i].value.empty() || (i > 0 && labels[i - 1].name >= labels[i].name)) return false;
  return true;
}

void make_canonical(Labels& labels) {
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
  labels = std::move(unique);
}

}  // namespace

struct LabelSet::Node {
  std::atomic<std::uint32_t> references{1};
  std::uint64_t hash = 0;
  Node* next = nullptr;  // in the table
  std::shared_ptr<Interner::Table> table;
  Labels labels;
};

struct Interner::Table {
  const KeyedHash hash;
  mutable Mutex mutex;
  Chains<LabelSet::Node> nodes GUARDED_BY(mutex);
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
    table->nodes.remove(node_);
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
  if (!is_canonical(labels)) make_canonical(labels);
  if (labels.empty()) return {};
  KeyedHash::Message message = table_->hash.message();
  for (const Label& label : labels) {
    message.add(label.name.size() << 32U | label.value.size());
    message.add(label.name);
    message.add(label.value);
  }
  const std::uint64_t hash = message.digest().low;
  MutexLock lock(table_->mutex);
  LabelSet::Node* const found =
      table_->nodes.find(hash, [&](const LabelSet::Node& other) { return other.labels == labels; });
  if (found != nullptr) {
    found->references.fetch_add(1, std::memory_order_relaxed);
    return LabelSet(found);
  }
  auto* node = new LabelSet::Node();
  node->hash = hash;
  node->table = table_;
  // Without the room to grow that a builder has left.
  node->labels =
      Labels(std::make_move_iterator(labels.begin()), std::make_move_iterator(labels.end()));
  table_->nodes.add(node);
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
