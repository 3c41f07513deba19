#include "agent/convert/promtail.h"

#include <algorithm>
#include <array>

#include "agent/base/duration.h"
#include "agent/convert/parts.h"
#include "agent/convert/stages.h"

namespace agent::convert {
namespace {

constexpr std::string_view kDefaultPositions = "/var/log/positions.yaml";

// What a job may hold that this agent has no component for.
constexpr std::array<std::string_view, 7> kNoSource = {
    "kafka", "gelf", "cloudflare", "heroku_drain", "gcplog", "azure_event_hub", "windows_events"};

class Promtail {
 public:
  Promtail(Context& context, const Node& root, const PromtailFlags& flags)
      : context_(context), out_(context.output), root_(context, root, "the file"), flags_(flags) {}

  void convert() {
    context_.label("limits");
    read_server();
    read_positions();
    read_watching();
    read_limits();
    const Node* jobs = root_.take("scrape_configs");
    const bool any = find_clients();
    if (!any) context_.critical({}, "there is no client to send to");
    if (jobs != nullptr && !jobs->is_list()) {
      context_.critical(jobs->mark, "scrape_configs must be a list");
    } else if (jobs != nullptr) {
      for (const Node& job : jobs->items) convert_job(job);
    } else {
      context_.warn({}, "there are no scrape_configs: nothing is read");
    }
    write_limits();
    write_clients();
    if (const Node* tracing = root_.take("tracing");
        tracing != nullptr && Section(context_, *tracing, "tracing").flag("enabled", false))
      context_.warn(tracing->mark, "tracing: this agent sends no traces of itself");
    root_.tell(Severity::kInfo, "options", "they have no counterpart here");
    root_.skip({"wal"});
    root_.finish();
  }

 private:
  // --- what is global

  void read_server() {
    const Node* node = root_.take("server");
    if (node == nullptr) return;
    Section server(context_, *node, "server");
    const Node* level = server.take("log_level");
    const Node* format = server.take("log_format");
    if (level != nullptr || format != nullptr) {
      out_.open("logging", "", node->mark);
      server.carry({{"log_level", As::kText, "level"}, {"log_format", As::kText, "format"}});
      out_.close();
    }
    if (server.take("http_listen_port") != nullptr || server.take("http_listen_address") != nullptr)
      context_.info(node->mark,
                    "server: this agent's pages and metrics are where its flag "
                    "--server.http.listen-addr says, 127.0.0.1:12345 otherwise");
    server.tell(Severity::kWarn, "http_path_prefix", "the pages are at / here");
    server.tell(Severity::kWarn, "http_tls_config", "the pages are served over HTTP alone");
    // Nothing else of it says what is read or sent.
  }

  void read_positions() {
    positions_ =
        flags_.positions_file.empty() ? quoted(kDefaultPositions) : quoted(flags_.positions_file);
    const Node* node = root_.take("positions");
    if (node == nullptr) return;
    Section positions(context_, *node, "positions");
    if (const Node* file = positions.take("filename")) {
      if (const auto code = code_of(context_, *file, As::kText)) positions_ = *code;
    }
    positions.skip({"sync_period", "ignore_invalid_yaml"});
    positions.finish();
  }

  void read_watching() {
    if (const Node* node = root_.take("target_config")) {
      Section target(context_, *node, "target_config");
      sync_period_ = target.take("sync_period");
      if (target.flag("stdin", false))
        context_.error(target.mark("stdin"), "this agent does not read its standard input");
      target.finish();
    }
    if (const Node* node = root_.take("global")) {
      Section global(context_, *node, "global");
      file_watch_ = global.take("file_watch_config");
      global.finish();
    }
  }

  void read_limits() {
    const Node* node = root_.take("limits_config");
    if (node == nullptr) return;
    limits_ = node;
    Section limits(context_, *node, "limits_config");
    rate_limited_ = limits.flag("readline_rate_enabled", false);
    drops_ = limits.flag("readline_rate_drop", true);
    truncates_ = limits.flag("max_line_size_truncate", false);
    rate_ = limits.take("readline_rate");
    burst_ = limits.take("readline_burst");
    line_size_ = limits.take("max_line_size");
    if (line_size_ != nullptr && code_of(context_, *line_size_, As::kByteCount) == "0")
      line_size_ = nullptr;
    max_streams_ = limits.take("max_streams");
    limits.finish();
  }

