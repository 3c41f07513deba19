// Any bytes: the parser neither crashes nor hangs. A text that parses: fmt's output parses too, and fmt leaves it alone.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/lang/parser.h"
#include "agent/lang/printer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::lang;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const auto once = format(text, "x.alloy", diagnostics);
  if (!once) return 0;
  const auto twice = format(*once, "x.alloy", diagnostics);
  if (!twice || *twice != *once) {
    std::fprintf(stderr, "--- once\n%s--- twice\n%s", once->c_str(),
                 twice ? twice->c_str() : diagnostics.all()[0].message.c_str());
    std::abort();
  }
  return 0;
}
