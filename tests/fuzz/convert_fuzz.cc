// Any bytes as a configuration of Promtail or Prometheus: the conversion ends, finds something
// wrong or gives a text that reads back as itself, and its report has a line for each finding.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/convert/convert.h"
#include "agent/lang/printer.h"
#include "agent/registration.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::convert;
  static const agent::component::Registry registry = [] {
    agent::component::Registry made;
    agent::register_components(made);
    return made;
  }();
  if (size < 1) return 0;
  const std::string_view yaml(reinterpret_cast<const char*>(data) + 1, size - 1);
  Options options;
  options.format = data[0] % 2 == 0 ? Format::kPromtail : Format::kPrometheus;
  if (data[0] % 4 >= 2) options.extra_args = "-config.expand-env=true -positions.file='/p q' -x";
  const Converted converted = convert(yaml, options, registry, {});
  const std::string report = render(converted.findings, "f");
  const auto lines = static_cast<std::size_t>(std::count(report.begin(), report.end(), '\n'));
  if (lines != converted.findings.size() + 1) std::abort();
  if (converted.worst() == Severity::kCritical) return 0;
  agent::lang::Diagnostics diagnostics;
  const auto again = agent::lang::format(converted.text, "again", diagnostics);
  if (!again || *again != converted.text) std::abort();
  return 0;
}
