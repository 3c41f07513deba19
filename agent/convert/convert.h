// Another agent's configuration becomes one of ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/component/component.h"
#include "agent/convert/findings.h"
#include "agent/runtime/graph.h"

namespace agent::convert {

enum class Format { kPromtail, kPrometheus };

struct Options {
  Format format = Format::kPromtail;
  std::string extra_args;  // what the other agent's command line has: "-config.expand-env=true"
};

struct Converted {
  std::string text;  // formatted; what could be made of it when something is critical
  std::vector<Finding> findings;
  bool has_secrets = false;  // passwords or tokens stand in the text

  // kInfo when there is no finding.
  Severity worst() const;
};

// `review` adds warnings about what came out. Without critical findings the text passes `validate`.
Converted convert(std::string_view yaml, const Options& options,
                  const component::Registry& registry, const runtime::Review& review);

// `fleet-agent convert`. 0: written; 1: something would be left out or could not be read or
// written, so nothing is written unless `bypass_errors`; 2: something is critical, with
// `bypass_errors` what could be made is written all the same.
struct Command {
  std::string file;    // "" or "-" is standard input
  std::string format;  // promtail, prometheus
  std::string output;  // "" is standard output
  std::string report;  // "" is standard error
  std::string extra_args;
  bool bypass_errors = false;
};
int convert_main(const Command& command, const component::Registry& registry,
                 const runtime::Review& review);

// A configuration as `run` and `validate` read it: of which format it is, as the flags --config.*
// say it.
struct Reading {
  std::string format = "alloy";  // or promtail, prometheus
  std::string extra_args;
  bool bypass_errors = false;  // what is left out does not stand in the way
};
struct Read {
  std::vector<runtime::SourceText> texts;
  std::string report;  // what the conversion has to tell; "" when nothing
};
// The file at `path`; of ours also a folder. What is critical fails with the report.
Result<Read> read_configuration(const std::string& path, const Reading& reading,
                                const component::Registry& registry);

}  // namespace agent::convert
