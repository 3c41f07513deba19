#include <iostream>
#include <iterator>

#include "agent/base/file.h"
#include "agent/convert/convert.h"
#include "agent/convert/yaml_tree.h"

namespace agent::convert {
namespace {

constexpr int kWritten = 0;
constexpr int kLeftOut = 1;
constexpr int kCriticalFound = 2;
// Whoever reads the file finds the passwords in it.
constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPlainMode = 0644;

int complain(const std::string& what) {
  std::cerr << what << "\n";
  return kLeftOut;
}

Result<std::string> read_all(const std::string& file) {
  if (!file.empty() && file != "-") return read_file(file, kMaxYamlBytes + 1);
  std::string text;
  // One byte more than is taken is enough to refuse it.
  for (char c; text.size() <= kMaxYamlBytes && std::cin.get(c);) text += c;
  return text;
}

}  // namespace

int convert_main(const Command& command, const component::Registry& registry,
                 const runtime::Review& review) {
  Options options;
  options.extra_args = command.extra_args;
  if (command.format == "prometheus") {
    options.format = Format::kPrometheus;
  } else if (command.format != "promtail") {
    return complain("--source-format is promtail or prometheus");
  }
  const auto yaml = read_all(command.file);
  if (!yaml) return complain(yaml.error().message);
  const Converted converted = convert(*yaml, options, registry, review);
  const std::string name = command.file.empty() || command.file == "-" ? "<stdin>" : command.file;
  const std::string report = render(converted.findings, name);
  if (command.report.empty()) {
    std::cerr << report;
  } else if (auto written = write_file_atomic(command.report, report, kPlainMode); !written) {
    return complain(written.error().message);
  }
  const Severity worst = converted.worst();
  const int code = worst == Severity::kCritical                          ? kCriticalFound
                   : worst == Severity::kError && !command.bypass_errors ? kLeftOut
                                                                         : kWritten;
  if (code != kWritten && !command.bypass_errors) return code;
  if (command.output.empty()) {
    std::cout << converted.text << std::flush;
    return std::cout ? code : complain("standard output: cannot be written");
  }
  if (auto written = write_file_atomic(command.output, converted.text,
                                       converted.has_secrets ? kSecretMode : kPlainMode);
      !written)
    return complain(written.error().message);
  return code;
}

}  // namespace agent::convert
