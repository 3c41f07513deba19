#include "agent/lang/stdlib.h"

#include <catch2/catch.hpp>

#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "tests/support/fake_world.h"

namespace agent::lang {
namespace {

struct Library {
  FakeWorld world;
  Stdlib stdlib;
  explicit Library(bool experimental = true)
      : world{}, stdlib((world.variables["HOME"] = "/root", world), {"v1.2.3", experimental}) {}

  // The value, or "error: ..." as a string.
  Value operator()(std::string_view text) const {
    Diagnostics diagnostics;
    const ParsedExpr parsed = parse_expression(text, "x", diagnostics);
    if (diagnostics.has_errors()) return "parse error: " + diagnostics.all()[0].message;
    const Scope scope{stdlib, nullptr, "/etc/alloy"};
    const auto value = evaluate(*parsed.expr, *parsed.source, scope, diagnostics);
    if (!value) return "error: " + diagnostics.all().at(0).message;
    return *value;
  }
};

using Table = std::vector<std::pair<const char*, const char*>>;

// Both sides are expressions of the language.
void check(const Table& table) {
  const Library library;
  for (const auto& [source, expected] : table) {
    INFO(source);
    CHECK(library(source).text() == library(expected).text());
  }
}

void check_errors(const Table& table) {
  const Library library;
  for (const auto& [source, message] : table) {
    INFO(source);
    CHECK(library(source) == Value("error: " + std::string(message)));
  }
}

}  // namespace

TEST_CASE("stdlib: coalesce gives the first that is not empty, else the last") {
  check({{"coalesce()", "null"},
         {"coalesce(\"a\", \"b\")", "\"a\""},
         {"coalesce(\"\", 0, 0.0, false, null, [], {}, \"x\", 1)", "\"x\""},
         {"coalesce(\"\", {})", "{}"},
         {"coalesce(null, [0])", "[0]"},
         {"coalesce(-1)", "-1"}});
}

TEST_CASE("stdlib: sys.env and constants") {
  check({{"sys.env(\"HOME\")", "\"/root\""},
         {"env(\"HOME\")", "\"/root\""},
         {"sys.env(\"NONE\")", "\"\""},
         {"constants.hostname", "\"puck.incus\""},
         {"constants.os", "\"linux\""},
         {"constants.version", "\"v1.2.3\""},
         {"constants.arch != \"\"", "true"},
         {"module_path", "\"/etc/alloy\""}});
  check_errors({{"sys.env()", "sys.env: expected 1 argument, got 0"},
                {"sys.env(true)", "sys.env: argument 1 should be string, got bool"},
                {"sys.envv(\"x\")", "field \"envv\" does not exist in sys"}});
}

TEST_CASE("stdlib: the real environment and host name") {
  const auto world = system_world();
  CHECK_FALSE(world->environment("PATH").empty());
  CHECK(world->environment("SURELY_NOT_SET_BY_ANYONE").empty());
  CHECK_FALSE(world->hostname().empty());
}

TEST_CASE("stdlib: strings") {
  check({
      {"string.join([\"a\", \"b\"], \", \")", "\"a, b\""},
      {"string.join([], \",\")", "\"\""},
      {"string.join([1, 2.5, \"x\", null], \"-\")", "\"1-2.5-x-\""},
      {"join([\"a\"], \",\")", "\"a\""},
      {"string.replace(\"1 + 2 + 3\", \"+\", \"-\")", "\"1 - 2 - 3\""},
      {"string.replace(\"äb\", \"\", \"-\")", "\"-ä-b-\""},
      {"string.replace(\"aaa\", \"aa\", \"b\")", "\"ba\""},
      {"replace(\"a\", \"x\", \"y\")", "\"a\""},
      {"string.split(\"a,b,\", \",\")", "[\"a\", \"b\", \"\"]"},
      {"string.split(\"\", \",\")", "[\"\"]"},
      {"string.split(\"äb\", \"\")", "[\"ä\", \"b\"]"},
      {"string.split(\"\", \"\")", "[]"},
      {"split(\"a--b\", \"--\")", "[\"a\", \"b\"]"},
      {"string.to_lower(\"ÄB\")", "\"äb\""},
      {"string.to_upper(\"äbπ1\")", "\"ÄBΠ1\""},
      {"to_lower(\"A\")", "\"a\""},
      {"to_upper(\"a\")", "\"A\""},
      {"string.trim(\"?!hello?!\", \"!?\")", "\"hello\""},
      {"string.trim(\"äöxä\", \"äö\")", "\"x\""},
      {"string.trim(\"x\", \"\")", "\"x\""},
      {"trim(\"--x\", \"-\")", "\"x\""},
      {"string.trim_prefix(\"helloworld\", \"hello\")", "\"world\""},
      {"trim_prefix(\"x\", \"y\")", "\"x\""},
      {"string.trim_suffix(\"helloworld\", \"world\")", "\"hello\""},
      {"trim_suffix(\"x\", \"y\")", "\"x\""},
      {"string.trim_space(\"  hello\\n\\u00a0\")", "\"hello\""},
      {"trim_space(\" \")", "\"\""},
      {"string.to_lower(5)", "\"5\""},
      {"string.to_lower(1e21)", "\"1000000000000000000000\""},
      {"string.to_lower(0.00001)", "\"0.00001\""},
      {"string.to_lower(-2.5)", "\"-2.5\""},
  });
  check_errors({
      {"string.join(\"a\", \",\")", "string.join: argument 1 should be list, got string"},
      {"string.join([true], \",\")",
       "string.join: item 0 of argument 1 should be string, got bool"},
      {"string.join([\"a\"])", "string.join: expected 2 arguments, got 1"},
      {"string.replace(\"a\", \"b\")", "string.replace: expected 3 arguments, got 2"},
      {"string.to_lower([])", "string.to_lower: argument 1 should be string, got list"},
      {"string.trim_left(\"a\", \"a\")", "field \"trim_left\" does not exist in string"},
  });
}

TEST_CASE("stdlib: string.format is Go's Sprintf") {
  // The right sides were printed by Go.
  check({
      {R"x(string.format("%v %v %v", 1.0, 1e6, 123456789.0))x", R"x("1 1e+06 1.23456789e+08")x"},
      {R"x(string.format("%v %v %v %v", 1e20,1e21,1e-4,1e-5))x", R"x("1e+20 1e+21 0.0001 1e-05")x"},
      {R"x(string.format("%g %G %e %E %f", 1e6,1e-7,1.5,1.5,1.5))x",
       R"x("1e+06 1E-07 1.500000e+00 1.500000E+00 1.500000")x"},
      {R"x(string.format("%.3g %.0f %.2e", 1234.5,2.5,12345.678))x", R"x("1.23e+03 2 1.23e+04")x"},
      {R"x(string.format("%s", 1))x", R"x("%!s(int=1)")x"},
      {R"x(string.format("%d", 1.5))x", R"x("%!d(float64=1.5)")x"},
      {R"x(string.format("%d %d", 1))x", R"x("1 %!d(MISSING)")x"},
      {R"x(string.format("%d", 1,2,"x",null))x", R"x("1%!(EXTRA int=2, string=x, <nil>)")x"},
      {R"x(string.format("%"))x", R"x("%!(NOVERB)")x"},
      {R"x(string.format("%z", 1))x", R"x("%!z(int=1)")x"},
      {R"x(string.format("%5d|%-5d|%05d|%+d|% d", 42,42,42,42,42))x",
       R"x("   42|42   |00042|+42| 42")x"},
      {R"x(string.format("%x %X %#x %o %#o %O %b %#b", 255,255,255,8,8,8,5,5))x",
       R"x("ff FF 0xff 10 010 0o10 101 0b101")x"},
      {R"x(string.format("%c %q %U %#U", 65,65,128512,128512))x",
       R"x("A 'A' U+1F600 U+1F600 '😀'")x"},
      {R"x(string.format("%5s|%-5s|%.2s|%q|%x|% x|%#x|%X", "ab","ab","héllo","a\"b\n","hi","hi","hi","hi"))x",
       R"x("   ab|ab   |hé|\"a\\\"b\\n\"|6869|68 69|0x6869|6869")x"},
      {R"x(string.format("%t %v", true,false))x", R"x("true false")x"},
      {R"x(string.format("%5t|", true))x", R"x(" true|")x"},
      {R"x(string.format("%v %d %s", [1,"a",null],[1,2],["x",1]))x",
       R"x("[1 a <nil>] [1 2] [x %!s(int=1)]")x"},
      {R"x(string.format("%v", {b = 1,a = "x"}))x", R"x("map[a:x b:1]")x"},
      {R"x(string.format("%[2]d %[1]d", 1,2))x", R"x("2 1")x"},
      {R"x(string.format("%[3]d", 1,2))x", R"x("%!d(BADINDEX)")x"},
      {R"x(string.format("%[x]d", 1))x", R"x("%!d(BADINDEX)")x"},
      {R"x(string.format("%*d|%-*d|%.*f", 5,42,5,42,2,3.14159))x", R"x("   42|42   |3.14")x"},
      {R"x(string.format("%*d", "a",1))x", R"x("%!(BADWIDTH)1")x"},
      {R"x(string.format("%T %T %T %T %T", 1,1.5,"s",true,null))x",
       R"x("int float64 string bool <nil>")x"},
      {R"x(string.format("%v %s", null,null))x", R"x("<nil> %!s(<nil>)")x"},
      {R"x(string.format("%%"))x", R"x("%")x"},
      {R"x(string.format("%5%|"))x", R"x("%|")x"},
      {R"x(string.format("%+v %#v %#v %#v", 1,"x",[1,"a"],{a = 1}))x",
       R"x("1 \"x\" []interface {}{1, \"a\"} map[string]interface {}{\"a\":1}")x"},
      {R"x(string.format("%08.3f|%+08.3f|%-8.2f|", 3.14159,3.14159,3.14159))x",
       R"x("0003.142|+003.142|3.14    |")x"},
      {R"x(string.format("%6.2f%%", 99.5))x", R"x(" 99.50%")x"},
      {R"x(string.format("%5s", 1))x", R"x("%!s(int=    1)")x"},
      {R"x(string.format("%!"))x", R"x("%!!(MISSING)")x"},
      {R"x(string.format("%.5d|%8.3d|%+.3d", 42,42,42))x", R"x("00042|     042|+042")x"},
      {R"x(string.format("%.0d|", 0))x", R"x("|")x"},
      {R"x(string.format("%q", 1.5))x", R"x("%!q(float64=1.5)")x"},
      {R"x(string.format("%d", "str"))x", R"x("%!d(string=str)")x"},
      {R"x(string.format("%v", 18446744073709551615))x", R"x("18446744073709551615")x"},
      {R"x(string.format("%5v|%-5v|", [1,2],[1,2]))x", R"x("[    1     2]|[1     2    ]|")x"},
      {R"x(string.format("%é", 1))x", R"x("%!é(int=1)")x"},
      {R"x(string.format("%d %s", -5,"ä"))x", R"x("-5 ä")x"},
      {R"x(string.format("%010d|%-010d|%+010d", -42,-42,42))x",
       R"x("-000000042|-42       |+000000042")x"},
      {R"x(string.format("%q", ["a","b"]))x", R"x("[\"a\" \"b\"]")x"},
      {R"x(string.format("%05s|%-05s|", "ab","ab"))x", R"x("000ab|ab   |")x"},
      {R"x(string.format("%x", -255))x", R"x("-ff")x"},
      {R"x(string.format("%08b", 5))x", R"x("00000101")x"},
      {R"x(string.format("%3c|", 65))x", R"x("  A|")x"},
      {R"x(string.format("%[1]d %d", 1,2))x", R"x("1 2")x"},
      {R"x(string.format("%.[2]*[1]f", 3.14159,2))x", R"x("3.14")x"},
      {R"x(string.format("%[1]*d", 5,42))x", R"x("   42")x"},
      {R"x(string.format("%.d", 5))x", R"x("5")x"},
      {R"x(string.format("%+q", "é"))x", R"x("\"\\u00e9\"")x"},
      {R"x(string.format("%t", 1))x", R"x("%!t(int=1)")x"},
      {R"x(string.format("%6.3v|", 3.14159))x", R"x("  3.14|")x"},
      {R"x(string.format("%.3v|", "abcdef"))x", R"x("abc|")x"},
      {R"x(string.format("%g", 100000.0))x", R"x("100000")x"},
      {R"x(string.format("%g", 1000000.0))x", R"x("1e+06")x"},
      {R"x(string.format("%v", []))x", R"x("[]")x"},
      {R"x(string.format("%s", {k = 1}))x", R"x("map[k:%!s(int=1)]")x"},
      {R"x(string.format("%d", null))x", R"x("%!d(<nil>)")x"},
      {R"x(string.format("%#x", "\xff"))x", R"x("0xff")x"},
      {R"x(string.format("%q", "\x00\x7f\xff\u200b"))x", R"x("\"\\x00\\x7f\\xff\\u200b\"")x"},
      {"format(\"%s-%d\", \"a\", 1)", "\"a-1\""},
      {"string.format(\"plain\")", "\"plain\""},
      {"string.format(\"%2000000d\", 1)", "\"%!(BADWIDTH)1\""},
      {"string.format(\"%.2000000f\", 1.5)", "\"%!(BADPREC)1.500000\""},
  });
  check_errors({{"string.format()", "string.format: expected at least 1 argument, got 0"},
                {"string.format([])", "string.format: argument 1 should be string, got list"}});
}

TEST_CASE("stdlib: arrays") {
  check({
      {"array.concat()", "[]"},
      {"array.concat([1], [], [2, [3]])", "[1, 2, [3]]"},
      {"concat([1], [null])", "[1, null]"},
      {"array.combine_maps([{a = 1, b = 2}, {a = 2}], [{a = 1, c = 3, b = 9}], [\"a\"])",
       "[{a = 1, b = 9, c = 3}]"},
      {"array.combine_maps([{a = 1}, {a = 2}], [{a = 1, c = 3}], [\"a\"], true)",
       "[{a = 1, c = 3}, {a = 2}]"},
      {"array.combine_maps([{a = 1}], [{a = 1, b = 1}, {a = 1.0, b = 2}], [\"a\"])",
       "[{a = 1, b = 1}, {a = 1.0, b = 2}]"},
      {"array.combine_maps([{a = null}, {b = 1}], [{a = null}, {b = 1}], [\"a\"])", "[]"},
      {"array.combine_maps([{a = 1, b = 1}], [{a = 1, b = 2}], [\"a\", \"b\"])", "[]"},
      {"array.combine_maps([], [], [\"a\"])", "[]"},
      {"array.group_by([{k = \"b\", x = 1}, {k = \"a\"}, {k = \"b\", x = 2}], \"k\", true)",
       "[{k = \"a\", items = [{k = \"a\"}]}, {k = \"b\", items = [{k = \"b\", x = 1}, {k = \"b\", "
       "x = 2}]}]"},
      {"array.group_by([{x = 1}, {k = \"a\"}], \"k\", true)",
       "[{k = \"a\", items = [{k = \"a\"}]}]"},
      {"array.group_by([{x = 1}], \"k\", false)", "[{k = \"\", items = [{x = 1}]}]"},
  });
  check_errors({
      {"array.concat([1], 2)", "array.concat: argument 2 should be list, got number"},
      {"array.combine_maps([1], [], [\"a\"])",
       "array.combine_maps: item 0 of argument 1 should be object, got number"},
      {"array.combine_maps([], [], [])", "array.combine_maps: argument 3 names no key to join by"},
      {"array.combine_maps([], [])", "array.combine_maps: expected 3 to 4 arguments, got 2"},
      {"array.group_by({}, \"k\", true)", "array.group_by: argument 1 should be list, got object"},
  });
}

TEST_CASE("stdlib: experimental functions have to be asked for") {
  const Library library(false);
  CHECK(library("array.combine_maps([], [], [\"a\"])") ==
        Value("error: array.combine_maps: experimental; it needs --stability.level=experimental"));
  CHECK(library("array.group_by([], \"k\", true)").text().find("experimental") !=
        std::string::npos);
  CHECK(library("array.concat([])") == Value(Value::List{}));
}

TEST_CASE("stdlib: base64 and URLs") {
  check({
      {"encoding.to_base64(\"\")", "\"\""},
      {"encoding.to_base64(\"a\")", "\"YQ==\""},
      {"encoding.to_base64(\"ab?~\")", "\"YWI/fg==\""},
      {"encoding.to_URLbase64(\"ab?~\")", "\"YWI_fg==\""},
      {"encoding.from_base64(\"aGVsbG8=\\n\")", "\"hello\""},
      {"base64_decode(\"YWI/\")", "\"ab?\""},
      {"encoding.from_URLbase64(\"YWI_\")", "\"ab?\""},
      {"encoding.url_encode(\"a b/ä?&=~\")", "\"a+b%2F%C3%A4%3F%26%3D~\""},
      {"encoding.url_decode(\"a+b%2f%C3%A4\")", "\"a b/ä\""},
  });
  check_errors({
      {"encoding.from_base64(\"a\")", "encoding.from_base64: illegal base64 data at byte 1"},
      {"encoding.from_base64(\"YQ\")", "encoding.from_base64: illegal base64 data at byte 2"},
      {"encoding.from_base64(\"YQ=\")", "encoding.from_base64: illegal base64 data at byte 3"},
      {"encoding.from_base64(\"YQ==x\")", "encoding.from_base64: illegal base64 data at byte 4"},
      {"encoding.from_base64(\"Y===\")", "encoding.from_base64: illegal base64 data at byte 1"},
      {"encoding.from_base64(\"YW_-\")", "encoding.from_base64: illegal base64 data at byte 2"},
      {"encoding.url_decode(\"a%2\")", "encoding.url_decode: invalid URL escape \"%2\""},
  });
}

TEST_CASE("stdlib: JSON") {
  check({
      {R"(encoding.from_json(`{"a": [1, -2.5, "x", null, true], "b": {}}`))",
       "{a = [1, -2.5, \"x\", null, true], b = {}}"},
      {R"(json_decode("\"\\u00e4\""))", "\"ä\""},
      {R"(encoding.from_json(`{"a": 1, "a": 2}`).a)", "2"},
      {R"(string.format("%T", encoding.from_json("1")))", "\"float64\""},
      {R"(encoding.to_json({b = 1, a = "x<y>&", c = [null, true, 2.5, 1e21, 0.0000001]}))",
       R"("{\"a\":\"x\\u003cy\\u003e\\u0026\",\"b\":1,\"c\":[null,true,2.5,1e+21,1e-7]}")"},
      {R"(encoding.to_json({a = "\"\\\n\t\x01ä"}))", R"("{\"a\":\"\\\"\\\\\\n\\t\\u0001ä\"}")"},
      {"encoding.to_json({})", "\"{}\""},
  });
  check_errors({
      {"encoding.from_json(\"{\")", "encoding.from_json: invalid JSON at byte 2"},
      {"encoding.from_json(\"1 2\")", "encoding.from_json: invalid JSON at byte 3"},
      {"encoding.from_json(\"\")", "encoding.from_json: invalid JSON at byte 1"},
      {"encoding.to_json([1])", "encoding.to_json: argument 1 should be object, got list"},
      {"encoding.to_json({a = env})", "encoding.to_json: a function cannot be JSON"},
  });
  const Library library;
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  CHECK(library("encoding.from_json(`" + deep + "`)") ==
        Value("error: encoding.from_json: nested more than 256 deep"));
}