  // Promtail's limits hold for all that it sends, so all jobs go through one component.
  void write_limits() {
    if (!rate_limited_ && line_size_ == nullptr) return;
    out_.open("loki.process", "limits", limits_->mark);
    out_.attribute("forward_to", clients_code_, limits_->mark);
    if (rate_limited_) {
      out_.open("stage.limit", "", limits_->mark);
      const auto carry = [&](std::string_view name, const Node* node) {
        const auto code = node == nullptr ? std::optional<std::string>("10000")
                                          : code_of(context_, *node, As::kNumber);
        if (code) out_.attribute(name, *code, node == nullptr ? limits_->mark : node->mark);
      };
      carry("rate", rate_);
      carry("burst", burst_);
      if (drops_) out_.attribute("drop", "true", limits_->mark);
      out_.close();
    }
    if (line_size_ != nullptr) {
      const auto size = code_of(context_, *line_size_, As::kSize);
      out_.open(truncates_ ? "stage.truncate" : "stage.drop", "", line_size_->mark);
      if (truncates_) out_.open("rule", "", line_size_->mark);
      if (size) out_.attribute(truncates_ ? "limit" : "longer_than", *size, line_size_->mark);
      if (truncates_) {
        out_.close();
      } else {
        out_.attribute("drop_counter_reason", "\"line_too_long\"", line_size_->mark);
      }
      out_.close();
    }
    out_.close();
  }

  // --- clients

  struct Client {
    const Node* node = nullptr;  // null: the one of the command line
    std::vector<std::pair<std::string, std::string>> external_labels;
  };

  // Clients with the same external labels are endpoints of one loki.write, each with a progress of
  // its own.
  bool find_clients() {
    if (!flags_.client_url.empty()) add_client({nullptr, flags_.external_labels});
    const Node* one = root_.take("client");
    if (one != nullptr) add_client({one, labels_of(*one)});
    if (const Node* many = root_.take("clients")) {
      if (!many->is_list()) context_.critical(many->mark, "clients must be a list");
      for (const Node& each : many->items) add_client({&each, labels_of(each)});
    }
    if (writes_.size() > 1)
      context_.info(writes_[1].front().node->mark,
                    "clients with other external_labels are a loki.write of their own: one that "
                    "fails holds up the others when its queue is full, as in Promtail");
    std::vector<std::string> receivers;
    for (std::size_t i = 0; i < writes_.size(); ++i) {
      write_labels_.push_back(i == 0 ? "default" : "default_" + std::to_string(i + 1));
      receivers.push_back("loki.write." + write_labels_.back() + ".receiver");
    }
    clients_code_ = list_code(receivers);
    sink_code_ =
        rate_limited_ || line_size_ != nullptr ? "[loki.process.limits.receiver]" : clients_code_;
    return !writes_.empty();
  }

  std::vector<std::pair<std::string, std::string>> labels_of(const Node& client) {
    auto labels = flags_.external_labels;
    const Node* node = client.find("external_labels");
    if (node == nullptr || node->is_null()) return labels;
    if (!node->is_map()) context_.critical(node->mark, "external_labels must be a mapping");
    for (std::size_t i = 0; i < node->keys.size(); ++i) {
      const auto code = code_of(context_, node->items[i], As::kText);
      if (!code) continue;
      const std::string& name = node->keys[i].first;
      const auto known = std::find_if(labels.begin(), labels.end(),
                                      [&](const auto& label) { return label.first == name; });
      if (known == labels.end()) {
        labels.emplace_back(name, *code);
      } else {
        known->second = *code;
      }
    }
    return labels;
  }

  void add_client(Client client) {
    auto sorted = client.external_labels;
    std::sort(sorted.begin(), sorted.end());
    for (std::vector<Client>& write : writes_) {
      auto other = write.front().external_labels;
      std::sort(other.begin(), other.end());
      if (other == sorted) {
        write.push_back(std::move(client));
        return;
      }
    }
    writes_.push_back({std::move(client)});
  }

