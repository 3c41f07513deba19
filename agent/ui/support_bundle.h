// GET /-/support?duration=N: what somebody else needs to see of an agent that is in trouble, as a
// zip whose files are named as Alloy's are, and nothing that is secret:
//
//   alloy-support-bundle/
//     alloy-metadata.yaml alloy-runtime-flags.txt alloy-environment.txt (names alone)
//     alloy-components.json alloy-peers.json alloy-logs.txt sources/<file>
//     alloy-metrics-sample-start.txt alloy-metrics-sample-end.txt (N seconds later)
//     fleet-agent-components.json (arguments, exports, what each tells of itself)
//     fleet-agent-health.txt fleet-agent-state.txt fleet-agent-unit.txt fleet-agent-host.txt
//
// All of it comes from what masks secrets by itself, and then passes runtime::scrub().
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/component/metrics.h"
#include "agent/io/http_server.h"
#include "agent/runtime/runtime.h"
#include "agent/ui/web_api.h"

namespace agent::ui {

inline constexpr char kSupportPath[] = "/-/support";

// Thread-safe. References outlive it.
class SupportBundle {
 public:
  struct Options {
    bool enabled = true;
    std::string version;
    std::filesystem::path state;         // the folder whose files are listed
    std::function<std::string()> lines;  // the agent's last log lines
  };
  SupportBundle(const runtime::Runtime& runtime, const component::Registry& registry,
                const component::Metrics& metrics, Clock& clock, Options options)
      : runtime_(runtime),
        metrics_(metrics),
        clock_(clock),
        web_api_(runtime, registry),
        options_(std::move(options)) {}

  // 403 when it is not enabled. `duration` is in seconds, from 0 (the default) to 60.
  io::ServerReply handle(const io::ServerRequest& request) const;

 private:
  std::string bundle(const std::string& metrics_before, bool sampled_twice) const;

  const runtime::Runtime& runtime_;
  const component::Metrics metrics_;
  Clock& clock_;
  const WebApi web_api_;
  const Options options_;
};

}  // namespace agent::ui
