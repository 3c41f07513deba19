#include "agent/lang/layout.h"

#include <algorithm>

#include "agent/base/unicode.h"

namespace agent::lang {

void Layout::start_line() {
  if (at_line_start()) lines_.back().indent = indent_;
}

void Layout::text(std::string_view text) {
  if (text.empty()) return;
  start_line();
  text_ += text;
  lines_.back().keep_blanks = false;
}

void Layout::verbatim(std::string_view text) {
  start_line();
  for (;;) {
    const std::size_t end = text.find('\n');
    text_ += text.substr(0, end);
    lines_.back().keep_blanks = true;
    if (end == std::string_view::npos) return;
    line_end(false);
    lines_.back().indent = 0;
    text.remove_prefix(end + 1);
  }
}

void Layout::column() {
  start_line();
  lines_.back().cells.push_back(static_cast<std::uint32_t>(text_.size()));
  cell_begin_ = text_.size();
}

void Layout::line_end(bool ends_run) {
  lines_.back().end = static_cast<std::uint32_t>(text_.size());
  lines_.back().ends_run = ends_run;
  cell_begin_ = text_.size();
  lines_.push_back({});
  lines_.back().begin = static_cast<std::uint32_t>(text_.size());
}

std::string Layout::render() const {
  std::vector<Line> lines = lines_;
  lines.back().end = static_cast<std::uint32_t>(text_.size());

  const auto cell = [&](const Line& line, std::size_t i) {
    const std::uint32_t begin = i == 0 ? line.begin : line.cells[i - 1];
    return std::string_view(text_).substr(begin, line.cells[i] - begin);
  };
  // widths[n][c]: of column c in line n.
  std::vector<std::vector<std::size_t>> widths(lines.size());
  for (std::size_t n = 0; n < lines.size(); ++n) widths[n].resize(lines[n].cells.size());
  for (std::size_t n = 0; n < lines.size(); ++n) {
    for (std::size_t c = 0; c < lines[n].cells.size(); ++c) {
      if (widths[n][c] != 0) continue;  // a line above has done it
      std::size_t last = n;
      std::size_t width = 0;
      for (;; ++last) {
        width = std::max(width, count_code_points(cell(lines[last], c)));
        if (lines[last].ends_run || last + 1 == lines.size()) break;
        const Line& below = lines[last + 1];
        if (below.indent != lines[n].indent || below.cells.size() <= c) break;
      }
      for (std::size_t i = n; i <= last; ++i) widths[i][c] = width + 1;
    }
  }

  std::string out;
  out.reserve(text_.size() + lines.size() * 4);
  for (std::size_t n = 0; n < lines.size(); ++n) {
    const Line& line = lines[n];
    if (n > 0) out += '\n';
    const std::size_t line_begin = out.size();
    if (line.end > line.begin) out.append(static_cast<std::size_t>(line.indent), '\t');
    for (std::size_t c = 0; c < line.cells.size(); ++c) {
      const std::string_view text = cell(line, c);
      out += text;
      out.append(widths[n][c] - count_code_points(text), ' ');
    }
    const std::uint32_t rest = line.cells.empty() ? line.begin : line.cells.back();
    out += std::string_view(text_).substr(rest, line.end - rest);
    if (!line.keep_blanks)
      while (out.size() > line_begin && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
  }
  return out;
}

}  // namespace agent::lang
