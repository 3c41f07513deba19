// What a conversion has to tell, each with its place in the converted text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agent::convert {

// A place in the text that is converted, counting from 1, columns in bytes; line 0: all of it.
struct Mark {
  int line = 0;
  int column = 0;
};

enum class Severity {
  kInfo,      // carried over, in another way
  kWarn,      // behaves differently in a way that may matter
  kError,     // left out: data or a function is missing afterwards
  kCritical,  // no right configuration can be made of this
};

struct Finding {
  Severity severity = Severity::kInfo;
  Mark mark;
  std::string message;
};

std::string_view severity_name(Severity severity);

class Findings {
 public:
  void add(Severity severity, Mark mark, std::string message);
  // What is never shown; texts of less than four bytes are not looked for.
  void hide(std::string secret);
  // Whether there was anything to hide.
  bool hides() const { return hides_; }
  // By place, each once, with what is hidden as (secret). More than 500 of them end with a count.
  std::vector<Finding> take();

 private:
  std::vector<Finding> all_;
  std::vector<std::string> secrets_;
  bool hides_ = false;
};

// "file:12:3: error: ...", a line each, and a last one that counts them.
std::string render(const std::vector<Finding>& findings, std::string_view file);

}  // namespace agent::convert
