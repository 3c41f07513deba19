#include "agent/source/syslog_labels.h"

#include <array>
#include <utility>

namespace agent::source {
namespace {

// Values that never repeat must not fill the memory.
constexpr std::size_t kMostKnown = 10'000;
constexpr std::string_view kStructuredDataPrefix = "__syslog_message_sd_";

using Part = std::pair<std::string_view, std::string_view>;

// In the order of the bits of needed_.
std::array<Part, 11> parts_of(const SyslogLabels::Peer& peer, const wire::SyslogMessage& message) {
  return {Part{"__syslog_connection_ip_address", peer.address},
          {"__syslog_connection_hostname", peer.names},
          {"__syslog_message_severity", message.severity()},
          {"__syslog_message_facility", message.facility()},
          {"__syslog_message_hostname", message.hostname},
          {"__syslog_message_app_name", message.app_name},
          {"__syslog_message_proc_id", message.proc_id},
          {"__syslog_message_msg_id", message.msg_id},
          {"__syslog_message_msg_counter", message.message_counter},
          {"__syslog_message_sequence", message.sequence},
          {"__syslog_parse_error", message.problem}};
}

}  // namespace

SyslogLabels::SyslogLabels(model::Interner& interner, model::LabelSet base,
                           std::shared_ptr<const model::RelabelRules> rules, bool structured_data)
    : interner_(interner), base_(std::move(base)), rules_(std::move(rules)) {
  if (rules_ == nullptr) return;
  const auto parts = parts_of({}, {});
  const auto need = [&](std::string_view name) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].first == name) needed_ |= 1U << i;
    }
    if (name.starts_with(kStructuredDataPrefix)) needed_ |= kStructuredData;
  };
  for (const model::RelabelRule& rule : rules_->rules()) {
    for (const std::string& name : rule.source_labels) need(name);
    need(rule.target_label);  // keepequal, dropequal
    if (rule.action == model::RelabelRule::Action::kLabelMap) needed_ = ~0U;
  }
  if (!structured_data) needed_ &= ~kStructuredData;
}

model::LabelSet SyslogLabels::of(const Peer& peer, const wire::SyslogMessage& message) {
  if (needed_ == 0 && rules_ == nullptr) return base_;
  key_.clear();
  const auto add = [&](std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    key_.append(reinterpret_cast<const char*>(&size), sizeof size);
    key_ += text;
  };
  const auto parts = parts_of(peer, message);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if ((needed_ & (1U << i)) != 0) add(parts[i].second);
  }
  if (needs_structured_data()) {
    for (const auto& param : message.structured_data) {
      add(param.id);
      add(param.name);
      add(param.value);
    }
  }
  // Most messages are like the one before.
  if (last_ != nullptr && last_->first == key_) return last_->second;
  auto known = known_.find(std::string_view(key_));
  if (known == known_.end()) {
    if (known_.size() >= kMostKnown) known_.clear();
    known = known_.emplace(key_, make(peer, message)).first;
  }
  last_ = &*known;
  return last_->second;
}

model::LabelSet SyslogLabels::make(const Peer& peer, const wire::SyslogMessage& message) const {
  model::LabelBuilder labels(base_);
  for (const auto& [name, value] : parts_of(peer, message)) labels.set(name, value);
  if (needs_structured_data()) {
    for (const auto& param : message.structured_data)
      labels.set(std::string(kStructuredDataPrefix) + model::sanitize_label_name(param.id) + "_" +
                     model::sanitize_label_name(param.name),
                 param.value);
  }
  if (!rules_->apply(labels)) labels = model::LabelBuilder(base_);
  labels.remove_prefix("__");
  return interner_.intern(std::move(labels).take());
}

}  // namespace agent::source
