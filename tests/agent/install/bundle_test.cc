#include "agent/install/bundle.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "agent/base/file.h"

namespace agent::install {
namespace {

std::string manifest(const std::string& path, const std::string& bytes,
                     const std::string& sha256 = "", const std::string& size = "") {
  return R"({"run":"r1","who":"me@box","release":"0123456789abcdef","groups":["adm"],"files":[{"path":")" +
         path + R"(","mode":"0640","size":)" +
         (size.empty() ? std::to_string(bytes.size()) : size) + R"(,"sha256":")" +
         (sha256.empty() ? sha256_hex(bytes) : sha256) + R"("}]})";
}

std::string bundle(const std::string& manifest, const std::string& bytes) {
  return "fleet-apply 1 " + std::to_string(manifest.size()) + "\n" + manifest + bytes;
}

std::string refusal(const std::string& bytes) {
  const auto parsed = parse_bundle(bytes);
  return parsed ? "accepted" : parsed.error().message;
}

constexpr const char* kConfig = "/etc/fleet-agent/config.alloy";

}  // namespace

TEST_CASE("bundle: what was packed is read back") {
  const auto parsed = parse_bundle(bundle(manifest(kConfig, "x = 1\n"), "x = 1\n"));
  REQUIRE(parsed);
  CHECK(parsed->run == "r1");
  CHECK(parsed->release == "0123456789abcdef");
  REQUIRE(parsed->files.size() == 1);
  CHECK(parsed->files[0].path == kConfig);
  CHECK(parsed->files[0].mode == 0640);
  CHECK(parsed->files[0].bytes == "x = 1\n");
  CHECK(parsed->ready == std::chrono::seconds(30));
}

TEST_CASE(
    "bundle: what it says about restarts and the way back, and what holds where it says nothing") {
  const auto with = [](const std::string& more) {
    std::string text = manifest(kConfig, "");
    text.insert(1, more);
    return parse_bundle(bundle(text, ""));
  };
  CHECK(with("")->restart == Restart::kWhenNeeded);
  CHECK(with("")->rolls_back);
  CHECK(with(R"("restart":"always",)")->restart == Restart::kAlways);
  CHECK(with(R"("restart":"never","roll_back":false,)")->restart == Restart::kNever);
  CHECK_FALSE(with(R"("restart":"never","roll_back":false,)")->rolls_back);
  CHECK_FALSE(with("")->grace);
  CHECK(with("")->delivery);
  CHECK(with(R"("grace_ms":0,)")->grace == Duration::zero());
  CHECK(with(R"("grace_ms":600000,)")->grace == std::chrono::minutes(10));
  CHECK_FALSE(with(R"("delivery":false,)")->delivery);
  CHECK(with(R"("ready_seconds":600,)")->ready == std::chrono::minutes(10));
  for (const char* bad : {"600001", "-1", "0.5", "\"1\"", "99999999999999999999"}) {
    INFO(bad);
    const auto refused = with("\"grace_ms\":" + std::string(bad) + ",");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "bundle: bad grace_ms");
  }
  CHECK_FALSE(with(R"("ready_seconds":601,)"));
}

TEST_CASE("bundle: one that asks for a kept generation brings nothing else") {
  const auto parsed = parse_bundle(bundle(R"({"run":"r1","who":"me@box","back_to":12})", ""));
  REQUIRE(parsed);
  CHECK(parsed->back_to == 12U);
  CHECK(parsed->files.empty());
  for (const char* bad : {"-1", "1.5", "\"1\"", "99999999999"}) {
    INFO(bad);
    CHECK(refusal(bundle(R"({"run":"r1","who":"me@box","back_to":)" + std::string(bad) + "}",
                         "")) == "bundle: bad back_to");
  }
  CHECK(refusal(bundle(R"({"run":"r1","back_to":1})", "")) == "bundle: run or who is missing");
}

TEST_CASE("bundle: a byte that changed on the way is noticed") {
  CHECK(refusal(bundle(manifest(kConfig, "x = 1\n"), "x = 2\n")) ==
        "bundle: /etc/fleet-agent/config.alloy: wrong checksum");
}

TEST_CASE("bundle: files go to the agent's own places only") {
  CHECK(allowed_path(kConfig));
  CHECK(allowed_path("/etc/systemd/system/fleet-agent.service"));
  CHECK(allowed_path("/etc/systemd/system/fleet-agent.service.d/local.conf"));
  CHECK_FALSE(allowed_path("/etc/passwd"));
  CHECK_FALSE(allowed_path("/etc/fleet-agent/../passwd"));
  CHECK_FALSE(allowed_path("/etc/fleet-agent/.."));
  CHECK_FALSE(allowed_path("/etc/fleet-agent/a/b"));
  CHECK_FALSE(allowed_path("/etc/fleet-agent/"));
  CHECK_FALSE(allowed_path("/etc/systemd/system/ssh.service"));
  CHECK(refusal(bundle(manifest("/etc/passwd", "x"), "x")) ==
        "bundle: no or forbidden path: /etc/passwd");
}

TEST_CASE("bundle: a size beyond the limit is refused before it is allocated") {
  CHECK(refusal(bundle(manifest(kConfig, "", "", "99999999999999"), "")) ==
        "bundle: files of more than 16 MiB");
  CHECK(refusal("fleet-apply 1 99999999999\n") == "bundle: bad manifest size");
}

TEST_CASE("bundle: anything cut off is refused") {
  const std::string whole = bundle(manifest(kConfig, "x = 1\n"), "x = 1\n");
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(parse_bundle(whole.substr(0, size)));
}

TEST_CASE("bundle: it is read from a pipe to its last byte and no further") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const FileDescriptor read(ends[0]), write(ends[1]);
  REQUIRE(write_all(write.get(), bundle(manifest(kConfig, "x = 1\n"), "x = 1\n") + "rest"));
  const auto parsed = read_bundle(read.get());
  REQUIRE(parsed);
  CHECK(parsed->files[0].bytes == "x = 1\n");
  char rest[4];
  CHECK(::read(read.get(), rest, 4) == 4);
}

TEST_CASE("bundle: a release that is not a hash, or a group that is not a name, is refused") {
  std::string text = manifest(kConfig, "x");
  text.replace(text.find("0123456789abcdef"), 16, "../../etc/passwd");
  CHECK(refusal(bundle(text, "x")) == "bundle: bad release");
  text = manifest(kConfig, "x");
  text.replace(text.find("adm"), 3, "-rf");
  CHECK(refusal(bundle(text, "x")) == "bundle: bad group name");
}

}  // namespace agent::install