  void write_clients() {
    for (std::size_t i = 0; i < writes_.size(); ++i) {
      const Client& first = writes_[i].front();
      const Mark mark = first.node == nullptr ? Mark{} : first.node->mark;
      out_.open("loki.write", write_labels_[i], mark);
      for (const Client& client : writes_[i]) write_endpoint(client);
      if (!first.external_labels.empty())
        out_.attribute("external_labels", object_code(first.external_labels), mark);
      if (max_streams_ != nullptr) {
        if (const auto code = code_of(context_, *max_streams_, As::kNumber))
          out_.attribute("max_streams", *code, max_streams_->mark);
      }
      write_wal();
      out_.close();
    }
  }

  void write_wal() {
    const Node* node = root_.take("wal");
    if (node == nullptr) return;
    Section wal(context_, *node, "wal");
    if (!wal.flag("enabled", false)) return;
    out_.open("wal", "", node->mark);
    out_.attribute("enabled", "true", node->mark);
    wal.carry({{"max_segment_age", As::kDuration}});
    out_.close();
    wal.skip({"dir", "cleaner", "watch_config"});
    wal.finish();
  }

  void write_endpoint(const Client& client) {
    if (client.node == nullptr) {
      out_.open("endpoint", "", {});
      out_.attribute("url", quoted(flags_.client_url), {});
      out_.close();
      return;
    }
    Section section(context_, *client.node, "the client");
    section.skip({"external_labels"});
    out_.open("endpoint", "", client.node->mark);
    section.carry({{"name"},
                   {"url"},
                   {"tenant_id"},
                   {"batchwait", As::kDuration, "batch_wait"},
                   {"batchsize", As::kSize, "batch_size"},
                   {"timeout", As::kDuration, "remote_timeout"},
                   {"headers", As::kHeaders}});
    if (const Node* node = section.take("backoff_config")) {
      Section backoff(context_, *node, "backoff_config");
      backoff.carry({{"min_period", As::kDuration, "min_backoff_period"},
                     {"max_period", As::kDuration, "max_backoff_period"},
                     {"max_retries", As::kNumber, "max_backoff_retries"}});
      backoff.finish();
    }
    if (section.flag("drop_rate_limited_batches", false))
      out_.attribute("retry_on_http_429", "false", section.mark("drop_rate_limited_batches"));
    write_http_client(context_, section);
    out_.close();
    section.tell(Severity::kInfo, "stream_lag_labels", "there is no metric of it here");
    section.finish();
  }

  // --- jobs

  void convert_job(const Node& node) {
    Section job(context_, node, "the job");
    const std::string name = job.text("job_name");
    const std::string label = context_.label(name);
    bool told = false;
    for (const std::string_view key : kNoSource) {
      job.tell(Severity::kError, key, "this agent has no source for it; the job is left out");
      told = told || job.take(key) != nullptr;
    }
    const Node* rules = job.take("relabel_configs");
    const Node* stages = job.take("pipeline_stages");
    if (stages != nullptr && stages->is_list() && stages->items.empty()) stages = nullptr;
    const std::string forward =
        stages == nullptr ? sink_code_ : "[loki.process." + label + ".receiver]";

    bool reads = convert_files(job, label, rules, forward);
    reads = convert_docker(job, label, rules, forward) || reads;
    reads = convert_journal(job, name, label, rules, forward) || reads;
    reads = convert_syslog(job, label, rules, forward) || reads;
    reads = convert_push(job, label, rules, forward) || reads;
    if (reads && stages != nullptr) {
      out_.open("loki.process", label, stages->mark);
      out_.attribute("forward_to", sink_code_, stages->mark);
      write_stages(context_, *stages);
      out_.close();
    }
    for (const auto& [key, mark] : node.keys) told = told || key.ends_with("_sd_configs");
    if (!reads && !told) context_.error(node.mark, "the job reads nothing");
    job.skip({"encoding", "decompression"});
    job.finish();
  }

