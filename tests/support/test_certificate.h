// Certificates of tests, by openssl(1).
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/process.h"

namespace agent {

// A new key and a certificate that it signed itself, for 127.0.0.1: <name>.key and <name>.pem in
// `folder`.
inline void make_certificate(const std::filesystem::path& folder, const std::string& name) {
  SystemClock clock;
  Spawn spawn;
  spawn.argv = {
      "/bin/sh", "-c",
      "cd " + folder.string() +
          " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -x509 -days 2 "
          "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout " +
          name + ".key -out " + name + ".pem"};
  const auto done = run_process(spawn, "", clock, std::chrono::minutes(1));
  REQUIRE(done);
  REQUIRE(done->status == 0);
}

}  // namespace agent
