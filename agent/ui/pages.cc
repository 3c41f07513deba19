#include "agent/ui/pages.h"

#include <string_view>
#include <utility>

#include "agent/ui/site.h"
#include "agent/wire/exposition.h"

namespace agent::ui {
namespace {

using io::ServerReply;
using io::ServerRequest;

ServerReply text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), {}};
}

// The first line of a watch, and the one by which a watch that sees nothing notices that its client
// is gone.
constexpr char kNothingSkipped[] = "{\"skipped\":0}\n";
constexpr int kSilentTurns = 100;  // 10 s

}  // namespace

Pages::Pages(const runtime::Runtime& runtime, const component::Registry& registry,
             const component::Metrics& metrics, std::string version, Reload reload)
    : runtime_(runtime),
      metrics_(metrics),
      view_(runtime, registry, metrics, std::move(version)),
      web_api_(runtime, registry),
      reload_(std::move(reload)) {}

ServerReply Pages::handle(const ServerRequest& request) const {
  const std::string& path = request.path;
  if (path == "/-/reload") return reload(request);
  if (request.method != "GET" && request.method != "HEAD")
    return text(405, "only GET is allowed here\n");
  if (path == "/metrics")
    return {200, wire::kExpositionContentType, wire::write_exposition(metrics_.collect()), {}};
  if (path == "/-/ready" || path == "/ready") return ready();
  if (path == "/-/healthy" || path == "/healthy") return healthy();
  constexpr std::string_view kTap = "/api/v0/web/tap/";
  if (path.starts_with(kTap)) return tap(request, path.substr(kTap.size()));
  if (const auto id = component::exporter_of_path(path); !id.empty()) return exporter(id);
  if (auto reply = web_api_.handle(request)) return std::move(*reply);
  if (auto reply = view_.handle(request)) return std::move(*reply);
  if (auto reply = site(request)) return std::move(*reply);
  return text(404, "there is no such page\n");
}

// What flows through a component, one JSON object a line: see docs/operations.md.
ServerReply Pages::tap(const ServerRequest& request, const std::string& id) const {
  component::Watch::Options options;
  for (const auto& [name, value] : request.query) {
    if (name == "filter") {
      options.filter = value;
    } else if (name == "stage") {
      options.at = value;
    } else if (name == "series") {
      options.series = value == "true";
    } else {
      return text(400, "the parameters are filter, stage and series\n");
    }
  }
  auto watch = runtime_.watch(id, std::move(options));
  if (!watch)
    return text(watch.error().code == ErrorCode::kNotFound ? 404 : 403,
                watch.error().message + "\n");
  ServerReply reply{200, "application/x-ndjson", kNothingSkipped, {{"Cache-Control", "no-store"}}};
  reply.more = [watch = std::move(*watch), silent = 0](std::string& out) mutable {
    const component::Watch::Seen seen = watch->take();
    for (const component::Sighting& sighting : seen.sightings)
      out += component::to_json(sighting) + "\n";
    if (seen.skipped > 0) out += "{\"skipped\":" + std::to_string(seen.skipped) + "}\n";
    if (out.empty() && ++silent >= kSilentTurns) out = kNothingSkipped;
    if (!out.empty()) silent = 0;
    return !watch->ended();
  };
  return reply;
}

// Every component of the configuration has started; what became of it since is for /-/healthy.
ServerReply Pages::ready() const {
  if (!runtime_.loaded()) return text(503, "fleet-agent is not ready.\n");
  const auto waiting = runtime_.waiting();
  if (waiting.empty()) return text(200, "fleet-agent is ready.\n");
  std::string body = "fleet-agent is not ready: these cannot start yet:\n";
  for (const auto& [id, message] : waiting) body += id + ": " + message + "\n";
  return text(503, std::move(body));
}

ServerReply Pages::healthy() const {
  if (!runtime_.loaded()) return text(503, "no configuration runs yet\n");
  const auto unhealthy = runtime_.unhealthy();
  if (unhealthy.empty()) return text(200, "All fleet-agent components are healthy.\n");
  std::string body = "unhealthy components:\n";
  for (const auto& [id, message] : unhealthy) body += id + ": " + message + "\n";
  return text(500, std::move(body));
}

ServerReply Pages::reload(const ServerRequest& request) const {
  if (request.method != "POST" && request.method != "GET")
    return text(405, "POST it: a reload changes something\n");
  const Reloaded reloaded = reload_();
  return reloaded.ok ? text(200, "config reloaded\n" + reloaded.report)
                     : text(400, reloaded.report);
}

ServerReply Pages::exporter(std::string_view id) const {
  const auto collector = runtime_.collectors().find(id);
  if (!collector) return text(404, "there is no exporter " + std::string(id) + "\n");
  const auto families = collector->collect({});
  if (!families) return text(500, families.error().message + "\n");
  return {200, wire::kExpositionContentType, wire::write_exposition(*families), {}};
}

}  // namespace agent::ui
