#include "agent/model/relabel.h"

#include <catch2/catch.hpp>

namespace agent::model {
namespace {

using Action = RelabelRule::Action;

// "dropped" or the labels as text.
std::string run(std::vector<RelabelRule> rules, Labels labels,
                Precedence precedence = Precedence::kLastMatch) {
  auto compiled = RelabelRules::compile(std::move(rules), precedence);
  if (!compiled) return "error: " + compiled.error().message;
  LabelBuilder builder(std::move(labels));
  return compiled->apply(builder) ? labels_text(builder.labels()) : "dropped";
}

RelabelRule rule(Action action) {
  RelabelRule r;
  r.action = action;
  return r;
}

RelabelRule replace(std::vector<std::string> sources, std::string regex, std::string target,
                    std::string replacement = "$1") {
  RelabelRule r;
  r.source_labels = std::move(sources);
  r.regex = std::move(regex);
  r.target_label = std::move(target);
  r.replacement = std::move(replacement);
  return r;
}

std::string error_of(const RelabelRule& r) {
  auto checked = check_rule(r);
  return checked ? "" : checked.error().message;
}

}  // namespace

TEST_CASE("relabel: replace takes the groups of a match of the whole value") {
  CHECK(run({replace({"a"}, "/(.*)", "b")}, {{"a", "/x"}}) == R"({a="/x", b="x"})");
  CHECK(run({replace({"a"}, "/(.*)", "b")}, {{"a", "x/y"}}) == R"({a="x/y"})");
  CHECK(run({replace({"a"}, "f(o+).*", "b", "${1}x$1x-$0")}, {{"a", "foobar"}}) ==
        R"({a="foobar", b="oox-foobar"})");
  CHECK(run({replace({"a"}, "(?P<first>.)(.)", "b", "$first$$${2}$")}, {{"a", "xy"}}) ==
        R"({a="xy", b="x$y$"})");
  CHECK(run({replace({"a"}, "(?<first>.)[(?<x]", "b", "$first")}, {{"a", "x<"}}) ==
        R"({a="x<", b="x"})");
  CHECK(run({replace({"a"}, "(.+)", "b", "$7${x}z")}, {{"a", "xy"}}) == R"({a="xy", b="z"})");
  CHECK(run({replace({"a"}, "(.+)", "b", "$1é-${1}é")}, {{"a", "xy"}}) == R"({a="xy", b="-xyé"})");
}

TEST_CASE("relabel: a dot matches a newline") {
  CHECK(run({replace({"a"}, "x.y(.)", "b", "m")}, {{"a", "x\ny\n"}}) ==
        "{a=\"x\\ny\\n\", b=\"m\"}");
  CHECK(run({replace({"a"}, "(.*)", "b")}, {{"a", "1\n2"}}) == "{a=\"1\\n2\", b=\"1\\n2\"}");
}

TEST_CASE("relabel: several sources are joined, a missing one is empty") {
  CHECK(run({replace({"a", "no", "b"}, "(.*)", "c")}, {{"a", "1"}, {"b", "2"}}) ==
        R"({a="1", b="2", c="1;;2"})");
  RelabelRule r = replace({"service", "container"}, "@(.+)", "service");
  r.separator = "@";
  CHECK(run({r}, {{"container", "app"}}) == R"({container="app", service="app"})");
  CHECK(run({r}, {{"container", "app"}, {"service", "x"}}) == R"({container="app", service="x"})");
}

TEST_CASE("relabel: an empty result removes the target, no match leaves it") {
  CHECK(run({replace({"missing"}, "(.*)", "x")}, {{"x", "1"}, {"y", "2"}}) == R"({y="2"})");
  CHECK(run({replace({"missing"}, "(.+)", "x")}, {{"x", "1"}}) == R"({x="1"})");
}

TEST_CASE("relabel: rules run in order and a later one overwrites") {
  CHECK(run({replace({"u"}, "ssh.service", "job", "ssh"), replace({"u"}, ".+", "job", "systemd")},
            {{"u", "ssh.service"}}) == R"({job="systemd", u="ssh.service"})");
  CHECK(run({replace({}, "(.*)", "a", "one"), replace({"a"}, "one", "b", "two")}, {}) ==
        R"({a="one", b="two"})");
}

TEST_CASE("relabel: with precedence first_match the first rule that gives a value wins") {
  const auto first = [](std::vector<RelabelRule> rules, Labels labels) {
    return run(std::move(rules), std::move(labels), Precedence::kFirstMatch);
  };
  const std::vector<RelabelRule> journal = {replace({"u"}, "ssh.service", "job", "ssh"),
                                            replace({"u"}, ".+", "job", "systemd")};
  CHECK(first(journal, {{"u", "ssh.service"}}) == R"({job="ssh", u="ssh.service"})");
  CHECK(first(journal, {{"u", "cron.service"}}) == R"({job="systemd", u="cron.service"})");
  // What was there before the rules is no rule's doing.
  CHECK(first(journal, {{"job", "x"}, {"u", "a"}}) == R"({job="systemd", u="a"})");
  // A rule that leaves its label empty has not given it a value: a fallback takes over.
  CHECK(first({replace({"project"}, "(.*)", "service"), replace({}, "", "service", "other")},
              {{"service", "old"}}) == R"({service="other"})");
  // Rules still see each other's results, and keep and drop still decide.
  RelabelRule drop = rule(Action::kDrop);
  drop.source_labels = {"b"};
  drop.regex = "one";
  const RelabelRule one = replace({}, "", "a", "one");
  const RelabelRule two = replace({}, "", "a", "two");
  const RelabelRule copy = replace({"a"}, "(.*)", "b");
  CHECK(first({one, two, copy}, {}) == R"({a="one", b="one"})");
  CHECK(first({one, copy, drop}, {}) == "dropped");
  // A name made of groups counts as what it comes to; other actions that set a label count too.
  RelabelRule upper = rule(Action::kUppercase);
  upper.source_labels = {"a"};
  upper.target_label = "c";
  CHECK(first({replace({"n"}, "(.*)", "${1}", "1"), replace({}, "", "c", "2"), upper},
              {{"a", "x"}, {"n", "c"}}) == R"({a="x", c="1", n="c"})");
  CHECK(first({upper, replace({}, "", "c", "2")}, {{"a", "x"}}) == R"({a="x", c="X"})");
  // A label that a rule without target_label makes or takes away is no question of precedence.
  RelabelRule map = rule(Action::kLabelMap);
  map.regex = "x_(.+)";
  CHECK(first({one, map, two}, {{"x_a", "mapped"}}) == R"({a="mapped", x_a="mapped"})");
}

TEST_CASE("relabel: the target may be made of groups; an invalid name skips the rule") {
  CHECK(run({replace({"a"}, "(.*)=(.*)", "${1}_x", "$2")}, {{"a", "k=v"}}) ==
        R"({a="k=v", k_x="v"})");
  CHECK(run({replace({"a"}, "(.*)=(.*)", "$1", "$2")}, {{"a", "1k=v"}}) == R"({a="1k=v"})");
  CHECK(run({replace({"a"}, "(.*)=(.*)", "$1", "$2")}, {{"a", "=v"}}) == R"({a="=v"})");
}

TEST_CASE("relabel: keep and drop decide by the joined sources") {
  RelabelRule keep = rule(Action::kKeep);
  keep.source_labels = {"a"};
  keep.regex = "x|y";
  CHECK(run({keep}, {{"a", "y"}}) == R"({a="y"})");
  CHECK(run({keep}, {{"a", "xy"}}) == "dropped");
  CHECK(run({keep}, {}) == "dropped");
  RelabelRule drop = keep;
  drop.action = Action::kDrop;
  CHECK(run({drop}, {{"a", "y"}}) == "dropped");
  CHECK(run({drop}, {{"a", "z"}}) == R"({a="z"})");
}

TEST_CASE("relabel: keepequal and dropequal compare with another label") {
  RelabelRule r = rule(Action::kKeepEqual);
  r.source_labels = {"a"};
  r.target_label = "b";
  CHECK(run({r}, {{"a", "1"}, {"b", "1"}}) == R"({a="1", b="1"})");
  CHECK(run({r}, {{"a", "1"}, {"b", "2"}}) == "dropped");
  r.action = Action::kDropEqual;
  CHECK(run({r}, {{"a", "1"}, {"b", "1"}}) == "dropped");
  CHECK(run({r}, {}) == "dropped");
  CHECK(run({r}, {{"b", "2"}}) == R"({b="2"})");
}

TEST_CASE("relabel: hashmod is the tail of the MD5, modulo") {
  // md5("foo") = acbd18db4cc2f85c edef654fccc4a4d8; 0xedef654fccc4a4d8 mod 1000 = 432.
  RelabelRule r = rule(Action::kHashMod);
  r.source_labels = {"a"};
  r.target_label = "shard";
  r.modulus = 1000;
  CHECK(run({r}, {{"a", "foo"}}) ==
        R"({a="foo", shard=")" + std::to_string(0xedef654fccc4a4d8U % 1000U) + "\"}");
}

