// loki.secretfilter: replaces what looks like a secret in the lines.
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/series_table.h"
#include "agent/process/secret_rules.h"

namespace agent::process {
namespace {

using component::LogFanout;
using component::LogReceiver;

constexpr std::uintmax_t kMostConfiguration = std::uintmax_t{4} << 20;

struct SecretfilterArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::string origin_label;
  std::string redact_with;
  std::int64_t redact_percent = 80;
  std::string gitleaks_config;
  double rate = 1;
  Duration processing_timeout{0};
  bool drop_on_timeout = false;
  bool label_timed_out = false;
  static component::Schema<SecretfilterArgs> schema() {
    return component::Schema<SecretfilterArgs>()
        .required("forward_to", &SecretfilterArgs::forward_to,
                  "Receivers that get the entries without their secrets.")
        .optional("origin_label", &SecretfilterArgs::origin_label,
                  "Label whose value secrets are counted by.")
        .optional(
            "redact_with", &SecretfilterArgs::redact_with,
            "What stands in a secret's place; $SECRET_NAME is the rule's id, $SECRET_HASH the "
            "secret's SHA-1.")
        .optional(
            "redact_percent", &SecretfilterArgs::redact_percent,
            "Without redact_with: so much of a secret is taken away, from its end; 100 leaves "
            "REDACTED, 0 is 80.")
        .optional("gitleaks_config", &SecretfilterArgs::gitleaks_config,
                  "File with rules in Gitleaks' format, instead of the built-in ones.")
        .optional("rate", &SecretfilterArgs::rate,
                  "Share of the entries that are searched, from 0 to 1; the rest passes as it is.")
        .optional("processing_timeout", &SecretfilterArgs::processing_timeout,
                  "Time after which the search of a line ends; 0s is no limit.")
        .optional("drop_on_timeout", &SecretfilterArgs::drop_on_timeout,
                  "Drops entries whose search did not end in time.")
        .optional("label_timed_out", &SecretfilterArgs::label_timed_out,
                  "Gives entries whose search did not end in time the label "
                  "secretfilter=\"timed-out\".");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (!(rate >= 0 && rate <= 1))
      diagnostics.error(body.span_of("rate"), "rate must be from 0 to 1");
    if (redact_percent < 0 || redact_percent > 100)
      diagnostics.error(body.span_of("redact_percent"), "redact_percent must be from 0 to 100");
    if (processing_timeout.count() < 0)
      diagnostics.error(body.span_of("processing_timeout"),
                        "processing_timeout must not be negative");
  }
};

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

std::string sha1(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest), size});
}

// The beginning of the secret that may be seen.
std::string mask(std::string_view secret, std::int64_t percent) {
  if (percent == 0) percent = 80;
  if (percent == 100) return "REDACTED";
  auto left = static_cast<std::size_t>(std::nearbyint(
      static_cast<double>(secret.size() * static_cast<std::size_t>(100 - percent)) / 100));
  // Not within a character.
  while (left > 0 && left < secret.size() &&
         (static_cast<unsigned char>(secret[left]) & 0xC0U) == 0x80U)
    --left;
  return std::string(secret.substr(0, left)) + "...";
}

struct Settings {
  SecretfilterArgs args;
  SecretFinder finder;
};

