// The blanks between two tokens are not written when they are asked for but held until the next
// token is known: a comment that stands between the two takes part in them. Rules: Grafana Alloy,
// syntax/printer.
#include "agent/lang/printer.h"

#include <algorithm>

#include "agent/lang/layout.h"
#include "agent/lang/parser.h"

namespace agent::lang {
namespace {

class Printer {
 public:
  explicit Printer(const File& file) : file_(file), source_(*file.source) {}

  std::string run() {
    statements(file_.body);
    if (comment_ < file_.comments.size()) {
      comments(UINT32_MAX, 0);
      held_.clear();
    }
    return layout_.render();
  }

 private:
  enum class Space { kBlank, kColumn, kLine, kRunEnd, kIndent, kUnindent, kDropped };

  int line(std::uint32_t offset) const { return source_.line(offset); }
  int first_line(Range range) const { return line(range.begin); }
  int last_line(Range range) const {
    return line(range.end > range.begin ? range.end - 1 : range.begin);
  }

  void hold(Space space) { held_.push_back(space); }

  void write(Space space) {
    switch (space) {
      case Space::kBlank:
        layout_.text(" ");
        return;
      case Space::kColumn:
        layout_.column();
        return;
      case Space::kLine:
        layout_.line_end(false);
        return;
      case Space::kRunEnd:
        layout_.line_end(true);
        return;
      case Space::kIndent:
        layout_.set_indent(++indent_);
        return;
      case Space::kUnindent:
        layout_.set_indent(--indent_);
        return;
      case Space::kDropped:
        return;
    }
  }

  void before(std::uint32_t offset, int at_line) {
    if (comment_ < file_.comments.size() && file_.comments[comment_].range.begin <= offset) {
      comments(offset, at_line);
      after_comments(at_line);
    }
    write_held();
  }

  void write_held() {
    for (const Space space : held_) write(space);
    held_.clear();
  }

  // Writes the comments that begin up to `offset`; what follows them is on source line `next_line`
  // (0: nothing is).
  void comments(std::uint32_t offset, int next_line) {
    for (; comment_ < file_.comments.size() && file_.comments[comment_].range.begin <= offset;
         ++comment_) {
      const Range range = file_.comments[comment_].range;
      const int at_line = first_line(range);
      if (layout_.empty()) {
        // Nothing to keep away from.
      } else if (at_line == written_line_) {
        // In the middle of a line only a /* */ can be.
        write(at_line == next_line ? Space::kBlank : Space::kColumn);
      } else {
        // The comment is indented as what comes before its line would be.
        const auto line_break = std::find_if(held_.begin(), held_.end(), [](Space space) {
          return space != Space::kIndent && space != Space::kUnindent;
        });
        if (line_break != held_.end()) {
          for (auto space = held_.begin(); space != line_break; ++space) {
            write(*space);
            *space = Space::kDropped;
          }
          *line_break = Space::kDropped;
        }
        line_ends(at_line - written_line_, true);
      }
      std::string text(source_.text(range));
      std::erase(text, '\r');
      if (text.starts_with('#')) text.replace(0, 1, "//");
      layout_.verbatim(text);
      written_line_ = last_line(range);
    }
  }

  void after_comments(int next_line) {
    const std::string_view last = source_.text(file_.comments[comment_ - 1].range);
    int lines = next_line - written_line_;
    if (is_line_comment(last)) {
      lines = std::max(lines, 1);
    } else if (lines <= 0) {
      layout_.text(" ");
    }
    bool run_ends = false;
    for (Space& space : held_) {
      if (space == Space::kRunEnd) run_ends = true;
      if (space == Space::kIndent || space == Space::kUnindent) write(space);
    }
    held_.clear();
    line_ends(lines, run_ends);
  }

  // At most one blank line.
  void line_ends(int count, bool run_ends) {
    for (int i = 0; i < std::min(count, 2); ++i) layout_.line_end(run_ends);
  }

  void token(Range range) { token(range, source_.text(range)); }
  void token(Range range, std::string_view text) {
    before(range.begin, first_line(range));
    layout_.text(text);
    written_line_ = last_line(range);
  }
  void raw_string(Range range) {
    before(range.begin, first_line(range));
    std::string text(source_.text(range));
    std::erase(text, '\r');
    layout_.verbatim(text);
    written_line_ = last_line(range);
  }
  // A token that the tree has no place of, or that the source does not have: right behind the one
  // before.
  void added(std::string_view text) {
    write_held();
    layout_.text(text);
  }

  void statements(const std::vector<Statement>& all) {
    const Statement* previous = nullptr;
    for (const Statement& statement : all) {
      if (previous != nullptr) {
        const int distance = first_line(statement.range) - last_line(previous->range);
        if (statement.block || distance > 1) hold(Space::kRunEnd);
      }
      if (statement.block) {
        block(*statement.block);
      } else {
        token(statement.name_range);
        hold(Space::kColumn);
        added("=");
        hold(Space::kBlank);
        expr(*statement.value);
      }
      const bool one_line = first_line(statement.range) == last_line(statement.range);
      hold(one_line ? Space::kLine : Space::kRunEnd);
      previous = &statement;
    }
  }

