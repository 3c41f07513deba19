// The JSON that the pages are made of, under /api/v0/ui/. It belongs to the pages and changes with
// them; scripts take /api/v0/web/components and /metrics.
//
// Nothing is kept between two requests: rates and plots are made by the browser, from two answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/component/metrics.h"
#include "agent/io/http_server.h"
#include "agent/runtime/runtime.h"

namespace agent::ui {

// Thread-safe. References outlive it.
class View {
 public:
  View(const runtime::Runtime& runtime, const component::Registry& registry,
       const component::Metrics& metrics, std::string version);

  // The answer to GET or HEAD; nullopt for any other path.
  std::optional<io::ServerReply> handle(const io::ServerRequest& request) const;

 private:
  std::string overview() const;
  std::string debug_info(bool (*wanted)(std::string_view name)) const;
  std::optional<std::string> component(std::string_view id) const;
  std::optional<std::string> reference(std::string_view name) const;

  const runtime::Runtime& runtime_;
  const component::Registry& registry_;
  component::Metrics metrics_;
  std::string version_;
};

// The arguments as the language writes them, one per line, with every value that the schema calls
// secret masked.
std::string arguments_text(const lang::Body& body, const std::vector<component::FieldInfo>& fields);

}  // namespace agent::ui
