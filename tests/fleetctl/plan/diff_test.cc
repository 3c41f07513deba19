#include "fleetctl/plan/diff.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <random>
#include <utility>

#include "agent/base/file.h"
#include "fleetctl/plan/side_by_side.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::plan {

TEST_CASE("diff: changed lines with three lines around them") {
  CHECK(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "old", "new") ==
        "--- old\n+++ new\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n+9\n");
}

TEST_CASE("diff: equal texts give nothing, a new file is all plus") {
  CHECK(unified_diff("a\n", "a\n", "x", "y").empty());
  CHECK(unified_diff("", "a\nb\n", "x", "y") == "--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n");
}

TEST_CASE("diff: patch(1) turns the old text into the new one") {
  const agent::TempDir folder;
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    std::string before, after;
    for (int i = 0; i < 40; ++i) {
      const std::string line = std::string(1, static_cast<char>('a' + random() % 5)) + "\n";
      if (random() % 6 != 0) before += line;
      if (random() % 6 != 0) after += line;
    }
    std::ofstream(folder / "file") << before;
    std::ofstream(folder / "patch") << unified_diff(before, after, "file", "file");
    if (before == after) continue;
    const std::string command =
        "patch -s -f " + (folder / "file").string() + " " + (folder / "patch").string();
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(agent::read_file(folder / "file").value_or("") == after);
  }
}

TEST_CASE("mask: secrets are replaced by a number that only tells whether they changed") {
  const std::string text =
      "loki.write \"x\" {\n  endpoint {\n    url = \"http://u:p4ss@loki/push\"\n    basic_auth {\n "
      "     username = \"u\"\n"
      "      password = \"hunter2\"\n      password_file = \"/run/x\"\n    }\n    bearer_token = "
      "`multi\nline`\n"
      "    headers = { \"Authorization\" = \"Bearer abc\", \"X\" = \"y\" }\n    http_headers = {\n"
      "      \"X-Key\" = [\"abcd-1\",\n        \"abcd-2\"],\n    }\n    password = "
      "string.format(\"%s\", "
      "\"abcd-3\")\n    secret = sys.env(\"NAME\")\n    tls_config {\n      key_pem = \"abcd-4\"\n"
      "      server_name = \"there\"\n    }\n    // password = \"abcd-5\"\n  }\n}\n// it's \"fine "
      "`\nurl = \"http://h/\"\n";
  const std::string masked = mask_secrets(text, "k");
  for (const char* secret : {"p4ss", "hunter2", "multi", "line`", "Bearer abc", "abcd"}) {
    INFO(secret);
    CHECK(masked.find(secret) == std::string::npos);
  }
  for (const char* plain : {"username = \"u\"", "password_file = \"/run/x\"", "\"X\" = \"(secret #",
                            "http://u:(secret #", "@loki/push", "\"X-Key\" = [",
                            "sys.env(\"NAME\")", "\"there\"", "url = \"http://h/\""}) {
    INFO(plain);
    CHECK(masked.find(plain) != std::string::npos);
  }
  CHECK(mask_secrets("password = \"a\"", "k") == mask_secrets("password = \"a\"", "k"));
  CHECK(mask_secrets("password = \"a\"", "k") != mask_secrets("password = \"b\"", "k"));
  CHECK(mask_secrets("password = \"a\"", "k") != mask_secrets("password = \"a\"", "other"));
}

TEST_CASE(
    "mask: what came from encrypted variables is masked wherever it stands, and what was there "
    "before it") {
  const std::string text =
      "a {\n  args = [\"--key=hunter2\"]\n  note = \"hunter2 is it\"\n  pin = 12\n}\n";
  const auto at = [&](const char* what) {
    const auto from = text.find(what);
    return std::pair(from, from + std::string_view(what).size());
  };
  const Secrets secrets = secrets_of(text, {at("hunter2"), at("12")});
  CHECK(secrets.texts == std::vector<std::string>{"hunter2"});
  CHECK(secrets.frames ==
        std::vector<Secrets::Frame>{{"  args = [\"--key=", "\"]"}, {"  pin = ", ""}});
  CHECK(mask_secrets(text, "", secrets) ==
        "a {\n  args = [\"--key=(secret)\"]\n  note = \"(secret) is it\"\n  pin = (secret)\n}\n");
  // The host has an older one, which nobody knows here.
  const std::string before = "a {\n  args = [\"--key=old\"]\n  pin = 9\n  size = 12\n}\n";
  CHECK(mask_secrets(before, "", secrets) ==
        "a {\n  args = [\"--key=(secret)\"]\n  pin = (secret)\n  size = 12\n}\n");
  CHECK(mask_secrets(before, "k", secrets) != mask_secrets(text, "k", secrets));
  // A key of several lines, each of them a secret.
  const std::string key = "k = `-----BEGIN\nMIIB\nabcd`\n";
  const Secrets lines = secrets_of(key, {{5, 5 + 20}});
  CHECK(mask_secrets(key, "", lines).find("MIIB") == std::string::npos);
  CHECK(mask_secrets("MIIB\nxyz\n", "", lines) == "(secret)\nxyz\n");
  CHECK(secrets_of(text, {}).frames.empty());
}

