// Any bytes as a server's answer to GetConfig: what is accepted is UTF-8 and no larger than they
// were.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/wire/collector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answer = agent::wire::decode_get_config({reinterpret_cast<const char*>(data), size});
  if (!answer) return 0;
  if (answer->content.size() + answer->hash.size() > size) std::abort();
  if (!agent::is_valid_utf8(answer->content) || !agent::is_valid_utf8(answer->hash)) std::abort();
  return 0;
}
