// Exporters and how scrapes reach them. An exporter publishes a target whose address means "in this
// process": prometheus.scrape asks its Collector by a plain call, and GET on the target's path at
// the agent's own address answers the same as a page.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/metric_family.h"

namespace agent::component {

class Collector {
 public:
  virtual ~Collector() = default;
  // What there is now: families by name, each once, each with at least one point. Any thread,
  // several at once; ends within a second of a stop. What cannot be read leaves out its own series
  // only and is told by a series or the log; a failure means that there is nothing at all.
  virtual Result<std::vector<model::MetricFamily>> collect(std::stop_token stop) = 0;
};

// The exporters of a process by component id. Thread-safe; a copy is a handle on the same.
class Collectors {
 public:
  Collectors();
  // Known until the returned handle goes. A later one with the same id comes first.
  std::shared_ptr<void> add(std::string id, std::shared_ptr<Collector> collector) const;
  // Null when there is none.
  std::shared_ptr<Collector> find(std::string_view id) const;

 private:
  struct Store;
  std::shared_ptr<Store> store_;
};

// The address that means "in this process", and the path of an exporter's page.
inline constexpr char kInProcessAddress[] = "alloy.internal:12345";
std::string exporter_path(std::string_view component_id);
// The component whose page `path` is; "" for any other path.
std::string_view exporter_of_path(std::string_view path);

// The target that the exporter `component_id` publishes; `kind` is the part behind
// "prometheus.exporter.", `instance` the host it tells of.
model::Target exporter_target(std::string_view component_id, std::string_view kind,
                              std::string_view instance);
// The name of this host, as exporters of the host itself tell it.
std::string host_name();

}  // namespace agent::component
