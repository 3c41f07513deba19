// The labels of a listener's messages: what its rules make of the __syslog_* ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/model/labels.h"
#include "agent/model/relabel.h"
#include "agent/wire/syslog.h"

namespace agent::source {

// One thread at a time. `interner` outlives it.
class SyslogLabels {
 public:
  // `base` is what the listener says. `rules` may be null. `structured_data`: rules see it.
  SyslogLabels(model::Interner& interner, model::LabelSet base,
               std::shared_ptr<const model::RelabelRules> rules, bool structured_data);

  struct Peer {
    std::string_view address;
    std::string_view names;
  };
  // A verdict of the rules to drop is not followed, as in Alloy: nothing that came is lost.
  model::LabelSet of(const Peer& peer, const wire::SyslogMessage& message);

  bool needs_names() const { return (needed_ & kNames) != 0; }
  bool needs_structured_data() const { return (needed_ & kStructuredData) != 0; }

 private:
  static constexpr std::uint32_t kNames = 2;
  static constexpr std::uint32_t kStructuredData = 1U << 31;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  model::LabelSet make(const Peer& peer, const wire::SyslogMessage& message) const;

  model::Interner& interner_;
  const model::LabelSet base_;
  const std::shared_ptr<const model::RelabelRules> rules_;
  std::uint32_t needed_ = 0;  // a bit for each part that the rules look at
  std::string key_;
  using Known = std::unordered_map<std::string, model::LabelSet, Hash, std::equal_to<>>;
  Known known_;
  const Known::value_type* last_ = nullptr;  // of known_
};

}  // namespace agent::source
