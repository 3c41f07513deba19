#include "agent/convert/prometheus.h"

#include <algorithm>
#include <array>

#include "agent/base/duration.h"
#include "agent/convert/parts.h"

namespace agent::convert {
namespace {

constexpr Duration kScrapeInterval = std::chrono::minutes(1);
constexpr Duration kScrapeTimeout = std::chrono::seconds(10);

// What a job has from `global` when it does not say so itself, besides its times.
constexpr std::array<Carry, 12> kLimits = {{
    {"body_size_limit", As::kSize},
    {"sample_limit", As::kNumber},
    {"target_limit", As::kNumber},
    {"label_limit", As::kNumber},
    {"label_name_length_limit", As::kNumber},
    {"label_value_length_limit", As::kNumber},
    {"scrape_protocols", As::kTexts},
    {"metric_name_validation_scheme"},
    {"metric_name_escaping_scheme"},
    {"scrape_native_histograms", As::kBool},
    {"always_scrape_classic_histograms", As::kBool, "scrape_classic_histograms"},
    {"convert_classic_histograms_to_nhcb", As::kBool},
}};

class Prometheus {
 public:
  Prometheus(Context& context, const Node& root)
      : context_(context), out_(context.output), root_(context, root, "the file") {}

  void convert() {
    if (const Node* node = root_.take("global")) read_global(*node);
    const Node* writes = root_.take("remote_write");
    const Node* jobs = root_.take("scrape_configs");
    if (writes != nullptr && !writes->is_list()) {
      context_.critical(writes->mark, "remote_write must be a list");
      writes = nullptr;
    }
    sink_ = writes == nullptr ? "[]" : "[prometheus.remote_write.default.receiver]";
    if (writes == nullptr)
      context_.error({},
                     "there is no remote_write: this agent stores nothing itself, so what it "
                     "scrapes would go nowhere");
    if (jobs != nullptr && !jobs->is_list()) {
      context_.critical(jobs->mark, "scrape_configs must be a list");
    } else if (jobs != nullptr) {
      for (const Node& job : jobs->items) convert_job(job);
    }
    if (writes != nullptr) convert_writes(*writes);
    for (const std::string_view key : {"rule_files", "alerting", "remote_read"})
      root_.tell(Severity::kError, key,
                 "this agent answers no queries and evaluates no rules; "
                 "leave it to the receiver of remote_write");
    root_.tell(Severity::kError, "scrape_config_files", "put their jobs into this file");
    root_.tell(Severity::kWarn, "storage",
               "samples wait in a queue on disk (the wal block of prometheus.remote_write)");
    root_.tell(Severity::kWarn, "tracing", "this agent sends no traces of itself");
    root_.tell(Severity::kWarn, "otlp", "this agent takes no OTLP");
    root_.skip({"runtime"});
    root_.finish();
  }

 private:
  void read_global(const Node& node) {
    global_ = &node;
    Section global(context_, node, "global");
    if (const Node* labels = global.take("external_labels")) {
      if (!labels->is_map()) context_.critical(labels->mark, "external_labels must be a mapping");
      for (std::size_t i = 0; i < labels->keys.size(); ++i) {
        const Node& value = labels->items[i];
        if (!value.is_text()) continue;
        // Prometheus takes variables here, and nowhere else.
        const std::string marked = context_.environment.mark_go(value.text);
        external_labels_.emplace_back(labels->keys[i].first, context_.environment.code(marked));
      }
      external_mark_ = labels->mark;
    }
    for (const Carry& each : kLimits) global.skip({each.key});
    global.skip({"scrape_interval", "scrape_timeout", "evaluation_interval", "rule_query_offset",
                 "keep_dropped_targets"});
    global.tell(Severity::kWarn, "query_log_file", "this agent answers no queries");
    global.tell(Severity::kWarn, "scrape_failure_log_file",
                "name it in each job that is to have it");
    global.finish();
  }

  const Node* global(std::string_view key) const {
    const Node* node = global_ == nullptr ? nullptr : global_->find(key);
    return node == nullptr || node->is_null() ? nullptr : node;
  }

  // --- jobs

