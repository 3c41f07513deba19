// Any bytes as a page in both formats: the reader ends, its views stay inside the page, and what it
// understands of a series reads back from its own text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/wire/exposition_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::ExpositionReader;
  if (size < 1) return 0;
  const std::string_view page(reinterpret_cast<const char*>(data) + 1, size - 1);
  ExpositionReader reader(page, data[0] % 2 == 0 ? agent::wire::ExpositionFormat::kText
                                                 : agent::wire::ExpositionFormat::kOpenMetrics);
  const auto inside = [&](std::string_view part) {
    if (part.data() < page.data() || part.data() + part.size() > page.data() + page.size())
      std::abort();
  };
  std::size_t items = 0;
  while (true) {
    const auto item = reader.next();
    if (++items > size + 1) std::abort();
    if (item == ExpositionReader::Item::kEnd) break;
    if (item == ExpositionReader::Item::kBroken) {
      if (reader.error().empty()) std::abort();
      break;
    }
    inside(reader.series());
    if (item != ExpositionReader::Item::kSample) {
      if (reader.text().size() > 3 * size) std::abort();
      continue;
    }
    if (const auto labels = reader.labels())
      for (const auto& label : *labels)
        if (label.name.empty() || label.value.empty()) std::abort();
    if (const auto& exemplar = reader.exemplar()) {
      inside(exemplar->labels);
      (void)ExpositionReader::labels_of(exemplar->labels);
    }
  }
  return 0;
}