// What the exported receiver and the component share.
class Filter final : public LogReceiver {
 public:
  explicit Filter(const component::Host& host)
      : clock_(host.clock),
        interner_(host.labels),
        redacted_(host.metrics.counter("loki_secretfilter_secrets_redacted_total",
                                       "Secrets that were replaced.")),
        timed_out_(host.metrics.counter("loki_secretfilter_lines_timed_out_total",
                                        "Lines whose search did not end in time.")),
        dropped_(host.metrics.counter("loki_secretfilter_lines_dropped_total",
                                      "Lines that were dropped since their search did not end in "
                                      "time.")),
        bypassed_(host.metrics.counter("loki_secretfilter_entries_bypassed_total",
                                       "Entries that were not searched, by rate.")),
        seconds_(host.metrics.histogram("loki_secretfilter_processing_duration_seconds",
                                        "Time that the search of a line took.",
                                        {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1})),
        by_category_({"loki_secretfilter_secrets_redacted_by_category_total",
                      "Secrets that were replaced, by rule and origin.",
                      model::MetricType::kCounter,
                      {}},
                     host.metrics, clock_, interner_),
        tap_(host.tap),
        fanout_(host.tap),
        random_(static_cast<std::uint64_t>(host.clock.wall_ns())) {}

  Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
    if (tap_->watched()) tap_->show("in", batch);
    std::shared_ptr<const Settings> settings;
    {
      MutexLock lock(mutex_);
      settings = settings_;
    }
    if (settings == nullptr)
      return fail(ErrorCode::kUnavailable, "loki.secretfilter has no rules yet");
    Mono begin = clock_.mono();
    std::erase_if(batch.entries, [&](model::Entry& entry) {
      if (settings->args.rate < 1 && !chosen(settings->args.rate)) {
        bypassed_->increment();
        return false;
      }
      const bool keep = clean(*settings, entry, batch.arena, begin);
      const Mono end = clock_.mono();
      seconds_->observe(std::chrono::duration<double>(end - begin).count());
      begin = end;
      return !keep;
    });
    if (batch.empty()) {
      batch.settle();
      return {};
    }
    return fanout_.consume(std::move(batch), std::move(stop));
  }

  void set(std::shared_ptr<const Settings> settings, LogFanout::Targets targets) {
    fanout_.set(std::move(targets));
    MutexLock lock(mutex_);
    settings_ = std::move(settings);
  }

 private:
  bool chosen(double rate) {
    MutexLock lock(mutex_);
    return std::uniform_real_distribution<double>(0, 1)(random_) < rate;
  }

  // False when the entry is to be dropped.
  bool clean(const Settings& settings, model::Entry& entry, model::Arena& arena, Mono begin) {
    const SecretfilterArgs& args = settings.args;
    SecretFinder::Stop late;
    if (args.processing_timeout.count() > 0)
      late = [&] { return clock_.mono() - begin >= args.processing_timeout; };
    bool timed_out = false;
    const auto findings = settings.finder.find(entry.line, late, timed_out);
    if (timed_out) {
      timed_out_->increment();
      if (args.drop_on_timeout) {
        dropped_->increment();
        return false;
      }
      if (args.label_timed_out) {
        model::LabelBuilder labels(entry.labels);
        labels.set("secretfilter", "timed-out");
        entry.labels = interner_.intern(std::move(labels).take());
      }
    }
    if (findings.empty()) return true;
    const std::string_view origin =
        args.origin_label.empty() ? std::string_view() : entry.labels.get(args.origin_label);
    for (const auto& finding : findings) {
      redacted_->increment();
      by_category_.add(
          interner_.intern({{"rule", std::string(finding.rule)}, {"origin", std::string(origin)}}),
          1);
    }
    entry.line = arena.store(redact(entry.line, findings, [&](const auto& finding) {
      if (args.redact_with.empty()) return mask(finding.secret, args.redact_percent);
      std::string text = replace_all(args.redact_with, "$SECRET_NAME", finding.rule);
      if (text.find("$SECRET_HASH") == std::string::npos) return text;
      return replace_all(std::move(text), "$SECRET_HASH", sha1(finding.secret));
    }));
    return true;
  }

  Clock& clock_;
  model::Interner& interner_;
  component::Counter redacted_;
  component::Counter timed_out_;
  component::Counter dropped_;
  component::Counter bypassed_;
  component::Histogram seconds_;
  component::SeriesTable by_category_;
  const std::shared_ptr<component::Tap> tap_;
  LogFanout fanout_;
  Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_);
  std::mt19937_64 random_ GUARDED_BY(mutex_);
};

class LokiSecretfilter final : public component::Configured<SecretfilterArgs> {
 public:
  explicit LokiSecretfilter(const component::Host& host) : filter_(std::make_shared<Filter>(host)) {
    host.exports({{"receiver", component::capsule<LogReceiver>(filter_)}});
  }

  Result<component::Commit> prepare(SecretfilterArgs args) override {
    const auto load = [](const std::string& path) -> Result<std::string> {
      std::error_code error;
      const auto size = std::filesystem::file_size(path, error);
      if (!error && size > kMostConfiguration)
        return fail(ErrorCode::kInvalid, path + ": it is larger than 4 MiB");
      return read_file(path);
    };
    SecretRuleSet rules;
    if (args.gitleaks_config.empty()) {
      rules = built_in_secret_rules();
    } else {
      auto text = load(args.gitleaks_config);
      if (!text) return fail(std::move(text.error()).within("gitleaks_config"));
      auto parsed = parse_gitleaks_config(*text, load);
      if (!parsed) return fail(std::move(parsed.error()).within(args.gitleaks_config));
      rules = std::move(*parsed);
    }
    auto finder = SecretFinder::compile(rules);
    if (!finder) return fail(std::move(finder.error()).within("gitleaks_config"));
    auto targets = std::move(args.forward_to);
    auto settings = std::make_shared<const Settings>(Settings{std::move(args), std::move(*finder)});
    return component::Commit([this, settings = std::move(settings), targets = std::move(targets)] {
      filter_->set(settings, targets);
    });
  }

 private:
  std::shared_ptr<Filter> filter_;
};

}  // namespace

component::Declaration loki_secretfilter() {
  return component::declare<LokiSecretfilter>(
      "loki.secretfilter", "Replaces what looks like a secret in the lines.",
      {{"receiver", "LogsReceiver", "Takes the entries to search."}});
}

}  // namespace agent::process
