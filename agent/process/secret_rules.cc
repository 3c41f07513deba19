#include "agent/process/secret_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "agent/base/strings.h"

namespace agent::process {
namespace {

constexpr std::size_t kMaxRules = 2000;
constexpr int kMaxGroups = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

double entropy_of(std::string_view text) {
  std::array<std::size_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const std::size_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

// Looks for many words at once, in any case (Aho and Corasick). States in which a word ends have
// the highest numbers; bytes that no word has share a column.
class Words {
 public:
  // `words[i]` belongs to number i; several may be equal.
  void build(const std::vector<std::string>& words) {
    columns_ = 1;
    for (const std::string& word : words)
      for (const char c : word)
        if (std::uint8_t& column = column_[static_cast<unsigned char>(c)]; column == 0)
          column = static_cast<std::uint8_t>(columns_++);
    for (int c = 'A'; c <= 'Z'; ++c)
      column_[static_cast<std::size_t>(c)] = column_[static_cast<std::size_t>(c | 0x20)];

    struct Node {
      std::vector<std::uint32_t> next;
      std::uint32_t fallback = 0;
      std::vector<std::uint32_t> ends;
    };
    std::vector<Node> nodes(1);
    nodes[0].next.assign(columns_, 0);
    for (std::uint32_t w = 0; w < words.size(); ++w) {
      std::uint32_t at = 0;
      for (const char c : words[w]) {
        const std::size_t column = column_[static_cast<unsigned char>(c)];
        if (nodes[at].next[column] == 0) {
          nodes[at].next[column] = static_cast<std::uint32_t>(nodes.size());
          nodes.emplace_back();
          nodes.back().next.assign(columns_, 0);
        }
        at = nodes[at].next[column];
      }
      nodes[at].ends.push_back(w);
    }
    // Breadth first: a node's fallback is complete before the node is.
    std::deque<std::uint32_t> queue;
    for (const std::uint32_t child : nodes[0].next)
      if (child != 0) queue.push_back(child);
    for (; !queue.empty(); queue.pop_front()) {
      const std::uint32_t at = queue.front();
      const std::uint32_t fallback = nodes[at].fallback;
      nodes[at].ends.insert(nodes[at].ends.end(), nodes[fallback].ends.begin(),
                            nodes[fallback].ends.end());
      for (std::size_t column = 0; column < columns_; ++column) {
        const std::uint32_t child = nodes[at].next[column];
        const std::uint32_t behind = nodes[fallback].next[column];
        if (child == 0) {
          nodes[at].next[column] = behind;
        } else {
          nodes[child].fallback = behind;
          queue.push_back(child);
        }
      }
    }

    std::vector<std::uint32_t> number(nodes.size());
    std::uint32_t next = 0;
    for (const bool ending : {false, true}) {
      if (ending) first_end_ = next * static_cast<std::uint32_t>(columns_);
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].ends.empty() != ending) number[i] = next++;
    }
    // A state is where its row begins.
    table_.resize(nodes.size() * columns_);
    ends_.resize(nodes.size() - first_end_ / columns_);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::size_t column = 0; column < columns_; ++column)
        table_[number[i] * columns_ + column] =
            number[nodes[i].next[column]] * static_cast<std::uint32_t>(columns_);
      const std::size_t row = number[i] * columns_;
      if (row >= first_end_) ends_[(row - first_end_) / columns_] = std::move(nodes[i].ends);
    }
    start_ = number[0] * static_cast<std::uint32_t>(columns_);
  }

  // Calls `found` with the number of each word in `text`, possibly repeatedly.
  template <class Found>
  void search(std::string_view text, const Found& found) const {
    const std::uint32_t* const table = table_.data();
    const std::uint8_t* const column = column_.data();
    const std::uint32_t first_end = first_end_;
    std::uint32_t state = start_;
    for (const char c : text) {
      state = table[state + column[static_cast<unsigned char>(c)]];
      if (state < first_end) continue;
      for (const std::uint32_t word : ends_[(state - first_end_) / columns_]) found(word);
    }
  }

 private:
  std::array<std::uint8_t, 256> column_{};
  std::size_t columns_ = 1;
  std::vector<std::uint32_t> table_;
  std::uint32_t start_ = 0;
  std::uint32_t first_end_ = UINT32_MAX;
  std::vector<std::vector<std::uint32_t>> ends_;
};

using Regexes = std::vector<std::unique_ptr<RE2>>;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

struct Allowlist {
  SecretAllowlist settings;
  Regexes regexes;