TEST_CASE("stdlib: json_path always gives a list") {
  const std::string document =
      R"({"store": {"book": [{"n": "a", "p": 5, "s": "x"}, {"n": "b", "p": 10}, {"n": "c", "p": 15}],)"
      R"( "k.d": 1, "p": 99}})";
  const Library library;
  const std::pair<const char*, const char*> table[] = {
      {"$.store.book[0].n", "[\"a\"]"},
      {"store.book[1].n", "[\"b\"]"},
      {".store.book[1].n", "[\"b\"]"},
      {"$.store.book[-1].n", "[\"c\"]"},
      {"$.store.book[9]", "[]"},
      {"$.none", "[]"},
      {"$.store.book[*].n", "[\"a\", \"b\", \"c\"]"},
      {"$.store.book.*.n", "[\"a\", \"b\", \"c\"]"},
      {"$['store']['k.d']", "[1]"},
      {"$[\"store\"][\"k.d\"]", "[1]"},
      {"$..n", "[\"a\", \"b\", \"c\"]"},
      {"$..p", "[99, 5, 10, 15]"},
      {"$.store.book[0,2].n", "[\"a\", \"c\"]"},
      {"$.store.book[0]['n','p']", "[\"a\", 5]"},
      {"$.store.book[1:].n", "[\"b\", \"c\"]"},
      {"$.store.book[:1].n", "[\"a\"]"},
      {"$.store.book[::2].n", "[\"a\", \"c\"]"},
      {"$.store.book[::-1].n", "[\"c\", \"b\", \"a\"]"},
      {"$.store.book[-2:].n", "[\"b\", \"c\"]"},
      {"$.store.book[?(@.p > 5)].n", "[\"b\", \"c\"]"},
      {"$.store.book[?(@.p >= 5 && @.p < 15)].n", "[\"a\", \"b\"]"},
      {"$.store.book[?(@.n == 'a' || @.n == \"c\")].p", "[5, 15]"},
      {"$.store.book[?(@.s)].n", "[\"a\"]"},
      {"$.store.book[?(!@.s)].n", "[\"b\", \"c\"]"},
      {"$.store.book[?(@.n != 'a')].n", "[\"b\", \"c\"]"},
      {"$.store.book[?(@.p == $.store.book[1].p)].n", "[\"b\"]"},
  };
  for (const auto& [path, expected] : table) {
    INFO(path);
    CHECK(library("json_path(`" + document + "`, `" + path + "`)").text() ==
          library(expected).text());
  }
  CHECK(library("json_path(`{\"a\": 1}`, \"$\")").text() == library("[{a = 1}]").text());
  for (const char* path : {"$.", "$[", "$['a", "$[1", "$[?(@.a", "$[a]", "$[::0]", "a b"}) {
    INFO(path);
    CHECK(library("json_path(`{}`, `" + std::string(path) + "`)").text().substr(0, 10) ==
          "\"error: js");
  }
}

