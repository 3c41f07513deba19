#include "agent/source/syslog_args.h"

#include "agent/component/http_args.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/io/socket.h"
#include "agent/wire/time_layout.h"

namespace agent::source {

using component::Schema;
using lang::Body;
using lang::Diagnostics;

Schema<SyslogTlsArgs> SyslogTlsArgs::schema() {
  using A = SyslogTlsArgs;
  return Schema<A>()
      .optional("cert_pem", &A::cert_pem, "The listener's certificate and its chain, as PEM text.")
      .optional("cert_file", &A::cert_file, "File with the certificate and its chain.")
      .optional("key_pem", &A::key_pem, "The certificate's key, as PEM text.")
      .optional("key_file", &A::key_file, "File with the key.")
      .optional("ca_pem", &A::ca_pem,
                "Authorities of clients, as PEM text. When given, a client must show a certificate "
                "that one of them signed.")
      .optional("ca_file", &A::ca_file, "File with the authorities of clients.")
      .optional("min_version", &A::min_version,
                "Lowest version to speak: TLS10, TLS11, TLS12 or TLS13; TLS12 when empty.")
      .ignored("server_name", "Means nothing to a server.")
      .ignored("insecure_skip_verify", "Means nothing to a server: clients are verified.");
}

void SyslogTlsArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  const auto one = [&](std::string_view text, bool has_text, std::string_view file, bool has_file,
                       std::string_view needed_by) {
    component::validate_one_of(body, text, has_text, file, has_file, needed_by, diagnostics);
  };
  one("cert_pem", !cert_pem.empty(), "cert_file", !cert_file.empty(), "a listener with TLS");
  one("key_pem", !key_pem.empty(), "key_file", !key_file.empty(), "a listener with TLS");
  one("ca_pem", !ca_pem.empty(), "ca_file", !ca_file.empty(), "");
  component::validate_tls_version(body, min_version, diagnostics);
}

io::TlsServerOptions SyslogTlsArgs::options() const {
  return {cert_pem, cert_file, key_pem, key_file, ca_pem, ca_file, min_version};
}

Schema<SyslogRawArgs> SyslogRawArgs::schema() {
  return Schema<SyslogRawArgs>().optional("use_null_terminator_delimiter",
                                          &SyslogRawArgs::use_null_terminator_delimiter,
                                          "Messages end with a NUL instead of a line end.");
}

Schema<SyslogCiscoArgs> SyslogCiscoArgs::schema() {
  using A = SyslogCiscoArgs;
  return Schema<A>()
      .optional("enable_all", &A::enable_all, "All of the others.")
      .optional("message_counter", &A::message_counter,
                "A counter follows the priority; rules see __syslog_message_msg_counter.")
      .optional("sequence_number", &A::sequence_number,
                "A sequence number follows; rules see __syslog_message_sequence.")
      .optional("hostname", &A::hostname, "The host's name and a colon follow.")
      .optional("second_fractions", &A::second_fractions,
                "Seconds have fractions; they are read in any case.");
}

