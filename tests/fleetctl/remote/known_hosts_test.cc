#include "fleetctl/remote/known_hosts.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::remote {

TEST_CASE("known_hosts: lines with a marker") {
  const auto revoked = [](const std::string& text, std::string_view host = "puck.incus") {
    return marked_in(text, host, "AAAAkey").revoked;
  };
  CHECK(revoked("@revoked * ssh-ed25519 AAAAkey\n"));
  CHECK(revoked("# a comment\n\n@revoked\t*.incus,!oberon.incus ssh-ed25519 AAAAkey why\r\n"));
  CHECK(revoked("@revoked [puck.incus]:2222 ssh-ed25519 AAAAkey", "[puck.incus]:2222"));
  CHECK_FALSE(revoked("@revoked [puck.incus]:2222 ssh-ed25519 AAAAkey", "[puck.incus]:22"));
  CHECK_FALSE(revoked("@revoked *,!puck.* ssh-ed25519 AAAAkey\n"));
  CHECK_FALSE(revoked("@revoked * ssh-ed25519 AAAAother\n"));
  CHECK_FALSE(revoked("puck.incus ssh-ed25519 AAAAkey\n"));
  CHECK_FALSE(revoked("@revoked *\n@revoked\n@\n@revoked |1|x|y ssh-ed25519 AAAAkey"));
  const Marked both =
      marked_in("@cert-authority *.incus ssh-rsa AAAAca\n@revoked other ssh-rsa AAAAkey\n",
                "puck.incus", "AAAAkey");
  CHECK(both.authority);
  CHECK_FALSE(both.revoked);
}

TEST_CASE("known_hosts: a name that was hashed is found again") {
  const agent::TempDir folder;
  ShownKey key;
  key.host = "[puck.incus]:2222";
  key.type = "ssh-ed25519";
  key.key = "AAAAkey";
  key.file = (folder.path() / "known_hosts").string();
  REQUIRE(add_known_host(key));
  const std::string line = "@revoked " + *agent::read_file(key.file);
  CHECK(line.substr(0, 12) == "@revoked |1|");
  CHECK(marked_in(line, "[puck.incus]:2222", "AAAAkey").revoked);
  CHECK_FALSE(marked_in(line, "puck.incus", "AAAAkey").revoked);
}

}  // namespace fleetctl::remote
