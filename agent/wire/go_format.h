// Text of Go's values, as its packages fmt and strconv write it.
// Source: the documentation of Go's package fmt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/wire/go_value.h"

namespace agent::wire {

// A text that does not grow beyond its limit.
class GoText {
 public:
  // `out` outlives it.
  GoText(std::string& out, std::size_t limit) : out_(&out), limit_(limit) {}
  void add(std::string_view text) {
    if (text.size() > limit_ - out_->size()) {
      full_ = true;
    } else {
      out_->append(text);
    }
  }
  void add(char c) { add(std::string_view(&c, 1)); }
  void add(std::size_t count, char c) {
    if (count > limit_ - out_->size()) {
      full_ = true;
    } else {
      out_->append(count, c);
    }
  }
  void add_rune(char32_t c);
  // Something did not fit: the text is not whole.
  bool full() const { return full_; }
  std::string_view view() const { return *out_; }

 private:
  std::string* out_;
  std::size_t limit_;
  bool full_ = false;
};

// %v. A nil is "<nil>". What nests deeper than 64 fills the text.
void go_print(GoText& out, const GoValue& value, GoScratch& scratch);
// fmt.Sprint: a blank between two operands neither of which is a text.
void go_print_all(GoText& out, std::span<const GoValue> values, GoScratch& scratch);
// fmt.Sprintf. Every verb but %p, and %b and %x of floats, which give Go's note of a bad verb.
void go_printf(GoText& out, std::string_view format, std::span<const GoValue> values,
               GoScratch& scratch);
// strconv.Quote.
void go_quote(GoText& out, std::string_view text, char quote = '"', bool ascii_only = false);
// strconv.FormatFloat(value, format, precision, 64); precision -1 is the shortest that reads back
// as the same number. Format: e E f g G.
void go_float(std::string& out, double value, char format, int precision);
// Prints by itself: no control character, no space but U+0020.
bool go_is_print(char32_t c);

}  // namespace agent::wire
