// Lines of cells whose columns line up: the printer's paper. A run of neighbouring lines that have
// a cell in the same column gets that column as wide as its widest cell and one blank. What is
// behind a line's last column mark is not aligned. The rule is that of Go's text/tabwriter, as
// Alloy's printer uses it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace agent::lang {

class Layout {
 public:
  bool empty() const { return text_.empty() && lines_.size() == 1; }
  // Nothing is on the present line yet.
  bool at_line_start() const { return lines_.back().cells.empty() && cell_begin_ == text_.size(); }

  // Tabs before the next line that gets text.
  void set_indent(int tabs) { indent_ = tabs; }
  void text(std::string_view text);
  // Text that is kept to the byte: comments and raw strings. It may hold line ends; what follows
  // them is not indented.
  void verbatim(std::string_view text);
  void column();
  // `ends_run`: the lines above do not align with those below.
  void line_end(bool ends_run);

  std::string render() const;

 private:
  struct Line {
    int indent = 0;
    std::vector<std::uint32_t> cells;  // the end of each finished cell in text_
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    bool ends_run = false;
    bool keep_blanks = false;  // its last text is verbatim
  };

  void start_line();

  std::string text_;
  std::vector<Line> lines_{1};
  std::size_t cell_begin_ = 0;
  int indent_ = 0;
};

}  // namespace agent::lang
