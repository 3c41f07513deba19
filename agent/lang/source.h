// One configuration text with its name: turns byte offsets into places for people. Immutable,
// shared by the tree that was parsed from it (whose names point into the text) and by the rendering
// of diagnostics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/diagnostic.h"

namespace agent::lang {

// Byte offsets into a Source: from `begin` up to, not including, `end`.
struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class Source {
 public:
  // Longer texts are refused by the parser.
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20;

  Source(std::string_view text, std::string name);

  const std::string& name() const { return *name_; }
  std::string_view text() const { return text_; }
  std::string_view text(Range range) const {
    return text().substr(range.begin, range.end - range.begin);
  }
  // Counting from 1. An offset behind the end is on the last line.
  int line(std::uint32_t offset) const;
  int line_count() const { return static_cast<int>(line_starts_.size()); }
  // Line `number` without its line end; "" when there is no such line.
  std::string_view line_text(int number) const;
  Position position(std::uint32_t offset) const;
  Span span(Range range) const;

 private:
  std::shared_ptr<const std::string> name_;
  std::string text_;
  std::vector<std::uint32_t> line_starts_;
};

}  // namespace agent::lang