  void block(const BlockNode& block) {
    token(block.name_range, block.name);
    if (!block.label.empty()) {
      hold(Space::kBlank);
      token(block.label_range);
    }
    hold(Space::kBlank);
    token(block.open);
    hold(Space::kIndent);
    if (block.body.empty()) {
      hold(Space::kBlank);
    } else {
      hold(Space::kRunEnd);
      statements(block.body);
    }
    hold(Space::kUnindent);
    token(block.close);
  }

  void expr(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::kLiteral:
        if (source_.text(e.range).starts_with('`')) return raw_string(e.range);
        return token(e.range);
      case Expr::Kind::kIdentifier:
        return token(e.range);
      case Expr::Kind::kList:
        return list(e);
      case Expr::Kind::kObject:
        return object(e);
      case Expr::Kind::kAccess:
        expr(*e.children[0]);
        // `1.x` would read as the number `1.`.
        if (e.children[0]->op == TokenKind::kNumber) hold(Space::kBlank);
        added(".");
        return token(e.mark);
      case Expr::Kind::kIndex:
        expr(*e.children[0]);
        token(e.mark);
        expr(*e.children[1]);
        return token({e.range.end - 1, e.range.end});
      case Expr::Kind::kCall:
        return call(e);
      case Expr::Kind::kUnary:
        token(e.mark);
        return expr(*e.children[0]);
      case Expr::Kind::kBinary:
        expr(*e.children[0]);
        hold(Space::kBlank);
        token(e.mark);
        hold(Space::kBlank);
        return expr(*e.children[1]);
      case Expr::Kind::kParen:
        token({e.range.begin, e.range.begin + 1});
        expr(*e.children[0]);
        return token({e.range.end - 1, e.range.end});
    }
  }

  void list(const Expr& e) {
    token({e.range.begin, e.range.begin + 1});
    int previous = first_line(e.range);
    for (std::size_t i = 0; i < e.children.size(); ++i) {
      const Expr& item = *e.children[i];
      const bool new_line = first_line(item.range) != previous;
      if (new_line) {
        hold(Space::kIndent);
        hold(Space::kRunEnd);
      } else if (i > 0) {
        hold(Space::kBlank);
      }
      expr(item);
      if (i + 1 < e.children.size()) added(",");
      if (new_line) hold(Space::kUnindent);
      previous = last_line(item.range);
    }
    if (!e.children.empty() && previous != last_line(e.range)) {
      added(",");
      hold(Space::kIndent);
      hold(Space::kRunEnd);
      hold(Space::kUnindent);
    }
    token({e.range.end - 1, e.range.end});
  }

  void object(const Expr& e) {
    token({e.range.begin, e.range.begin + 1});
    hold(Space::kIndent);
    int previous = first_line(e.range);
    for (std::size_t i = 0; i < e.children.size(); ++i) {
      const Range key = e.keys[i].range;
      if (first_line(key) != previous) {
        const bool aligned =
            i > 0 && first_line(e.children[i - 1]->range) == last_line(e.children[i - 1]->range);
        hold(aligned ? Space::kLine : Space::kRunEnd);
      } else if (i > 0) {
        hold(Space::kBlank);
      }
      previous = last_line(key);
      if (source_.text(key).starts_with('`')) {
        raw_string(key);
      } else {
        token(key);
      }
      hold(Space::kColumn);
      added("=");
      hold(Space::kBlank);
      expr(*e.children[i]);
      if (i + 1 < e.children.size()) added(",");
    }
    if (!e.children.empty() && previous != last_line(e.range)) {
      added(",");
      hold(Space::kRunEnd);
    }
    hold(Space::kUnindent);
    token({e.range.end - 1, e.range.end});
  }

  void call(const Expr& e) {
    expr(*e.children[0]);
    token(e.mark);
    int previous = first_line(e.mark);
    for (std::size_t i = 1; i < e.children.size(); ++i) {
      const Expr& argument = *e.children[i];
      const bool new_line = first_line(argument.range) != previous;
      if (new_line) {
        hold(Space::kRunEnd);
        hold(Space::kIndent);
      }
      expr(argument);
      previous = last_line(argument.range);
      if (i + 1 < e.children.size()) {
        added(",");
        hold(Space::kBlank);
      }
      if (new_line) hold(Space::kUnindent);
    }
    if (e.children.size() > 1 && previous != last_line(e.range)) {
      added(",");
      hold(Space::kRunEnd);
    }
    token({e.range.end - 1, e.range.end});
  }

  const File& file_;
  const Source& source_;
  Layout layout_;
  std::vector<Space> held_;
  std::size_t comment_ = 0;  // the first one not written yet
  int written_line_ = 1;     // source line of the end of what was written last
  int indent_ = 0;
};

}  // namespace

std::string print(const File& file) { return Printer(file).run(); }

Result<std::string> format(std::string_view text, std::string name, Diagnostics& diagnostics) {
  Diagnostics found;
  File file = parse(text, name, found);
  if (found.has_errors()) {
    diagnostics.add(std::move(found));
    return fail(ErrorCode::kInvalid, name + ": the configuration does not parse");
  }
  std::string out = print(file);
  // Comments in odd places move once; another pass then finds them where they belong.
  for (int pass = 0; pass < 3; ++pass) {
    file = parse(out, name, found);
    std::string again = print(file);
    if (found.has_errors() || again == out) break;
    out = std::move(again);
  }
  if (!out.empty()) out += '\n';
  return out;
}

}  // namespace agent::lang
