#include "agent/base/unicode.h"

#include <catch2/catch.hpp>

namespace agent {

TEST_CASE("unicode: cases are mapped code point by code point, as Go maps them") {
  CHECK(map_code_points("AbC ÄÖÜ ΣΩ ЖЁ Ǆ İ \xE1\xBE\x88", to_lower) ==
        "abc äöü σω жё ǆ i \xE1\xBE\x80");
  CHECK(map_code_points("abc äöü ς ŷ ﬀ \xE1\xBE\x80 \xE1\xBE\xB3", to_upper) ==
        "ABC ÄÖÜ Σ Ŷ ﬀ \xE1\xBE\x88 \xE1\xBE\xBC");
  CHECK(map_code_points("a\xFF\xC3", to_upper) == "A\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace agent