  bool convert_files(Section& job, const std::string& label, const Node* rules,
                     const std::string& forward) {
    Targets targets;
    add_static_targets(context_, job, rules_read(rules, "__address__"), targets);
    add_discovered_targets(context_, job, label, {"file_sd_configs"}, targets);
    if (targets.empty()) return false;
    std::string found = targets.code();
    // Promtail leaves out targets of other hosts.
    const bool by_host = names_host(job) || rules_write(rules, "__host__");
    if (rules != nullptr || by_host) {
      out_.open("discovery.relabel", label, targets.mark);
      out_.attribute("targets", found, targets.mark);
      if (rules != nullptr) write_rules(context_, *rules, "rule");
      if (by_host) {
        out_.open("rule", "", targets.mark);
        out_.attribute("source_labels", "[\"__host__\"]", targets.mark);
        out_.attribute("regex", "constants.hostname + \"|\"", targets.mark);
        out_.attribute("action", "\"keep\"", targets.mark);
        out_.close();
      }
      out_.close();
      found = "discovery.relabel." + label + ".output";
    }
    out_.open("local.file_match", label, targets.mark);
    out_.attribute("path_targets", found, targets.mark);
    if (sync_period_ != nullptr) {
      if (const auto code = code_of(context_, *sync_period_, As::kDuration))
        out_.attribute("sync_period", *code, sync_period_->mark);
    }
    out_.close();

    out_.open("loki.source.file", label, targets.mark);
    out_.attribute("targets", "local.file_match." + label + ".targets", targets.mark);
    out_.attribute("forward_to", forward, targets.mark);
    job.carry({{"encoding"}});
    bool compressed = false;
    if (const Node* node = job.take("decompression")) {
      Section decompression(context_, *node, "decompression");
      compressed = decompression.flag("enabled", false);
      if (compressed) {
        out_.open("decompression", "", node->mark);
        decompression.carry({{"enabled", As::kBool}, {"initial_delay", As::kDuration}, {"format"}});
        out_.close();
        // Promtail counts a compressed file's lines, this agent its bytes.
        context_.warn(node->mark, "compressed files are read from their beginning again");
      }
      decompression.skip({"initial_delay", "format"});
      decompression.finish();
    }
    if (!compressed) out_.attribute("legacy_positions_file", positions_, targets.mark);
    if (file_watch_ != nullptr) {
      Section watch(context_, *file_watch_, "file_watch_config");
      out_.open("file_watch", "", file_watch_->mark);
      watch.carry({{"min_poll_frequency", As::kDuration}, {"max_poll_frequency", As::kDuration}});
      out_.close();
      watch.finish();
    }
    out_.close();
    return true;
  }

  static bool names_host(const Section& job) {
    const Node* groups = job.node().find("static_configs");
    if (groups == nullptr) return false;
    return std::any_of(groups->items.begin(), groups->items.end(), [](const Node& group) {
      const Node* labels = group.find("labels");
      return labels != nullptr && labels->find("__host__") != nullptr;
    });
  }

  bool convert_docker(Section& job, const std::string& label, const Node* rules,
                      const std::string& forward) {
    const Node* configs = job.take("docker_sd_configs");
    if (configs == nullptr) return false;
    if (!configs->is_list()) {
      context_.critical(configs->mark, "docker_sd_configs must be a list");
      return false;
    }
    // Rules that ask for the stream belong to entries; all others to targets, so that a container
    // that they drop is not read.
    const bool by_entry = rules_read(rules, "__meta_docker_container_log_stream") ||
                          rules_act(rules, {"labeldrop", "labelkeep"});
    bool first = true;
    for (const Node& each : configs->items) {
      const std::string name = first ? label : context_.label(label);
      first = false;
      write_discovery_docker(context_, each, name);
      std::string targets = "discovery.docker." + name + ".targets";
      if (rules != nullptr && !by_entry) {
        out_.open("discovery.relabel", name, rules->mark);
        out_.attribute("targets", targets, each.mark);
        write_rules(context_, *rules, "rule");
        out_.close();
        targets = "discovery.relabel." + name + ".output";
      }
      Section docker(context_, each, "docker_sd_configs");
      out_.open("loki.source.docker", name, each.mark);
      docker.carry({{"host"}});
      out_.attribute("targets", targets, each.mark);
      out_.attribute("forward_to", forward, each.mark);
      if (rules != nullptr && by_entry)
        out_.attribute("relabel_rules", "loki.relabel." + name + ".rules", rules->mark);
      docker.carry({{"refresh_interval", As::kDuration}});
      out_.attribute("legacy_positions_file", positions_, each.mark);
      if (has_http_options(each)) {
        out_.open("http_client_config", "", each.mark);
        write_http_client(context_, docker);
        out_.close();
      }
      out_.close();
      if (rules != nullptr && by_entry) write_entry_rules(name, *rules);
    }
    return !configs->items.empty();
  }

