// discovery.dns: the records of names as targets, the way Prometheus' DNS discovery makes them.
#include "agent/discovery/discovery_dns.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/component/in_force.h"
#include "agent/discovery/target_lists.h"
#include "agent/io/dns.h"

namespace agent::discovery {
namespace {

using io::DnsType;

struct KnownType {
  std::string_view name;
  DnsType type;
  std::string_view label;  // that holds the record's name; "": none does
};
constexpr KnownType kTypes[] = {{"A", DnsType::kA, ""},
                                {"AAAA", DnsType::kAaaa, ""},
                                {"MX", DnsType::kMx, "__meta_dns_mx_record_target"},
                                {"NS", DnsType::kNs, "__meta_dns_ns_record_target"},
                                {"SRV", DnsType::kSrv, "__meta_dns_srv_record_target"}};

const KnownType* type_named(std::string name) {
  for (char& c : name)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const KnownType& one) { return one.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

struct DiscoveryDnsArgs {
  std::vector<std::string> names;
  Duration refresh_interval = std::chrono::seconds(30);
  std::string type = "SRV";
  std::int64_t port = 0;

  static component::Schema<DiscoveryDnsArgs> schema() {
    return component::Schema<DiscoveryDnsArgs>()
        .required("names", &DiscoveryDnsArgs::names, "Names to look up.")
        .optional("refresh_interval", &DiscoveryDnsArgs::refresh_interval,
                  "Time between two looks.")
        .optional("type", &DiscoveryDnsArgs::type, "Records to ask for: A, AAAA, MX, NS or SRV.")
        .optional("port", &DiscoveryDnsArgs::port,
                  "Port of the targets; needed unless type is SRV, whose records have one.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const KnownType* known = type_named(type);
    if (known == nullptr)
      diagnostics.error(body.span_of("type"), "unknown type of DNS records",
                        "known: A, AAAA, MX, NS, SRV");
    if (names.empty())
      diagnostics.error(body.span_of("names"), "names must have at least one name");
    for (const std::string& name : names)
      if (name.empty() || name.size() > 255 || name.find('\0') != std::string::npos)
        diagnostics.error(body.span_of("names"), "\"" + name + "\" is not a DNS name");
    if (port < 0 || port > 65535)
      diagnostics.error(body.span_of("port"), "a port is a number from 0 to 65535");
    if (known != nullptr && known->type != DnsType::kSrv && port == 0)
      diagnostics.error(body.span_of("port"),
                        "a port is needed for all types of DNS records but SRV");
    if (refresh_interval <= Duration::zero())
      diagnostics.error(body.span_of("refresh_interval"),
                        "refresh_interval must be greater than 0s");
  }
};

class DiscoveryDns final : public component::Configured<DiscoveryDnsArgs>,
                           public component::Worker {
 public:
  explicit DiscoveryDns(component::Host host, std::string servers = {})
      : host_(std::move(host)),
        servers_(std::move(servers)),
        lookups_(host_.metrics.counter("prometheus_sd_dns_lookups_total", "Names looked up.")),
        failures_(host_.metrics.counter("prometheus_sd_dns_lookup_failures_total",
                                        "Names that nobody told about.")),
        lists_(host_, "dns") {}

  using Configured::prepare;
  Result<component::Commit> prepare(DiscoveryDnsArgs args) override {
    auto settings = std::make_shared<const DiscoveryDnsArgs>(std::move(args));
    return component::Commit([this, settings] { in_force_.set(settings); });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const DiscoveryDnsArgs& args, const std::stop_token& token) {
      // Lists of another type or port are none of these names.
      if (type_ != args.type || port_ != args.port) lists_.keep({});
      type_ = args.type;
      port_ = args.port;
      lists_.keep({args.names.begin(), args.names.end()});
      do {
        refresh(args, token);
      } while (host_.clock.sleep_for(args.refresh_interval, token));
    });
    return {};
  }

  void debug_info(component::DebugWriter& out) const override { lists_.debug_info(out); }

 private:
  void refresh(const DiscoveryDnsArgs& args, const std::stop_token& token) {
    const KnownType& type = *type_named(args.type);
    io::DnsOptions options;
    options.servers = servers_;
    const auto answers = io::look_up(args.names, type.type, options, host_.clock, token);
    if (token.stop_requested()) return;
    std::string trouble;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      lookups_->increment();
      if (answers[i]) {
        lists_.set(args.names[i], targets(args, type, args.names[i], *answers[i]));
        continue;
      }
      failures_->increment();
      if (trouble.empty()) trouble = "look up " + args.names[i] + ": " + answers[i].error().message;
    }
    if (trouble.empty()) {
      host_.health.good();
    } else {
      host_.log.limited(Level::kWarn, "a name cannot be looked up, its last targets stay",
                        {{"err", trouble}});
      host_.health.bad(trouble);
    }
    lists_.publish();
  }

  static std::vector<model::Target> targets(const DiscoveryDnsArgs& args, const KnownType& type,
                                            const std::string& name,
                                            const io::DnsRecords& records) {
    std::vector<model::Target> out;
    for (const io::DnsRecord& record : records) {
      const std::string port = std::to_string(type.type == DnsType::kSrv ? record.port : args.port);
      const bool six = record.target.find(':') != std::string::npos;
      model::LabelBuilder labels;
      labels.set("__address__", (six ? "[" + record.target + "]" : record.target) + ":" + port);
      labels.set("__meta_dns_name", name);
      if (!type.label.empty()) labels.set(type.label, record.target + ".");
      if (type.type == DnsType::kSrv) labels.set("__meta_dns_srv_record_port", port);
      out.push_back(std::move(labels).take());
    }
    return out;
  }

  component::Host host_;
  const std::string servers_;
  const component::Counter lookups_;
  const component::Counter failures_;
  component::InForce<DiscoveryDnsArgs> in_force_;
  // Of the thread in run():
  TargetLists lists_;
  std::string type_;
  std::int64_t port_ = 0;
};

}  // namespace

component::Declaration discovery_dns_from(std::string servers) {
  auto declaration = component::declare<DiscoveryDns>(
      "discovery.dns", "Finds targets by the records of DNS names.",
      {{"targets", "list(map(string))", "A target for each record."}});
  declaration.make = [servers = std::move(servers)](component::Host host) {
    return std::make_unique<DiscoveryDns>(std::move(host), servers);
  };
  return declaration;
}

component::Declaration discovery_dns() { return discovery_dns_from({}); }

}  // namespace agent::discovery
