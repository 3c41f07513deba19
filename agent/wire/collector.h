// Bodies of collector.v1.CollectorService, the API by which a server hands out configurations
// (alloy-remote-config), in protobuf. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace agent::wire {

// Who asks.
struct Collector {
  std::string id, name;
  std::vector<std::pair<std::string, std::string>> attributes;
};

// What became of the configuration that the server sent.
struct ConfigStatus {
  enum class State { kApplied = 1, kFailed = 3 };  // numbers are the API's
  State state = State::kApplied;
  std::string error;  // of kFailed
  bool operator==(const ConfigStatus&) const = default;
};

// `hash`: the server's own of what it sent last; "" for nothing. `running`: the text that runs.
// What is not UTF-8 is replaced, but for that text.
std::string encode_get_config(const Collector& collector, std::string_view hash,
                              const std::optional<ConfigStatus>& status,
                              const std::optional<std::string>& running);
std::string encode_register_collector(const Collector& collector);
std::string encode_unregister_collector(std::string_view id);

struct ConfigAnswer {
  std::string content, hash;
  bool not_modified = false;  // then there is no content
};
// kInvalid: not such a message, or its texts are not UTF-8. Memory is in proportion to `body`.
Result<ConfigAnswer> decode_get_config(std::string_view body);

}  // namespace agent::wire
