// Selectors made of arbitrary text, applied to a line made of arbitrary text. Input: the selector,
// NUL, the line, which is a label's value too.
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/model/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = text.find('\0');
  const auto selector = Selector::parse(text.substr(0, middle));
  if (!selector) return 0;
  const std::string_view line =
      middle == std::string_view::npos ? std::string_view() : text.substr(middle + 1);
  Interner interner;
  const LabelSet labels = interner.intern({{"app", std::string(line)}});
  [[maybe_unused]] const bool by_label = selector->matches(labels);
  [[maybe_unused]] const bool by_line = selector->matches_line(line);
  return 0;
}
