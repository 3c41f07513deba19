#include "agent/convert/parts.h"

#include <algorithm>
#include <set>

namespace agent::convert {
namespace {

// A block of these arguments if the key is there.
void carry_block(Context& context, Section& section, std::string_view key,
                 std::initializer_list<Carry> carries) {
  const Node* node = section.take(key);
  if (node == nullptr) return;
  Section inner(context, *node, key);
  context.output.open(key, "", node->mark);
  inner.carry(carries);
  context.output.close();
  inner.finish();
}

// http_headers: {NAME: {values: [...], secrets: [...], files: [...]}}
void write_http_headers(Context& context, Section& section) {
  const Node* node = section.take("http_headers");
  if (node == nullptr) return;
  if (!node->is_map()) {
    context.critical(node->mark, "http_headers must be a mapping");
    return;
  }
  std::vector<std::pair<std::string, std::string>> headers;
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    Section header(context, node->items[i], "http_headers");
    std::vector<std::string> values;
    for (const std::string_view key : {"values", "secrets"}) {
      const Node* list = header.take(key);
      if (list == nullptr) continue;
      for (const Node& value : list->items)
        if (const auto code = code_of(context, value, As::kSecret)) values.push_back(*code);
    }
    header.tell(Severity::kError, "files", "headers out of files are left out");
    header.finish();
    headers.emplace_back(node->keys[i].first, list_code(values));
  }
  context.output.attribute("http_headers", object_code(headers), node->mark);
}

void write_oauth2(Context& context, Section& section) {
  const Node* node = section.take("oauth2");
  if (node == nullptr) return;
  Section inner(context, *node, "oauth2");
  context.output.open("oauth2", "", node->mark);
  inner.carry({{"client_id"},
               {"client_secret", As::kSecret},
               {"client_secret_file"},
               {"scopes", As::kTexts},
               {"token_url"},
               {"endpoint_params", As::kMap},
               {"proxy_url"},
               {"no_proxy"},
               {"proxy_from_environment", As::kBool},
               {"proxy_connect_header", As::kSecrets}});
  if (const Node* tls = inner.take("tls_config")) write_tls_config(context, *tls);
  context.output.close();
  inner.finish();
}

bool has_text(const Node* list, std::string_view text) {
  if (list == nullptr) return false;
  return std::any_of(list->items.begin(), list->items.end(),
                     [&](const Node& item) { return item.is_text() && item.text == text; });
}

void write_discovery(Context& context, std::string_view kind, const Node& config,
                     std::string_view label) {
  Section section(context, config, kind);
  const std::string component = "discovery." + std::string(kind.substr(0, kind.find('_')));
  context.output.open(component, label, config.mark);
  if (kind == "file_sd_configs") {
    section.carry({{"files", As::kTexts}, {"refresh_interval", As::kDuration}});
  } else if (kind == "dns_sd_configs") {
    section.carry({{"names", As::kTexts},
                   {"refresh_interval", As::kDuration},
                   {"type"},
                   {"port", As::kNumber}});
  } else if (kind == "http_sd_configs") {
    section.carry({{"url"}, {"refresh_interval", As::kDuration}});
    write_http_client(context, section);
  } else {
    section.carry({{"host"},
                   {"port", As::kNumber},
                   {"host_networking_host"},
                   {"refresh_interval", As::kDuration},
                   {"match_first_network", As::kBool}});
    write_http_client(context, section);
    if (const Node* filters = section.take("filters")) {
      for (const Node& each : filters->items) {
        Section filter(context, each, "filters");
        context.output.open("filter", "", each.mark);
        filter.carry({{"name"}, {"values", As::kTexts}});
        context.output.close();
        filter.finish();
      }
    }
  }
  context.output.close();
  section.finish();
}

}  // namespace

void write_tls_config(Context& context, const Node& node) {
  Section section(context, node, "tls_config");
  context.output.open("tls_config", "", node.mark);
  section.carry({{"ca", As::kText, "ca_pem"},
                 {"ca_file"},
                 {"cert", As::kText, "cert_pem"},
                 {"cert_file"},
                 {"key", As::kSecret, "key_pem"},
                 {"key_file"},
                 {"server_name"},
                 {"insecure_skip_verify", As::kBool},
                 {"min_version"}});
  context.output.close();
  section.tell(Severity::kWarn, "max_version", "the newest version that both sides know is spoken");
  section.finish();
}

void write_http_client(Context& context, Section& section) {
  section.carry({{"bearer_token", As::kSecret},
                 {"bearer_token_file"},
                 {"proxy_url"},
                 {"no_proxy"},
                 {"proxy_from_environment", As::kBool},
                 {"proxy_connect_header", As::kSecrets},
                 {"follow_redirects", As::kBool},
                 {"enable_http2", As::kBool}});
  write_http_headers(context, section);
  if (const Node* auth = section.take("basic_auth")) {
    Section inner(context, *auth, "basic_auth");
    inner.tell(Severity::kError, "username_file", "a user name out of a file is left out");
    inner.skip({"username", "password", "password_file"});
    inner.finish();
    context.output.open("basic_auth", "", auth->mark);
    inner.carry({{"username"}, {"password", As::kSecret}, {"password_file"}});
    context.output.close();
  }
  carry_block(context, section, "authorization",
              {{"type"}, {"credentials", As::kSecret}, {"credentials_file"}});
  write_oauth2(context, section);
  if (const Node* tls = section.take("tls_config")) write_tls_config(context, *tls);
}

