// Gitleaks' configuration, TOML:
//
//   [extend]                    useDefault = bool, path = "file", disabledRules = ["id"]
//   [[rules]]                   id, regex, secretGroup, entropy, keywords, path, skipReport
//   [[rules.allowlists]]        (or [rules.allowlist]) condition = "OR"|"AND", regexTarget =
//                               "secret"|"match"|"line", regexes, stopwords, paths, commits
//   [[allowlists]]              (or [allowlist]) the same for all rules, and targetRules
//
// A rule with the id of one that is extended changes what it names and adds keywords and
// allowlists.

// The library asserts what a text may well get wrong ("[.a"), and then checks it too.
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "agent/base/strings.h"
#include "agent/process/secret_rules.h"

namespace agent::process {
namespace {

constexpr int kMaxDepth = 2;  // of extend

class Reader {
 public:
  explicit Reader(const std::function<Result<std::string>(const std::string&)>& load)
      : load_(load) {}

  Result<SecretRuleSet> read(std::string_view text, int depth) {
    auto parsed = parse(text);
    if (!parsed) return fail(std::move(parsed.error()));
    const toml::table& root = *parsed;
    SecretRuleSet base;
    std::vector<std::string> disabled;
    if (const toml::table* extend = root["extend"].as_table()) {
      if (depth >= kMaxDepth) return fail(ErrorCode::kInvalid, "[extend] goes too deep");
      const bool defaults = (*extend)["useDefault"].value_or(false);
      const std::string path = (*extend)["path"].value_or(std::string());
      if (extend->contains("url") && !(*extend)["url"].value_or(std::string()).empty())
        return fail(ErrorCode::kInvalid, "[extend] url is not supported");
      if (defaults && !path.empty())
        return fail(ErrorCode::kInvalid, "[extend] takes useDefault or path, not both");
      if (defaults) base = built_in_secret_rules();
      if (!path.empty()) {
        auto other = load_(path);
        if (!other) return fail(std::move(other.error()));
        auto read_other = read(*other, depth + 1);
        if (!read_other) return fail(std::move(read_other.error()).within(path));
        base = std::move(*read_other);
      }
      if (auto r = strings((*extend)["disabledRules"], "disabledRules", disabled); !r)
        return fail(std::move(r.error()));
    }
    if (const auto node = root["rules"]; node) {
      const toml::array* rules = node.as_array();
      if (rules == nullptr) return fail(ErrorCode::kInvalid, "rules must be written [[rules]]");
      for (const toml::node& one : *rules) {
        const toml::table* table = one.as_table();
        if (table == nullptr) return fail(ErrorCode::kInvalid, "rules must be written [[rules]]");
        if (auto r = rule(*table, base.rules); !r) return fail(std::move(r.error()));
      }
    }
    if (auto r = allowlists(root, "the configuration", base.allowlists); !r)
      return fail(std::move(r.error()));
    std::erase_if(base.rules, [&](const SecretRule& one) {
      return std::find(disabled.begin(), disabled.end(), one.id) != disabled.end();
    });
    return base;
  }

 private:
  static Result<toml::table> parse(std::string_view text) {
    try {
      return toml::parse(text);
    } catch (const toml::parse_error& error) {
      return fail(ErrorCode::kInvalid, "line " + std::to_string(error.source().begin.line) + ": " +
                                           std::string(error.description()));
    }
  }
  static tl::unexpected<Error> wrong(const toml::node& node, const std::string& what) {
    return fail(ErrorCode::kInvalid,
                "line " + std::to_string(node.source().begin.line) + ": " + what);
  }

  // Adds the strings of an array.
  template <class View>
  static Result<> strings(const View& view, const std::string& name,
                          std::vector<std::string>& out) {
    if (!view) return {};
    const toml::array* array = view.as_array();
    if (array == nullptr) return fail(ErrorCode::kInvalid, name + " must be a list of strings");
    for (const toml::node& one : *array) {
      const auto text = one.value<std::string>();
      if (!text) return wrong(one, name + " must be a list of strings");
      out.push_back(*text);
    }
    return {};
  }