  bool allows(std::string_view rule, std::string_view line, std::string_view match,
              std::string_view secret) const {
    const auto& only = settings.target_rules;
    if (!only.empty() && std::find(only.begin(), only.end(), rule) == only.end()) return false;
    const std::string_view target = settings.target == SecretAllowlist::Target::kSecret  ? secret
                                    : settings.target == SecretAllowlist::Target::kMatch ? match
                                                                                         : line;
    const bool by_regex = std::any_of(regexes.begin(), regexes.end(), [&](const auto& regex) {
      return RE2::PartialMatch(piece(target), *regex);
    });
    if (by_regex && !settings.all) return true;
    bool by_word = false;
    if (!settings.stopwords.empty()) {
      const std::string text = lower(secret);
      by_word = std::any_of(settings.stopwords.begin(), settings.stopwords.end(),
                            [&](const auto& w) { return text.find(w) != std::string::npos; });
    }
    if (!settings.all) return by_word;
    return (by_regex || regexes.empty()) && (by_word || settings.stopwords.empty()) &&
           (by_regex || by_word);
  }
};

struct Rule {
  std::string id;
  std::unique_ptr<RE2> regex;
  int groups = 0;
  int group = 0;
  double entropy = 0;
  bool generic = false;  // gives way to others
  std::vector<Allowlist> allowlists;
};

Result<std::unique_ptr<RE2>> compile_regex(const std::string& text, const std::string& whose) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // a line may be any bytes
  auto regex = std::make_unique<RE2>(text, options);
  if (!regex->ok())
    return fail(ErrorCode::kInvalid,
                whose + ": the regular expression is wrong: " + regex->error());
  return regex;
}

Result<std::vector<Allowlist>> compile_allowlists(const std::vector<SecretAllowlist>& lists,
                                                  const std::string& whose) {
  std::vector<Allowlist> out;
  for (const SecretAllowlist& list : lists) {
    Allowlist compiled;
    compiled.settings = list;
    for (std::string& word : compiled.settings.stopwords) word = lower(word);
    for (const std::string& text : list.regexes) {
      auto regex = compile_regex(text, "an allowlist of " + whose);
      if (!regex) return fail(std::move(regex.error()));
      compiled.regexes.push_back(std::move(*regex));
    }
    out.push_back(std::move(compiled));
  }
  return out;
}

}  // namespace

struct SecretFinder::Compiled {
  std::vector<Rule> rules;
  std::vector<Allowlist> allowlists;
  Words words;
  std::vector<std::uint32_t> rule_of_word;
  std::vector<std::uint32_t> always;  // rules without keywords
};

Result<SecretFinder> SecretFinder::compile(const SecretRuleSet& set) {
  if (set.rules.size() > kMaxRules)
    return fail(ErrorCode::kInvalid, "there are more than 2000 rules");
  auto compiled = std::make_shared<Compiled>();
  std::vector<std::string> words;
  for (const SecretRule& rule : set.rules) {
    const std::string whose = "rule " + json_string(rule.id);
    auto regex = compile_regex(rule.regex, whose);
    if (!regex) return fail(std::move(regex.error()));
    auto allowlists = compile_allowlists(rule.allowlists, whose);
    if (!allowlists) return fail(std::move(allowlists.error()));
    const int groups = (*regex)->NumberOfCapturingGroups();
    if (rule.group < 0 || rule.group > std::min(groups, kMaxGroups))
      return fail(ErrorCode::kInvalid, whose + ": there is no such secretGroup");
    const auto number = static_cast<std::uint32_t>(compiled->rules.size());
    compiled->rules.push_back({rule.id, std::move(*regex), std::min(groups, kMaxGroups), rule.group,
                               rule.entropy, lower(rule.id).find("generic") != std::string::npos,
                               std::move(*allowlists)});
    if (rule.keywords.empty()) compiled->always.push_back(number);
    for (const std::string& word : rule.keywords) {
      if (word.empty()) {
        compiled->always.push_back(number);
        break;
      }
      words.push_back(lower(word));
      compiled->rule_of_word.push_back(number);
    }
  }
  auto global = compile_allowlists(set.allowlists, "the configuration");
  if (!global) return fail(std::move(global.error()));
  compiled->allowlists = std::move(*global);
  compiled->words.build(words);
  SecretFinder finder;
  finder.compiled_ = std::move(compiled);
  return finder;
}

