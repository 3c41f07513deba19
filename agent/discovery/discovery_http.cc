// discovery.http: targets that an HTTP server lists
// (prometheus.io/docs/prometheus/latest/http_sd).
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/in_force.h"
#include "agent/discovery/target_groups.h"
#include "agent/discovery/target_lists.h"
#include "agent/io/http_client.h"

namespace agent::discovery {
namespace {

constexpr Duration kLongestAnswer = std::chrono::minutes(1);

struct DiscoveryHttpArgs {
  std::string url;
  Duration refresh_interval = std::chrono::seconds(60);
  component::HttpClientArgs client;

  static component::Schema<DiscoveryHttpArgs> schema() {
    return component::Schema<DiscoveryHttpArgs>()
        .required("url", &DiscoveryHttpArgs::url, "Where the list of targets is.")
        .optional("refresh_interval", &DiscoveryHttpArgs::refresh_interval,
                  "Time between two requests.")
        .include(&DiscoveryHttpArgs::client);
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_url(body, "url", url, diagnostics);
    if (refresh_interval <= Duration::zero())
      diagnostics.error(body.span_of("refresh_interval"),
                        "refresh_interval must be greater than 0s");
    client.validate(body, diagnostics);
  }
};

struct Settings {
  DiscoveryHttpArgs args;
  io::HttpOptions http;
};

// application/json, alone or in UTF-8.
bool is_json(std::string_view content_type) {
  std::string plain;
  for (const char c : content_type)
    if (c != ' ' && c != '\t' && c != '"')
      plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return plain == "application/json" || plain == "application/json;charset=utf-8";
}

class DiscoveryHttp final : public component::Configured<DiscoveryHttpArgs>,
                            public component::Worker {
 public:
  explicit DiscoveryHttp(component::Host host)
      : host_(std::move(host)),
        failures_(host_.metrics.counter("prometheus_sd_http_failures_total",
                                        "Requests for the list that failed.")),
        lists_(host_, "http") {}

  using Configured::prepare;
  Result<component::Commit> prepare(DiscoveryHttpArgs args) override {
    auto settings = std::make_shared<Settings>();
    settings->http = args.client.options();
    settings->args = std::move(args);
    return component::Commit([this, settings] { in_force_.set(settings); });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const Settings& settings, const std::stop_token& token) {
      io::HttpClient client(settings.http);
      lists_.keep({settings.args.url});
      do {
        refresh(client, settings.args, token);
      } while (host_.clock.sleep_for(settings.args.refresh_interval, token));
    });
    return {};
  }

  void debug_info(component::DebugWriter& out) const override { lists_.debug_info(out); }

 private:
  void refresh(io::HttpClient& client, const DiscoveryHttpArgs& args,
               const std::stop_token& token) {
    auto targets = ask(client, args, token);
    if (token.stop_requested()) return;
    if (targets) {
      host_.health.good();
      lists_.set(args.url, std::move(*targets));
      lists_.publish();
      return;
    }
    failures_->increment();
    const Error error = std::move(targets.error()).within("GET " + io::url_for_people(args.url));
    host_.log.limited(Level::kWarn, "the list of targets cannot be got, the last one stays",
                      {{"err", error.message}});
    host_.health.bad(error.message);
  }

  Result<std::vector<model::Target>> ask(io::HttpClient& client, const DiscoveryHttpArgs& args,
                                         const std::stop_token& token) {
    io::HttpRequest request;
    request.url = args.url;
    request.headers = {
        {"Accept", "application/json"},
        {"X-Prometheus-Refresh-Interval-Seconds",
         format_number(std::chrono::duration<double>(args.refresh_interval).count())}};
    request.timeout = std::min(args.refresh_interval, kLongestAnswer);
    request.max_body = kMaxJsonList;
    request.accept_compressed = true;
    const auto response = client.send(request, token);
    if (!response) return fail(response.error());
    if (response->status != 200)
      return fail(ErrorCode::kUnavailable, "status " + std::to_string(response->status));
    if (const std::string_view type = response->header("content-type"); !is_json(type))
      return fail(ErrorCode::kInvalid, "its Content-Type is " + json_string(to_valid_utf8(type)) +
                                           ", expected application/json");
    return parse_target_groups(response->body, ListFormat::kJson, {"__meta_url", args.url});
  }

  component::Host host_;
  const component::Counter failures_;
  component::InForce<Settings> in_force_;
  TargetLists lists_;  // of the thread in run()
};

}  // namespace

component::Declaration discovery_http() {
  return component::declare<DiscoveryHttp>(
      "discovery.http", "Asks an HTTP server for a list of targets.",
      {{"targets", "list(map(string))", "The listed targets, with __meta_url the list's URL."}});
}

}  // namespace agent::discovery
