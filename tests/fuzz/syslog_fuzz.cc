// Any bytes, in reads of any size: the splitter loses none but framing and what lies beyond the
// limit, the parser's views stay inside the text.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "agent/wire/syslog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::SyslogSplitter;
  if (size < 1) return 0;
  const std::size_t step = 1 + data[0] % 64;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  SyslogSplitter splitter(32);
  const auto use = [](const SyslogSplitter::Message& message) {
    if (message.text.size() > 32) std::abort();
    const auto parsed = agent::wire::parse_syslog(message.text);
    const bool inside = parsed.message.empty() || (parsed.message.data() >= message.text.data() &&
                                                   parsed.message.data() + parsed.message.size() <=
                                                       message.text.data() + message.text.size());
    if (!inside) std::abort();
    if (!parsed.priority && parsed.message != message.text) std::abort();
  };
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    const std::string_view part = bytes.substr(i, step);
    std::memcpy(splitter.room(part.size()), part.data(), part.size());
    splitter.commit(part.size());
    while (auto message = splitter.next()) use(*message);
  }
  if (auto message = splitter.rest()) use(*message);
  return 0;
}
