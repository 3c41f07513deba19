// What one request to Loki will carry: entries grouped into streams, and the batches they came in.
// Belongs to one endpoint's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/model/entry.h"
#include "agent/model/labels.h"
#include "agent/wire/loki_push.h"

namespace agent::write {

// A batch out of the queue. Lives until all pushes that hold entries of it are gone; it was
// delivered when each of them settled its part, and so did whoever put its entries into pushes: the
// first part is theirs.
class Held {
 public:
  // `done` is called once, at the end.
  Held(model::EntryBatch taken, std::function<void(const Held&, bool delivered)> done)
      : batch(std::move(taken)), done_(std::move(done)) {}
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  void add_part() { ++open_parts_; }
  void settle_part() { --open_parts_; }

  model::EntryBatch batch;
  std::optional<std::uint64_t> record;  // it lies in the overflow under this id

 private:
  std::function<void(const Held&, bool)> done_;
  std::size_t open_parts_ = 1;
};

// What leaves of an entry's labels: without those that start with "__", with the external ones that
// it lacks.
struct Outgoing {
  model::LabelSet labels;  // none: Loki would refuse the stream
  std::string text;        // of `labels`
  std::string tenant;
};

// Remembers the Outgoing of the label sets seen lately.
class OutgoingLabels {
 public:
  OutgoingLabels(model::Interner& interner, model::Labels external, std::string tenant)
      : interner_(interner), external_(std::move(external)), tenant_(std::move(tenant)) {}
  std::shared_ptr<const Outgoing> of(const model::LabelSet& labels);

 private:
  model::Interner& interner_;
  model::Labels external_;
  std::string tenant_;
  std::unordered_map<model::LabelSet, std::shared_ptr<const Outgoing>, model::LabelSetHash> known_;
};

// Bytes that count towards batch_size.
std::size_t counted_bytes(const model::Entry& entry);

class Push {
 public:
  // One entry of a push, for sending a part of it.
  struct Ref {
    std::uint32_t stream = 0;
    const model::Entry* entry = nullptr;
  };

  explicit Push(std::string tenant) : tenant_(std::move(tenant)) {}

  // False when it would be stream number max_streams + 1 (0: no limit); nothing was added then.
  bool add(const std::shared_ptr<const Outgoing>& to, const model::Entry& entry,
           const std::shared_ptr<Held>& held, std::size_t max_streams);
  // All entries were sent, dropped or refused.
  void settle();

  bool empty() const { return entries_ == 0; }
  std::size_t bytes() const { return bytes_; }
  std::size_t entries() const { return entries_; }
  const std::string& tenant() const { return tenant_; }
  const std::string& labels_text(const Ref& ref) const { return streams_[ref.stream].to->text; }
  std::vector<Ref> refs() const;  // all, stream by stream
  void encode(wire::LokiPushEncoder& encoder) const;
  void encode(std::span<const Ref> part, wire::LokiPushEncoder& encoder) const;

  Mono deadline = kNever;  // send it by then

 private:
  struct Stream {
    std::shared_ptr<const Outgoing> to;
    std::vector<const model::Entry*> entries;
  };
  std::string tenant_;
  std::vector<Stream> streams_;
  std::unordered_map<model::LabelSet, std::uint32_t, model::LabelSetHash> index_;
  const Outgoing* last_ = nullptr;  // of the entry added last, whose stream is last_stream_
  std::uint32_t last_stream_ = 0;
  std::vector<std::shared_ptr<Held>> held_;
  std::size_t bytes_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace agent::write
