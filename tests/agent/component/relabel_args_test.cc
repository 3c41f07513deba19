#include "agent/component/relabel_args.h"

#include <catch2/catch.hpp>

namespace agent::component {
namespace {

lang::Body body_of(std::vector<std::pair<std::string, lang::Value>> attributes) {
  lang::Body body;
  for (auto& [name, value] : attributes)
    body.attributes.push_back({std::move(name), std::move(value), {}, {}});
  return body;
}

std::string first_error(std::vector<std::pair<std::string, lang::Value>> attributes) {
  RuleArgs args;
  lang::Diagnostics diagnostics;
  decode(body_of(std::move(attributes)), args, diagnostics);
  if (diagnostics.empty()) return "";
  const lang::Diagnostic& first = diagnostics.all().front();
  return first.message + (first.hint.empty() ? "" : " | " + first.hint);
}

}  // namespace

TEST_CASE("rule block: what cannot be right is an error of the configuration") {
  CHECK(first_error({{"target_label", "a"}}).empty());
  CHECK(first_error({{"action", "drpo"}}) ==
        R"(unknown relabel action "drpo" | did you mean "drop"?)");
  CHECK(first_error({{"action", "Keep"}}).find("unknown relabel action \"Keep\"") == 0);
  CHECK(first_error({}) ==
        "relabel configuration for replace action requires 'target_label' value");
  CHECK(first_error({{"target_label", "a"}, {"regex", "("}}).find("error parsing regexp") == 0);
  CHECK(first_error({{"action", "hashmod"}, {"target_label", "a"}, {"modulus", -1}}) ==
        "modulus must not be negative");
}

TEST_CASE("rule block: equal rules stay the same object, so that dependants rest") {
  RelabelArgs args;
  args.rules.emplace_back();
  args.rules[0].target_label = "a";
  args.rules[0].replacement = "x";
  const auto first = share_rules(args, nullptr);
  REQUIRE(first);
  const auto second = share_rules(args, *first);
  REQUIRE(second);
  CHECK(*first == *second);
  args.rules[0].replacement = "y";
  const auto third = share_rules(args, *first);
  REQUIRE(third);
  CHECK(*first != *third);
  model::LabelBuilder labels;
  CHECK((*third)->apply(labels));
  CHECK(labels.get("a") == "y");
  args.precedence = "first_match";
  const auto fourth = share_rules(args, *third);
  REQUIRE(fourth);
  CHECK(*third != *fourth);
}

TEST_CASE("relabel arguments: the precedence travels with the rules, and a wrong one is an error") {
  RelabelArgs args;
  for (const char* value : {"first", "last"}) {
    args.rules.emplace_back();
    args.rules.back().target_label = "a";
    args.rules.back().replacement = value;
  }
  for (const auto& [precedence, wanted] :
       {std::pair("last_match", "last"), std::pair("first_match", "first")}) {
    args.precedence = precedence;
    const auto rules = compile_rules(args);
    REQUIRE(rules);
    model::LabelBuilder labels;
    CHECK(rules->apply(labels));
    CHECK(labels.get("a") == wanted);
  }
  args.precedence = "first";
  lang::Diagnostics diagnostics;
  args.validate({}, diagnostics);
  REQUIRE(diagnostics.has_errors());
  CHECK(diagnostics.all()[0].message ==
        R"(precedence must be "last_match" or "first_match", got "first")");
}

}  // namespace agent::component
