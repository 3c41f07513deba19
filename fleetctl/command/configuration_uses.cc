#include "fleetctl/command/configuration_uses.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "agent/lang/parser.h"

namespace fleetctl::command {
namespace {

using agent::lang::BlockNode;
using agent::lang::Expr;

bool mentions_socket(const Expr& expression) {
  if (text_of(&expression).find("docker.sock") != std::string::npos) return true;
  return std::any_of(expression.children.begin(), expression.children.end(),
                     [](const auto& child) { return mentions_socket(*child); });
}

bool is_selective(const BlockNode& block) {
  for (const auto& statement : block.body) {
    if (!statement.block) continue;
    if (block.name == "discovery.docker" && statement.block->name == "filter") return true;
    const std::string action = text_of(attribute(*statement.block, "action"));
    if (action == "drop" || action == "keep" || action == "dropequal" || action == "keepequal")
      return true;
  }
  return false;
}

void add_listener(const BlockNode& block, const std::string& component, Uses& uses) {
  const std::string address = text_of(attribute(block, "address"));
  const std::size_t colon = address.rfind(':');
  uses.every_listener = uses.every_listener && colon != std::string::npos;
  if (colon == std::string::npos) return;
  SyslogListener listener;
  listener.component = component;
  listener.host = address.substr(0, colon);
  const char* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, listener.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return;
  listener.protocol = text_of(attribute(block, "protocol"));
  if (listener.protocol.empty()) listener.protocol = "tcp";  // the default
  uses.listeners.push_back(std::move(listener));
}

std::string id_of(const BlockNode& block) {
  return block.label.empty() ? block.name : block.name + "." + block.label;
}

void look_at(const BlockNode& block, const std::string& component, Uses& uses) {
  if (block.name == "listener") add_listener(block, component, uses);
  if (block.name.starts_with("import.")) uses.every_listener = false;
  if (block.name == "prometheus.exporter.cadvisor") uses.docker = true;
  for (const auto& statement : block.body) {
    if (statement.value && mentions_socket(*statement.value)) uses.docker = true;
    if (!statement.block) continue;
    const BlockNode& inner = *statement.block;
    look_at(inner, inner.name.find('.') == std::string::npos ? component : id_of(inner), uses);
  }
}

}  // namespace

bool SyslogListener::is_local() const {
  return host.empty() || host == "localhost" || host.rfind("127.", 0) == 0 || host == "0.0.0.0" ||
         host == "[::]" || host == "[::1]";
}

bool Uses::hears(int port, std::string_view protocol) const {
  return std::any_of(listeners.begin(), listeners.end(), [&](const SyslogListener& listener) {
    return listener.is_local() && listener.port == port &&
           (protocol.empty() || listener.protocol == protocol);
  });
}

const Expr* attribute(const BlockNode& block, std::string_view name) {
  for (const auto& statement : block.body)
    if (statement.value && statement.name == name) return statement.value.get();
  return nullptr;
}

std::string text_of(const Expr* expression) {
  if (expression == nullptr || expression->kind != Expr::Kind::kLiteral ||
      expression->value.kind() != agent::lang::Value::Kind::kString)
    return {};
  return expression->value.string();
}

Uses uses_of(const agent::lang::File& configuration) {
  Uses uses;
  bool selective = false;
  for (const auto& statement : configuration.body) {
    if (!statement.block) continue;
    const BlockNode& block = *statement.block;
    look_at(block, id_of(block), uses);
    if (block.name == "loki.source.journal") uses.journal = true;
    if (block.name == "loki.source.docker") uses.every_container = true;
    if (block.name == "discovery.docker" || block.name == "discovery.relabel")
      selective = selective || is_selective(block);
  }
  uses.every_container = uses.every_container && !selective;
  return uses;
}

Uses uses_of(std::string_view configuration) {
  agent::lang::Diagnostics ignored;
  return uses_of(agent::lang::parse(configuration, "", ignored));
}

}  // namespace fleetctl::command
