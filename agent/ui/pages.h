// The agent's pages and API on :12345, over the runtime: /metrics, /-/ready, /-/healthy, POST
// /-/reload, components as JSON, and the pages for people (site.h, view.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/component/metrics.h"
#include "agent/io/http_server.h"
#include "agent/runtime/runtime.h"
#include "agent/ui/view.h"
#include "agent/ui/web_api.h"

namespace agent::ui {

// Thread-safe. References outlive it.
class Pages {
 public:
  // Loads the configuration again. `report`, as text for a person: what is wrong with it, or what
  // it warns of although it runs now.
  struct Reloaded {
    bool ok = false;
    std::string report;
  };
  using Reload = std::function<Reloaded()>;
  Pages(const runtime::Runtime& runtime, const component::Registry& registry,
        const component::Metrics& metrics, std::string version, Reload reload);

  io::ServerReply handle(const io::ServerRequest& request) const;

 private:
  io::ServerReply exporter(std::string_view id) const;
  io::ServerReply tap(const io::ServerRequest& request, const std::string& id) const;
  io::ServerReply ready() const;
  io::ServerReply healthy() const;
  io::ServerReply reload(const io::ServerRequest& request) const;

  const runtime::Runtime& runtime_;
  component::Metrics metrics_;
  View view_;
  WebApi web_api_;
  Reload reload_;
};

}  // namespace agent::ui