TEST_CASE("stdlib: YAML") {
  const Library library;
  const std::pair<const char*, const char*> table[] = {
      {"a: 1", "{a = 1}"},
      {"- 1\n- x\n- 'y'\n- \"1\"", "[1, \"x\", \"y\", \"1\"]"},
      {"", "null"},
      {"~", "null"},
      {"a:\nb: null", "{a = null, b = null}"},
      {"[true, False, yes, on]", "[true, false, \"yes\", \"on\"]"},
      {"[0x1F, 0o17, 017, 0b11, 1_000, -5, +7]", "[31, 15, 15, 3, 1000, -5, 7]"},
      {"[1.5, 1e3, .5, -2.25]", "[1.5, 1000.0, 0.5, -2.25]"},
      {"[1.2.3, 08x, -, 12:30]", "[\"1.2.3\", \"08x\", \"-\", \"12:30\"]"},
      {"a: |\n  x\n  y\n", "{a = \"x\\ny\\n\"}"},
      {"!!str 5", "\"5\""},
      {"a: &x {b: 1, c: 2}\nd: *x", "{a = {b = 1, c = 2}, d = {b = 1, c = 2}}"},
      {"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 9", "{a = {b = 1, c = 2}, d = {b = 9, c = 2}}"},
      {"1: a\n", "{\"1\" = \"a\"}"},
  };
  for (const auto& [yaml, expected] : table) {
    INFO(yaml);
    CHECK(library("encoding.from_yaml(`" + std::string(yaml) + "`)").text() ==
          library(expected).text());
  }
  CHECK(library("yaml_decode(\"a: b\").a") == Value("b"));
  CHECK(library("encoding.from_yaml(`a: 1\na: 2`)") ==
        Value("error: encoding.from_yaml: line 2: mapping key \"a\" already defined"));
  CHECK(library("encoding.from_yaml(`a: 1\nb: *x`)") ==
        Value("error: encoding.from_yaml: invalid YAML in line 2: the referenced anchor is not "
              "defined"));
  CHECK(library("encoding.from_yaml(`" + std::string(3000, '[') + "`)") ==
        Value("error: encoding.from_yaml: nested too deep"));
}