  static Result<> rule(const toml::table& table, std::vector<SecretRule>& rules) {
    const std::string id = table["id"].value_or(std::string());
    if (id.empty()) return wrong(table, "a rule needs an id");
    const std::string whose = "rule " + json_string(id);
    if (table.contains("required"))
      return wrong(table, whose + ": required is not supported: a line is judged by itself");
    // Rules for files, and parts of rules that need others.
    if (table.contains("path") || table["skipReport"].value_or(false)) return {};
    auto known = std::find_if(rules.begin(), rules.end(),
                              [&](const SecretRule& one) { return one.id == id; });
    const std::string regex = table["regex"].value_or(std::string());
    if (known == rules.end()) {
      if (regex.empty()) return wrong(table, whose + " needs a regex");
      rules.push_back({id, regex, 0, 0, {}, {}});
      known = std::prev(rules.end());
    } else if (!regex.empty()) {
      known->regex = regex;
    }
    if (const auto group = table["secretGroup"].value<std::int64_t>()) {
      if (*group < 0 || *group > 100) return wrong(table, whose + ": there is no such secretGroup");
      known->group = static_cast<int>(*group);
    }
    if (const auto entropy = table["entropy"].value<double>()) known->entropy = *entropy;
    if (auto r = strings(table["keywords"], "keywords", known->keywords); !r) return r;
    return allowlists(table, whose, known->allowlists);
  }

  // [allowlist] and [[allowlists]] of `table`.
  static Result<> allowlists(const toml::table& table, const std::string& whose,
                             std::vector<SecretAllowlist>& out) {
    if (const toml::table* one = table["allowlist"].as_table())
      if (auto r = allowlist(*one, whose, out); !r) return r;
    const auto many = table["allowlists"];
    if (!many) return {};
    const toml::array* array = many.as_array();
    if (array == nullptr)
      return fail(ErrorCode::kInvalid, whose + ": allowlists must be written [[allowlists]]");
    for (const toml::node& node : *array) {
      const toml::table* one = node.as_table();
      if (one == nullptr) return wrong(node, whose + ": an allowlist must be a table");
      if (auto r = allowlist(*one, whose, out); !r) return r;
    }
    return {};
  }

  static Result<> allowlist(const toml::table& table, const std::string& whose,
                            std::vector<SecretAllowlist>& out) {
    SecretAllowlist list;
    const std::string condition = table["condition"].value_or(std::string("OR"));
    if (condition == "AND" || condition == "&&") {
      list.all = true;
    } else if (condition != "OR" && condition != "||" && !condition.empty()) {
      return wrong(table, whose + ": condition must be \"OR\" or \"AND\"");
    }
    const std::string target = table["regexTarget"].value_or(std::string("secret"));
    if (target == "match") {
      list.target = SecretAllowlist::Target::kMatch;
    } else if (target == "line") {
      list.target = SecretAllowlist::Target::kLine;
    } else if (target != "secret" && !target.empty()) {
      return wrong(table, whose + ": regexTarget must be \"secret\", \"match\" or \"line\"");
    }
    if (auto r = strings(table["regexes"], "regexes", list.regexes); !r) return r;
    if (auto r = strings(table["stopwords"], "stopwords", list.stopwords); !r) return r;
    if (auto r = strings(table["targetRules"], "targetRules", list.target_rules); !r) return r;
    // A line has no path and no commit: with AND such a list never holds, with OR the rest counts.
    if (list.all && (table.contains("paths") || table.contains("commits"))) return {};
    if (!list.regexes.empty() || !list.stopwords.empty()) out.push_back(std::move(list));
    return {};
  }

  const std::function<Result<std::string>(const std::string&)>& load_;
};

}  // namespace

Result<SecretRuleSet> parse_gitleaks_config(
    std::string_view text,
    const std::function<Result<std::string>(const std::string& path)>& load) {
  return Reader(load).read(text, 0);
}

}  // namespace agent::process
