// What is wrong with a configuration, where, and what may help. A pass collects all it finds and
// goes on.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::lang {

// A place in a source file. Lines and columns count from 1, columns in bytes; line 0 means unknown.
struct Position {
  std::shared_ptr<const std::string> file;  // the name as the person wrote it; may be null
  std::size_t offset = 0;
  int line = 0;
  int column = 0;

  std::string_view file_name() const { return file ? std::string_view(*file) : std::string_view(); }
  // "file:line:column", as far as known.
  std::string text() const;
};

// From `begin` up to, not including, `end`.
struct Span {
  Position begin;
  Position end;
};

enum class Severity { kError, kWarning };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string message;
  Span span;
  std::string hint;  // "did you mean ...?" or what to do; may be empty
};

class Diagnostics {
 public:
  void error(Span span, std::string message, std::string hint = {}) {
    all_.push_back({Severity::kError, std::move(message), std::move(span), std::move(hint)});
    ++errors_;
  }
  void warning(Span span, std::string message, std::string hint = {}) {
    all_.push_back({Severity::kWarning, std::move(message), std::move(span), std::move(hint)});
  }
  void add(Diagnostics other) {
    errors_ += other.errors_;
    for (Diagnostic& d : other.all_) all_.push_back(std::move(d));
  }
  bool has_errors() const { return errors_ > 0; }
  const std::vector<Diagnostic>& all() const { return all_; }
  bool empty() const { return all_.empty(); }
  // Sorted by file and place, stable; what is said twice of one place stays once.
  void sort();

 private:
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
};

}  // namespace agent::lang
