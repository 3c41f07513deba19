// Any bytes as what a receiver of remote write or of pushes answers: "<status>\n",
// "<name>:<value>\n" lines, an empty line, the body.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/write/answer.h"

namespace {

using namespace agent;         // NOLINT
using namespace agent::write;  // NOLINT

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = next_line(text);
  int status = 0;
  std::from_chars(first.data(), first.data() + first.size(), status);
  io::HttpHeaders headers;
  for (auto line = next_line(text); !line.empty(); line = next_line(text)) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    headers.emplace_back(line.substr(0, colon),
                         trim(line.substr(std::min(colon + 1, line.size()))));
  }
  const std::string_view body = text;

  const Duration wait = parse_retry_after(io::header_of(headers, "retry-after"), kNow);
  check(wait >= Duration::zero() && wait <= std::chrono::hours(24));

  SampleCounts sent;
  sent.samples = 2000;
  sent.exemplars = 3;
  const auto written = parse_written(headers, sent);
  // The books balance whatever it says.
  const SampleCounts taken = written.value_or(SampleCounts());
  check(taken.samples <= sent.samples && taken.exemplars <= sent.exemplars &&
        taken.histograms == 0);
  check(taken.all() + sent.without(taken).all() == sent.all());

  for (const bool version_2 : {false, true}) {
    for (const bool speaks_2 : {false, true}) {
      const WriteAnswer answer =
          write_answer(status, written.has_value(), {version_2, speaks_2, speaks_2});
      // What is not refused for good by a 4xx is kept or has arrived.
      check(answer != WriteAnswer::kRefused || (status >= 400 && status < 500));
      check(answer != WriteAnswer::kAccepted || (status >= 200 && status < 300));
      check(answer != WriteAnswer::kOnly1 || version_2);
    }
  }

  const std::string said = answer_text(body);
  check(said.size() <= 300 && is_valid_utf8(said) && trim(said) == said);

  const Refusal refusal = parse_refusal(body);
  check(!refusal.reason.empty() && refusal.stream.size() <= body.size());
  check(refusal.oldest_ns == 0 || refusal.reason != "too_far_behind" || !refusal.stream.empty());
  return 0;
}
