#include "fleetctl/inventory/extra_vars.h"

#include <optional>

#include "agent/base/strings.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

Result<std::vector<std::string>> split_arguments(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  char quote = 0;
  int depth = 0;  // of {{ }}, {% %} and {# #}
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::string_view pair = text.substr(i, 2);
    if (quote == 0 && (pair == "{{" || pair == "{%" || pair == "{#")) {
      ++depth;
      part += pair;
      ++i;
    } else if (quote == 0 && depth > 0 && (pair == "}}" || pair == "%}" || pair == "#}")) {
      --depth;
      part += pair;
      ++i;
    } else if ((c == '\'' || c == '"') && (i == 0 || text[i - 1] != '\\') &&
               (quote == 0 || quote == c)) {
      quote = quote == 0 ? c : '\0';
      part += c;
    } else if (quote == 0 && depth == 0 && (c == ' ' || c == '\n' || c == '\t')) {
      if (!part.empty()) parts.push_back(std::move(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (quote != 0 || depth != 0)
    return fail(ErrorCode::kInvalid,
                "quotes or template braces are not closed in: " + std::string(text));
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

// The escapes of a Python string: \n \t \\ \xhh \uhhhh ...; others stay as they are.
std::string decode_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    static constexpr std::string_view kNames = "abfnrtv\\'\"";
    static constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\'\"";
    const std::size_t name = kNames.find(c);
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    char32_t code = 0;
    bool valid = digits > 0 && i + digits < text.size();
    for (std::size_t k = 1; valid && k <= digits; ++k) {
      const char h = text[i + k];
      const bool decimal = h >= '0' && h <= '9';
      const char low = static_cast<char>(h | 0x20);
      valid = decimal || (low >= 'a' && low <= 'f');
      if (valid) code = code * 16 + static_cast<char32_t>(decimal ? h - '0' : low - 'a' + 10);
    }
    if (name != std::string_view::npos) {
      out += kBytes[name];
    } else if (valid && code <= 0x10FFFF) {
      value::append_utf8(out, code);
      i += digits;
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front() && text[text.size() - 2] != '\\')
    return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

Result<Dict> parse_key_values(std::string_view text) {
  auto parts = split_arguments(text);
  if (!parts) return fail(parts.error());
  Dict result;
  std::string others;
  for (const std::string& raw : *parts) {
    const std::string part = decode_escapes(raw);
    std::size_t equals = 0;
    do {
      equals = part.find('=', equals + 1);
    } while (equals != std::string::npos && part[equals - 1] == '\\');
    if (equals == std::string::npos) {
      others += (others.empty() ? "" : " ") + part;
      continue;
    }
    result.set(agent::trim(std::string_view(part).substr(0, equals)),
               Value::string(
                   std::string(unquote(agent::trim(std::string_view(part).substr(equals + 1))))));
  }
  if (!others.empty()) return fail(ErrorCode::kInvalid, "'" + others + "' is not key=value");
  return result;
}

Result<Dict> read_extra_vars(const std::vector<std::string>& arguments, Loader& loader,
                             std::vector<std::string>& warnings) {
  Dict result;
  for (const std::string& argument : arguments) {
    if (argument.empty()) continue;
    const auto complain = [&](agent::Error error) {
      return fail(std::move(error).within("extra variables"));
    };
    const auto add = [&](const Value& document) -> Result<> {
      if (!document.is_dict())
        return fail(ErrorCode::kInvalid, "'" + argument + "' is not a map of variables");
      for (const auto& [key, value] : document.as_dict()) result.set(key, value);
      return {};
    };
    Result<> added;
    if (argument[0] == '@') {
      auto document = loader.yaml(argument.substr(1));
      if (!document) return complain(document.error());
      added = add(*document);
    } else if (argument[0] == '/' || argument[0] == '.') {
      return complain({ErrorCode::kInvalid, "a file is written @" + argument});
    } else if (argument[0] == '{' || argument[0] == '[') {
      auto document = read_yaml(argument, "-e", warnings);
      if (!document) return complain(document.error());
      added = add(*document);
    } else {
      auto values = parse_key_values(argument);
      if (!values) return complain(values.error());
      added = add(Value::dict(std::move(*values)));
    }
    if (!added) return complain(added.error());
  }
  return result;
}

}  // namespace fleetctl::inventory
