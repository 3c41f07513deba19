#include "agent/base/strings.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace agent {

TEST_CASE("strings: edit distance counts inserts, deletes, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("abc", "abc") == 0);
  CHECK(edit_distance("abc", "abd") == 1);
  CHECK(edit_distance("abc", "acb") == 1);
  CHECK(edit_distance("abcd", "acbd") == 1);
  CHECK(edit_distance("receiver", "reciever") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("abc", "xyz") == 3);
}

TEST_CASE("strings: the nearest name is one that a slip of the pen could have meant") {
  const std::vector<std::string_view> names = {"forward_to", "labels", "host", "targets", "x"};
  CHECK(nearest("forwad_to", names) == "forward_to");
  CHECK(nearest("target", names) == "targets");
  CHECK(nearest("hots", names) == "host");
  CHECK(nearest("completely_different", names).empty());
  CHECK(nearest(std::string(200, 'a'), names).empty());
}

TEST_CASE("strings: numbers are written as Go writes them") {
  const auto text = [](double value) { return format_number(value); };
  CHECK(text(0) == "0");
  CHECK(text(-0.0) == "-0");
  CHECK(text(0.1) == "0.1");
  CHECK(text(100000) == "100000");
  CHECK(text(999999.5) == "999999.5");
  CHECK(text(1e6) == "1e+06");
  CHECK(text(123456789) == "1.23456789e+08");
  CHECK(text(1e21) == "1e+21");
  CHECK(text(0.0001) == "0.0001");
  CHECK(text(0.00001) == "1e-05");
  CHECK(text(-INFINITY) == "-Inf");
  CHECK(text(INFINITY) == "+Inf");
  CHECK(text(std::nan("")) == "NaN");
}

TEST_CASE("strings: the head of a text ends with a whole character") {
  CHECK(utf8_head("abc", 3) == "abc");
  CHECK(utf8_head("abc", 2) == "ab");
  CHECK(utf8_head("a\xC3\xA4", 2) == "a");
  CHECK(utf8_head("\xF0\x9F\x98\x80", 3).empty());
  CHECK(utf8_head("a\xF0\x9F\x98\x80z", 5) == "a\xF0\x9F\x98\x80");
  CHECK(utf8_head("\x80\x80\x80\x80\x80", 4).size() == 1);  // no UTF-8: at most 3 bytes less
}

TEST_CASE("strings: a number without an exponent has the fewest digits that give it again") {
  CHECK(plain_number(0) == "0");
  CHECK(plain_number(-1.5) == "-1.5");
  CHECK(plain_number(1e21) == "1000000000000000000000");
  CHECK(plain_number(1e23) == "100000000000000000000000");
  CHECK(plain_number(1e-7) == "0.0000001");
  CHECK(plain_number(123456.789) == "123456.789");
}

}  // namespace agent
