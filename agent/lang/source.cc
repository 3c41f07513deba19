#include "agent/lang/source.h"

#include <algorithm>

namespace agent::lang {

Source::Source(std::string_view text, std::string name)
    : name_(std::make_shared<const std::string>(std::move(name))),
      text_(text.substr(0, kMaxBytes)),
      line_starts_{0} {
  for (std::size_t i = text_.find('\n'); i != std::string::npos; i = text_.find('\n', i + 1))
    line_starts_.push_back(static_cast<std::uint32_t>(i + 1));
}

int Source::line(std::uint32_t offset) const {
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  return static_cast<int>(next - line_starts_.begin());
}

std::string_view Source::line_text(int number) const {
  if (number < 1 || number > line_count()) return {};
  const std::size_t begin = line_starts_[static_cast<std::size_t>(number) - 1];
  std::size_t end = text().find('\n', begin);
  if (end == std::string_view::npos) end = text().size();
  if (end > begin && text_[end - 1] == '\r') --end;
  return text().substr(begin, end - begin);
}

Position Source::position(std::uint32_t offset) const {
  const int number = line(offset);
  const std::uint32_t start = line_starts_[static_cast<std::size_t>(number) - 1];
  return {name_, offset, number, static_cast<int>(offset - start) + 1};
}

Span Source::span(Range range) const { return {position(range.begin), position(range.end)}; }

}  // namespace agent::lang
