#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>

#include "fleetctl/cli/commands.h"

namespace fleetctl::cli {

namespace {

// CLI11's own, in fewer words: of a type and what is checked of it the one that tells more, and no
// options that --help does not show.
class HelpFormat final : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    name.erase(std::min(name.find('{'), name.size()));  // --no-rollback{false}
    return name;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string out;
    if (option->get_type_size() != 0) {
      if (const std::string type = type_of(*option); !type.empty()) out += " " + type;
      if (!option->get_default_str().empty()) out += "=" + option->get_default_str();
      if (option->get_expected_max() == CLI::detail::expected_max_vector_size) out += " ...";
      if (option->get_required()) out += " (needed)";
    }
    std::string others;
    for (const CLI::Option* other : option->get_excludes())
      if (!other->get_group().empty()) others += " " + other->get_name();
    if (!others.empty()) out += " (not with" + others + ")";
    return out;
  }

 private:
  // "UINT:UINT in [1 - 3600]", "TEXT:{text,json}", "FILE:FILE"
  static std::string type_of(const CLI::Option& option) {
    const std::string name = option.get_type_name();
    const std::size_t colon = name.find(':');
    const std::string type = name.substr(0, colon);
    if (colon == std::string::npos) return type == "UINT" ? "N" : type;
    const std::string checked = name.substr(colon + 1);
    if (checked.front() == '{') return checked;
    return type == "UINT" ? "N" : type;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_format() {
  auto format = std::make_shared<HelpFormat>();
  format->column_width(34);
  return format;
}

}  // namespace fleetctl::cli
