#include "agent/process/held_item.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace agent::process {

HeldItem::HeldItem(const Item& item, const Batch& batch, const StageHost& host)
    : line(item.line), item_(item), held_(host.held), joined_(host.joined) {
  item_.line = {};
  const auto text_of = [](Extracted& value) { return std::get_if<std::string_view>(&value); };
  for (model::MetadataPair& pair : item_.metadata) size_ += pair.name.size() + pair.value.size();
  for (Item::Pair& pair : item_.extracted_) {
    size_ += pair.name.size();
    if (const std::string_view* text = text_of(pair.value)) size_ += text->size();
  }
  if (size_ > 0) bytes_ = std::shared_ptr<char[]>(new char[size_]);
  char* free = bytes_.get();
  const auto own = [&](std::string_view& text) {
    if (text.empty()) return;
    std::memcpy(free, text.data(), text.size());
    text = {free, text.size()};
    free += text.size();
  };
  for (model::MetadataPair& pair : item_.metadata) {
    own(pair.name);
    own(pair.value);
  }
  for (Item::Pair& pair : item_.extracted_) {
    own(pair.name);
    if (std::string_view* text = text_of(pair.value)) own(*text);
  }
  take_receipts(item, batch);
  held_->increment();
}

HeldItem& HeldItem::operator=(HeldItem&& other) noexcept {
  if (this == &other) return *this;
  forget();
  line = std::move(other.line);
  item_ = std::move(other.item_);
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  receipts_ = std::move(other.receipts_);
  lines_ = other.lines_;
  held_ = std::move(other.held_);
  joined_ = std::move(other.joined_);
  return *this;
}

void HeldItem::join(const Item& further, const Batch& batch) {
  item_.not_before = std::max(item_.not_before, further.not_before);
  take_receipts(further, batch);
  ++lines_;
  held_->increment();
}

void HeldItem::take_receipts(const Item& item, const Batch& batch) {
  for (std::size_t i = 0; i < item.receipts_; ++i) {
    const model::Receipt& receipt = batch.receipts[item.first_receipt_ + i];
    // Neighbouring lines come in one batch: the newest is looked at first.
    const bool known = !receipt || std::any_of(receipts_.rbegin(), receipts_.rend(),
                                               [&](const auto& r) { return r.same_as(receipt); });
    if (!known) receipts_.push_back(receipt.share());
  }
}

void HeldItem::release_into(Batch& out) && {
  hand_over(std::move(item_), out);
  forget();
}

void HeldItem::release_part_into(Batch& out) {
  hand_over(item_, out);
  held_->add(-static_cast<double>(lines_));
  lines_ = 0;
  line.clear();
}

void HeldItem::hand_over(Item item, Batch& out) {
  item.line = out.arena.store(line);
  if (bytes_ != nullptr) out.arena.adopt(bytes_, size_);
  // As in Batch: values may be views of these.
  out.arena.adopt(std::make_shared<const std::pair<model::LabelSet, model::LabelSet>>(
                      item.initial_labels_, item.context),
                  0);
  item.first_receipt_ = static_cast<std::uint32_t>(out.receipts.size());
  item.receipts_ = static_cast<std::uint32_t>(receipts_.size());
  std::move(receipts_.begin(), receipts_.end(), std::back_inserter(out.receipts));
  receipts_.clear();
  out.items.push_back(std::move(item));
  if (lines_ > 1) joined_->add(static_cast<double>(lines_ - 1));
}

void HeldItem::forget() {
  if (held_ == nullptr) return;
  held_->add(-static_cast<double>(lines_));
  held_.reset();
}

}  // namespace agent::process
