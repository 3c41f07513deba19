#include "agent/model/relabel.h"

#include <openssl/evp.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/model/expression.h"

namespace agent::model {
namespace {

using Action = RelabelRule::Action;
using Groups = std::vector<std::string_view>;

constexpr std::array<std::pair<Action, std::string_view>, 11> kActions{{
    {Action::kReplace, "replace"},
    {Action::kKeep, "keep"},
    {Action::kDrop, "drop"},
    {Action::kKeepEqual, "keepequal"},
    {Action::kDropEqual, "dropequal"},
    {Action::kHashMod, "hashmod"},
    {Action::kLabelMap, "labelmap"},
    {Action::kLabelDrop, "labeldrop"},
    {Action::kLabelKeep, "labelkeep"},
    {Action::kLowercase, "lowercase"},
    {Action::kUppercase, "uppercase"},
}};

constexpr std::size_t kMaxRegexBytes = 64U << 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// The text that `regex` matches when it holds no operators; escaped punctuation is allowed.
std::optional<std::string> literal(std::string_view regex) {
  std::string out;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    char c = regex[i];
    if (c == '\\') {
      if (++i == regex.size()) return std::nullopt;
      c = regex[i];
      if (is_word(c) || static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    } else if (std::string_view(".+*?()|[]{}^$").find(c) != std::string_view::npos) {
      return std::nullopt;
    }
    out += c;
  }
  return out;
}

// "a|b|c" of literals.
std::optional<std::vector<std::string>> literals(std::string_view regex) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= regex.size(); ++i) {
    if (i < regex.size() && regex[i] == '\\') {
      if (++i == regex.size()) return std::nullopt;
      continue;
    }
    if (i < regex.size() && regex[i] != '|') continue;
    auto one = literal(regex.substr(begin, i - begin));
    if (!one) return std::nullopt;
    out.push_back(std::move(*one));
    begin = i + 1;
  }
  return out;
}

bool in_parentheses(std::string_view regex) {
  return regex.size() >= 2 && regex.front() == '(' && regex.back() == ')';
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (text.size() < suffix.size() || text.substr(text.size() - suffix.size()) != suffix)
    return false;
  text.remove_suffix(suffix.size());
  return true;
}

// A whole-text match. The shapes that configurations are made of (a literal, some literals, a
// literal before "the rest") are compared directly; anything else is RE2's.
class Pattern {
 public:
  static Result<Pattern> compile(const std::string& regex) {
    Pattern p;
    if (regex.size() > kMaxRegexBytes)
      return fail(ErrorCode::kInvalid, "the regex is longer than 64 KiB");
    if (p.compile_simple(regex)) return p;
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    auto re = std::make_shared<const RE2>(re2_syntax(regex), options);
    if (!re->ok()) return fail(ErrorCode::kInvalid, "error parsing regexp: " + re->error());
    p.groups_ = static_cast<std::size_t>(re->NumberOfCapturingGroups());
    p.re_ = std::move(re);
    return p;
  }

  bool matches(std::string_view text) const {
    if (re_) return re_->Match(piece(text), 0, text.size(), RE2::ANCHOR_BOTH, nullptr, 0);
    if (!one_of_.empty()) return std::find(one_of_.begin(), one_of_.end(), text) != one_of_.end();
    return text.size() >= prefix_.size() + (rest_may_be_empty_ ? 0 : 1) &&
           text.substr(0, prefix_.size()) == prefix_;
  }

  // groups[0] is the whole text.
  bool match(std::string_view text, Groups& groups) const {
    groups.assign(groups_ + 1, {});
    if (re_) {
      std::vector<re2::StringPiece> pieces(groups_ + 1);
      if (!re_->Match(piece(text), 0, text.size(), RE2::ANCHOR_BOTH, pieces.data(),
                      static_cast<int>(pieces.size())))
        return false;
      for (std::size_t i = 0; i < pieces.size(); ++i)
        groups[i] = {pieces[i].data(), pieces[i].size()};
      return true;
    }
    if (!matches(text)) return false;
    groups[0] = text;
    if (groups_ == 1) groups[1] = one_of_.empty() ? text.substr(prefix_.size()) : text;
    return true;
  }

  // The number of the group called `name`, or none.
  std::optional<std::size_t> group(std::string_view name) const {
    if (!name.empty() && std::all_of(name.begin(), name.end(), is_digit)) {
      if (name.size() > 1 && name[0] == '0') return std::nullopt;
      if (name.size() > 6) return std::nullopt;
      const auto number = static_cast<std::size_t>(std::stoul(std::string(name)));
      return number <= groups_ ? std::optional(number) : std::nullopt;
    }
    if (!re_) return std::nullopt;
    const auto& named = re_->NamedCapturingGroups();
    const auto it = named.find(std::string(name));
    return it == named.end() ? std::nullopt : std::optional(static_cast<std::size_t>(it->second));
  }

