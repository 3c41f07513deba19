// Expressions made of arbitrary text on documents made of arbitrary text: compile and search.
// Input: the expression, a NUL, the document. A result must have a text that is JSON again; a way
// of names and indices finds what the tree finds.
#include <cstdlib>

#include "agent/model/jmespath.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = text.find('\0');
  if (nul == std::string_view::npos) return 0;
  const auto expression = JmesPath::compile(text.substr(0, nul));
  const auto document = Json::parse(text.substr(nul + 1));
  if (!expression || !document) return 0;
  const auto result = expression->search(*document);
  if (!result) return 0;
  std::string out;
  if (result->append_text(out, 1 << 20) && !Json::parse(out, 1000)) std::abort();
  return 0;
}
