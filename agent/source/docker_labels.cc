#include "agent/source/docker_labels.h"

#include <string_view>

namespace agent::source {
namespace {

constexpr std::size_t kMaxMetadata = 64;

std::string_view without_slash(std::string_view name) {
  return !name.empty() && name.front() == '/' ? name.substr(1) : name;
}

}  // namespace

DockerEntryLabels docker_entry_labels(const model::Target& target, const model::Labels& own,
                                      const model::RelabelRules* rules, model::Interner& interner) {
  DockerEntryLabels out;
  for (std::size_t stream = 0; stream < 2; ++stream) {
    model::LabelBuilder labels{model::Labels(target)};
    for (const model::Label& label : own) labels.set(label.name, label.value);
    labels.set("__meta_docker_container_log_stream", stream == 0 ? "stdout" : "stderr");
    if (rules != nullptr && !rules->apply(labels)) continue;
    labels.remove_prefix("__");
    out.streams[stream] = interner.intern(std::move(labels).take());
  }
  return out;
}

model::Target docker_own_target(const wire::DockerContainer& container) {
  model::LabelBuilder labels;
  labels.set("__meta_docker_container_id", container.id);
  labels.set("__meta_docker_container_name", container.name);
  labels.set("__meta_docker_container_network_mode", container.network_mode);
  for (const auto& [key, value] : container.labels)
    labels.set("__meta_docker_container_label_" + model::sanitize_label_name(key), value);
  return std::move(labels).take();
}

std::vector<std::pair<std::string, std::string>> docker_metadata(
    const wire::DockerContainer& container) {
  std::vector<std::pair<std::string, std::string>> out;
  out.emplace_back("container_id", container.id);
  out.emplace_back("container_name", without_slash(container.name));
  for (const auto& [key, value] : container.labels) {
    if (out.size() == kMaxMetadata) break;
    out.emplace_back("container_label_" + model::sanitize_label_name(key), value);
  }
  return out;
}

}  // namespace agent::source
