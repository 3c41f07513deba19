#include "agent/write/remote_requests.h"

#include <algorithm>
#include <utility>

#include "agent/wire/remote_write.h"

namespace agent::write {
namespace {

using Kind = wire::EncodedSeries::Kind;

constexpr std::size_t kMaxMessage = 256U << 20;  // of our own records, decompressed
constexpr std::size_t kMaxRequest = 4U << 20;    // bytes of series in a request

void count(SampleCounts& counts, Kind kind) {
  if (kind == Kind::kSample) ++counts.samples;
  if (kind == Kind::kExemplar) ++counts.exemplars;
  if (kind == Kind::kHistogram) ++counts.histograms;
}

// A group under construction.
struct Open {
  std::string message;
  SampleCounts counts;

  void add(const wire::EncodedSeries& series) {
    message += series.bytes;
    count(counts, series.kind);
  }
  SampleGroup take(std::size_t lane, int divided) {
    SampleGroup out;
    out.body = wire::compress_message(message);
    out.counts = std::exchange(counts, SampleCounts());
    out.lane = lane;
    out.divided = divided;
    message.clear();
    return out;
  }
};

// For one lane, where no part has to be divided.
Grouping join_parts(const std::vector<SampleQueue::Part>& parts, std::size_t per_send) {
  Grouping out;
  std::vector<std::string_view> bodies;
  std::size_t bytes = 0;
  SampleCounts counts;
  const auto put = [&] {
    if (!bodies.empty()) out.groups.push_back({wire::join_bodies(bodies), counts});
    bodies.clear();
    bytes = 0;
    counts = {};
  };
  for (const SampleQueue::Part& part : parts) {
    if (!wire::is_body(part.body)) {
      out.unreadable += part.counts.all();
      continue;
    }
    const std::size_t size = wire::message_size(part.body);
    if (counts.all() + part.counts.all() > per_send || bytes + size > kMaxRequest) put();
    bodies.push_back(part.body);
    bytes += size;
    counts.add(part.counts);
  }
  put();
  return out;
}

}  // namespace

Grouping group_parts(const std::vector<SampleQueue::Part>& parts, std::size_t lanes,
                     std::size_t per_send) {
  if (lanes <= 1 && std::all_of(parts.begin(), parts.end(), [&](const SampleQueue::Part& part) {
        return part.counts.all() <= per_send;
      }))
    return join_parts(parts, per_send);
  Grouping out;
  std::vector<Open> open(std::max<std::size_t>(1, lanes));
  for (const SampleQueue::Part& part : parts) {
    const auto message = wire::decompress_message(part.body, kMaxMessage);
    std::uint32_t seen = 0;
    const bool good =
        message && wire::for_each_series(*message, [&](const wire::EncodedSeries& series) {
          const std::size_t lane = lanes <= 1 ? 0 : series.labels % lanes;
          Open& group = open[lane];
          // An exemplar belongs to the sample before it.
          if (series.kind != Kind::kExemplar &&
              (group.counts.all() >= per_send || group.message.size() >= kMaxRequest))
            out.groups.push_back(group.take(lane, 0));
          group.add(series);
          group.counts.newest_ms = std::max(group.counts.newest_ms, part.counts.newest_ms);
          group.counts.only_2 = group.counts.only_2 || part.counts.only_2;
          ++seen;
        });
    if (!good) out.unreadable += part.counts.all() - std::min(seen, part.counts.all());
  }
  for (std::size_t lane = 0; lane < open.size(); ++lane)
    if (open[lane].counts.all() > 0) out.groups.push_back(open[lane].take(lane, 0));
  return out;
}

std::vector<SampleGroup> divide(const SampleGroup& group) {
  const auto message = wire::decompress_message(group.body, kMaxMessage);
  std::vector<std::pair<std::uint64_t, std::size_t>> series;  // labels, place
  if (!message || !wire::for_each_series(*message, [&](const wire::EncodedSeries& one) {
        series.emplace_back(one.labels, series.size());
      }))
    return {};
  if (series.size() < 2) return {};
  std::size_t middle = series.size() / 2;
  const bool by_series = group.divided % 2 == 1;
  std::uint64_t pivot = 0;  // by series: those below it are the first half
  if (by_series) {
    std::sort(series.begin(), series.end());
    pivot = series[middle].first;
    if (pivot == series.front().first) {
      const auto above = std::find_if(series.begin(), series.end(),
                                      [&](const auto& one) { return one.first > pivot; });
      if (above != series.end()) pivot = above->first;
    }
  }
  const bool one_series = by_series && pivot == series.front().first;
  Open halves[2];
  std::size_t place = 0;
  wire::for_each_series(*message, [&](const wire::EncodedSeries& one) {
    const bool first = by_series && !one_series ? one.labels < pivot : place < middle;
    halves[first ? 0 : 1].add(one);
    ++place;
  });
  std::vector<SampleGroup> out;
  for (Open& half : halves) {
    half.counts.newest_ms = group.counts.newest_ms;
    half.counts.only_2 = group.counts.only_2;
    out.push_back(half.take(group.lane, group.divided + 1));
  }
  return out;
}

}  // namespace agent::write
