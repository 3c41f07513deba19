#include "agent/trial/stand_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "agent/base/strings.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"

namespace agent::trial {

using component::LogFanout;
using component::LogReceiver;
using component::MetricsFanout;
using component::MetricsReceiver;

struct Ends::Source {
  explicit Source(std::shared_ptr<component::Tap> t)
      : tap(std::move(t)), entries(tap), samples(tap) {}
  const std::shared_ptr<component::Tap> tap;
  std::string id;
  component::Publisher publish;
  component::Exports exports;
  std::shared_ptr<const model::RelabelRules> rules;
  model::Labels labels;
  LogFanout entries;
  bool sends_entries = false;
  MetricsFanout samples;
};

namespace {

bool has_attribute(const component::Declaration& declaration, std::string_view name) {
  const auto fields = declaration.fields();
  return std::any_of(fields.begin(), fields.end(), [&](const component::FieldInfo& field) {
    return field.kind == component::FieldInfo::Kind::kAttribute && field.name == name;
  });
}

bool exports(const component::Declaration& declaration, std::string_view name) {
  return std::any_of(declaration.exports.begin(), declaration.exports.end(),
                     [&](const auto& info) { return info.name == name; });
}

// What runs for real: it takes and passes on, or works on targets and files alone.
bool is_real(const component::Declaration& declaration) {
  if (declaration.name == "discovery.relabel" || declaration.name == "local.file") return true;
  return has_attribute(declaration, "forward_to") && exports(declaration, "receiver");
}

std::string time_text(std::int64_t after_ns) {
  std::string out =
      fmt::format("{}{}.{:09}", after_ns < 0 ? "-" : "+", std::abs(after_ns) / 1'000'000'000,
                  std::abs(after_ns) % 1'000'000'000);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

// name{label="value"}
std::string series_text(const model::LabelSet& series) {
  std::string out(series.get(model::kMetricNameLabel));
  const char* before = "{";
  for (const model::Label& label : series.labels()) {
    if (label.name == model::kMetricNameLabel) continue;
    out += before + label.name + "=" + json_string(label.value);
    before = ", ";
  }
  return *before == '{' ? out : out + "}";
}

}  // namespace

class LogEnd final : public LogReceiver {
 public:
  LogEnd(std::shared_ptr<Ends> ends, const component::Host& host)
      : ends_(std::move(ends)), id_(host.id), tap_(host.tap) {}
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    if (tap_->watched()) tap_->show("in", batch);
    for (const model::Entry& entry : batch.entries) {
      std::string text = entry.labels.text();
      if (entry.time_ns != ends_->clock_.wall_ns())
        text += " " + time_text(entry.time_ns - ends_->start_ns_);
      text += " " + escape(entry.line);
      for (std::size_t i = 0; i < entry.metadata.size(); ++i)
        text += std::string(i == 0 ? " | " : " ") + std::string(entry.metadata[i].name) + "=" +
                escape(entry.metadata[i].value);
      ends_->arrived(id_, std::move(text));
    }
    batch.settle();
    return {};
  }

 private:
  const std::shared_ptr<Ends> ends_;
  const std::string id_;
  const std::shared_ptr<component::Tap> tap_;
};

class MetricsEnd final : public MetricsReceiver {
 public:
  MetricsEnd(std::shared_ptr<Ends> ends, std::string id)
      : ends_(std::move(ends)), id_(std::move(id)) {}
  Result<> consume(model::SampleBatch batch, std::stop_token) override {
    for (const model::Sample& sample : batch.samples)
      ends_->arrived(
          id_, series_text(sample.series) + " " +
                   (model::is_stale_marker(sample.value) ? "stale" : format_number(sample.value)));
    batch.settle();
    return {};
  }

 private:
  const std::shared_ptr<Ends> ends_;
  const std::string id_;
};

class StandIn final : public component::Component {
 public:
  StandIn(component::Host host, const component::Declaration& declaration,
          std::shared_ptr<Ends> ends)
      : declaration_(declaration) {
    source_ = std::make_shared<Ends::Source>(host.tap);
    source_->id = host.id;
    source_->publish = host.exports;
    component::Exports& out = source_->exports;
    for (const component::ExportInfo& info : declaration.exports) {
      if (info.type == component::CapsuleName<LogReceiver>::kName) {
        const std::shared_ptr<LogReceiver> end = std::make_shared<LogEnd>(ends, host);
        out.emplace_back(info.name, component::capsule(end));
      } else if (info.type == component::CapsuleName<MetricsReceiver>::kName) {
        const std::shared_ptr<MetricsReceiver> end = std::make_shared<MetricsEnd>(ends, host.id);
        out.emplace_back(info.name, component::capsule(end));
      } else if (info.type.starts_with("list")) {
        out.emplace_back(info.name, lang::Value(lang::Value::List()));
      } else if (info.type.starts_with("map")) {
        out.emplace_back(info.name, lang::Value(lang::Value::Object()));
      } else {
        out.emplace_back(info.name, lang::Value(""));
      }
    }
    host.exports(out);
    MutexLock lock(ends->mutex_);
    ends->sources_.push_back(source_);
  }

