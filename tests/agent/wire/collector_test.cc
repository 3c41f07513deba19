#include "agent/wire/collector.h"

#include <catch2/catch.hpp>

#include "tests/support/protobuf_page.h"

// tests/process/agent_test.py reads the same requests with Google's protobuf.
namespace agent::wire {

using protobuf_page::bytes;
using protobuf_page::number;

TEST_CASE("collector: requests have the API's fields") {
  const Collector collector{"the id", "the name", {{"os", "linux"}}};
  const std::string attributes = bytes(4, bytes(1, "os") + bytes(2, "linux"));
  CHECK(encode_get_config(collector, "", std::nullopt, std::nullopt) ==
        bytes(1, "the id") + attributes);
  CHECK(encode_get_config(collector, "h1", ConfigStatus{}, std::nullopt) ==
        bytes(1, "the id") + bytes(3, "h1") + attributes + bytes(5, number(1, 1)));
  CHECK(encode_get_config(collector, "", ConfigStatus{ConfigStatus::State::kFailed, "line 3"},
                          std::nullopt) ==
        bytes(1, "the id") + attributes + bytes(5, number(1, 3) + bytes(2, "line 3")));
  const std::string file = bytes(1, "logging { }") + bytes(2, "text/plain");
  CHECK(encode_get_config(collector, "", std::nullopt, "logging { }") ==
        bytes(1, "the id") + attributes +
            bytes(6, bytes(1, bytes(1, bytes(1, "") + bytes(2, file)))));
  CHECK(encode_unregister_collector("the id") == bytes(1, "the id"));
  CHECK(encode_register_collector(collector) ==
        bytes(1, "the id") + bytes(3, "the name") + attributes);
  CHECK(encode_register_collector({"\xFF", "", {}}) == bytes(1, "\xEF\xBF\xBD"));
}

TEST_CASE("collector: answers are read, fields of later versions passed over") {
  const auto answer =
      decode_get_config(bytes(1, "logging { }") + bytes(9, "later") + bytes(2, "h1"));
  REQUIRE(answer);
  CHECK(answer->content == "logging { }");
  CHECK(answer->hash == "h1");
  CHECK_FALSE(answer->not_modified);
  const auto same = decode_get_config(bytes(2, "h1") + number(3, 1));
  REQUIRE(same);
  CHECK(same->not_modified);
  const auto nothing = decode_get_config("");
  REQUIRE(nothing);
  CHECK(nothing->content.empty());
}

TEST_CASE("collector: what is no answer is refused") {
  const std::string good = bytes(1, std::string(300, 'x')) + bytes(2, "h1");
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    if (cut == bytes(2, "h1").size()) continue;  // a whole field is left out
    CHECK_FALSE(decode_get_config(std::string_view(good).substr(0, good.size() - cut)));
  }
  for (const std::string& wrong :
       {std::string("<html>no such page</html>"), std::string("{\"content\":\"x\"}"),
        bytes(1, "\xFF\xFE"), std::string("\x0A\xFF\xFF\xFF\xFF\x0Fx", 7),
        std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), std::string("\x0B\x0B\x0B"),
        std::string(11, '\xFF'), std::string("\0\0", 2)})
    CHECK_FALSE(decode_get_config(wrong));
}

}  // namespace agent::wire
