#include "agent/convert/output.h"

#include "agent/convert/environment.h"

namespace agent::convert {
namespace {

bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text)
    if (c != '_' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
      return false;
  return text != "true" && text != "false" && text != "null";
}

}  // namespace

std::string list_code(const std::vector<std::string>& items) {
  // What does not fit into a line gets one for each item.
  std::size_t width = 0;
  for (const std::string& item : items) width += item.size() + 2;
  const bool long_one = width > 80 && items.size() > 1;
  std::string out = "[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (long_one) {
      out += "\n" + items[i] + ",";
    } else {
      out += (i == 0 ? "" : ", ") + items[i];
    }
  }
  return out + (long_one ? "\n]" : "]");
}

std::string object_code(const std::vector<std::pair<std::string, std::string>>& members) {
  if (members.empty()) return "{}";
  std::string out = "{";
  const auto name = [](const std::string& key) { return is_identifier(key) ? key : quoted(key); };
  if (members.size() == 1) return "{ " + name(members[0].first) + " = " + members[0].second + " }";
  for (const auto& [key, code] : members) out += "\n" + name(key) + " = " + code + ",";
  return out + "\n}";
}

void Output::open(std::string_view block, std::string_view label, Mark from) {
  text_ += block;
  if (!label.empty()) text_ += " \"" + std::string(label) + "\"";
  text_ += " {\n";
  origins_.push_back(from);
}

void Output::attribute(std::string_view name, std::string_view code, Mark from) {
  text_ += name;
  text_ += " = ";
  text_ += code;
  text_ += '\n';
  origins_.push_back(from);
}

void Output::close() { text_ += "}\n"; }

}  // namespace agent::convert