TEST_CASE("diff: a file of any kind, its secrets masked; what cannot be masked is not shown") {
  const std::string before =
      "{\"url\": \"http://u:pw1@loki/\",\n \"token\": \"aaaa\",\n \"size\": 1}\n";
  const std::string after =
      "{\"url\": \"http://u:pw2@loki/\",\n \"token\": \"bbbb\",\n \"size\": 2}\n";
  const std::string diff = file_diff(before, after, "/x", "k", {});
  INFO(diff);
  CHECK(diff.find("--- /x on the host\n+++ /x rendered\n") == 0);
  for (const char* shown : {"\n- \"token\": (secret #", "\n+ \"token\": (secret #",
                            "\n- \"size\": 1}", "\n+ \"size\": 2}", "http://u:(secret #"}) {
    INFO(shown);
    CHECK(diff.find(shown) != std::string::npos);
  }
  for (const char* secret : {"aaaa", "bbbb", "pw1", "pw2"})
    CHECK(diff.find(secret) == std::string::npos);
  CHECK(mask_file("[Service]\nEnvironment=\"API_TOKEN=abc\" X=1\nA=b:c\npassword: x\nkey: v\nurl: "
                  "http://u:pw@h/\n",
                  "", {}) ==
        "[Service]\nEnvironment=\"API_TOKEN=(secret)\nA=b:c\npassword: (secret)\nkey: (secret)\n"
        "url: http://u:(secret)@h/\n");
  CHECK(file_diff("", "a\n", "/x", "k", {}) ==
        "--- /x on the host\n+++ /x rendered\n@@ -0,0 +1,1 @@\n+a\n");
  CHECK(file_diff("a", std::string("a\0", 2), "/x", "k", {}) == "/x: binary\n");
  CHECK(file_diff("\xff\xfe", "a", "/x", "k", {}) == "/x: binary\n");
  const std::string hidden = "/x: not shown, lines of it are secret\n";
  CHECK(file_diff("a", "-----BEGIN PRIVATE KEY-----\n", "/x", "k", {}) == hidden);
  // From a vault: where the host has another in its place is told by what stands around it, or by
  // nothing.
  const std::string around = "pin hunter2 is it\n";
  const Secrets framed = secrets_of(around, {{4, 11}});
  CHECK_FALSE(framed.fills_lines);
  const std::string masked = file_diff("pin other is it\n", around, "/x", "k", framed);
  CHECK(masked.find("other") == std::string::npos);
  CHECK(masked.find("hunter2") == std::string::npos);
  const Secrets alone = secrets_of("a\nhunter2\n", {{2, 9}});
  CHECK(alone.fills_lines);
  CHECK(file_diff("a\nother\n", "a\nhunter2\n", "/x", "k", alone) == hidden);
  CHECK(mask_file("a\nhunter2\n", "", alone) == "a\n(secret)\n");
  Secrets all;
  all.fills_lines = true;
  CHECK(mask_file("a\nb\n", "", all) == "(secret)");
  CHECK(mask_file(std::string("\0", 1), "", {}) == std::string("\0", 1));
}

TEST_CASE("diff: in two columns, cut to the width") {
  const std::string before = "a\nsame\nold\ngone\nend\n",
                    after = "a\nsame\nn\xc3\xa9w and quite long\nend\nmore\n";
  std::string text, signs;
  for (const SideRow& row : side_by_side(unified_diff(before, after, "x", "y"), 27)) {
    text += row.text + "\n";
    signs += row.sign;
  }
  CHECK(signs == "@  |< >");
  CHECK(
      text ==
      "@@ -1,5 +1,5 @@\na              a\nsame           same\nold          | n\xc3\xa9w and qui~\n"
      "gone         <\nend            end\n             > more\n");
  for (std::size_t columns = 0; columns < 60; ++columns)
    for (const SideRow& row : side_by_side(unified_diff(before, after, "x", "y"), columns))
      CHECK((row.sign == '@' || row.text.size() <= std::max<std::size_t>(columns, 20) + 2));
  CHECK(side_by_side("", 80).empty());
}

}  // namespace fleetctl::plan
