// What looks like a secret in a line: rules in the manner of Gitleaks, each an RE2 expression
// behind keywords that must be in the line.
//
// The keywords of all rules are looked for at once, so that a line without any costs one pass.
// Source of the format and of the rules' meaning: the documentation of Gitleaks' configuration.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::process {

// What is no secret although a rule fits. With `all`, every kind of condition that is given must
// hold, else any one.
struct SecretAllowlist {
  enum class Target { kSecret, kMatch, kLine };
  bool all = false;
  Target target = Target::kSecret;  // what the regexes are looked for in
  std::vector<std::string> regexes;
  std::vector<std::string> stopwords;     // lower case, in the secret
  std::vector<std::string> target_rules;  // of a global one: only for these; empty is all
};

struct SecretRule {
  std::string id;
  std::string regex;
  int group = 0;       // which one is the secret; 0: the first that is not empty, else the match
  double entropy = 0;  // bits per byte that the secret must exceed
  std::vector<std::string> keywords;  // lower case; none: every line is searched
  std::vector<SecretAllowlist> allowlists;
};

struct SecretRuleSet {
  std::vector<SecretRule> rules;
  std::vector<SecretAllowlist> allowlists;  // for all rules
};

// The rules that this agent brings.
SecretRuleSet built_in_secret_rules();

// A Gitleaks configuration. `load` reads the file that [extend] names. kInvalid says what is wrong
// and where; rules for what a log line does not have (paths, commits) are left out.
Result<SecretRuleSet> parse_gitleaks_config(
    std::string_view toml, const std::function<Result<std::string>(const std::string& path)>& load);

// A compiled rule set. Immutable; any thread.
class SecretFinder {
 public:
  // kInvalid names the rule whose expression is wrong.
  static Result<SecretFinder> compile(const SecretRuleSet& rules);

  struct Finding {
    std::string_view rule;    // id
    std::string_view secret;  // a part of the line
  };
  // Asked between rules; true ends the search.
  using Stop = std::function<bool()>;
  // In the order of the rules. Sets `stopped` when it ended early.
  std::vector<Finding> find(std::string_view line, const Stop& stop, bool& stopped) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

// `line` with each secret replaced, also where no rule fits but it stands again.
// `replacement` is called once for each finding that is used.
std::string redact(std::string_view line, const std::vector<SecretFinder::Finding>& findings,
                   const std::function<std::string(const SecretFinder::Finding&)>& replacement);

}  // namespace agent::process
