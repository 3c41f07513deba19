#include "agent/runtime/settings.h"

#include <utility>

namespace agent::runtime {
namespace {

template <class Args>
SettingsDeclaration settings(std::string name, std::string doc, Args Settings::*member) {
  return {std::move(name), std::move(doc), [] { return Args::schema().info(); },
          [member](const lang::Body& body, Settings& out, lang::Diagnostics& diagnostics) {
            component::decode(body, out.*member, diagnostics);
          }};
}

}  // namespace

component::Schema<LoggingArgs> LoggingArgs::schema() {
  return component::Schema<LoggingArgs>()
      .optional("level", &LoggingArgs::level,
                "Lowest level that is logged: debug, info, warn or error.")
      .optional("format", &LoggingArgs::format,
                "Form of the agent's own log lines: logfmt or json.")
      .optional("write_to", &LoggingArgs::write_to,
                "Receivers that get the agent's own log lines as entries.");
}

void LoggingArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  Level parsed = Level::kInfo;
  if (!parse_level(level, parsed))
    diagnostics.error(body.span_of("level"), "unrecognized log level \"" + level + "\"",
                      "levels are debug, info, warn and error");
  if (format != "logfmt" && format != "json")
    diagnostics.error(body.span_of("format"), "unrecognized log format \"" + format + "\"",
                      "formats are logfmt and json");
}

component::Schema<ServerHttpArgs> ServerHttpArgs::schema() {
  return component::Schema<ServerHttpArgs>()
      .optional("listen_address", &ServerHttpArgs::listen_address, "Address to listen on.")
      .optional("listen_port", &ServerHttpArgs::listen_port, "Port to listen on.");
}

void ServerHttpArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (listen_port < 0 || listen_port > 65535)
    diagnostics.error(body.span_of("listen_port"), "a port is a number from 0 to 65535");
}

component::Schema<ServerArgs> ServerArgs::schema() {
  return component::Schema<ServerArgs>().block("http", &ServerArgs::http,
                                               "The server for pages and metrics.");
}

component::Schema<HttpBasicArgs> HttpBasicArgs::schema() {
  return component::Schema<HttpBasicArgs>()
      .required("username", &HttpBasicArgs::username, "Who asks.")
      .required("password", &HttpBasicArgs::password, "Their password.");
}

component::Schema<HttpFilterArgs> HttpFilterArgs::schema() {
  return component::Schema<HttpFilterArgs>()
      .optional("paths", &HttpFilterArgs::paths, "Beginnings of paths: \"/metrics\".")
      .optional("authenticate_matching_paths", &HttpFilterArgs::authenticate_matching_paths,
                "True: these paths need the password, all others do not. False: these do not, all "
                "others do.");
}

void HttpFilterArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (paths.empty() && authenticate_matching_paths)
    diagnostics.warning(body.span, "this filter lets everybody in: no path needs the password",
                        "leave the block out, or give paths");
}

component::Schema<HttpAuthArgs> HttpAuthArgs::schema() {
  return component::Schema<HttpAuthArgs>()
      .block("basic", &HttpAuthArgs::basic, "A name and a password.")
      .block("filter", &HttpAuthArgs::filter,
             "Which paths need them; all of them without this block.");
}

component::Schema<HttpArgs> HttpArgs::schema() {
  return component::Schema<HttpArgs>()
      .block("tls", &HttpArgs::tls, "Speaks HTTPS.")
      .block("auth", &HttpArgs::auth, "Asks for a password.");
}

component::Schema<LivedebuggingArgs> LivedebuggingArgs::schema() {
  return component::Schema<LivedebuggingArgs>().optional("enabled", &LivedebuggingArgs::enabled,
                                                         "Allows looking at entries as they pass.");
}

component::Schema<RemotecfgArgs> RemotecfgArgs::schema() {
  return component::Schema<RemotecfgArgs>()
      .optional("url", &RemotecfgArgs::url, "Address of the server; without it nobody is asked.")
      .optional("id", &RemotecfgArgs::id,
                "What the server knows this agent by; without it a UUID that is made once.")
      .optional("name", &RemotecfgArgs::name, "A name for people.")
      .optional("attributes", &RemotecfgArgs::attributes,
                "What the server may choose by; names that begin with collector. are taken.")
      .optional("poll_frequency", &RemotecfgArgs::poll_frequency,
                "How often the server is asked; at least 10s.")
      .include(&RemotecfgArgs::client);
}

void RemotecfgArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  constexpr auto kMostOften = std::chrono::seconds(10);
  constexpr std::size_t kMostAttributes = 1000;
  if (!url.empty()) component::validate_url(body, "url", url, diagnostics);
  if (poll_frequency < kMostOften)
    diagnostics.error(body.span_of("poll_frequency"), "poll_frequency must be at least 10s");
  if (attributes.size() > kMostAttributes)
    diagnostics.error(body.span_of("attributes"), "too many attributes");
  for (const auto& [attribute, unused] : attributes)
    if (attribute.starts_with("collector."))
      diagnostics.error(body.span_of("attributes"),
                        "attribute \"" + attribute + "\" is not free: the agent says it itself",
                        "names that begin with collector. are reserved");
  client.validate(body, diagnostics);
}

const std::vector<SettingsDeclaration>& settings_declarations() {
  static const auto* const all = new std::vector<SettingsDeclaration>{
      settings("logging", "The agent's own log.", &Settings::logging),
      settings("server", "Where the agent's own pages are served (--server.http.listen-addr wins).",
               &Settings::server),
      settings("http", "Who may see the agent's own pages, and how.", &Settings::http),
      settings("livedebugging", "Looking at entries as they pass.", &Settings::livedebugging),
      settings(std::string(kRemotecfg), "More configuration, from a server that is asked for it.",
               &Settings::remotecfg)};
  return *all;
}

const SettingsDeclaration* find_settings(std::string_view name) {
  for (const SettingsDeclaration& declaration : settings_declarations())
    if (declaration.name == name) return &declaration;
  return nullptr;
}

}  // namespace agent::runtime
