#include "agent/io/legacy_positions.h"

#include <catch2/catch.hpp>

namespace agent::io {

TEST_CASE("legacy positions: promtail's shape") {
  const auto found = parse_legacy_positions(
      "positions:\n"
      "  /var/log/a.log: \"123\"\n"
      "  cursor-systemd: s=0639f5;i=2a;b=4d\n"
      "  \"/var/log/with: colon\": '7'\n"
      "  # comment\n"
      "  broken\n");
  REQUIRE(found.size() == 3);
  CHECK(found[0].path == "/var/log/a.log");
  CHECK(found[0].value == "123");
  CHECK(found[1].value == "s=0639f5;i=2a;b=4d");
  CHECK(found[2].path == "/var/log/with: colon");
  CHECK(found[2].value == "7");
}

TEST_CASE("legacy positions: Alloy's shape, where a key is a path with labels") {
  const auto found = parse_legacy_positions(
      "positions:\n"
      "    ? path: /tmp/random.log\n"
      "      labels: '{job=\"it''s\"}'\n"
      "    : \"17623\"\n"
      "    ? labels: \"\"\n"
      "      path: cursor-loki.source.journal.x\n"
      "    : s=1;i=2\n"
      "    ? path: /no/value\n");
  REQUIRE(found.size() == 2);
  CHECK(found[0].path == "/tmp/random.log");
  CHECK(found[0].labels == "{job=\"it's\"}");
  CHECK(found[0].value == "17623");
  CHECK(found[1].path == "cursor-loki.source.journal.x");
  CHECK(found[1].labels.empty());
  CHECK(found[1].value == "s=1;i=2");
}

}  // namespace agent::io
