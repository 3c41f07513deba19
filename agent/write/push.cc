#include "agent/write/push.h"

#include <algorithm>

namespace agent::write {

using model::Entry;
using model::LabelSet;
using model::MetadataPair;

namespace {

// A stream costs about 300 bytes here.
constexpr std::size_t kMostKnown = 4096;
constexpr std::string_view kTenantLabel = "__tenant_id__";

}  // namespace

Held::~Held() {
  const bool delivered = open_parts_ == 0;
  if (delivered) batch.settle();
  done_(*this, delivered);
}

std::shared_ptr<const Outgoing> OutgoingLabels::of(const LabelSet& labels) {
  const auto it = known_.find(labels);
  if (it != known_.end()) return it->second;
  if (known_.size() >= kMostKnown) known_.clear();
  auto out = std::make_shared<Outgoing>();
  out->tenant = labels.get(kTenantLabel);
  if (out->tenant.empty()) out->tenant = tenant_;
  model::LabelBuilder builder(labels);
  builder.remove_prefix("__");
  for (const model::Label& label : external_) {
    if (builder.get(label.name).empty()) builder.set(label.name, label.value);
  }
  out->labels = interner_.intern(std::move(builder).take());
  out->text = out->labels.text();
  known_.emplace(labels, out);
  return out;
}

std::size_t counted_bytes(const Entry& entry) {
  std::size_t bytes = entry.line.size();
  for (const MetadataPair& pair : entry.metadata) bytes += pair.name.size() + pair.value.size();
  return bytes;
}

bool Push::add(const std::shared_ptr<const Outgoing>& to, const Entry& entry,
               const std::shared_ptr<Held>& held, std::size_t max_streams) {
  if (last_ != to.get()) {
    const auto it = index_.find(to->labels);
    if (it != index_.end()) {
      last_stream_ = it->second;
    } else {
      if (max_streams > 0 && streams_.size() >= max_streams) return false;
      last_stream_ = static_cast<std::uint32_t>(streams_.size());
      index_.emplace(to->labels, last_stream_);
      streams_.push_back({to, {}});
    }
    last_ = to.get();
  }
  // Batches come one after another, so the newest one is always the last.
  if (held_.empty() || held_.back() != held) {
    held->add_part();
    held_.push_back(held);
  }
  streams_[last_stream_].entries.push_back(&entry);
  bytes_ += counted_bytes(entry);
  ++entries_;
  return true;
}

void Push::settle() {
  for (const auto& held : held_) held->settle_part();
  held_.clear();
}

std::vector<Push::Ref> Push::refs() const {
  std::vector<Ref> out;
  out.reserve(entries_);
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    for (const Entry* entry : streams_[i].entries) out.push_back({i, entry});
  }
  return out;
}

void Push::encode(wire::LokiPushEncoder& encoder) const {
  encoder.clear();
  for (const Stream& stream : streams_) encoder.add_stream(stream.to->text, stream.entries);
}

void Push::encode(std::span<const Ref> part, wire::LokiPushEncoder& encoder) const {
  encoder.clear();
  std::vector<const Entry*> entries;
  for (std::size_t i = 0; i < part.size();) {
    const std::uint32_t stream = part[i].stream;
    entries.clear();
    for (; i < part.size() && part[i].stream == stream; ++i) entries.push_back(part[i].entry);
    encoder.add_stream(streams_[stream].to->text, entries);
  }
}

}  // namespace agent::write
