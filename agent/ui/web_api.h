// The JSON that Alloy's own pages, and tools made for them, ask for: /api/v0/web/. Shapes:
// internal/component/component_provider.go and syntax/encoding/alloyjson of grafana/alloy.
//
// A custom component is one entry of the module that uses it, and says which module holds what is
// inside, although the runtime knows only the components inside.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/io/http_server.h"
#include "agent/runtime/runtime.h"

namespace agent::ui {

// Thread-safe. References outlive it.
class WebApi {
 public:
  WebApi(const runtime::Runtime& runtime, const component::Registry& registry)
      : runtime_(runtime), registry_(registry) {}

  // The answer to GET or HEAD; nullopt for any path that is not below /api/v0/web/.
  std::optional<io::ServerReply> handle(const io::ServerRequest& request) const;

  // A list of all components of all modules, by id, each with what its own page of the API has.
  std::string details() const;

 private:
  std::optional<std::string> components(std::string_view module) const;
  std::optional<std::string> component(std::string_view id) const;

  const runtime::Runtime& runtime_;
  const component::Registry& registry_;
};

}  // namespace agent::ui