std::vector<SecretFinder::Finding> SecretFinder::find(std::string_view line, const Stop& stop,
                                                      bool& stopped) const {
  std::vector<Finding> findings;
  std::vector<std::uint32_t> tried = compiled_->always;
  std::vector<bool> seen;
  compiled_->words.search(line, [&](std::uint32_t word) {
    if (seen.empty()) seen.resize(compiled_->rules.size());
    const std::uint32_t rule = compiled_->rule_of_word[word];
    if (seen[rule]) return;
    seen[rule] = true;
    tried.push_back(rule);
  });
  if (tried.empty()) return findings;
  std::sort(tried.begin(), tried.end());
  tried.erase(std::unique(tried.begin(), tried.end()), tried.end());
  std::vector<Finding> generic;
  std::array<re2::StringPiece, kMaxGroups + 1> parts;
  for (const std::uint32_t number : tried) {
    const Rule& rule = compiled_->rules[number];
    for (std::size_t at = 0; at <= line.size();) {
      if (stop && stop()) {
        stopped = true;
        break;
      }
      if (!rule.regex->Match(piece(line), at, line.size(), RE2::UNANCHORED, parts.data(),
                             rule.groups + 1))
        break;
      const std::size_t end =
          static_cast<std::size_t>(parts[0].data() - line.data()) + parts[0].size();
      at = parts[0].empty() ? end + 1 : end;
      re2::StringPiece chosen = parts[0];
      if (rule.group > 0) {
        chosen = parts[static_cast<std::size_t>(rule.group)];
      } else {
        for (int i = rule.groups; i >= 1; --i)
          if (!parts[static_cast<std::size_t>(i)].empty())
            chosen = parts[static_cast<std::size_t>(i)];
      }
      std::string_view secret(chosen.data(), chosen.size());
      const std::string_view match(parts[0].data(), parts[0].size());
      while (!secret.empty() && secret.back() == '\n') secret.remove_suffix(1);
      if (secret.empty() || (rule.entropy > 0 && entropy_of(secret) <= rule.entropy)) continue;
      const auto allows = [&](const Allowlist& list) {
        return list.allows(rule.id, line, match, secret);
      };
      if (std::any_of(rule.allowlists.begin(), rule.allowlists.end(), allows) ||
          std::any_of(compiled_->allowlists.begin(), compiled_->allowlists.end(), allows))
        continue;
      (rule.generic ? generic : findings).push_back({rule.id, secret});
    }
    if (stopped) break;
  }
  // What a rule of its own has found is not counted as generic again.
  const auto special = static_cast<std::ptrdiff_t>(findings.size());
  for (const Finding& one : generic)
    if (std::none_of(findings.begin(), findings.begin() + special, [&](const Finding& other) {
          return one.secret.data() >= other.secret.data() &&
                 one.secret.data() + one.secret.size() <= other.secret.data() + other.secret.size();
        }))
      findings.push_back(one);
  return findings;
}

std::string redact(std::string_view line, const std::vector<SecretFinder::Finding>& findings,
                   const std::function<std::string(const SecretFinder::Finding&)>& replacement) {
  // Of a hostile line with very many secrets only those found are replaced, not their repeats.
  constexpr std::size_t kRepeated = 64;
  struct Span {
    std::size_t begin;
    std::size_t end;
    std::size_t text;
  };
  std::vector<std::string> texts;
  std::vector<Span> spans;
  std::unordered_map<std::string_view, std::size_t> known;
  for (const auto& finding : findings) {
    const auto [it, is_new] = known.emplace(finding.secret, texts.size());
    if (is_new) texts.push_back(replacement(finding));
    const auto begin = static_cast<std::size_t>(finding.secret.data() - line.data());
    spans.push_back({begin, begin + finding.secret.size(), it->second});
    if (!is_new || texts.size() > kRepeated) continue;
    for (std::size_t at = line.find(finding.secret); at != std::string_view::npos;
         at = line.find(finding.secret, at + finding.secret.size()))
      spans.push_back({at, at + finding.secret.size(), it->second});
  }
  // Where they overlap the one that begins first, and of these the longest, stands for all.
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  std::string out;
  out.reserve(line.size());
  std::size_t done = 0;
  std::size_t covered = 0;
  for (const Span& span : spans) {
    if (span.begin < covered) {
      covered = std::max(covered, span.end);
      done = covered;
      continue;
    }
    out += line.substr(done, span.begin - done);
    out += texts[span.text];
    done = covered = span.end;
  }
  out += line.substr(std::min(done, line.size()));
  return out;
}

}  // namespace agent::process
