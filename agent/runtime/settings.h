// The blocks that configure the agent itself rather than a pipeline.
#pragma once

#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/listen_args.h"

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

// Who may see the agent's pages, and how: http { tls { } auth { } }
struct HttpBasicArgs {
  std::string username;
  Secret password;
  static component::Schema<HttpBasicArgs> schema();
};
struct HttpFilterArgs {
  std::vector<std::string> paths;
  bool authenticate_matching_paths = true;
  static component::Schema<HttpFilterArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};
struct HttpAuthArgs {
  std::optional<HttpBasicArgs> basic;
  std::optional<HttpFilterArgs> filter;  // none: every path is authenticated
  static component::Schema<HttpAuthArgs> schema();
};
struct HttpArgs {
  std::optional<component::ListenTlsArgs> tls;
  std::optional<HttpAuthArgs> auth;
  static component::Schema<HttpArgs> schema();
};

struct LivedebuggingArgs {
  bool enabled = false;
  static component::Schema<LivedebuggingArgs> schema();
};

// A server that is asked for more configuration.
struct RemotecfgArgs {
  std::string url;  // empty: nobody is asked
  std::string id, name;
  component::StringMap attributes;
  Duration poll_frequency = std::chrono::minutes(1);
  component::HttpClientArgs client;
  static component::Schema<RemotecfgArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};
inline constexpr std::string_view kRemotecfg =
    "remotecfg";  // also before the ids of what it brings

struct Settings {
  LoggingArgs logging;
  ServerArgs server;
  HttpArgs http;
  LivedebuggingArgs livedebugging;
  RemotecfgArgs remotecfg;
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