TEST_CASE("relabel: labelmap copies, labeldrop and labelkeep choose by name") {
  RelabelRule map = rule(Action::kLabelMap);
  map.regex = "__meta_(.+)";
  CHECK(run({map}, {{"__meta_a", "1"}, {"__meta_b", "2"}, {"c", "3"}}) ==
        R"({__meta_a="1", __meta_b="2", a="1", b="2", c="3"})");
  // A name that no back end would take is not made.
  CHECK(run({map}, {{"__meta_1", "1"}, {"__meta_b", "2"}}) ==
        R"({__meta_1="1", __meta_b="2", b="2"})");
  RelabelRule drop = rule(Action::kLabelDrop);
  drop.regex = "__.*";
  CHECK(run({drop}, {{"__x", "1"}, {"c", "3"}}) == R"({c="3"})");
  RelabelRule keep = rule(Action::kLabelKeep);
  keep.regex = "a|b";
  CHECK(run({keep}, {{"a", "1"}, {"b", "2"}, {"c", "3"}}) == R"({a="1", b="2"})");
}

TEST_CASE("relabel: lowercase and uppercase always set their target") {
  RelabelRule r = rule(Action::kLowercase);
  r.source_labels = {"a"};
  r.target_label = "b";
  CHECK(run({r}, {{"a", "AbC ÄÖÜ ΣΩ ЖЁ"}}) == R"({a="AbC ÄÖÜ ΣΩ ЖЁ", b="abc äöü σω жё"})");
  CHECK(run({r}, {{"a", "Ǆ Ŷ Ⴀ Ⓚ"}}) == R"({a="Ǆ Ŷ Ⴀ Ⓚ", b="ǆ ŷ ⴀ ⓚ"})");
  CHECK(run({r}, {{"b", "x"}}) == "{}");
  r.action = Action::kUppercase;
  CHECK(run({r}, {{"a", "xy é"}}) == R"({a="xy é", b="XY É"})");
}

