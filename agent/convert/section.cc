#include "agent/convert/section.h"

#include <array>
#include <charconv>
#include <cmath>

#include "agent/base/duration.h"
#include "agent/base/strings.h"

namespace agent::convert {
namespace {

constexpr std::size_t kLongestLabel = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::optional<std::string> number_code(std::string_view text) {
  if (text.starts_with("+")) text.remove_prefix(1);
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size() ||
      !std::isfinite(number))
    return std::nullopt;
  // Whole numbers keep all of their digits.
  std::int64_t whole = 0;
  const auto as_whole = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (as_whole.ec == std::errc() && as_whole.ptr == text.data() + text.size())
    return std::to_string(whole);
  return plain_number(number);
}

std::optional<bool> bool_value(std::string_view text) {
  for (const std::string_view word :
       {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
    if (text == word) return true;
  for (const std::string_view word :
       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
    if (text == word) return false;
  return std::nullopt;
}

// "256kb", "2M", "1KiB", "10": KB is 1024 bytes here, as in github.com/c2h5oh/datasize.
std::optional<std::int64_t> bytes_of(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || number < 0) return std::nullopt;
  std::string unit;
  for (const char c : trim(text.substr(static_cast<std::size_t>(read.ptr - text.data()))))
    unit += lower(c);
  static constexpr std::string_view kUnits = "kmgtpe";
  int power = 0;
  if (!unit.empty() && unit != "b") {
    const std::size_t at = kUnits.find(unit[0]);
    const std::string_view rest = std::string_view(unit).substr(1);
    if (at == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib"))
      return std::nullopt;
    power = static_cast<int>(at) + 1;
  }
  number = std::ldexp(number, 10 * power);
  if (number >= 9e18) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::string_view kind_of(const Node& node) {
  if (node.is_list()) return "a list";
  return node.is_map() ? "a mapping" : "empty";
}

std::string_view wanted(As as) {
  switch (as) {
    case As::kNumber:
      return "a number";
    case As::kBool:
      return "true or false";
    case As::kDuration:
      return "a duration";
    case As::kSize:
    case As::kByteCount:
      return "a size in bytes";
    case As::kTexts:
      return "a list of texts";
    case As::kMap:
    case As::kHeaders:
    case As::kLists:
    case As::kSecrets:
      return "a mapping";
    default:
      return "a text";
  }
}

// Of a URL: http://user:password@host
void hide_password(Context& context, std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return;
  text.remove_prefix(scheme + 3);
  text = text.substr(0, text.find('/'));
  const std::size_t at = text.rfind('@');
  const std::size_t colon = text.find(':');
  if (at == std::string_view::npos || colon >= at) return;
  context.findings.hide(std::string(text.substr(colon + 1, at - colon - 1)));
}

std::optional<std::string> scalar_code(Context& context, const Node& node, As as) {
  const Environment& environment = context.environment;
  if (as == As::kSecret) context.findings.hide(environment.value(node.text));
  hide_password(context, environment.value(node.text));
  if (as == As::kText || as == As::kSecret) return environment.code(node.text);
  if (Environment::has_marker(node.text)) {
    // The configuration language makes numbers of texts by itself, but no bools.
    if (as == As::kNumber || as == As::kDuration) return environment.code(node.text);
    context.warn(node.mark,
                 "this is what the environment says now: a reference to it cannot "
                 "stand here");
  }
  const std::string text = environment.value(node.text);
  switch (as) {
    case As::kNumber:
      return number_code(text);
    case As::kBool: {
      const auto value = bool_value(text);
      if (!value) return std::nullopt;
      return *value ? "true" : "false";
    }
    case As::kDuration: {
      const auto value = duration_of(text);
      if (!value) return std::nullopt;
      return quoted(format_duration(*value));
    }
    case As::kSize:
    case As::kByteCount: {
      const auto value = bytes_of(text);
      if (!value) return std::nullopt;
      return as == As::kSize ? quoted(format_byte_size(*value)) : std::to_string(*value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::string> texts_code(Context& context, const Node& node, As each) {
  std::vector<std::string> items;
  if (node.is_text()) {
    items.push_back(*scalar_code(context, node, each));
  } else if (node.is_list()) {
    for (const Node& item : node.items) {
      if (item.is_null()) {
        items.emplace_back("\"\"");
        continue;
      }
      if (!item.is_text()) {
        context.critical(item.mark, "a text is needed here, not " + std::string(kind_of(item)));
        return std::nullopt;
      }
      items.push_back(*scalar_code(context, item, each));
    }
  } else {
    return std::nullopt;
  }
  return list_code(items);
}

std::optional<std::string> map_code(Context& context, const Node& node, As as) {
  if (!node.is_map()) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> members;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const Node& value = node.items[i];
    std::optional<std::string> code;
    if (as != As::kMap && as != As::kHeaders) {
      code = texts_code(context, value, as == As::kSecrets ? As::kSecret : As::kText);
    } else if (value.is_null()) {
      code = "\"\"";
    } else if (value.is_text()) {
      code = scalar_code(context, value, as == As::kHeaders ? As::kSecret : As::kText);
    }
    if (!code) {
      context.critical(value.mark, "this cannot be " + std::string(kind_of(value)));
      continue;
    }
    members.emplace_back(node.keys[i].first, std::move(*code));
  }
  return object_code(members);
}

}  // namespace

std::string Context::label(std::string_view wanted) {
  std::string name;
  for (const char c : wanted.substr(0, kLongestLabel))
    name += c == '_' || is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ? c : '_';
  if (name.empty()) name = "default";
  if (is_digit(name[0])) name.insert(0, "job_");
  const auto [known, is_new] = labels.emplace(name, 1);
  std::string label = name;
  for (int& last = known->second; !is_new && label == name;) {
    std::string next = name + "_" + std::to_string(++last);
    if (labels.emplace(next, 1).second) label = std::move(next);
  }
  return label;
}

std::optional<Duration> duration_of(std::string_view text) {
  // Days, weeks and years become hours.
  std::string hours;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    const char unit = end < text.size() ? text[end] : ' ';
    const int factor = unit == 'd' ? 24 : unit == 'w' ? 168 : unit == 'y' ? 8760 : 0;
    std::uint64_t number = 0;
    if (end > i && factor > 0) {
      if (std::from_chars(text.data() + i, text.data() + end, number).ec != std::errc() ||
          number > 1'000'000)
        return std::nullopt;
      hours += std::to_string(number * static_cast<unsigned>(factor)) + "h";
      i = end + 1;
      continue;
    }
    if (end == i) ++end;
    hours += text.substr(i, end - i);
    i = end;
  }
  const auto duration = parse_duration(hours);
  if (!duration) return std::nullopt;
  return *duration;
}

std::optional<std::string> code_of(Context& context, const Node& node, As as) {
  std::optional<std::string> code;
  if (as == As::kTexts) {
    code = texts_code(context, node, As::kText);
  } else if (as == As::kMap || as == As::kHeaders || as == As::kLists || as == As::kSecrets) {
    code = map_code(context, node, as);
  } else if (node.is_text()) {
    code = scalar_code(context, node, as);
  }
  if (!code) context.critical(node.mark, std::string(wanted(as)) + " is needed here");
  return code;
}

std::string text_of(Context& context, const Node& node) {
  return node.is_text() ? context.environment.value(node.text) : std::string();
}

bool bool_of(Context& context, const Node& node, bool otherwise) {
  const auto value = bool_value(text_of(context, node));
  if (!value) context.critical(node.mark, "true or false is needed here");
  return value.value_or(otherwise);
}

Section::Section(Context& context, const Node& node, std::string_view what)
    : context_(context), node_(node), what_(what) {
  if (!node.is_map() && !node.is_null()) context.critical(node.mark, what_ + " must be a mapping");
}

const Node* Section::take(std::string_view key) {
  known_.emplace(key);
  const Node* node = node_.find(key);
  return node == nullptr || node->is_null() ? nullptr : node;
}

Mark Section::mark(std::string_view key) const {
  for (const auto& [name, mark] : node_.keys)
    if (name == key) return mark;
  return node_.mark;
}

void Section::skip(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) known_.emplace(key);
}

void Section::tell(Severity severity, std::string_view key, const std::string& message) {
  if (take(key) != nullptr)
    context_.findings.add(severity, mark(key), std::string(key) + ": " + message);
}

void Section::carry(std::initializer_list<Carry> carries) {
  for (const Carry& each : carries) {
    const Node* node = take(each.key);
    if (node == nullptr) continue;
    if (const auto code = code_of(context_, *node, each.as))
      context_.output.attribute(each.name.empty() ? each.key : each.name, *code, node->mark);
  }
}

std::string Section::text(std::string_view key) {
  const Node* node = take(key);
  return node == nullptr ? std::string() : text_of(context_, *node);
}

bool Section::flag(std::string_view key, bool otherwise) {
  const Node* node = take(key);
  return node == nullptr ? otherwise : bool_of(context_, *node, otherwise);
}

void Section::finish() {
  for (const auto& [key, mark] : node_.keys)
    if (!known_.contains(key))
      context_.error(mark,
                     "unknown in " + what_ + ", left out: " + std::string(utf8_head(key, 100)));
}

}  // namespace agent::convert