  void convert_job(const Node& node) {
    Section job(context_, node, "the job");
    const std::string name = job.text("job_name");
    const std::string label = context_.label(name);
    Targets targets;
    add_static_targets(context_, job, true, targets);
    add_discovered_targets(
        context_, job, label,
        {"file_sd_configs", "http_sd_configs", "dns_sd_configs", "docker_sd_configs"}, targets);
    if (targets.empty()) {
      context_.warn(node.mark, "the job " + name +
                                   " has no targets that this agent can find; it "
                                   "is left out");
      return;
    }
    std::string found = targets.code();
    const Node* rules = job.take("relabel_configs");
    if (rules != nullptr) {
      out_.open("discovery.relabel", label, rules->mark);
      out_.attribute("targets", found, targets.mark);
      write_expected_labels(job, *rules, name);
      write_rules(context_, *rules, "rule");
      out_.close();
      found = "discovery.relabel." + label + ".output";
    }
    const Node* metric_rules = job.take("metric_relabel_configs");

    out_.open("prometheus.scrape", label, node.mark);
    out_.attribute("targets", found, targets.mark);
    out_.attribute("forward_to",
                   metric_rules == nullptr ? sink_ : "[prometheus.relabel." + label + ".receiver]",
                   node.mark);
    out_.attribute("job_name", context_.environment.code(name), job.mark("job_name"));
    write_times(job);
    job.carry({{"metrics_path"},
               {"scheme"},
               {"params", As::kLists},
               {"honor_labels", As::kBool},
               {"honor_timestamps", As::kBool},
               {"track_timestamps_staleness", As::kBool},
               {"enable_compression", As::kBool},
               {"scrape_fallback_protocol"},
               {"scrape_failure_log_file"},
               {"native_histogram_bucket_limit", As::kNumber},
               {"native_histogram_min_bucket_factor", As::kNumber},
               {"extra_scrape_metrics", As::kBool, "extra_metrics"}});
    for (const Carry& each : kLimits) write_limit(job, each);
    if (job.take("always_scrape_classic_histograms") == nullptr)
      job.carry({{"scrape_classic_histograms", As::kBool}});
    write_http_client(context_, job);
    out_.close();
    job.skip({"keep_dropped_targets"});
    job.finish();
    if (metric_rules != nullptr) {
      out_.open("prometheus.relabel", label, metric_rules->mark);
      out_.attribute("forward_to", sink_, metric_rules->mark);
      write_metric_rules(*metric_rules);
      out_.close();
    }
  }

  void write_limit(Section& job, const Carry& limit) {
    const Node* node = job.take(limit.key);
    if (node == nullptr) node = global(limit.key);
    if (node == nullptr) return;
    if (const auto code = code_of(context_, *node, limit.as))
      out_.attribute(limit.name.empty() ? limit.key : limit.name, *code, node->mark);
  }

  void write_times(Section& job) {
    const auto time = [&](std::string_view key, Duration otherwise, const Node*& from) {
      from = job.take(key);
      if (from == nullptr) from = global(key);
      if (from == nullptr) return otherwise;
      const auto value = duration_of(text_of(context_, *from));
      if (!value) context_.critical(from->mark, "a duration is needed here");
      return value.value_or(otherwise);
    };
    const bool own_timeout = job.take("scrape_timeout") != nullptr;
    const Node* from = nullptr;
    const Duration interval = time("scrape_interval", kScrapeInterval, from);
    if (from != nullptr)
      out_.attribute("scrape_interval", quoted(format_duration(interval)), from->mark);
    Duration timeout = time("scrape_timeout", kScrapeTimeout, from);
    // A timeout that a job does not name is at most its interval.
    if (!own_timeout) timeout = std::min(timeout, interval);
    if (from != nullptr || timeout != kScrapeTimeout)
      out_.attribute("scrape_timeout", quoted(format_duration(timeout)),
                     from == nullptr ? job.node().mark : from->mark);
  }

  // Labels that Prometheus sets before its rules run and this agent after them. A rule that reads
  // one of them finds it all the same.
  void write_expected_labels(Section& job, const Node& rules, const std::string& name) {
    const auto expect = [&](std::string_view label, const std::string& code) {
      if (!rules_read(&rules, label)) return;
      out_.open("rule", "", rules.mark);
      out_.attribute("source_labels", "[" + quoted(label) + "]", rules.mark);
      out_.attribute("regex", "\"^$\"", rules.mark);
      out_.attribute("target_label", quoted(label), rules.mark);
      out_.attribute("replacement", code, rules.mark);
      out_.close();
    };
    // A dollar in a replacement begins a reference.
    const auto literal = [](const std::string& text) {
      std::string out;
      for (const char c : text) out += c == '$' ? std::string("$$") : std::string(1, c);
      return quoted(out);
    };
    expect("job", literal(name));
    const auto text_or = [&](std::string_view key, std::string otherwise) {
      const std::string text = job.text(key);
      return literal(text.empty() ? std::move(otherwise) : text);
    };
    expect("__scheme__", text_or("scheme", "http"));
    expect("__metrics_path__", text_or("metrics_path", "/metrics"));
    if (const Node* params = job.take("params"); params != nullptr && params->is_map())
      for (std::size_t i = 0; i < params->keys.size(); ++i)
        if (!params->items[i].items.empty())
          expect("__param_" + params->keys[i].first,
                 literal(text_of(context_, params->items[i].items[0])));
    for (const std::string_view label : {"__scrape_interval__", "__scrape_timeout__"})
      if (rules_read(&rules, label))
        context_.warn(rules.mark, std::string(label) + " is not known to rules here");
  }

