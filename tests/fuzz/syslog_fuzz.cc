// Any bytes, in reads of any size: the splitter loses none but framing and what lies beyond the
// limit, the parser's views stay inside the text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/wire/syslog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::SyslogSplitter;
  if (size < 2) return 0;
  const std::size_t step = 1 + data[0] % 64;
  const auto framing = static_cast<SyslogSplitter::Framing>(data[1] % 3);
  agent::wire::SyslogOptions options;
  options.structured_data = (data[1] & 4) != 0;
  options.cisco_message_counter = (data[1] & 8) != 0;
  options.cisco_sequence_number = (data[1] & 16) != 0;
  options.cisco_hostname = (data[1] & 32) != 0;
  const bool pauses = (data[1] & 64) != 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  constexpr std::size_t kLimit = 32;
  SyslogSplitter splitter(kLimit, framing);
  std::string kept;
  const auto use = [&](const SyslogSplitter::Message& message) {
    const std::string_view text = message.text;
    if (text.size() > kLimit) std::abort();
    const auto inside = [&](std::string_view part) {
      return part.empty() ||
             (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
    };
    const auto parsed = agent::wire::parse_syslog(text, options);
    for (const std::string_view part :
         {parsed.message, parsed.hostname, parsed.app_name, parsed.proc_id, parsed.msg_id,
          parsed.message_counter, parsed.sequence}) {
      if (!inside(part)) std::abort();
    }
    if (!parsed.priority && parsed.message != text) std::abort();
    if (parsed.time_ns && !parsed.time_has_year)
      agent::wire::with_year(*parsed.time_ns, 1'795'251'600'000'000'000);
  };
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    kept += bytes.substr(i, step);
    std::string_view left = kept;
    while (auto message = splitter.next(left)) use(*message);
    if (pauses) {
      while (auto message = splitter.last(left, SyslogSplitter::End::kPaused)) use(*message);
    }
    // At most a message, a count in front of it, and what a message could begin with.
    if (left.size() > kLimit + 80) std::abort();
    kept = std::string(left);
  }
  std::string_view left = kept;
  while (auto message = splitter.last(left, SyslogSplitter::End::kClosed)) use(*message);
  return 0;
}
