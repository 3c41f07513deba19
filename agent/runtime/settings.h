// The blocks that configure the agent itself rather than a pipeline.
#pragma once

#include <optional>
#include <string>

#include "agent/component/component.h"

namespace agent::runtime {

struct LoggingArgs {
  std::string level = "info";
  std::string format = "logfmt";
  std::vector<std::shared_ptr<component::LogReceiver>> write_to;
  static component::Schema<LoggingArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

// The older form of --server.http.listen-addr: server { http { listen_address = "0.0.0.0"
// listen_port = 12345 } }
struct ServerHttpArgs {
  std::string listen_address = "127.0.0.1";
  std::int64_t listen_port = 12345;
  static component::Schema<ServerHttpArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};
struct ServerArgs {
  std::optional<ServerHttpArgs> http;
  static component::Schema<ServerArgs> schema();
};

struct LivedebuggingArgs {
  bool enabled = false;
  static component::Schema<LivedebuggingArgs> schema();
};

struct Settings {
  LoggingArgs logging;
  ServerArgs server;
  LivedebuggingArgs livedebugging;
};

// A kind of settings block.
struct SettingsDeclaration {
  std::string name;
  std::string doc;
  std::function<std::vector<component::FieldInfo>()> fields;
  std::function<void(const lang::Body&, Settings&, lang::Diagnostics&)> decode;
};
const std::vector<SettingsDeclaration>& settings_declarations();
const SettingsDeclaration* find_settings(std::string_view name);

}  // namespace agent::runtime