  // Prometheus does not show `up` and its like to these rules, this agent does.
  void write_metric_rules(const Node& rules) {
    if (!rules.is_list()) {
      context_.critical(rules.mark, "rules must be a list");
      return;
    }
    Node changed = rules;
    for (Node& rule : changed.items) {
      const Node* action = rule.find("action");
      const Node* source = rule.find("source_labels");
      const Node* regex = rule.find("regex");
      if (action == nullptr || action->text != "keep" || source == nullptr || regex == nullptr)
        continue;
      const bool by_name = source->items.size() == 1 && source->items[0].text == "__name__";
      if (!by_name) {
        context_.warn(rule.mark,
                      "this rule drops up and scrape_* as well, which Prometheus keeps "
                      "out of its reach");
        continue;
      }
      for (std::size_t i = 0; i < rule.keys.size(); ++i)
        if (rule.keys[i].first == "regex")
          rule.items[i].text = "(?:" + rule.items[i].text +
                               ")|up|scrape_(?:duration_seconds|samples_scraped|"
                               "samples_post_metric_relabeling|series_added)";
    }
    write_rules(context_, changed, "rule");
  }

  // --- remote_write

  void convert_writes(const Node& writes) {
    out_.open("prometheus.remote_write", "default", writes.mark);
    if (!external_labels_.empty())
      out_.attribute("external_labels", object_code(external_labels_), external_mark_);
    for (const Node& node : writes.items) convert_write(node);
    out_.close();
  }

  void convert_write(const Node& node) {
    Section write(context_, node, "remote_write");
    out_.open("endpoint", "", node.mark);
    write.carry({{"name"},
                 {"url"},
                 {"remote_timeout", As::kDuration},
                 {"headers", As::kHeaders},
                 {"protobuf_message"},
                 {"round_robin_dns", As::kBool},
                 {"send_native_histograms", As::kBool}});
    // Unlike here, off when it is not named.
    if (write.take("send_exemplars") == nullptr)
      out_.attribute("send_exemplars", "false", node.mark);
    write.carry({{"send_exemplars", As::kBool}});
    write_http_client(context_, write);
    if (const Node* queue_node = write.take("queue_config")) {
      Section queue(context_, *queue_node, "queue_config");
      out_.open("queue_config", "", queue_node->mark);
      queue.carry({{"capacity", As::kNumber},
                   {"max_shards", As::kNumber},
                   {"min_shards", As::kNumber},
                   {"max_samples_per_send", As::kNumber},
                   {"batch_send_deadline", As::kDuration},
                   {"min_backoff", As::kDuration},
                   {"max_backoff", As::kDuration},
                   {"retry_on_http_429", As::kBool},
                   {"sample_age_limit", As::kDuration}});
      out_.close();
      queue.skip({"max_retries"});
      queue.finish();
    }
    if (const Node* metadata_node = write.take("metadata_config")) {
      Section metadata(context_, *metadata_node, "metadata_config");
      out_.open("metadata_config", "", metadata_node->mark);
      metadata.carry({{"send", As::kBool},
                      {"send_interval", As::kDuration},
                      {"max_samples_per_send", As::kNumber}});
      out_.close();
      metadata.finish();
    }
    if (const Node* rules = write.take("write_relabel_configs"))
      write_rules(context_, *rules, "write_relabel_config");
    write_cloud(write);
    out_.close();
    write.finish();
  }

  void write_cloud(Section& write) {
    if (const Node* sigv4_node = write.take("sigv4")) {
      Section sigv4(context_, *sigv4_node, "sigv4");
      out_.open("sigv4", "", sigv4_node->mark);
      sigv4.carry({{"region"},
                   {"access_key"},
                   {"secret_key"},
                   {"profile"},
                   {"role_arn"},
                   {"external_id"},
                   {"use_fips_sts_endpoint", As::kBool},
                   {"service_name"}});
      out_.close();
      sigv4.finish();
    }
    if (const Node* azuread_node = write.take("azuread")) {
      Section azuread(context_, *azuread_node, "azuread");
      out_.open("azuread", "", azuread_node->mark);
      azuread.carry({{"cloud"}, {"scope"}});
      for (const char* way : {"managed_identity", "workload_identity", "oauth", "sdk"}) {
        const Node* node = azuread.take(way);
        if (node == nullptr) continue;
        Section identity(context_, *node, way);
        out_.open(way, "", node->mark);
        identity.carry({{"client_id"}, {"client_secret"}, {"tenant_id"}, {"token_file_path"}});
        out_.close();
        identity.finish();
      }
      out_.close();
      azuread.finish();
    }
    if (const Node* google_node = write.take("google_iam")) {
      Section google(context_, *google_node, "google_iam");
      out_.open("google_iam", "", google_node->mark);
      google.carry({{"credentials_file"}});
      out_.close();
      google.finish();
    }
  }

  Context& context_;
  Output& out_;
  Section root_;
  const Node* global_ = nullptr;
  std::vector<std::pair<std::string, std::string>> external_labels_;
  Mark external_mark_;
  std::string sink_;  // code
};

}  // namespace

void convert_prometheus(Context& context, const Node& root) { Prometheus(context, root).convert(); }

}  // namespace agent::convert
