// What loki.source.syslog may be told.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/component/schema.h"
#include "agent/io/tls_server.h"
#include "agent/source/outbox.h"

namespace agent::source {

struct SyslogTlsArgs {
  std::string ca_pem, ca_file, cert_pem, cert_file, key_file, min_version;
  Secret key_pem;
  static component::Schema<SyslogTlsArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  io::TlsServerOptions options() const;
};

struct SyslogRawArgs {
  bool use_null_terminator_delimiter = false;
  static component::Schema<SyslogRawArgs> schema();
};

struct SyslogCiscoArgs {
  bool enable_all = false;
  bool message_counter = false;
  bool sequence_number = false;
  bool hostname = false;
  bool second_fractions = false;
  static component::Schema<SyslogCiscoArgs> schema();
};

struct SyslogListenerArgs {
  std::string address;
  std::string protocol = "tcp";
  std::string syslog_format = "rfc5424";
  component::StringMap labels;
  Duration idle_timeout = std::chrono::minutes(2);
  bool label_structured_data = false;
  bool use_incoming_timestamp = false;
  bool use_rfc5424_message = false;
  bool rfc3164_default_to_current_year = false;
  std::string rfc3164_time_zone = "UTC";
  bool rfc5424_allow_empty_msg = false;
  std::int64_t max_message_length = 8192;
  std::int64_t udp_queue_size = 10;
  std::int64_t udp_host_cache_size = 128;
  std::optional<SyslogTlsArgs> tls_config;
  SyslogRawArgs raw_format_options;
  SyslogCiscoArgs rfc3164_cisco_components;

  static component::Schema<SyslogListenerArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct SyslogArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  std::vector<SyslogListenerArgs> listeners;
  QueueArgs<true> queue;

  static component::Schema<SyslogArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

}  // namespace agent::source