  static bool has_http_options(const Node& docker) {
    for (const auto& [key, mark] : docker.keys)
      if (key != "host" && key != "port" && key != "host_networking_host" &&
          key != "refresh_interval" && key != "match_first_network" && key != "filters")
        return true;
    return false;
  }

  void write_entry_rules(const std::string& label, const Node& rules) {
    out_.open("loki.relabel", label, rules.mark);
    out_.attribute("forward_to", "[]", rules.mark);
    write_rules(context_, rules, "rule");
    out_.close();
  }

  bool convert_journal(Section& job, const std::string& name, const std::string& label,
                       const Node* rules, const std::string& forward) {
    const Node* node = job.take("journal");
    if (node == nullptr) return false;
    Section journal(context_, *node, "journal");
    out_.open("loki.source.journal", label, node->mark);
    journal.carry(
        {{"json", As::kBool, "format_as_json"}, {"max_age", As::kDuration}, {"path"}, {"matches"}});
    std::vector<std::pair<std::string, std::string>> labels;
    if (const Node* own = journal.take("labels")) labels = texts_of(*own, "labels");
    // Promtail sets no job by itself.
    const bool has_job = std::any_of(labels.begin(), labels.end(),
                                     [](const auto& each) { return each.first == "job"; });
    if (!has_job) labels.insert(labels.begin(), {"job", "\"\""});
    out_.attribute("labels", object_code(labels), node->mark);
    out_.attribute("forward_to", forward, node->mark);
    if (rules != nullptr)
      out_.attribute("relabel_rules", "loki.relabel." + label + ".rules", rules->mark);
    out_.open("legacy_position", "", node->mark);
    out_.attribute("file", positions_, node->mark);
    out_.attribute("name", context_.environment.code(name), node->mark);
    out_.close();
    out_.close();
    journal.finish();
    if (rules != nullptr) write_entry_rules(label, *rules);
    return true;
  }

  bool convert_syslog(Section& job, const std::string& label, const Node* rules,
                      const std::string& forward) {
    const Node* node = job.take("syslog");
    if (node == nullptr) return false;
    Section syslog(context_, *node, "syslog");
    out_.open("loki.source.syslog", label, node->mark);
    out_.open("listener", "", node->mark);
    syslog.carry({{"listen_address", As::kText, "address"},
                  {"listen_protocol", As::kText, "protocol"},
                  {"idle_timeout", As::kDuration},
                  {"label_structured_data", As::kBool},
                  {"use_incoming_timestamp", As::kBool},
                  {"use_rfc5424_message", As::kBool},
                  {"labels", As::kMap}});
    if (const Node* length = syslog.take("max_message_length");
        length != nullptr && text_of(context_, *length) != "0")
      syslog.carry({{"max_message_length", As::kNumber}});
    if (const Node* format = syslog.take("syslog_format")) {
      // Documented as {type: rfc5424}, read as a text.
      const Node* type = format->is_map() ? format->find("type") : format;
      if (type != nullptr) {
        if (const auto code = code_of(context_, *type, As::kText))
          out_.attribute("syslog_format", *code, type->mark);
      }
    }
    if (const Node* options = syslog.take("raw_format_options")) {
      Section raw(context_, *options, "raw_format_options");
      out_.open("raw_format_options", "", options->mark);
      raw.carry({{"use_null_terminator_delimiter", As::kBool}});
      out_.close();
      raw.finish();
    }
    if (const Node* tls = syslog.take("tls_config")) write_tls_config(context_, *tls);
    out_.close();
    out_.attribute("forward_to", forward, node->mark);
    if (rules != nullptr)
      out_.attribute("relabel_rules", "loki.relabel." + label + ".rules", rules->mark);
    out_.close();
    syslog.finish();
    if (rules != nullptr) {
      warn_of_drops(*rules, "loki.source.syslog");
      write_entry_rules(label, *rules);
    }
    return true;
  }

