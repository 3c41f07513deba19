#include <iostream>
#include <iterator>

#include "agent/base/file.h"
#include "agent/convert/convert.h"
#include "agent/convert/yaml_tree.h"
#include "agent/runtime/modules.h"

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

std::optional<Format> format_named(std::string_view name) {
  if (name == "promtail") return Format::kPromtail;
  if (name == "prometheus") return Format::kPrometheus;
  return std::nullopt;
}

}  // namespace

int convert_main(const Command& command, const component::Registry& registry,
                 const runtime::Review& review) {
  Options options;
  options.extra_args = command.extra_args;
  const auto format = format_named(command.format);
  if (!format) return complain("--source-format is promtail or prometheus");
  options.format = *format;
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

Result<Read> read_configuration(const std::string& path, const Reading& reading,
                                const component::Registry& registry) {
  if (reading.format == "alloy") {
    auto texts = runtime::read_texts(path, {".alloy", ".river"});
    if (!texts) return fail(std::move(texts.error()));
    return Read{std::move(*texts), {}};
  }
  const auto format = format_named(reading.format);
  if (!format)
    return fail(ErrorCode::kInvalid,
                "--config.format=" + reading.format +
                    " is not read here: alloy, promtail and prometheus are. Alloy's own convert "
                    "makes of static and otelcol what this agent may read");
  const auto yaml = read_file(path, kMaxYamlBytes + 1);
  if (!yaml) return fail(yaml.error().code, yaml.error().message);
  // Warnings of what came out are those of any configuration that is run or validated.
  Converted converted = convert(*yaml, {*format, reading.extra_args}, registry, {});
  std::string report = render(converted.findings, path);
  const Severity worst = converted.worst();
  if (worst == Severity::kCritical || (worst == Severity::kError && !reading.bypass_errors)) {
    report += worst == Severity::kCritical
                  ? "no right configuration can be made of it"
                  : "with --config.bypass-conversion-errors what could be made of it is taken";
    return fail(ErrorCode::kInvalid, std::move(report));
  }
  return Read{{{path + " as converted", std::move(converted.text)}}, std::move(report)};
}

}  // namespace agent::convert
