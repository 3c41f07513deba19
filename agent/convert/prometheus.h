// Prometheus' configuration, of a server or of an agent:
// https://prometheus.io/docs/prometheus/latest/configuration/configuration/
#pragma once

#include "agent/convert/section.h"

namespace agent::convert {

void convert_prometheus(Context& context, const Node& root);

}  // namespace agent::convert
