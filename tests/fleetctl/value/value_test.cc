// Expected texts were printed by CPython 3.11.
#include "fleetctl/value/value.h"

#include <catch2/catch.hpp>
#include <limits>

#include "fleetctl/value/text.h"

using namespace fleetctl::value;

namespace {
Value json(std::string_view text) { return parse_json(text).value(); }
std::string literal(std::string_view text) {
  const auto v = parse_literal(text);
  return v ? repr(*v) : "not a literal";
}
}  // namespace

TEST_CASE("value: prints as Python does") {
  CHECK(str(Value::none()) == "None");
  CHECK(str(Value::boolean(true)) == "True");
  CHECK(str(json(R"({"a": 1, "b": "it's", "c": [null, false, 1.0]})")) ==
        R"({'a': 1, 'b': "it's", 'c': [None, False, 1.0]})");
  CHECK(str(Value::tuple({Value::integer(1)})) == "(1,)");
  CHECK(str(Value::tuple()) == "()");
  CHECK(repr_string("a'b\"c\n\t\\\x01\x7f") == R"('a\'b"c\n\t\\\x01\x7f')");
  CHECK(repr_string("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xc2\xa0 \xe2\x80\xa8") ==
        "'gr\xc3\xbc\xc3\x9f \xe2\x82\xac \\xa0 \\u2028'");
}

TEST_CASE("value: floats print the shortest text that reads back, in Python's layout") {
  CHECK(repr_float(3.0) == "3.0");
  CHECK(repr_float(1e16) == "1e+16");
  CHECK(repr_float(1e15) == "1000000000000000.0");
  CHECK(repr_float(0.00001) == "1e-05");
  CHECK(repr_float(0.0001) == "0.0001");
  CHECK(repr_float(0.1 + 0.2) == "0.30000000000000004");
  CHECK(repr_float(-1.5e300) == "-1.5e+300");
  CHECK(repr_float(123456.789) == "123456.789");
  CHECK(repr_float(-0.0) == "-0.0");
  CHECK(repr_float(std::numeric_limits<double>::infinity()) == "inf");
}

TEST_CASE("value: numbers of different types are equal and equal keys") {
  CHECK(equal(Value::integer(1), Value::real(1.0)));
  CHECK(equal(Value::boolean(true), Value::integer(1)));
  CHECK_FALSE(equal(Value::integer(1), Value::string("1")));
  Dict dict;
  dict.set(Value::integer(1), Value::string("int"));
  dict.set(Value::real(1.0), Value::string("float"));
  CHECK(dict.size() == 1);
  CHECK(repr(Value::dict(dict)) == "{1: 'float'}");
  CHECK(equal(json("[1, 2]"), json("[1.0, 2]")));
  CHECK_FALSE(equal(json("[1]"), Value::tuple({Value::integer(1)})));
  CHECK(equal(json(R"({"a":1,"b":2})"), json(R"({"b":2,"a":1})")));
}

TEST_CASE("value: order exists where Python has one") {
  CHECK(compare(Value::integer(2), Value::real(2.5)) == std::partial_ordering::less);
  CHECK(compare(Value::string("b"), Value::string("a")) == std::partial_ordering::greater);
  CHECK(compare(json("[1, 2]"), json("[1, 3]")) == std::partial_ordering::less);
  CHECK_FALSE(compare(Value::integer(1), Value::string("1")));
  CHECK_FALSE(compare(Value::none(), Value::integer(1)));
  const Value big = Value::integer_text("123456789012345678901234567890");
  CHECK(big.kind() == Kind::kBigInt);
  CHECK(compare(big, Value::integer(5)) == std::partial_ordering::greater);
  CHECK(compare(Value::integer_text("-123456789012345678901234567890"), big) ==
        std::partial_ordering::less);
}

TEST_CASE("value: a large dict keeps its order through erase and overwrite") {
  Dict dict;
  for (int i = 0; i < 100; ++i) dict.set("k" + std::to_string(i), Value::integer(i));
  CHECK(dict.erase(Value::string("k50")));
  CHECK_FALSE(dict.erase(Value::string("k50")));
  dict.set("k10", Value::string("ten"));
  CHECK(dict.size() == 99);
  CHECK(dict.find("k50") == nullptr);
  REQUIRE(dict.find("k99") != nullptr);
  CHECK(dict.find("k99")->as_int() == 99);
  CHECK(dict.items()[10].second.as_string() == "ten");
  CHECK(dict.items()[50].first.as_string() == "k51");
}

TEST_CASE("value: nesting of any depth dies without recursion") {
  Value deep = Value::list();
  for (int i = 0; i < 1'000'000; ++i) {
    if (i % 2 == 0) {
      deep = Value::list({deep});
    } else {
      Dict dict;
      dict.set("x", deep);
      deep = Value::dict(std::move(dict));
    }
  }
  CHECK(repr(deep).size() > 1000);
  CHECK_FALSE(compare(deep, deep));
}

TEST_CASE("value: copies share containers, deep copies do not") {
  Value list = json("[[1]]");
  Value shared = list;
  Value own = deep_copy(list);
  list.mutable_items()[0].mutable_items().push_back(Value::integer(2));
  CHECK(repr(shared) == "[[1, 2]]");
  CHECK(repr(own) == "[[1]]");
  CHECK(reaches(list, list.items()[0]));
  CHECK_FALSE(reaches(own, list));
}

TEST_CASE("value: a taint inside a container is found") {
  Value dict = json(R"({"a": [1, {"b": "secret"}]})");
  CHECK_FALSE(tainted_deep(dict));
  set_flag_deep(dict, kTainted);
  CHECK(dict.get("a")->items()[1].get("b")->has(kTainted));
  CHECK(tainted_deep(Value::list({deep_copy(dict)})));
}

TEST_CASE("value: Python literals") {
  CHECK(literal("5") == "5");
  CHECK(literal(" [1, 'a', \"b\\n\", (2,), {'k': None}] ") ==
        "[1, 'a', 'b\\n', (2,), {'k': None}]");
  CHECK(literal("-1.5e3") == "-1500.0");
  CHECK(literal("0x1F") == "31");
  CHECK(literal("1_000") == "1000");
  CHECK(literal("012") == "not a literal");
  CHECK(literal("00") == "0");
  CHECK(literal("'a' \"b\"") == "'ab'");
  CHECK(literal("r'\\d'") == "'\\\\d'");
  CHECK(literal("1, 2") == "(1, 2)");
  CHECK(literal("true") == "not a literal");
  CHECK(literal("hello") == "not a literal");
  CHECK(literal("[1") == "not a literal");
  CHECK(literal("") == "not a literal");
  CHECK(literal("1 + 1") == "not a literal");
  CHECK(literal("99999999999999999999") == "99999999999999999999");
  CHECK(literal("-9223372036854775808") == "-9223372036854775808");
  CHECK(repr(*parse_literal("[true, null]", true)) == "[True, None]");
  CHECK(literal(std::string(100000, '[')) == "not a literal");
}

TEST_CASE("value: JSON keeps the order of keys and the kind of numbers") {
  const Value v =
      json(R"({"z": 1, "a": 1.0, "u": "\u00e9\ud83d\ude00", "big": 12345678901234567890123})");
  CHECK(to_json(v).value() ==
        R"({"z": 1, "a": 1.0, "u": "\u00e9\ud83d\ude00", "big": 12345678901234567890123})");
  JsonFormat nice;
  nice.indent = 2;
  nice.sort_keys = true;
  nice.item_separator = ",";
  nice.ascii = false;
  CHECK(to_json(json(R"({"b":[],"a":[1,{}]})"), nice).value() ==
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

TEST_CASE("value: bytes that are not UTF-8 become U+FFFD in JSON") {
  CHECK(to_json(Value::string("a\xff"
                              "b"))
            .value() == R"("a\ufffdb")");
  JsonFormat plain;
  plain.ascii = false;
  CHECK(to_json(Value::string("a\xff"
                              "b"),
                plain)
            .value() ==
        "\"a\xef\xbf\xbd"
        "b\"");
}

TEST_CASE("value: JSON errors say where") {
  CHECK(parse_json("{\"a\": 1,\n  b}").error().message ==
        "JSON line 2 column 3: expected a key in quotes");
  CHECK(parse_json("[1, 2").error().message == "JSON line 1 column 6: a list does not end");
  CHECK_FALSE(parse_json(std::string(100000, '[')));
  CHECK_FALSE(parse_json("01"));
  CHECK_FALSE(parse_json("1 2"));
}
