#include "agent/component/collector.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/mutex.h"

namespace agent::component {

namespace {

constexpr std::string_view kPathStart = "/api/v0/component/";
constexpr std::string_view kPathEnd = "/metrics";

}  // namespace

struct Collectors::Store {
  struct Entry {
    std::string id;
    std::shared_ptr<Collector> collector;
  };
  Mutex mutex;
  std::vector<std::weak_ptr<Entry>> entries GUARDED_BY(mutex);
};

Collectors::Collectors() : store_(std::make_shared<Store>()) {}

std::shared_ptr<void> Collectors::add(std::string id, std::shared_ptr<Collector> collector) const {
  auto entry = std::make_shared<Store::Entry>(Store::Entry{std::move(id), std::move(collector)});
  MutexLock lock(store_->mutex);
  auto& all = store_->entries;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& e) { return e.expired(); }),
            all.end());
  all.push_back(entry);
  return entry;
}

std::shared_ptr<Collector> Collectors::find(std::string_view id) const {
  MutexLock lock(store_->mutex);
  for (auto it = store_->entries.rbegin(); it != store_->entries.rend(); ++it) {
    if (const auto entry = it->lock(); entry && entry->id == id) return entry->collector;
  }
  return nullptr;
}

std::string exporter_path(std::string_view component_id) {
  return std::string(kPathStart).append(component_id).append(kPathEnd);
}

std::string_view exporter_of_path(std::string_view path) {
  if (path.size() <= kPathStart.size() + kPathEnd.size() || !path.starts_with(kPathStart) ||
      !path.ends_with(kPathEnd))
    return {};
  path.remove_prefix(kPathStart.size());
  path.remove_suffix(kPathEnd.size());
  return path;
}

model::Target exporter_target(std::string_view component_id, std::string_view kind,
                              std::string_view instance) {
  model::LabelBuilder target;
  target.set("__address__", kInProcessAddress);
  target.set("__scheme__", "http");
  target.set("__metrics_path__", exporter_path(component_id));
  target.set("__meta_component_name", "prometheus.exporter." + std::string(kind));
  target.set("__meta_component_id", component_id);
  target.set("job", "integrations/" + std::string(kind));
  target.set("instance", instance);
  return std::move(target).take();
}

std::string host_name() {
  std::array<char, 256> name{};
  // Without a terminator when it is longer than the room for it.
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace agent::component
