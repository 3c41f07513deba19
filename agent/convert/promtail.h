// Promtail's configuration: https://grafana.com/docs/loki/latest/send-data/promtail/configuration/
#pragma once

#include "agent/convert/section.h"

namespace agent::convert {

// What Promtail's command line says besides its file.
struct PromtailFlags {
  std::string positions_file;
  std::string client_url;
  std::vector<std::pair<std::string, std::string>> external_labels;
};

void convert_promtail(Context& context, const Node& root, const PromtailFlags& flags);

}  // namespace agent::convert
