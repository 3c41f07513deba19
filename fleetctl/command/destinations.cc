#include "fleetctl/command/destinations.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "agent/io/http_fetch.h"
#include "agent/lang/parser.h"
#include "fleetctl/command/configuration_uses.h"
#include "fleetctl/command/host_run.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using agent::Secret;
using agent::lang::BlockNode;
using agent::lang::Expr;
using nlohmann::json;

constexpr std::size_t kMostLabels = 3;

std::vector<LabelPair> pairs_of(const Expr* object) {
  std::vector<LabelPair> pairs;
  if (object == nullptr || object->kind != Expr::Kind::kObject) return pairs;
  for (std::size_t i = 0; i < object->keys.size() && i < object->children.size(); ++i) {
    std::string value = text_of(object->children[i].get());
    if (!value.empty()) pairs.emplace_back(std::string(object->keys[i].name), std::move(value));
  }
  return pairs;
}

const BlockNode* block_in(const BlockNode& block, std::string_view name) {
  for (const auto& statement : block.body)
    if (statement.block && statement.block->name == name) return statement.block.get();
  return nullptr;
}

std::string text_in(const BlockNode& block, std::string_view name) {
  return text_of(attribute(block, name));
}

void add_tls(const BlockNode& tls, agent::io::TlsOptions& options) {
  options.ca_pem = text_in(tls, "ca_pem");
  options.cert_pem = text_in(tls, "cert_pem");
  options.key_pem = Secret(text_in(tls, "key_pem"));
  options.server_name = text_in(tls, "server_name");
  const Expr* skip = attribute(tls, "insecure_skip_verify");
  options.insecure_skip_verify = skip != nullptr && skip->kind == Expr::Kind::kLiteral &&
                                 skip->value.kind() == agent::lang::Value::Kind::kBool &&
                                 skip->value.boolean();
}

agent::io::HttpOptions options_of(const BlockNode& endpoint) {
  agent::io::HttpOptions options;
  options.user_agent = "fleetctl";
  if (const BlockNode* basic = block_in(endpoint, "basic_auth")) {
    options.basic_user = text_in(*basic, "username");
    options.basic_password = Secret(text_in(*basic, "password"));
  }
  options.credentials = Secret(text_in(endpoint, "bearer_token"));
  if (const BlockNode* authorization = block_in(endpoint, "authorization")) {
    const std::string type = text_in(*authorization, "type");
    if (!type.empty()) options.authorization_type = type;
    options.credentials = Secret(text_in(*authorization, "credentials"));
  }
  for (const auto& [name, value] : pairs_of(attribute(endpoint, "headers")))
    options.headers.emplace_back(name, Secret(value));
  if (const std::string tenant = text_in(endpoint, "tenant_id"); !tenant.empty())
    options.headers.emplace_back("X-Scope-OrgID", Secret(tenant));
  if (const BlockNode* tls = block_in(endpoint, "tls_config")) add_tls(*tls, options.tls);
  return options;
}

void add_endpoints(const BlockNode& write, bool logs, Destinations& found) {
  for (const auto& statement : write.body) {
    if (!statement.block || statement.block->name != "endpoint") continue;
    const std::string url = text_in(*statement.block, "url");
    const std::string base = logs ? loki_url(url) : prometheus_url(url);
    if (url.empty()) {
      found.notes.push_back(write.name + "." + write.label +
                            ": its url is not written out in the configuration");
      continue;
    }
    auto& all = logs ? found.loki : found.prometheus;
    const bool known = std::any_of(all.begin(), all.end(),
                                   [&](const Destination& other) { return other.url == base; });
    if (!known) all.push_back({base, options_of(*statement.block)});
  }
}

void append(std::vector<LabelPair>& to, const std::vector<LabelPair>& from) {
  for (const LabelPair& pair : from)
    if (to.size() < kMostLabels) to.push_back(pair);
}

std::string without_suffix(std::string_view url, std::initializer_list<std::string_view> suffixes) {
  while (!url.empty() && url.back() == '/') url.remove_suffix(1);
  for (const std::string_view suffix : suffixes) {
    if (!url.ends_with(suffix)) continue;
    url.remove_suffix(suffix.size());
    break;
  }
  return std::string(url);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

// A name as a regular expression inside a string of PromQL.
std::string literally(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (plain) {
      out += c;
    } else if (c > ' ') {
      const bool odd = c == '"' || c == '^' || c == '\\' || c == ']';
      out += odd ? std::string(".") : std::string("[") + c + "]";
    }
  }
  return out;
}

}  // namespace

std::string loki_url(std::string_view url) {
  return without_suffix(url, {"/loki/api/v1/push", "/api/prom/push"});
}

