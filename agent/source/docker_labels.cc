#include "agent/source/docker_labels.h"

#include <charconv>
#include <string_view>

namespace agent::source {
namespace {

constexpr std::array<std::string_view, 2> kStreams = {"stdout", "stderr"};

std::string_view without_slash(std::string_view name) {
  return !name.empty() && name.front() == '/' ? name.substr(1) : name;
}

void put(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

// Takes netstrings off the front of a text.
class Netstrings {
 public:
  explicit Netstrings(std::string_view text) : rest_(text) {}
  bool get(std::string& out) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
    if (error != std::errc() || end == rest_.data() + rest_.size() || *end != ':') return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()) + 1);
    if (size > rest_.size()) return false;
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  bool get_count(std::size_t& out) {
    std::string text;
    if (!get(text)) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && out <= rest_.size();
  }
  bool at_end() const { return rest_.empty(); }
  bool starts_with(std::string_view text) const { return rest_.substr(0, text.size()) == text; }
  void skip(std::size_t bytes) { rest_.remove_prefix(bytes); }

 private:
  std::string_view rest_;
};

}  // namespace

DockerEntryLabels docker_entry_labels(const model::Target& target, const model::Labels& own,
                                      const model::RelabelRules* rules, model::Interner& interner) {
  DockerEntryLabels out;
  for (std::size_t stream = 0; stream < 2; ++stream) {
    model::LabelBuilder labels{model::Labels(target)};
    for (const model::Label& label : own) labels.set(label.name, label.value);
    labels.set("__meta_docker_container_log_stream", kStreams[stream]);
    if (rules != nullptr && !rules->apply(labels)) continue;
    labels.remove_prefix("__");
    out.streams[stream].emplace().labels = interner.intern(std::move(labels).take());
  }
  return out;
}

std::string print_entry_labels(const DockerEntryLabels& labels) {
  std::string out;
  for (const auto& stream : labels.streams) {
    if (!stream) {
      put(out, "-");
      continue;
    }
    for (const model::LabelSet* set : {&stream->labels, &stream->context}) {
      put(out, std::to_string(set->labels().size()));
      for (const model::Label& label : set->labels()) {
        put(out, label.name);
        put(out, label.value);
      }
    }
  }
  return out;
}

std::optional<DockerEntryLabels> parse_entry_labels(std::string_view text,
                                                    model::Interner& interner) {
  DockerEntryLabels out;
  Netstrings input(text);
  for (auto& stream : out.streams) {
    if (input.starts_with("1:-")) {
      input.skip(3);
      continue;
    }
    stream.emplace();
    for (model::LabelSet* set : {&stream->labels, &stream->context}) {
      std::size_t count = 0;
      if (!input.get_count(count)) return std::nullopt;
      model::Labels labels(count);
      for (model::Label& label : labels)
        if (!input.get(label.name) || !input.get(label.value)) return std::nullopt;
      *set = interner.intern(std::move(labels));
    }
  }
  if (!input.at_end()) return std::nullopt;
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

void add_docker_context(const wire::DockerContainer& container, model::Interner& interner,
                        DockerEntryLabels& out) {
  model::LabelBuilder context;
  for (const auto& [key, value] : container.labels)
    context.set("container_label_" + model::sanitize_label_name(key), value);
  context.set("container_id", container.id);
  context.set("container_name", without_slash(container.name));
  for (std::size_t stream = 0; stream < out.streams.size(); ++stream) {
    if (!out.streams[stream]) continue;
    context.set("stream", kStreams[stream]);
    out.streams[stream]->context = interner.intern(context.labels());
  }
}

}  // namespace agent::source