TEST_CASE("stdlib: a YAML text that doubles itself is refused, not unfolded") {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string to = "a" + std::to_string(i);
    const std::string from = "*a" + std::to_string(i - 1);
    yaml += to + ": &" + to + " [" + from;
    for (int k = 0; k < 8; ++k) yaml += ", " + from;
    yaml += "]\n";
  }
  const Library library;
  CHECK(library("encoding.from_yaml(`" + yaml + "`)") ==
        Value("error: encoding.from_yaml: the result is too large"));
}

TEST_CASE("stdlib: no function makes a little much too large") {
  const Library library;
  const std::string big(100'000, 'a');
  CHECK(library("string.replace(\"" + big + "\", \"a\", \"" + big + "\")") ==
        Value("error: string.replace: the result is too large"));
  CHECK(
      library("string.format(string.replace(\"" + big + "\", \"a\", \"%999999d\"))").text().size() <
      kMaxTextBytes * 2);
}

TEST_CASE("stdlib: paths") {
  check({{"file.path_join()", "\"\""},
         {"file.path_join(\"\", \"\")", "\"\""},
         {"file.path_join(\"a\", \"b\", \"c\")", "\"a/b/c\""},
         {"file.path_join(\"/a/\", \"\", \"../b\", \"./c\")", "\"/b/c\""},
         {"file.path_join(\"a\", \"../../b\")", "\"../b\""},
         {"file.path_join(\"/..\", \"a\")", "\"/a\""},
         {"file.path_join(\"a\", \"..\")", "\".\""},
         {"file.path_join(\"/\")", "\"/\""}});
}

TEST_CASE("stdlib: every function knows its place and its old name") {
  const Library library;
  CHECK(library.stdlib.find("string") != nullptr);
  CHECK(library.stdlib.find("nothing") == nullptr);
  for (const char* name :
       {"env", "nonsensitive", "concat", "json_decode", "yaml_decode", "base64_decode", "format",
        "join", "replace", "split", "to_lower", "to_upper", "trim", "trim_prefix", "trim_suffix",
        "trim_space", "coalesce", "json_path"}) {
    INFO(name);
    REQUIRE(library.stdlib.find(name) != nullptr);
    CHECK(library.stdlib.find(name)->kind() == Value::Kind::kFunction);
  }
  CHECK(library.stdlib.names().size() == 31);
}

}  // namespace agent::lang