Schema<SyslogListenerArgs> SyslogListenerArgs::schema() {
  using A = SyslogListenerArgs;
  return Schema<A>()
      .required("address", &A::address, "Address to listen on, host:port.")
      .optional("protocol", &A::protocol, "tcp or udp.")
      .optional("syslog_format", &A::syslog_format,
                "rfc3164, rfc5424 or raw. The first two are told apart message by message, "
                "whichever is named; raw takes each line as it comes.")
      .optional("labels", &A::labels, "Labels of every entry of this listener.")
      .optional("idle_timeout", &A::idle_timeout,
                "Time after which a quiet TCP connection is closed.")
      .optional("label_structured_data", &A::label_structured_data,
                "Offers structured data to rules as __syslog_message_sd_<id>_<name>.")
      .optional("use_incoming_timestamp", &A::use_incoming_timestamp,
                "Takes the message's own time instead of the time of its arrival.")
      .optional("use_rfc5424_message", &A::use_rfc5424_message,
                "The line of an RFC 5424 message is all of it as it came, not its text alone.")
      .optional("rfc3164_default_to_current_year", &A::rfc3164_default_to_current_year,
                "Accepted; a time without a year always gets the nearest one.")
      .optional("rfc3164_time_zone", &A::rfc3164_time_zone,
                "Zone of times that do not say theirs, by its IANA name (Europe/Berlin). Not an "
                "argument of Alloy, which takes UTC.")
      .optional("rfc5424_allow_empty_msg", &A::rfc5424_allow_empty_msg,
                "Keeps messages without text instead of counting and dropping them.")
      .optional("max_message_length", &A::max_message_length,
                "Longest message in bytes; longer ones are cut and counted.")
      .optional("udp_queue_size", &A::udp_queue_size,
                "Full-size datagrams that the kernel is asked to keep while the agent is busy.")
      .optional("udp_host_cache_size", &A::udp_host_cache_size,
                "Most addresses whose names are remembered.")
      .block("tls_config", &A::tls_config, "Speaks TLS on a TCP listener.")
      .block("raw_format_options", &A::raw_format_options, "For syslog_format raw.")
      .block("rfc3164_cisco_components", &A::rfc3164_cisco_components,
             "What Cisco's IOS puts in front of an RFC 3164 message's text.");
}

void SyslogListenerArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  const auto wrong = [&](std::string_view name, std::string message) {
    diagnostics.error(body.span_of(name), std::move(message));
  };
  if (auto parts = io::split_host_port(address); !parts) wrong("address", parts.error().message);
  if (protocol != "tcp" && protocol != "udp")
    wrong("protocol", "protocol must be \"tcp\" or \"udp\", got " + json_string(protocol));
  if (syslog_format != "rfc3164" && syslog_format != "rfc5424" && syslog_format != "raw")
    wrong("syslog_format", "syslog_format must be \"rfc3164\", \"rfc5424\" or \"raw\", got " +
                               json_string(syslog_format));
  if (max_message_length < 16 || max_message_length > (1 << 20))
    wrong("max_message_length", "max_message_length must be from 16 to 1048576");
  if (idle_timeout <= Duration::zero()) wrong("idle_timeout", "idle_timeout must be above 0");
  if (udp_queue_size < 1 || udp_queue_size > 65536)
    wrong("udp_queue_size", "udp_queue_size must be from 1 to 65536");
  if (udp_host_cache_size < 1 || udp_host_cache_size > 65536)
    wrong("udp_host_cache_size", "udp_host_cache_size must be from 1 to 65536");
  if (tls_config && protocol == "udp") wrong("tls_config", "TLS needs protocol \"tcp\"");
  if (!wire::find_time_zone(rfc3164_time_zone))
    wrong("rfc3164_time_zone", json_string(rfc3164_time_zone) + " is not a known time zone");
  for (const auto& [name, value] : labels)
    if (!model::is_valid_label_name(name))
      wrong("labels", json_string(name) + " is not a valid label name");
}

Schema<SyslogArgs> SyslogArgs::schema() {
  return Schema<SyslogArgs>()
      .required("forward_to", &SyslogArgs::forward_to, "Receivers that get the entries.")
      .optional("relabel_rules", &SyslogArgs::relabel_rules,
                "Rules that make labels of the __syslog_* ones.")
      .required_block("listener", &SyslogArgs::listeners, "An address to listen on.")
      .block("queue", &SyslogArgs::queue,
             "Keeps entries on disk until they are delivered. Not a block of Alloy.");
}

void SyslogArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  std::vector<std::pair<std::string, std::string>> seen;
  auto listener = listeners.begin();
  for (const lang::Block& block : body.blocks) {
    if (block.name != "listener" || listener == listeners.end()) continue;
    std::pair<std::string, std::string> key(listener->address, listener->protocol);
    ++listener;
    if (key.first.ends_with(":0")) continue;  // each gets a port of its own
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      diagnostics.error(block.body.span_of("address"),
                        "two listeners cannot share the address " + json_string(key.first));
    seen.push_back(std::move(key));
  }
}

}  // namespace agent::source
