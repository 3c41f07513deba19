// page   := { family }
// family := "# HELP" name text LF  "# TYPE" name type LF  { name [ "{" label { "," label } "}" ] SP
// value LF } label  := name '="' text '"'      with \\ \" \n escaped; help escapes \\ \n only
#include "agent/wire/exposition.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace agent::wire {
namespace {

using Type = model::MetricFamily::Type;

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
    case Type::kHistogram:
      return "histogram";
    case Type::kUntyped:
      break;
  }
  return "untyped";
}

}  // namespace

std::string format_sample_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

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
      for (const model::Label& label : point.labels) {
        out += separator + label.name + "=\"";
        append_escaped(out, label.value, true);
        out += '"';
        separator = ",";
      }
      if (!point.labels.empty()) out += '}';
      out += ' ' + format_sample_value(point.value) + '\n';
    }
  }
  return out;
}

}  // namespace agent::wire
