// stage.decolorize: removes the escape sequences with which terminals colour text.
//
//   sequence  := (ESC | U+009B) { one of []()#;? } ( { letter | digit | ";" } BEL | [ numbers ]
//   final ) numbers   := 1 to 4 digits { ";" [ 1 to 4 digits ] } final     := a digit, or one of
//   A-P R Z c f-n t q r y = > < ~
//
// What only looks like the beginning of one stays.
#include <algorithm>

#include "agent/process/stage.h"

namespace agent::process {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_final(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'P') || c == 'R' || c == 'Z' || c == 'c' ||
         (c >= 'f' && c <= 'n') || std::string_view("tqry=><~").find(c) != std::string_view::npos;
}

// How many bytes the sequence at the start of `text` has, 0 when there is none.
std::size_t sequence_length(std::string_view text) {
  std::size_t i = 0;
  if (text.starts_with('\x1b')) {
    i = 1;
  } else if (text.starts_with("\xC2\x9B")) {
    i = 2;
  } else {
    return 0;
  }
  const auto at = [&](std::size_t place) { return place < text.size() ? text[place] : '\0'; };
  while (i < text.size() && std::string_view("[]()#;?").find(text[i]) != std::string_view::npos)
    ++i;
  std::size_t end = i;
  while (is_letter(at(end)) || is_digit(at(end)) || at(end) == ';') ++end;
  if (at(end) == '\a') return end + 1;
  if (!is_digit(at(i))) return is_final(at(i)) ? i + 1 : 0;
  // The numbers, as many as there are; then the final.
  std::size_t last_digit = i;
  for (end = i;;) {
    for (std::size_t most = end + 4; end < most && is_digit(at(end)); ++end) last_digit = end;
    if (at(end) != ';') break;
    ++end;
  }
  // Without a final of its own the last digit is it.
  return is_final(at(end)) ? end + 1 : last_digit + 1;
}

struct DecolorizeArgs {
  static component::Schema<DecolorizeArgs> schema() { return component::Schema<DecolorizeArgs>(); }
};

class Decolorize final : public Stage {
 public:
  using Arguments = DecolorizeArgs;
  Decolorize(Arguments, const StageHost&) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      if (item.line.find('\x1b') == std::string_view::npos &&
          item.line.find("\xC2\x9B") == std::string_view::npos)
        continue;
      plain_.clear();
      for (std::size_t i = 0; i < item.line.size();) {
        const std::size_t sequence = sequence_length(item.line.substr(i));
        if (sequence == 0) plain_ += item.line[i];
        i += std::max<std::size_t>(sequence, 1);
      }
      if (plain_.size() != item.line.size()) item.line = batch.arena.store(plain_);
    }
  }

 private:
  std::string plain_;
};

}  // namespace

StageDeclaration stage_decolorize() {
  return declare_stage<Decolorize>("decolorize", "Removes terminal colours from the line.");
}

}  // namespace agent::process
