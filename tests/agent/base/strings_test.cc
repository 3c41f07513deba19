#include "agent/base/strings.h"

#include <catch2/catch.hpp>

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

}  // namespace agent
