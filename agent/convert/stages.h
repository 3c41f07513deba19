// Promtail's pipeline_stages as the stages of loki.process.
#pragma once

#include "agent/convert/section.h"

namespace agent::convert {

// Into the open block, which is loki.process or stage.match.
void write_stages(Context& context, const Node& stages);

}  // namespace agent::convert
