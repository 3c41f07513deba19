// What loki.relabel and prometheus.relabel have in common: a receiver whose rules and targets may
// change under it, and the component that exports it together with the rules.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/model/relabel.h"

namespace agent::relabel {

// The exported receiver; others may hold it longer than the component lives. A class derived from
// it has a constructor from Host and says what consume() does with a batch.
template <class Batch>
class RelabelReceiver : public component::Receiver<Batch> {
 public:
  using Targets = std::vector<std::shared_ptr<component::Receiver<Batch>>>;
  explicit RelabelReceiver(const component::Host& host) : tap_(host.tap), forward_(host.tap) {}
  void set(std::shared_ptr<model::Relabeler> relabeler, Targets forward_to) {
    forward_.set(std::move(forward_to));
    MutexLock lock(mutex_);
    relabeler_ = std::move(relabeler);
  }
  std::shared_ptr<model::Relabeler> relabeler() const {
    MutexLock lock(mutex_);
    return relabeler_;
  }

 protected:
  const std::shared_ptr<component::Tap> tap_;
  component::Fanout<Batch> forward_;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<model::Relabeler> relabeler_ GUARDED_BY(mutex_);
};

// Args has forward_to, relabel and `std::size_t cache_entries() const`.
template <class Args, class Receiver, class Batch>
class RelabelComponent final : public component::Configured<Args> {
 public:
  explicit RelabelComponent(component::Host host)
      : host_(std::move(host)), receiver_(std::make_shared<Receiver>(host_)) {
    publish(std::make_shared<model::RelabelRules>());
  }

  using component::Configured<Args>::prepare;
  Result<component::Commit> prepare(Args args) override {
    auto rules = component::share_rules(args.relabel, rules_);
    if (!rules) return fail(std::move(rules.error()));
    auto shared = std::make_shared<Args>(std::move(args));
    // Published here, so that whatever refers to them is evaluated with the new rules.
    publish(*rules);
    return component::Commit([this, shared, rules = std::move(*rules)]() mutable {
      // Equal rules keep what they have learned.
      auto relabeler = receiver_->relabeler();
      if (relabeler == nullptr || rules != rules_ || shared->cache_entries() != cache_entries_)
        relabeler =
            std::make_shared<model::Relabeler>(host_.labels, *rules, shared->cache_entries());
      cache_entries_ = shared->cache_entries();
      rules_ = std::move(rules);
      receiver_->configure(*shared);
      receiver_->set(std::move(relabeler), std::move(shared->forward_to));
    });
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto relabeler = receiver_->relabeler();
    if (relabeler == nullptr) return;
    const auto stats = relabeler->stats();
    out.value("cache.size", std::to_string(stats.size));
    out.value("cache.hits", std::to_string(stats.hits));
    out.value("cache.misses", std::to_string(stats.misses));
  }

 private:
  void publish(std::shared_ptr<model::RelabelRules> rules) {
    host_.exports({{"receiver", component::capsule<component::Receiver<Batch>>(receiver_)},
                   {"rules", component::capsule(std::move(rules))}});
  }

  component::Host host_;
  // Written by commit, which is not called concurrently with itself or with prepare.
  std::shared_ptr<model::RelabelRules> rules_;
  std::size_t cache_entries_ = 0;
  const std::shared_ptr<Receiver> receiver_;
};

}  // namespace agent::relabel
