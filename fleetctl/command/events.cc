#include "fleetctl/command/events.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

json document_of(const EventHead& head, std::string_view type) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const auto seconds = static_cast<std::time_t>(head.wall_ns / kSecond);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return {{"schema", kSchema},
          {"type", type},
          {"run", head.run},
          {"ts", fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                             parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                             parts.tm_sec, head.wall_ns % kSecond / 1'000'000)}};
}

std::string line(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

bool changed(HostState state) {
  return state == HostState::kChanged || state == HostState::kRolledBack ||
         state == HostState::kBroken;
}

}  // namespace

std::string begin_event(const EventHead& head, std::string_view doing, std::size_t hosts) {
  json document = document_of(head, "begin");
  document["doing"] = doing;
  document["hosts"] = hosts;
  return line(document);
}

std::string step_event(const EventHead& head, std::string_view host, std::string_view phase) {
  json document = document_of(head, "step");
  document["host"] = host;
  document["phase"] = printable(phase);
  return line(document);
}

std::string end_event(const EventHead& head, std::string_view host, const HostResult& result) {
  json document = document_of(head, "end");
  document["host"] = host;
  document["status"] = state_name(result.state);
  document["changed"] = changed(result.state);
  document["ms"] = std::llround(result.seconds * 1000);
  document["error"] = nullptr;
  if (!is_well(result.state)) {
    const Located at = locate(result.text);
    json error{{"code", state_name(result.state)}, {"message", result.text}};
    if (at.line > 0) {
      error["file"] = at.file;
      error["line"] = at.line;
    }
    document["error"] = std::move(error);
  }
  return line(document);
}

}  // namespace fleetctl::command