 private:
  static re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

  bool compile_simple(std::string_view regex) {
    if (auto all = literal_texts(regex)) {
      one_of_ = std::move(*all);
      groups_ = in_parentheses(regex) ? 1 : 0;
      return true;
    }
    std::string_view head = regex;
    if (take_suffix(head, "(.*)")) {
      groups_ = 1;
    } else if (take_suffix(head, "(.+)")) {
      groups_ = 1;
      rest_may_be_empty_ = false;
    } else if (take_suffix(head, ".+")) {
      rest_may_be_empty_ = false;
    } else if (!take_suffix(head, ".*")) {
      return false;
    }
    auto prefix = literal(head);
    if (!prefix) {
      groups_ = 0;
      return false;
    }
    prefix_ = std::move(*prefix);
    return true;
  }

  std::shared_ptr<const RE2> re_;
  std::vector<std::string> one_of_;
  std::string prefix_;
  bool rest_may_be_empty_ = true;
  std::size_t groups_ = 0;
};

// Go's names of groups: letters and digits of any script, and underscores.
std::size_t reference_end(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const CodePoint c = decode_utf8(text.substr(begin));
    if (!c.valid || !(is_letter(c.value) || agent::is_digit(c.value) || c.value == '_')) break;
    begin += c.length;
  }
  return begin;
}

// Text with references to groups.
class Template {
 public:
  Template(std::string_view text, const Pattern& pattern) {
    std::size_t i = 0;
    while (i < text.size()) {
      const std::size_t dollar = text.find('$', i);
      add_text(text.substr(i, dollar - i));
      if (dollar == std::string_view::npos) return;
      i = dollar + 1;
      if (i < text.size() && text[i] == '$') {
        add_text("$");
        ++i;
        continue;
      }
      const bool braced = i < text.size() && text[i] == '{';
      const std::size_t begin = braced ? i + 1 : i;
      const std::size_t end = reference_end(text, begin);
      if (end == begin || (braced && (end == text.size() || text[end] != '}'))) {
        add_text("$");  // not a reference: taken as it stands
        continue;
      }
      if (const auto group = pattern.group(text.substr(begin, end - begin)))
        parts_.push_back({"", *group});
      has_references_ = true;
      i = braced ? end + 1 : end;
    }
  }

  bool has_references() const { return has_references_; }
  std::string expand(const Groups& groups) const {
    std::string out;
    for (const Part& part : parts_)
      out += part.group == kText ? std::string_view(part.text) : groups[part.group];
    return out;
  }

 private:
  static constexpr std::size_t kText = static_cast<std::size_t>(-1);
  struct Part {
    std::string text;
    std::size_t group = kText;
  };
  void add_text(std::string_view text) {
    if (text.empty()) return;
    if (!parts_.empty() && parts_.back().group == kText) {
      parts_.back().text += text;
    } else {
      parts_.push_back({std::string(text), kText});
    }
  }
  std::vector<Part> parts_;
  bool has_references_ = false;
};

std::uint64_t md5_tail(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  std::uint64_t out = 0;
  for (std::size_t i = 8; i < 16; ++i) out = (out << 8U) | digest[i];
  return out;
}

// A label name in which groups may stand for parts.
bool is_target_template(std::string_view text) {
  if (text.empty()) return false;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] == '$') {
      const bool braced = i + 1 < text.size() && text[i + 1] == '{';
      const std::size_t begin = i + (braced ? 2 : 1);
      std::size_t end = begin;
      while (end < text.size() && is_word(text[end])) ++end;
      if (end == begin || (braced && (end == text.size() || text[end] != '}'))) return false;
      i = braced ? end + 1 : end;
    } else {
      if (!is_word(text[i]) || (i == 0 && is_digit(text[i]))) return false;
      ++i;
    }
  }
  return true;
}

}  // namespace

struct RelabelRules::Compiled {
  // The rules on their way over one set of labels.
  struct Run {
    LabelBuilder& labels;
    const Precedence precedence;
    std::string scratch;
    Groups groups;
    std::vector<std::string> given;  // kFirstMatch: labels that a rule has given a value

    void set(std::string_view name, std::string_view value) {
      if (precedence == Precedence::kFirstMatch) {
        if (std::find(given.begin(), given.end(), name) != given.end()) return;
        if (!value.empty()) given.emplace_back(name);
      }
      labels.set(name, value);
    }
  };

