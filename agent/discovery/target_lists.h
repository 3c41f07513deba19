// The targets of a component that has them from several origins: files, names, a URL. The list of
// an origin stays until there is a better one, so that an origin that fails costs nothing.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/component/component.h"
#include "agent/model/labels.h"

namespace agent::discovery {

// Belongs to the thread of run(), but for debug_info().
class TargetLists {
 public:
  // Publishes that there are none. `kind` is "file", as in discovery.file. The host outlives it.
  TargetLists(component::Host& host, const std::string& kind);

  void set(const std::string& origin, std::vector<model::Target> targets) {
    lists_[origin] = std::move(targets);
  }
  // Forgets all other origins.
  void keep(const std::set<std::string>& origins);
  // Exports the lists in the order of their origins' names, when that is something new.
  void publish();
  void debug_info(component::DebugWriter& out) const;

 private:
  component::Host& host_;
  const component::Gauge count_;
  std::map<std::string, std::vector<model::Target>> lists_;
  std::vector<model::Target> published_;
};

}  // namespace agent::discovery
