#include "agent/ui/figures.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/ui/flow.h"

namespace agent::ui {
namespace {

using runtime::ComponentStatus;

constexpr std::string_view kMetricsIn = "prometheus.receive_http";

// A figure of the whole component, or of one of its endpoints.
bool is_called(std::string_view row, std::string_view name) {
  return row == name || (row.ends_with(name) && row[row.size() - name.size() - 1] == '.');
}

template <class Use>
void each_figure(const ComponentStatus& status, std::initializer_list<std::string_view> names,
                 const Use& use) {
  for (const auto& [row, text] : status.debug_info)
    for (const std::string_view name : names) {
      double value = 0;
      if (!is_called(row, name)) continue;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error == std::errc() && std::isfinite(value)) use(value);
    }
}

double sum(const ComponentStatus& status, std::initializer_list<std::string_view> names) {
  double all = 0;
  each_figure(status, names, [&](double value) { all += value; });
  return all;
}

struct Backlog {
  double entries = 0, samples = 0, oldest_seconds = 0;
  double of_sources = 0, of_writes = 0, of_metrics = 0;  // bytes

  void add(const ComponentStatus& status) {
    if (status.name.starts_with("loki.source.")) {
      // What a queue holds is not acknowledged either.
      entries += std::max(sum(status, {"queue.entries"}), sum(status, {"unacknowledged_entries"}));
      of_sources +=
          sum(status, {"backlog_bytes"}) +
          std::max(sum(status, {"queue.bytes_in_memory"}), sum(status, {"queue.bytes_on_disk"}));
    } else if (status.name == "loki.write") {
      of_writes += sum(status, {"queued_bytes", "overflow_bytes"});
    } else if (status.name == "prometheus.remote_write") {
      samples += sum(status, {"waiting"});
      of_metrics += sum(status, {"waiting_bytes"});
    } else if (status.name == kMetricsIn) {
      samples += sum(status, {"unacknowledged_samples"});
    } else {
      return;
    }
    each_figure(status,
                {"oldest_unacknowledged_seconds", "oldest_unsent_seconds", "oldest_queued_seconds"},
                [this](double age) { oldest_seconds = std::max(oldest_seconds, age); });
  }
  // What waits in a write is unacknowledged at its source as well.
  double bytes() const { return std::max(of_sources, of_writes) + of_metrics; }
};

// The one that matters most: of a component that is ill, else of a delivery or a scrape that fails
// now, else the newest of those that are over.
struct LastError {
  enum class Rank { kNone, kOver, kScrape, kDelivery, kIll };
  Rank rank = Rank::kNone;
  std::string_view component, message;
  std::int64_t time_ns = 0;

  void take(Rank of, const std::string& id, const std::string& text, std::int64_t time) {
    if (text.empty() || of < rank || (of == rank && time <= time_ns)) return;
    rank = of;
    component = id;
    message = text;
    time_ns = time;
  }
  void look_at(const ComponentStatus& status) {
    if (!status.healthy) take(Rank::kIll, status.id, status.message, status.since_ns);
    for (const auto& state : status.history)
      if (!state.healthy) take(Rank::kOver, status.id, state.message, state.since_ns);
    const Rank rank_of_rows = status.name == "prometheus.scrape" ? Rank::kScrape : Rank::kDelivery;
    for (const auto& [row, text] : status.debug_info)
      if (is_called(row, "last_error") && rank < rank_of_rows)
        take(rank_of_rows, status.id, text, 0);
  }
};

std::string number(double value) { return json_number(std::isfinite(value) ? value : 0); }

std::string text(std::string_view value) { return json_string(to_valid_utf8(value)); }

}  // namespace

std::string figures_json(const std::vector<ComponentStatus>& all,
                         const std::vector<model::MetricFamily>& families) {
  const Flows flows = flows_of(families, {});
  double start = 0;
  for (const model::MetricFamily& family : families)
    if (family.name == "process_start_time_seconds" && !family.points.empty())
      start = family.points[0].value;
  double lines = 0, received = 0, scraped = 0;
  Backlog backlog;
  LastError last;
  for (const ComponentStatus& status : all) {
    const auto flow = flows.find(status.id);
    const double out = flow == flows.end() ? 0 : std::max(flow->second.out, 0.0);
    if (status.name.starts_with("loki.source.")) lines += out;
    if (status.name == kMetricsIn) received += out;
    if (status.name == "prometheus.scrape") scraped += sum(status, {"samples_per_second"});
    backlog.add(status);
    last.look_at(status);
  }
  std::string error = "null";
  if (last.rank != LastError::Rank::kNone)
    error = "{\"component\":" + text(last.component) + ",\"message\":" + text(last.message) +
            ",\"time\":" + std::to_string(last.time_ns / 1'000'000'000) +
            ",\"now\":" + (last.rank == LastError::Rank::kOver ? "false" : "true") + "}";
  return "{\"start\":" + number(start) + ",\"lines\":" + number(lines) +
         ",\"received_samples\":" + number(received) +
         ",\"samples_per_second\":" + number(scraped) +
         ",\"backlog\":{\"entries\":" + number(backlog.entries) +
         ",\"samples\":" + number(backlog.samples) + ",\"bytes\":" + number(backlog.bytes()) +
         ",\"oldest_seconds\":" + number(backlog.oldest_seconds) + "},\"last_error\":" + error +
         "}";
}

}  // namespace agent::ui