  struct Step {
    Action action;
    std::vector<std::string> sources;
    std::string separator;
    Pattern pattern;
    std::string target;
    Template target_template;
    Template replacement;
    std::uint64_t modulus;

    std::string_view joined(const LabelBuilder& labels, std::string& scratch) const {
      if (sources.empty()) return {};
      if (sources.size() == 1) return scratch = labels.get(sources[0]);
      scratch.clear();
      for (std::size_t i = 0; i < sources.size(); ++i) {
        if (i > 0) scratch += separator;
        scratch += labels.get(sources[i]);
      }
      return scratch;
    }

    void replace(std::string_view value, Run& run) const {
      if (!pattern.match(value, run.groups)) return;
      const std::string result = replacement.expand(run.groups);
      if (!target_template.has_references()) return run.set(target, result);
      const std::string name = target_template.expand(run.groups);
      if (is_valid_label_name(name)) run.set(name, result);
    }

    void map_names(LabelBuilder& labels, Groups& groups) const {
      const Labels before = labels.labels();
      for (const Label& label : before) {
        if (!pattern.match(label.name, groups)) continue;
        const std::string name = replacement.expand(groups);
        if (is_valid_label_name(name)) labels.set(name, label.value);
      }
    }

    void remove_names(LabelBuilder& labels, bool matching) const {
      const Labels before = labels.labels();
      for (const Label& label : before)
        if (pattern.matches(label.name) == matching) labels.remove(label.name);
    }

    bool apply(Run& run) const {
      LabelBuilder& labels = run.labels;
      std::string& scratch = run.scratch;
      switch (action) {
        case Action::kReplace:
          replace(joined(labels, scratch), run);
          return true;
        case Action::kKeep:
          return pattern.matches(joined(labels, scratch));
        case Action::kDrop:
          return !pattern.matches(joined(labels, scratch));
        case Action::kKeepEqual:
          return joined(labels, scratch) == labels.get(target);
        case Action::kDropEqual:
          return joined(labels, scratch) != labels.get(target);
        case Action::kHashMod:
          run.set(target, std::to_string(md5_tail(joined(labels, scratch)) % modulus));
          return true;
        case Action::kLabelMap:
          map_names(labels, run.groups);
          return true;
        case Action::kLabelDrop:
          remove_names(labels, true);
          return true;
        case Action::kLabelKeep:
          remove_names(labels, false);
          return true;
        case Action::kLowercase:
        case Action::kUppercase:
          run.set(target, map_code_points(joined(labels, scratch),
                                          action == Action::kLowercase ? to_lower : to_upper));
          return true;
      }
      return true;
    }
  };

  std::vector<RelabelRule> rules;
  std::vector<Step> steps;
  Precedence precedence = Precedence::kLastMatch;
};

std::optional<std::vector<std::string>> literal_texts(std::string_view regex) {
  return literals(in_parentheses(regex) ? regex.substr(1, regex.size() - 2) : regex);
}

std::string_view action_name(Action action) {
  for (const auto& [value, name] : kActions)
    if (value == action) return name;
  return "";
}

std::optional<Action> parse_action(std::string_view name) {
  for (const auto& [value, text] : kActions)
    if (text == name) return value;
  return std::nullopt;
}

Result<> check_rule(const RelabelRule& rule) {
  const RelabelRule defaults;
  const std::string action(action_name(rule.action));
  const auto invalid = [](std::string message) {
    return fail(ErrorCode::kInvalid, std::move(message));
  };
  const auto is = [&](auto... actions) { return ((rule.action == actions) || ...); };
  const bool other_fields = rule.modulus != defaults.modulus ||
                            rule.separator != defaults.separator ||
                            rule.replacement != defaults.replacement;

  if (is(Action::kLabelDrop, Action::kLabelKeep) &&
      (!rule.source_labels.empty() || !rule.target_label.empty() || other_fields))
    return invalid(action + " action requires only 'regex', and no other fields");
  if (is(Action::kKeepEqual, Action::kDropEqual) && (rule.regex != defaults.regex || other_fields))
    return invalid(action +
                   " action requires only 'source_labels' and 'target_label', and no other fields");
  if (is(Action::kHashMod) && rule.modulus == 0)
    return invalid("relabel configuration for hashmod requires non-zero modulus");
  if (is(Action::kReplace, Action::kHashMod, Action::kLowercase, Action::kUppercase,
         Action::kKeepEqual, Action::kDropEqual) &&
      rule.target_label.empty())
    return invalid("relabel configuration for " + action + " action requires 'target_label' value");
  const bool valid_target =
      is_valid_label_name(rule.target_label) ||
      (is(Action::kReplace) && rule.target_label.find('$') != std::string::npos &&
       is_target_template(rule.target_label));
  if (is(Action::kReplace, Action::kHashMod, Action::kLowercase, Action::kUppercase,
         Action::kKeepEqual, Action::kDropEqual) &&
      !valid_target)
    return invalid(json_string(rule.target_label) + " is invalid 'target_label' for " + action +
                   " action");
  if (is(Action::kLowercase, Action::kUppercase) && rule.replacement != defaults.replacement)
    return invalid("'replacement' can not be set for " + action + " action");
  if (is(Action::kLabelMap) && !is_target_template(rule.replacement))
    return invalid(json_string(rule.replacement) + " is invalid 'replacement' for " + action +
                   " action");
  if (auto pattern = Pattern::compile(rule.regex); !pattern)
    return fail(std::move(pattern.error()));
  return {};
}

