// Any bytes: the parser neither crashes nor hangs. A text that parses: fmt's output has the same
// tokens and comments, in the same order, and fmt leaves it alone.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/lang/lexer.h"
#include "agent/lang/parser.h"
#include "agent/lang/printer.h"

namespace {

// What fmt may not change, a line each: not the commas, not the empty labels, not carriage returns;
// a comment that begins with # gets // for it.
std::string content(std::string_view text) {
  using namespace agent::lang;
  const Source source(text, "x.alloy");
  Diagnostics diagnostics;
  ErrorPerLine errors(source, diagnostics);
  const Tokens tokens = tokenize(source, errors);
  std::string out;
  const auto add = [&](std::string_view part) {
    for (const char c : part)
      if (c != '\r') out += c;
    out += '\n';
  };
  for (const Token& token : tokens.tokens) {
    if (token.kind != TokenKind::kComma && token.kind != TokenKind::kTerminator &&
        source.text(token.range) != "\"\"")
      add(source.text(token.range));
  }
  out += "---\n";
  for (const Comment& comment : tokens.comments) {
    std::string_view part = source.text(comment.range);
    if (part.starts_with('#')) {
      out += "//";
      part.remove_prefix(1);
    }
    add(part);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::lang;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const auto once = format(text, "x.alloy", diagnostics);
  if (!once) return 0;
  const auto twice = format(*once, "x.alloy", diagnostics);
  if (!twice || *twice != *once || content(text) != content(*once)) {
    std::fprintf(stderr, "--- once\n%s--- twice\n%s--- before\n%s--- after\n%s", once->c_str(),
                 twice ? twice->c_str() : diagnostics.all()[0].message.c_str(),
                 content(text).c_str(), content(*once).c_str());
    std::abort();
  }
  return 0;
}
