#include "agent/runtime/redact.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "agent/lang/parser.h"

namespace agent::runtime {
namespace {

struct Args {
  std::string url;
  Secret password;
  static component::Schema<Args> schema() {
    return component::Schema<Args>()
        .optional("url", &Args::url, "Where.")
        .optional("password", &Args::password, "How.");
  }
};

component::Registry registry() {
  component::Declaration declaration;
  declaration.name = "test.sink";
  declaration.fields = [] { return Args::schema().info(); };
  component::Registry out;
  out.add(std::move(declaration));
  return out;
}

std::string redacted(std::string_view text, std::vector<std::string>& secrets) {
  lang::Diagnostics diagnostics;
  const lang::File file = lang::parse(text, "x", diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  return redact(file, registry(), secrets);
}

}  // namespace

TEST_CASE("redact: literals of secret and of unknown arguments, comments and passwords in URLs") {
  std::vector<std::string> secrets;
  CHECK(redacted("// the old one was hunter1\n"
                 "test.sink \"a\" {\n"
                 "  url = \"http://u:pw12@h/p\" /* pw12\n here */\n"
                 "  password = \"hunter2\" + local.file.x.content + `raw3`\n"
                 "}\n"
                 "test.sink \"b\" {\n"
                 "  password = sys.env(\"NAME\")\n"
                 "}\n"
                 "declare \"c\" {\n"
                 "  test.sink \"in\" {\n"
                 "    password = \"hunter4\"\n"
                 "  }\n"
                 "}\n"
                 "c \"d\" {\n"
                 "  what = [\"hunter5\", 6, true]\n"
                 "}\n",
                 secrets) ==
        "\n"
        "test.sink \"a\" {\n"
        "  url = \"http://(secret)@h/p\" \n\n"
        "  password = \"(secret)\" + local.file.x.content + \"(secret)\"\n"
        "}\n"
        "test.sink \"b\" {\n"
        "  password = sys.env(\"NAME\")\n"
        "}\n"
        "declare \"c\" {\n"
        "  test.sink \"in\" {\n"
        "    password = \"(secret)\"\n"
        "  }\n"
        "}\n"
        "c \"d\" {\n"
        "  what = [\"(secret)\", \"(secret)\", true]\n"
        "}\n");
  std::sort(secrets.begin(), secrets.end());
  CHECK(secrets ==
        std::vector<std::string>{"hunter2", "hunter4", "hunter5", "pw12", "raw3", "u:pw12"});
}

TEST_CASE("redact: a password in a URL is found behind escapes, and comments part words") {
  std::vector<std::string> secrets;
  CHECK(redacted("test.sink \"a\" {\n  url = \"http://u:p\\u0061w\\x40h/p\"\n}\n", secrets) ==
        "test.sink \"a\" {\n  url = \"http://(secret)@h/p\"\n}\n");
  CHECK(secrets == std::vector<std::string>{"u:paw", "paw"});
  CHECK(redacted("test.sink \"a\" {\n  url = 1/* is no object */.x\n}\n", secrets) ==
        "test.sink \"a\" {\n  url = 1 .x\n}\n");
}

TEST_CASE("redact: users and passwords of URLs, and nothing else with an @") {
  CHECK(mask_userinfo("GET http://a:b@h:1/x?y=z@w and https://t@i/") ==
        "GET http://(secret)@h:1/x?y=z@w and https://(secret)@i/");
  for (const char* same :
       {"", "a@b", "http://h/a@b", "://", "mailto:a@b http://h", "x://h \"a@b\""})
    CHECK(mask_userinfo(same) == same);
}

TEST_CASE("redact: a text is searched for secrets in all their forms, long lines of a key too") {
  const std::vector<std::string> secrets = {"pa\"ss/wörd", "abc", "tail", "long-tail",
                                            "-----BEGIN\nMIIBVgIBADANBgkqhkiG9w0BAQ\nx\n"};
  CHECK(scrub("pa\"ss/wörd pa\\\"ss/wörd pa%22ss%2Fw%C3%B6rd cGEic3Mvd8O2cmQ= abc", secrets) ==
        "(secret) (secret) (secret) (secret) abc");
  CHECK(scrub("a long-tail and a tail", secrets) == "a (secret) and a (secret)");
  CHECK(scrub("MIIBVgIBADANBgkqhkiG9w0BAQ x", secrets) == "(secret) x");
}

TEST_CASE("redact: a secret is found within base64, and where another one reaches into it") {
  const std::vector<std::string> secrets = {"hunter2", "er2/more", "t)ab"};
  CHECK(scrub("aHVudGVyMg== aHVudGVyMg bWU6aHVudGVyMg== dTpodW50ZXIy eGh1bnRlcjJ4 ZXIyL21vcmU_",
              secrets) == "(secret) (secret)g bWU6(secret) dTp(secret) eG(secret)J4 (secret)U_");
  CHECK(scrub("hunter2/more hunter2hunter2 hunter2ab", secrets) == "(secret) (secret) (secret)ab");
}

}  // namespace agent::runtime