  Result<component::Commit> prepare(const lang::Body& body,
                                    lang::Diagnostics& diagnostics) override {
    lang::Diagnostics own;
    declaration_.check(body, own);
    const bool wrong = own.has_errors();
    diagnostics.add(std::move(own));
    if (wrong) return fail(ErrorCode::kInvalid, "the arguments are not valid");
    // The arguments that sources have in common: to one of these types they send.
    lang::Diagnostics ignored;
    LogFanout::Targets entries;
    MetricsFanout::Targets samples;
    std::shared_ptr<model::RelabelRules> rules;
    component::StringMap labels;
    const auto decode = [&](std::string_view name, auto& out) {
      if (const lang::Attribute* found = body.find(name))
        component::Decoder<std::decay_t<decltype(out)>>::decode(found->value, found->value_span,
                                                                out, ignored);
    };
    decode("forward_to", entries);
    decode("forward_to", samples);
    decode("relabel_rules", rules);
    decode("labels", labels);
    // The one label that a source makes up.
    if (declaration_.name == "loki.source.journal" &&
        std::none_of(labels.begin(), labels.end(),
                     [](const auto& label) { return label.first == "job"; }))
      labels.emplace_back("job", source_->id);
    return component::Commit([this, entries, samples, rules, labels] {
      source_->sends_entries = !entries.empty();
      source_->entries.set(entries);
      source_->samples.set(samples);
      source_->rules = rules;
      source_->labels.clear();
      for (const auto& [name, value] : labels) source_->labels.push_back({name, value});
    });
  }

 private:
  const component::Declaration& declaration_;
  std::shared_ptr<Ends::Source> source_;
};

namespace {

struct SinkArgs {
  static component::Schema<SinkArgs> schema() { return component::Schema<SinkArgs>(); }
};
struct Sink final : component::Configured<SinkArgs> {
  explicit Sink(component::Host) {}
  Result<component::Commit> prepare(SinkArgs) override {
    return component::Commit([] {});
  }
};

}  // namespace

std::vector<Ends::Arrival> Ends::take() {
  MutexLock lock(mutex_);
  return std::exchange(arrivals_, {});
}

void Ends::arrived(const std::string& component, std::string text) {
  MutexLock lock(mutex_);
  arrivals_.push_back({component, std::move(text)});
}

std::shared_ptr<Ends::Source> Ends::source(const std::string& component) const {
  MutexLock lock(mutex_);
  for (const auto& one : sources_)
    if (auto held = one.lock(); held && held->id == component) return held;
  return nullptr;
}

Result<> Ends::publish(const std::string& component, const std::vector<model::Target>& targets) {
  const auto source = this->source(component);
  if (source == nullptr) return fail(ErrorCode::kNotFound, "there is no component " + component);
  for (auto& [name, value] : source->exports) {
    if (value.kind() != lang::Value::Kind::kList) continue;
    value = component::targets_value(targets);
    source->publish(source->exports);
    return {};
  }
  return fail(ErrorCode::kInvalid, component + " exports no targets");
}

Result<> Ends::put(const std::string& component, model::SampleBatch batch) const {
  const auto source = this->source(component);
  if (source == nullptr) return fail(ErrorCode::kNotFound, "there is no source " + component);
  return source->samples.consume(std::move(batch), {});
}

std::vector<std::string> Ends::log_sources() const {
  MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& one : sources_)
    if (const auto held = one.lock(); held && held->sends_entries) out.push_back(held->id);
  return out;
}

bool Ends::relabel(const Source& source, const model::Entry& entry, model::LabelBuilder& labels) {
  if (source.rules == nullptr) return true;
  return source.rules->apply(labels, [&](std::size_t rule, bool kept) {
    source.tap->show({"relabel_rules." + std::to_string(rule + 1), 0, entry.line, entry.labels},
                     [&] {
                       component::Sighting sighting = component::sighting_of(entry);
                       sighting.labels.clear();
                       for (const model::Label& label : labels.labels())
                         sighting.labels.emplace_back(label.name, label.value);
                       if (!kept) sighting.dropped = "relabel_rules";
                       return sighting;
                     });
  });
}

Result<> Ends::put(const std::string& component, model::EntryBatch batch,
                   model::Interner& labels) const {
  const auto source = this->source(component);
  if (source == nullptr) return fail(ErrorCode::kNotFound, "there is no source " + component);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    model::LabelBuilder builder;
    for (const model::Label& label : source->labels) builder.set(label.name, label.value);
    for (const model::Label& label : batch.entries[i].labels.labels())
      builder.set(label.name, label.value);
    if (!relabel(*source, batch.entries[i], builder)) continue;
    model::Labels left;
    for (const model::Label& label : std::move(builder).take())
      if (!label.name.starts_with("__")) left.push_back(label);
    batch.entries[i].labels = labels.intern(std::move(left));
    if (kept != i) batch.entries[kept] = std::move(batch.entries[i]);
    ++kept;
  }
  batch.entries.resize(kept);
  return source->entries.consume(std::move(batch), {});
}

component::Registry stand_ins(const component::Registry& real, std::shared_ptr<Ends> ends) {
  component::Registry out;
  for (const component::Declaration& declaration : real.all()) {
    component::Declaration one = declaration;
    if (!is_real(declaration))
      one.make = [&declaration,
                  ends](component::Host host) -> std::unique_ptr<component::Component> {
        return std::make_unique<StandIn>(std::move(host), declaration, ends);
      };
    out.add(std::move(one));
  }
  static const component::Declaration kSink = component::declare<Sink>(
      "test.sink", "Keeps what it gets.", {{"receiver", "LogsReceiver", "Takes entries."}});
  component::Declaration sink = kSink;
  sink.make = [ends](component::Host host) -> std::unique_ptr<component::Component> {
    return std::make_unique<StandIn>(std::move(host), kSink, ends);
  };
  out.add(std::move(sink));
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i] == 't' ? '\t' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace agent::trial
