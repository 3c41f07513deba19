// page   := { family }
// family := "# HELP" name text LF  "# TYPE" name type LF  { sample }
// sample := name [ "{" label { "," label } "}" ] SP value [ SP milliseconds ] LF
// label  := name '="' text '"'      with \\ \" \n escaped; help escapes \\ \n only
#include "agent/wire/exposition.h"

#include <string_view>

#include "agent/base/strings.h"

namespace agent::wire {
namespace {

using Type = model::MetricType;

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kInfo:
    case Type::kStateSet:  // as OpenMetrics asks of those who write the older format
      return "gauge";
    case Type::kHistogram:
      return "histogram";
    case Type::kSummary:
      return "summary";
    case Type::kGaugeHistogram:
    case Type::kUnknown:
      break;
  }
  return "untyped";
}

}  // namespace

std::string write_exposition(const std::vector<model::MetricFamily>& families) {
  std::string out;
  for (const model::MetricFamily& family : families) {
    out += "# HELP " + family.name + ' ';
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + family.name + ' ';
    out += type_name(family.type);
    out += '\n';
    for (const auto& point : family.points) {
      out += family.name;
      out += point.suffix;
      const char* separator = "{";
      point.each_label([&](const model::Label& label) {
        out += separator;
        out += label.name;
        out += "=\"";
        append_escaped(out, label.value, true);
        out += '"';
        separator = ",";
      });
      if (*separator == ',') out += '}';
      out += ' ';
      append_number(out, point.value);
      if (point.time_ms) out += ' ' + std::to_string(*point.time_ms);
      out += '\n';
    }
  }
  return out;
}

}  // namespace agent::wire
