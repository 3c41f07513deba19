#include "agent/model/relabel_review.h"

#include <catch2/catch.hpp>

namespace agent::model {
namespace {

using Action = RelabelRule::Action;
using Kind = RuleRemark::Kind;
using Remarks = std::vector<RuleRemark>;

RelabelRule set(std::vector<std::string> sources, std::string regex, std::string target,
                std::string replacement = "$1") {
  RelabelRule r;
  r.source_labels = std::move(sources);
  r.regex = std::move(regex);
  r.target_label = std::move(target);
  r.replacement = std::move(replacement);
  return r;
}

RelabelRule decide(Action action, std::vector<std::string> sources, std::string regex) {
  RelabelRule r;
  r.action = action;
  r.source_labels = std::move(sources);
  r.regex = std::move(regex);
  return r;
}

Remarks last(const std::vector<RelabelRule>& rules) {
  return review(rules, Precedence::kLastMatch);
}
Remarks first(const std::vector<RelabelRule>& rules) {
  return review(rules, Precedence::kFirstMatch);
}

const RelabelRule kSsh = set({"unit"}, "ssh\\.service", "job", "ssh");
const RelabelRule kFallback = set({"unit"}, ".+", "job", "systemd");

}  // namespace

TEST_CASE("relabel review: a rule whose label a later one always sets again") {
  CHECK(last({kSsh, kFallback}) == Remarks{{0, Kind::kOverwritten, 1}});
  CHECK(last({set({}, "(.*)", "env", "dev"), set({}, "(.*)", "env", "prod")}) ==
        Remarks{{0, Kind::kOverwritten, 1}});
  CHECK(last({kSsh, set({"unit"}, "(ssh|cron)\\.service", "job", "x")}) ==
        Remarks{{0, Kind::kOverwritten, 1}});
  CHECK(last({kSsh, set({"other"}, "(.*)", "job")}) == Remarks{{0, Kind::kOverwritten, 1}});
  // Nothing is certain of these.
  CHECK(last({kFallback, kSsh}).empty());
  CHECK(last({kSsh, set({"identifier"}, ".+", "job", "x")}).empty());
  CHECK(last({kSsh, set({"unit"}, "cron.*", "job", "x")}).empty());
  CHECK(last({set({"unit"}, "(ssh.*)?", "job", "ssh"), kFallback}).empty());
  CHECK(last({kSsh, set({}, "(.*)", "unit", "x"), kFallback}).empty());
  // The earlier one is read before it is overwritten.
  CHECK(last({kSsh, set({"job"}, "ssh", "service", "y"), kFallback}).empty());
  CHECK(last({kSsh, decide(Action::kDrop, {"job"}, "ssh"), kFallback}).empty());
  CHECK(last({kSsh, set({"job", "unit"}, "(.*)", "job")}).empty());
  RelabelRule map;
  map.action = Action::kLabelMap;
  map.regex = "jo(.)";
  CHECK(last({set({}, "", "job", "a"), map, set({}, "", "job", "b")}).empty());
}

TEST_CASE("relabel review: with precedence first_match, a rule that comes too late") {
  CHECK(first({kFallback, kSsh}) == Remarks{{1, Kind::kPassedOver, 0}});
  CHECK(first({set({}, "", "env", "dev"), set({"x"}, "y", "env", "prod")}) ==
        Remarks{{1, Kind::kPassedOver, 0}});
  CHECK(first({kSsh, kFallback}).empty());
  // The first may leave the label empty.
  CHECK(first({set({"project"}, "(.*)", "service"), set({}, "", "service", "x")}).empty());
}

TEST_CASE("relabel review: rules that are never reached, never match or change nothing") {
  CHECK(last({decide(Action::kDrop, {}, "(.*)"), kSsh, kFallback}) ==
        Remarks{{1, Kind::kNeverReached, 0}});
  CHECK(last({decide(Action::kKeep, {}, "prod"), kSsh}) == Remarks{{1, Kind::kNeverReached, 0}});
  CHECK(last({decide(Action::kDrop, {"a"}, ".+"), kSsh}).empty());
  CHECK(last({set({}, "prod-(.*)", "env")}) == Remarks{{0, Kind::kNeverMatches, {}}});
  CHECK(last({decide(Action::kDrop, {}, "x")}) == Remarks{{0, Kind::kNeverMatches, {}}});
  CHECK(last({set({}, ".*", "env", "x")}).empty());
  CHECK(last({set({"a"}, "(.*)", "a")}) == Remarks{{0, Kind::kNoEffect, {}}});
  CHECK(first({set({"a"}, "(.*)", "a"), set({}, "", "a", "x")}).empty());  // keeps what is there
  CHECK(last({decide(Action::kKeep, {"a"}, ".*")}) == Remarks{{0, Kind::kNoEffect, {}}});
  CHECK(last({decide(Action::kKeep, {"a"}, ".+")}).empty());
}

}  // namespace agent::model