  void warn_of_drops(const Node& rules, const std::string& source) {
    if (rules_act(&rules, {"drop", "keep", "keepequal", "dropequal"}))
      context_.warn(rules.mark, source +
                                    " drops nothing by its rules: use stage.drop or "
                                    "stage.match for what is to be left out");
  }

  bool convert_push(Section& job, const std::string& label, const Node* rules,
                    const std::string& forward) {
    const Node* node = job.take("loki_push_api");
    if (node == nullptr) return false;
    Section push(context_, *node, "loki_push_api");
    out_.open("loki.source.api", label, node->mark);
    const Node none;
    const Node* server_node = push.take("server");
    Section server(context_, server_node == nullptr ? none : *server_node, "server");
    const Mark mark = server_node == nullptr ? node->mark : server_node->mark;
    out_.open("http", "", mark);
    server.carry({{"http_listen_address", As::kText, "listen_address"}});
    if (server.take("http_listen_port") == nullptr) out_.attribute("listen_port", "80", mark);
    server.carry({{"http_listen_port", As::kNumber, "listen_port"},
                  {"http_listen_conn_limit", As::kNumber, "conn_limit"},
                  {"http_server_read_timeout", As::kDuration, "server_read_timeout"},
                  {"http_server_write_timeout", As::kDuration, "server_write_timeout"},
                  {"http_server_idle_timeout", As::kDuration, "server_idle_timeout"}});
    if (const Node* tls_node = server.take("http_tls_config")) {
      Section tls(context_, *tls_node, "http_tls_config");
      out_.open("tls", "", tls_node->mark);
      tls.carry({{"cert", As::kText, "cert_pem"},
                 {"cert_file"},
                 {"key", As::kSecret, "key_pem"},
                 {"key_file"},
                 {"client_auth_type"},
                 {"client_ca"},
                 {"client_ca_file"}});
      out_.close();
      tls.finish();
    }
    out_.close();
    push.carry({{"labels", As::kMap}, {"use_incoming_timestamp", As::kBool}});
    server.carry({{"graceful_shutdown_timeout", As::kDuration}});
    out_.attribute("forward_to", forward, node->mark);
    if (rules != nullptr)
      out_.attribute("relabel_rules", "loki.relabel." + label + ".rules", rules->mark);
    out_.close();
    push.finish();
    for (const auto& [key, at] : server.node().keys)
      if (key.starts_with("grpc_") || key.starts_with("log_") ||
          key == "register_instrumentation" || key == "profiling_enabled")
        server.skip({key});
    server.finish();
    context_.info(node->mark, "lines that are pushed to /promtail/api/v1/raw go to /api/v1/raw");
    if (rules != nullptr) write_entry_rules(label, *rules);
    return true;
  }

  std::vector<std::pair<std::string, std::string>> texts_of(const Node& map,
                                                            const std::string& what) {
    std::vector<std::pair<std::string, std::string>> out;
    if (!map.is_map()) {
      context_.critical(map.mark, what + " must be a mapping");
      return out;
    }
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      if (map.items[i].is_null()) continue;
      if (auto code = code_of(context_, map.items[i], As::kText))
        out.emplace_back(map.keys[i].first, std::move(*code));
    }
    return out;
  }

  Context& context_;
  Output& out_;
  Section root_;
  const PromtailFlags& flags_;

  std::string positions_;  // code
  const Node* sync_period_ = nullptr;
  const Node* file_watch_ = nullptr;

  const Node* limits_ = nullptr;
  bool rate_limited_ = false;
  bool drops_ = true;
  bool truncates_ = false;
  const Node* rate_ = nullptr;
  const Node* burst_ = nullptr;
  const Node* line_size_ = nullptr;
  const Node* max_streams_ = nullptr;

  std::vector<std::vector<Client>> writes_;
  std::vector<std::string> write_labels_;
  std::string clients_code_;  // what the last component of a job forwards to
  std::string sink_code_;
};

}  // namespace

void convert_promtail(Context& context, const Node& root, const PromtailFlags& flags) {
  Promtail(context, root, flags).convert();
}

}  // namespace agent::convert