std::string prometheus_url(std::string_view url) {
  std::string base = without_suffix(url, {"/api/v1/write"});
  if (base.ends_with("/api/v1/push")) base = without_suffix(base, {"/api/v1/push"}) + "/prometheus";
  return base;
}

Destinations destinations_of(const Host& host) {
  Destinations found;
  agent::lang::Diagnostics ignored;  // it was checked before
  const auto file = agent::lang::parse(host.configuration(), host.name(), ignored);
  const Uses uses = uses_of(file);
  found.journal = uses.journal;
  found.every_container = uses.every_container;
  std::vector<LabelPair> external, journal, containers;
  for (const auto& statement : file.body) {
    if (!statement.block) continue;
    const BlockNode& block = *statement.block;
    if (block.name == "loki.write") {
      add_endpoints(block, true, found);
      append(external, pairs_of(attribute(block, "external_labels")));
    } else if (block.name == "prometheus.remote_write") {
      add_endpoints(block, false, found);
    } else if (block.name == "loki.source.journal") {
      append(journal, pairs_of(attribute(block, "labels")));
    } else if (block.name == "loki.source.docker") {
      found.containers = true;
      append(containers, pairs_of(attribute(block, "labels")));
    }
  }
  found.journal_labels = external;
  append(found.journal_labels, journal);
  found.container_labels = external;
  append(found.container_labels, containers);
  return found;
}

Result<std::string> ask(agent::io::HttpClient& client, const Destination& destination,
                        std::string_view path, const std::vector<LabelPair>& parameters) {
  agent::io::HttpRequest request;
  request.url = destination.url + std::string(path);
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    request.url += separator + name + "=" + agent::io::percent_encode(value);
    separator = '&';
  }
  request.accept_compressed = true;
  const auto answer = client.send(request, {});
  const std::string who = agent::io::url_for_people(destination.url);
  if (!answer) return fail(ErrorCode::kUnavailable, who + ": " + printable(answer.error().message));
  if (answer->status == 200) return answer->body;
  const bool final = answer->status >= 400 && answer->status < 500 && answer->status != 429;
  return fail(final ? ErrorCode::kInvalid : ErrorCode::kUnavailable,
              who + std::string(path) + " answers " + std::to_string(answer->status) + ": " +
                  printable(answer->body.substr(0, 200)));
}

Result<bool> loki_has(agent::io::HttpClient& client, const Destination& destination,
                      const std::string& selector, std::string_view text, std::int64_t since_ns,
                      std::int64_t until_ns) {
  const auto body = ask(client, destination, "/loki/api/v1/query_range",
                        {{"query", "{" + selector + "} |= " + quoted(text)},
                         {"start", std::to_string(since_ns)},
                         {"end", std::to_string(until_ns)},
                         {"limit", "1"}});
  if (!body) return fail(body.error());
  const json parsed = json::parse(*body, nullptr, false);
  const json::json_pointer result("/data/result");
  if (!parsed.is_object() || !parsed.contains(result) || !parsed[result].is_array())
    return fail(ErrorCode::kInvalid,
                agent::io::url_for_people(destination.url) + ": the answer is not Loki's");
  return !parsed[result].empty();
}

Result<double> newest_sample(agent::io::HttpClient& client, const Destination& destination,
                             const std::vector<std::string>& names) {
  std::string any;
  for (const std::string& name : names) any += (any.empty() ? "" : "|") + literally(name);
  const std::string matches = "=~\"(" + any + ")(:[0-9]+)?\"})";
  std::string query;
  for (const std::string_view metric : {"up", "node_time_seconds", "node_boot_time_seconds"})
    for (const std::string_view label : {"instance", "hostname", "host"})
      query += std::string(query.empty() ? "" : " or ") + "timestamp(" + std::string(metric) + "{" +
               std::string(label) + matches;
  const auto body =
      ask(client, destination, "/api/v1/query", {{"query", "time() - max(" + query + ")"}});
  if (!body) return fail(body.error());
  const json parsed = json::parse(*body, nullptr, false);
  const json::json_pointer result("/data/result"), value("/data/result/0/value/1");
  if (!parsed.is_object() || !parsed.contains(result) || !parsed[result].is_array())
    return fail(ErrorCode::kInvalid,
                agent::io::url_for_people(destination.url) + ": the answer is not Prometheus'");
  if (!parsed.contains(value) || !parsed[value].is_string()) return -1.0;
  // A clock that is ahead on the host makes it negative.
  return std::max(0.0, std::strtod(parsed[value].get<std::string>().c_str(), nullptr));
}

}  // namespace fleetctl::command
