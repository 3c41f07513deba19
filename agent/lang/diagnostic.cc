#include "agent/lang/diagnostic.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace agent::lang {

std::string Position::text() const {
  std::string out(file_name());
  if (line > 0) {
    if (!out.empty()) out += ':';
    out += std::to_string(line) + ":" + std::to_string(column);
  }
  return out;
}

void Diagnostics::sort() {
  std::stable_sort(all_.begin(), all_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(a.span.begin.file_name(), a.span.begin.line, a.span.begin.column) <
           std::tuple(b.span.begin.file_name(), b.span.begin.line, b.span.begin.column);
  });
  std::set<std::tuple<std::string_view, int, int, Severity, std::string>> said;
  std::erase_if(all_, [&](const Diagnostic& d) {
    const Position& at = d.span.begin;
    return !said.emplace(at.file_name(), at.line, at.column, d.severity, d.message).second;
  });
}

}  // namespace agent::lang
