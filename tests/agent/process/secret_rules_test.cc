#include "agent/process/secret_rules.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace agent::process {
namespace {

std::string repeat(std::string_view pattern, std::size_t length) {
  std::string out;
  while (out.size() < length) out += pattern;
  out.resize(length);
  return out;
}

Result<std::string> no_file(const std::string& path) {
  return fail(ErrorCode::kNotFound, path + ": no such file");
}

const SecretFinder& built_in() {
  static const SecretFinder finder = SecretFinder::compile(built_in_secret_rules()).value();
  return finder;
}

// "rule=secret" of each finding.
std::vector<std::string> found(const SecretFinder& finder, const std::string& line) {
  bool stopped = false;
  std::vector<std::string> out;
  for (const auto& one : finder.find(line, {}, stopped))
    out.push_back(std::string(one.rule) + "=" + std::string(one.secret));
  return out;
}

SecretFinder finder_of(const std::string& toml) {
  auto rules = parse_gitleaks_config(toml, no_file);
  if (!rules) FAIL(rules.error().message);
  auto finder = SecretFinder::compile(*rules);
  if (!finder) FAIL(finder.error().message);
  return *finder;
}

std::string problem(const std::string& toml) {
  auto rules = parse_gitleaks_config(toml, no_file);
  if (!rules) return rules.error().message;
  auto finder = SecretFinder::compile(*rules);
  return finder ? "" : finder.error().message;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("secret rules: tokens of well-known issuers") {
  const std::string mixed = repeat("aB3dE5gH7jK9mN1pQ", 200);
  const std::string hex = repeat("0a1b2c3d4e5f6978", 200);
  const std::vector<std::pair<std::string, std::string>> tokens = {
      {"aws-access-token", "AKIA" + repeat("Q3EGY7ZLNW5XT2RM", 16)},
      {"github-pat", "ghp_" + mixed.substr(0, 36)},
      {"github-fine-grained-pat", "github_pat_" + mixed.substr(0, 82)},
      {"gitlab-pat", "glpat-" + mixed.substr(0, 20)},
      {"slack-bot-token", "xoxb-123456789012-123456789012-" + mixed.substr(0, 24)},
      {"stripe-live-token", "sk_live_" + mixed.substr(0, 24)},
      {"gcp-api-key", "AIza" + mixed.substr(0, 35)},
      {"npm-access-token", "npm_" + mixed.substr(0, 36)},
      {"pypi-upload-token", "pypi-AgEIcHlwaS5vcmc" + mixed.substr(0, 60)},
      {"sendgrid-api-token", "SG." + mixed.substr(0, 22) + "." + mixed.substr(0, 43)},
      {"digitalocean-pat", "dop_v1_" + hex.substr(0, 64)},
      {"databricks-api-token", "dapi" + hex.substr(0, 32)},
      {"grafana-service-account-token", "glsa_" + mixed.substr(0, 32) + "_" + hex.substr(0, 8)},
      {"vault-service-token", "hvs." + mixed.substr(0, 95)},
      {"anthropic-api-key", "sk-ant-api03-" + mixed.substr(0, 93) + "AA"},
      {"openai-api-key", "sk-proj-" + mixed.substr(0, 40) + "T3BlbkFJ" + mixed.substr(0, 40)},
      {"jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + mixed.substr(0, 43)},
      {"telegram-bot-api-token", "123456789:AA" + mixed.substr(0, 33)},
      {"new-relic-user-api-key", "NRAK-" + mixed.substr(0, 27)},
      {"mailchimp-api-key", hex.substr(0, 32) + "-us14"},
      {"postman-api-token", "PMAK-" + hex.substr(0, 24) + "-" + hex.substr(0, 34)},
  };
  for (const auto& [rule, token] : tokens) {
    CHECK(found(built_in(), "at start: " + token) == Strings{rule + "=" + token});
    CHECK(found(built_in(), token + " and \"more\"") == Strings{rule + "=" + token});
  }
}

TEST_CASE("secret rules: every built-in rule is reached by its keywords") {
  // A rule's own expression says what its keyword must be; a typing error would hide it for ever.
  for (const SecretRule& rule : built_in_secret_rules().rules) {
    INFO(rule.id);
    CHECK_FALSE(rule.keywords.empty());
    std::string lowered = rule.regex;
    for (char& c : lowered) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::string plain;
    for (std::size_t i = 0; i < lowered.size(); ++i)
      if (lowered[i] != '\\' || i + 1 == lowered.size()) plain += lowered[i];
    if (rule.id == "twilio-api-key" || rule.id == "mailchimp-api-key" ||
        rule.id.starts_with("airtable") || rule.id.starts_with("stripe") ||
        rule.id == "slack-legacy-workspace-token" || rule.id == "generic-api-key" ||
        rule.id == "discord-webhook-url" || rule.id == "flutterwave-secret-key")
      continue;  // alternatives, or a word beside the token
    for (const std::string& word : rule.keywords) CHECK(plain.find(word) != std::string::npos);
  }
}

TEST_CASE("secret rules: private keys, credentials in URLs and headers, assignments") {
  const std::string key = "-----BEGIN RSA PRIVATE KEY-----\n" + repeat("MIIEpAIBAAKCAQEA1x", 80) +
                          "\n-----END RSA PRIVATE KEY-----";
  CHECK(found(built_in(), "key: " + key + " end") == Strings{"private-key=" + key});
  CHECK(found(built_in(), "postgres://app:s3cr3t-pw@db:5432/x") ==
        Strings{"url-credentials=s3cr3t-pw"});
  CHECK(found(built_in(), R"({"headers":{"Authorization":"Bearer abcDEF123456"}})") ==
        Strings{"authorization-header=abcDEF123456"});
  CHECK(found(built_in(), "api_key=Zx8Qw3Lp0Vn7Rt5Ks2Yb user=x") ==
        Strings{"generic-api-key=Zx8Qw3Lp0Vn7Rt5Ks2Yb"});
  CHECK(found(built_in(), R"({"client_secret":"Zx8Qw3Lp0Vn7Rt5Ks2Yb"})") ==
        Strings{"generic-api-key=Zx8Qw3Lp0Vn7Rt5Ks2Yb"});
}

TEST_CASE("secret rules: what is no secret") {
  for (const char* line :
       {"level=info msg=\"token expired\" user=anna duration=35ms",
        "GET /api/v1/tokens/42 200 12ms", "token_id=4f9a1b2c-77aa-4e1d-9f00-c0ffee123456",
        "access denied: authentication failed for user root from 10.0.0.1 port 22",
        "password: ************", "auth=${AUTH_TOKEN}", "completion_tokens=123456789012",
        "https://example.com:8080/path?x=1", "access_log: /var/log/nginx/access.log.1",
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904"})
    CHECK(found(built_in(), line) == Strings{});
}

TEST_CASE("secret rules: a Gitleaks configuration of one's own") {
  const SecretFinder finder = finder_of(R"(
title = "x"
[[rules]]
id = "internal"
description = "Internal token"
regex = '''tok_([0-9a-z]{8})'''
keywords = ["TOK_"]
[[rules]]
id = "low"
regex = '''pw=(\w+)'''
entropy = 2.0
  [[rules.allowlists]]
  stopwords = ["test"]
  [[rules.allowlists]]
  regexTarget = "line"
  condition = "AND"
  regexes = ['''^DEBUG''']
  stopwords = ["zz"]
[allowlist]
regexes = ['''^0000''']
)");
  CHECK(found(finder, "a tok_1234abcd b tok_zzzz1111") ==
        Strings{"internal=1234abcd", "internal=zzzz1111"});
  CHECK(found(finder, "tok_00001111") == Strings{});
  CHECK(found(finder, "pw=aaaa") == Strings{});
  CHECK(found(finder, "pw=a1b2c3d4") == Strings{"low=a1b2c3d4"});
  CHECK(found(finder, "pw=test1b2c3d4") == Strings{});
  CHECK(found(finder, "DEBUG pw=a1b2c3d4") == Strings{"low=a1b2c3d4"});
  CHECK(found(finder, "DEBUG pw=a1b2c3zz") == Strings{});
}

TEST_CASE("secret rules: extending the built-in ones") {
  const std::string secret = "Zx8Qw3Lp0Vn7Rt5Ks2Yb";
  const SecretFinder finder = finder_of(R"(
[extend]
useDefault = true
disabledRules = ["url-credentials"]
[[rules]]
id = "generic-api-key"
  [[rules.allowlists]]
  regexTarget = "match"
  regexes = ["(?i)harmless"]
[[rules]]
id = "github-pat"
regex = '''ghp_[a-z]{4}'''
)");
  CHECK(found(finder, "api_key=" + secret) == Strings{"generic-api-key=" + secret});
  CHECK(found(finder, "harmless_api_key=" + secret) == Strings{});
  CHECK(found(finder, "postgres://app:s3cr3t@db") == Strings{});
  CHECK(found(finder, "x ghp_abcd") == Strings{"github-pat=ghp_abcd"});
}

TEST_CASE("secret rules: what is wrong with a configuration, and where") {
  CHECK(problem("[[rules]]\nid = \"a\"\nregex = '''('''\n") ==
        "rule \"a\": the regular expression is wrong: missing ): (");
  CHECK(problem("[[rules]]\nregex = 'x'\n") == "line 1: a rule needs an id");
  CHECK(problem("[[rules]]\nid = 'a'\n") == "line 1: rule \"a\" needs a regex");
  CHECK(problem("[[rules]]\nid = 'a'\nregex = 'x'\nsecretGroup = 1\n") ==
        "rule \"a\": there is no such secretGroup");
  CHECK(problem("[[rules]]\nid = 'a'\nregex = 'x'\nkeywords = 'x'\n") ==
        "keywords must be a list of strings");
  CHECK(problem("[[rules]]\nid = 'a'\nregex = 'x'\n[[rules.required]]\nid = 'b'\n") ==
        "line 1: rule \"a\": required is not supported: a line is judged by itself");
  CHECK(problem("[extend]\npath = 'other.toml'\n") == "other.toml: no such file");
  CHECK(problem("[extend\n").starts_with("line "));
  CHECK(problem("[[.a]]\n").starts_with("line 1: "));
}

TEST_CASE("redact: every place of a secret, overlaps once") {
  const std::string line = "a SECRET b SECRET-TAIL c SECRET";
  const std::string_view view = line;
  const auto with = [](const SecretFinder::Finding& one) {
    return "<" + std::string(one.rule) + ">";
  };
  CHECK(redact(view, {{"r", view.substr(2, 6)}}, with) == "a <r> b <r>-TAIL c <r>");
  CHECK(redact(view, {{"r", view.substr(2, 6)}, {"t", view.substr(11, 11)}}, with) ==
        "a <r> b <t> c <r>");
  CHECK(redact(view, {{"x", view.substr(0, 5)}, {"y", view.substr(3, 7)}}, with) ==
        "<x> SECRET-TAIL c SECRET");
  CHECK(redact(view, {}, with) == line);
}

TEST_CASE("redact: a line of very many secrets takes no longer than its length") {
  std::string line;
  for (int i = 0; i < 20'000; ++i) line += "k" + std::to_string(100'000 + i) + " ";
  const std::string_view view = line;
  std::vector<SecretFinder::Finding> findings;
  for (std::size_t i = 0; i < 20'000; ++i) findings.push_back({"r", view.substr(i * 8, 7)});
  CHECK(redact(view, findings, [](const auto&) { return "*"; }) == repeat("* ", 40'000));
}

}  // namespace agent::process