TEST_CASE("relabel: patterns that are compared directly agree with RE2") {
  // The same expression, once as written and once in a form that only RE2 takes.
  const std::vector<std::string> patterns = {"(.*)",     ".*",    ".+",    "(.+)",   "",
                                             "a",        "a|bc|", "(a|b)", "a\\.b",  "a.*",
                                             "a\\.(.+)", "()",    "\\.*",  "a\\\\.*"};
  const std::vector<std::string> values = {"",     "a",  "b",  "bc", "a.b", "axb",
                                           "a\nb", "a.", "ab", "..", "a\\", "a\\z"};
  for (const std::string& pattern : patterns) {
    for (const std::string& value : values) {
      CAPTURE(pattern, value);
      RelabelRule direct = replace({"v"}, pattern, "out", "<$1>");
      RelabelRule by_re2 = replace({"v"}, "(?:" + pattern + ")", "out", "<$1>");
      const Labels labels = value.empty() ? Labels{} : Labels{{"v", value}};
      CHECK(run({direct}, labels) == run({by_re2}, labels));
    }
  }
}

TEST_CASE("relabel: rules that cannot be right are refused") {
  CHECK(error_of(rule(Action::kReplace)) ==
        "relabel configuration for replace action requires 'target_label' value");
  CHECK(error_of(replace({}, "(.*)", "a-b")) ==
        R"("a-b" is invalid 'target_label' for replace action)");
  CHECK(error_of(replace({}, "(.*)", "$")) ==
        R"("$" is invalid 'target_label' for replace action)");
  CHECK(error_of(replace({}, "(.*)", "a${1}b")).empty());
  CHECK(error_of(replace({}, "(a", "b")).find("error parsing regexp: ") == 0);
  RelabelRule r = rule(Action::kHashMod);
  r.target_label = "x";
  CHECK(error_of(r) == "relabel configuration for hashmod requires non-zero modulus");
  r = rule(Action::kLabelDrop);
  r.source_labels = {"a"};
  CHECK(error_of(r) == "labeldrop action requires only 'regex', and no other fields");
  r = rule(Action::kKeepEqual);
  r.target_label = "x";
  r.regex = "y";
  CHECK(error_of(r) ==
        "keepequal action requires only 'source_labels' and 'target_label', and no other fields");
  r = rule(Action::kLowercase);
  r.target_label = "x";
  r.replacement = "y";
  CHECK(error_of(r) == "'replacement' can not be set for lowercase action");
  r = rule(Action::kLabelMap);
  r.replacement = "a-b";
  CHECK(error_of(r) == R"("a-b" is invalid 'replacement' for labelmap action)");
}

TEST_CASE("relabeler: a set is relabelled once while it is among the recent ones") {
  Interner interner;
  auto rules = RelabelRules::compile({replace({"a"}, "(.*)", "b")});
  REQUIRE(rules);
  Relabeler relabeler(interner, *rules, 2);
  const LabelSet one = interner.intern({{"a", "1"}});
  const LabelSet two = interner.intern({{"a", "2"}});
  const LabelSet three = interner.intern({{"a", "3"}});
  for (const LabelSet& set : {one, two, one, three, one, two}) {
    const auto result = relabeler.apply(set);
    REQUIRE(result);
    CHECK(result->get("b") == set.get("a"));
  }
  const auto stats = relabeler.stats();
  CHECK(stats.hits == 2);  // `one`, twice: `three` pushed `two` out
  CHECK(stats.misses == 4);
  CHECK(stats.size == 2);
}

TEST_CASE("relabeler: a verdict to drop is remembered, and no cache is fine too") {
  Interner interner;
  RelabelRule drop = rule(Action::kDrop);
  auto rules = RelabelRules::compile({drop});
  REQUIRE(rules);
  Relabeler relabeler(interner, *rules, 10);
  CHECK_FALSE(relabeler.apply({}));
  CHECK_FALSE(relabeler.apply({}));
  CHECK(relabeler.stats().hits == 1);
  Relabeler plain(interner, *rules, 0);
  CHECK_FALSE(plain.apply({}));
  CHECK(plain.stats().size == 0);
}

}  // namespace agent::model