RelabelRules::RelabelRules() : compiled_(std::make_shared<const Compiled>()) {}

Result<RelabelRules> RelabelRules::compile(std::vector<RelabelRule> rules, Precedence precedence) {
  auto compiled = std::make_shared<Compiled>();
  compiled->precedence = precedence;
  for (const RelabelRule& rule : rules) {
    if (auto checked = check_rule(rule); !checked) return fail(std::move(checked.error()));
    auto pattern = Pattern::compile(rule.regex);
    if (!pattern) return fail(std::move(pattern.error()));
    Template target(rule.target_label, *pattern);
    Template replacement(rule.replacement, *pattern);
    compiled->steps.push_back({rule.action, rule.source_labels, rule.separator, std::move(*pattern),
                               rule.target_label, std::move(target), std::move(replacement),
                               rule.modulus});
  }
  compiled->rules = std::move(rules);
  return RelabelRules(std::move(compiled));
}

bool RelabelRules::apply(LabelBuilder& labels, const AfterRule& after) const {
  Compiled::Run run{labels, compiled_->precedence, {}, {}, {}};
  for (std::size_t i = 0; i < compiled_->steps.size(); ++i) {
    const bool kept = compiled_->steps[i].apply(run);
    after(i, kept);
    if (!kept) return false;
  }
  return true;
}

bool RelabelRules::apply(LabelBuilder& labels) const {
  Compiled::Run run{labels, compiled_->precedence, {}, {}, {}};
  return std::all_of(compiled_->steps.begin(), compiled_->steps.end(),
                     [&](const Compiled::Step& step) { return step.apply(run); });
}

bool RelabelRules::empty() const { return compiled_->steps.empty(); }
const std::vector<RelabelRule>& RelabelRules::rules() const { return compiled_->rules; }
Precedence RelabelRules::precedence() const { return compiled_->precedence; }

Relabeler::Relabeler(Interner& interner, RelabelRules rules, std::size_t max_entries)
    : interner_(interner), rules_(std::move(rules)), max_entries_(max_entries) {}

std::optional<LabelSet> Relabeler::apply(const LabelSet& labels) {
  {
    MutexLock lock(mutex_);
    if (const auto it = index_.find(labels); it != index_.end()) {
      ++hits_;
      recent_.splice(recent_.begin(), recent_, it->second);
      it->second->round = round_;
      return it->second->result;
    }
    ++misses_;
  }
  LabelBuilder builder(labels);
  std::optional<LabelSet> result;
  if (rules_.apply(builder)) result = interner_.intern(std::move(builder).take());
  if (max_entries_ == 0) return result;

  // What is pushed out is freed after the lock: the last reference to a set takes the interner's.
  std::list<Known> evicted;
  MutexLock lock(mutex_);
  if (index_.contains(labels)) return result;
  if (recent_.size() >= max_entries_) {
    index_.erase(recent_.back().labels);
    evicted.splice(evicted.begin(), recent_, std::prev(recent_.end()));
  }
  recent_.push_front({labels, result, round_});
  index_.emplace(labels, recent_.begin());
  return result;
}

std::size_t Relabeler::forget_unused() {
  std::list<Known> forgotten;  // freed after the lock
  MutexLock lock(mutex_);
  // The list is in order of use.
  while (!recent_.empty() && recent_.back().round != round_) {
    index_.erase(recent_.back().labels);
    forgotten.splice(forgotten.begin(), recent_, std::prev(recent_.end()));
  }
  ++round_;
  return forgotten.size();
}

Relabeler::Stats Relabeler::stats() const {
  MutexLock lock(mutex_);
  return {hits_, misses_, recent_.size()};
}

}  // namespace agent::model
