// Any bytes as a page of the protobuf format: the reader ends, and what it understands of a native
// histogram can be made coarser and is a message of remote write's, and a classic one that is
// converted adds up.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/wire/classic_histogram.h"
#include "agent/wire/exposition_protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::ClassicHistogram;
  using Reader = agent::wire::ProtobufExpositionReader;
  Reader reader({reinterpret_cast<const char*>(data), size});
  for (std::size_t items = 0;; ++items) {
    if (items > size + 1) std::abort();
    const auto item = reader.next();
    if (item == Reader::Item::kEnd) return 0;
    if (item == Reader::Item::kBroken) {
      if (reader.error().empty()) std::abort();
      return 0;
    }
    if (item == Reader::Item::kFamily) {
      if (reader.family().name.empty()) std::abort();
      continue;
    }
    auto& metric = reader.metric();
    if (metric.points.size() > 10'010) std::abort();
    ClassicHistogram classic;
    for (const auto& point : metric.points)
      if (point.suffix == "_bucket") classic.bucket(point.at, point.value);
    if (const auto converted = classic.convert()) {
      std::size_t places = 0;
      for (const auto& [offset, length] : converted->positive.spans)
        places += static_cast<std::size_t>(offset) + length;
      if (places > converted->custom_values.size() + 1 ||
          !std::is_sorted(converted->custom_values.begin(), converted->custom_values.end()))
        std::abort();
      std::int64_t count = 0;
      std::uint64_t sum = 0;
      for (const std::int64_t delta : converted->positive.deltas)
        sum += static_cast<std::uint64_t>(count += delta);
      if (converted->whole && sum != converted->count) std::abort();
    }
    if (!metric.native) continue;
    const std::size_t before = metric.native->buckets();
    if (agent::wire::coarsen(*metric.native, 3, 0) && metric.native->buckets() > 3) std::abort();
    if (metric.native->buckets() > before) std::abort();
    if (agent::wire::encode_native_histogram(*metric.native, 1).size() > 100 + 40 * (before + size))
      std::abort();
  }
}
