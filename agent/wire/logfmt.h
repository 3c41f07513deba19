// Reads logfmt, `level=info msg="a \"quoted\" text" debug`, as github.com/go-logfmt/logfmt does:
//
//   text  := { blank } { pair blank { blank } }          blank: a byte up to 0x20
//   pair  := key [ "=" [ value ] ]
//   key   := bytes above 0x20 without = and ", UTF-8
//   value := bytes above 0x20 without = and "  |  '"' text with JSON's escapes, on one line '"'
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace agent::wire {

// One thread. The text outlives it.
class LogfmtReader {
 public:
  explicit LogfmtReader(std::string_view text) : text_(text) {}

  // The next pair; false at the end, and at the first place that is not logfmt.
  bool next();
  bool failed() const { return failed_; }

  std::string_view key() const { return key_; }  // in the text
  // In the text, or, when is_copy(), in this reader until next(). Empty when there is none.
  std::string_view value() const { return value_; }
  bool is_copy() const { return is_copy_; }

 private:
  bool fail();
  bool read_quoted();
  bool unescape(std::string_view inside);

  std::string_view text_;
  std::size_t at_ = 0;
  bool failed_ = false;
  bool is_copy_ = false;
  std::string_view key_;
  std::string_view value_;
  std::string scratch_;
};

}  // namespace agent::wire
