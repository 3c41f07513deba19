#include "agent/base/base64.h"

#include <catch2/catch.hpp>

namespace agent {

TEST_CASE("base64: the test vectors of RFC 4648") {
  CHECK(to_base64("").empty());
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("fo") == "Zm8=");
  CHECK(to_base64("foo") == "Zm9v");
  CHECK(to_base64("foob") == "Zm9vYg==");
  CHECK(to_base64("fooba") == "Zm9vYmE=");
  CHECK(to_base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("base64: bytes of all kinds") {
  CHECK(to_base64(std::string_view("\0\xFB\xFF", 3)) == "APv/");
  CHECK(to_base64(std::string_view("\xFB\xEF\xBE", 3)) == "++++");
}

}  // namespace agent