void write_rules(Context& context, const Node& rules, std::string_view block) {
  if (!rules.is_list()) {
    context.critical(rules.mark, "rules must be a list");
    return;
  }
  for (const Node& each : rules.items) {
    Section rule(context, each, "the rule");
    context.output.open(block, "", each.mark);
    rule.carry({{"source_labels", As::kTexts}, {"separator"}});
    // An empty expression matches what is empty, and is not the default.
    if (const Node* regex = rule.take("regex");
        regex != nullptr && regex->is_text() && regex->text.empty()) {
      context.output.attribute("regex", "\"^$\"", regex->mark);
    } else {
      rule.carry({{"regex"}});
    }
    rule.carry({{"modulus", As::kNumber}, {"target_label"}, {"replacement"}});
    if (const Node* action = rule.take("action")) {
      std::string word = text_of(context, *action);
      for (char& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      context.output.attribute("action", quoted(word), action->mark);
    }
    context.output.close();
    rule.finish();
  }
}

bool rules_read(const Node* rules, std::string_view label) {
  if (rules == nullptr) return false;
  return std::any_of(rules->items.begin(), rules->items.end(),
                     [&](const Node& rule) { return has_text(rule.find("source_labels"), label); });
}

bool rules_write(const Node* rules, std::string_view label) {
  if (rules == nullptr) return false;
  return std::any_of(rules->items.begin(), rules->items.end(), [&](const Node& rule) {
    const Node* target = rule.find("target_label");
    return target != nullptr && target->is_text() && target->text == label;
  });
}

bool rules_act(const Node* rules, std::initializer_list<std::string_view> actions) {
  if (rules == nullptr) return false;
  return std::any_of(rules->items.begin(), rules->items.end(), [&](const Node& rule) {
    const Node* action = rule.find("action");
    return action != nullptr &&
           std::find(actions.begin(), actions.end(), action->text) != actions.end();
  });
}

std::string Targets::code() const {
  std::string fixed_list = "[]";
  if (fixed.size() == 1) fixed_list = "[" + fixed[0] + "]";
  if (fixed.size() > 1) {
    fixed_list = "[";
    for (const std::string& each : fixed) fixed_list += "\n" + each + ",";
    fixed_list += "\n]";
  }
  if (found.empty()) return fixed_list;
  if (fixed.empty() && found.size() == 1) return found[0];
  std::string out = "array.concat(\n";
  if (!fixed.empty()) out += fixed_list + ",\n";
  for (const std::string& each : found) out += each + ",\n";
  return out + ")";
}

void add_static_targets(Context& context, Section& job, bool with_address, Targets& targets) {
  const Node* groups = job.take("static_configs");
  if (groups == nullptr) return;
  if (!groups->is_list()) {
    context.critical(groups->mark, "static_configs must be a list");
    return;
  }
  if (targets.mark.line == 0) targets.mark = groups->mark;
  std::set<std::string> known(targets.fixed.begin(), targets.fixed.end());
  for (const Node& each : groups->items) {
    Section group(context, each, "static_configs");
    std::vector<std::pair<std::string, std::string>> labels;
    if (const Node* node = group.take("labels"); node != nullptr) {
      if (!node->is_map()) context.critical(node->mark, "labels must be a mapping");
      for (std::size_t i = 0; i < node->keys.size(); ++i) {
        const Node& value = node->items[i];
        if (value.is_null()) continue;  // an empty label is none
        if (const auto code = code_of(context, value, As::kText))
          labels.emplace_back(node->keys[i].first, *code);
      }
    }
    std::vector<std::string> addresses;
    if (const Node* node = group.take("targets"); node != nullptr) {
      if (!node->is_list()) context.critical(node->mark, "targets must be a list");
      for (const Node& address : node->items)
        if (const auto code = code_of(context, address, As::kText)) addresses.push_back(*code);
    }
    group.finish();
    if (!with_address) addresses = {""};
    for (const std::string& address : addresses) {
      auto target = labels;
      if (with_address) target.insert(target.begin(), {"__address__", address});
      std::string code = object_code(target);
      if (known.insert(code).second) targets.fixed.push_back(std::move(code));
    }
  }
}

void write_discovery_docker(Context& context, const Node& config, std::string_view label) {
  write_discovery(context, "docker_sd_configs", config, label);
}

void add_discovered_targets(Context& context, Section& job, std::string_view label,
                            std::initializer_list<std::string_view> kinds, Targets& targets) {
  for (const std::string_view kind : kinds) {
    const Node* configs = job.take(kind);
    if (configs == nullptr) continue;
    if (!configs->is_list()) {
      context.critical(configs->mark, std::string(kind) + " must be a list");
      continue;
    }
    if (targets.mark.line == 0) targets.mark = configs->mark;
    const std::string component = "discovery." + std::string(kind.substr(0, kind.find('_')));
    bool first = true;
    for (const Node& each : configs->items) {
      // The job's own label, which no other job has, and a new one for a second component.
      const std::string name = first ? std::string(label) : context.label(label);
      first = false;
      write_discovery(context, kind, each, name);
      targets.found.push_back(component + "." + name + ".targets");
    }
  }
  for (const auto& [key, mark] : job.node().keys) {
    if (!key.ends_with("_sd_configs")) continue;
    if (key == "docker_sd_configs" ||
        std::find(kinds.begin(), kinds.end(), std::string_view(key)) != kinds.end())
      continue;
    job.tell(Severity::kError, key, "this agent does not find targets in this way");
  }
}

}  // namespace agent::convert
