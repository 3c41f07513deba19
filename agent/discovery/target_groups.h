// Lists of targets as Prometheus' file and HTTP discoveries write them
// (prometheus.io/docs/prometheus/latest/http_sd):
//   [ { "targets": ["host:port", ...], "labels": { "name": "value", ... } }, ... ]
// A name that is none of these is an error, as is anything but a text in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/labels.h"

namespace agent::discovery {

inline constexpr std::size_t kMaxTargets = 100'000;     // of a list
inline constexpr std::size_t kMaxJsonList = 16U << 20;  // bytes
inline constexpr std::size_t kMaxYamlList = 2U << 20;   // bytes; its reader needs much memory

enum class ListFormat { kJson, kYaml };

// A target for each address, in order, with the labels of its group and `extra`.
Result<std::vector<model::Target>> parse_target_groups(const std::string& text, ListFormat format,
                                                       const model::Label& extra);

}  // namespace agent::discovery
