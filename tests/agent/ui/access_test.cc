#include "agent/ui/access.h"

#include <catch2/catch.hpp>

namespace agent::ui {
namespace {

using io::ServerRequest;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char kLocal[] = "127.0.0.1:12345";
// "ann:s3cret"
constexpr char kGood[] = "Basic YW5uOnMzY3JldA==";

runtime::HttpAuthArgs auth() {
  runtime::HttpAuthArgs out;
  out.basic = runtime::HttpBasicArgs{"ann", Secret("s3cret")};
  return out;
}

// 0: let in.
int refusal(const Access& access, const std::string& method, const std::string& path,
            Headers headers = {}) {
  const auto reply = access.refusal({method, path, {}, std::move(headers), "", ""});
  return reply ? reply->status : 0;
}

}  // namespace

TEST_CASE("access: a password covers every path, and a wrong one is answered with 401") {
  const Access access(auth(), kLocal);
  CHECK(access.asks_for_password());
  CHECK(refusal(access, "GET", "/metrics", {{"authorization", kGood}}) == 0);
  CHECK(refusal(access, "GET", "/metrics", {{"authorization", "basic  YW5uOnMzY3JldA== "}}) == 0);
  for (const char* given : {"", "Basic ", "Basic YW5uOnMzY3JlZA==", "Bearer YW5uOnMzY3JldA==",
                            "YW5uOnMzY3JldA==", "Basic YW5uOnMzY3JldA"})
    CHECK(refusal(access, "GET", "/-/ready", {{"authorization", given}}) == 401);
  const auto reply = access.refusal({"GET", "/", {}, {}, "", ""});
  REQUIRE(reply);
  CHECK(reply->headers.front().first == "WWW-Authenticate");
  CHECK(reply->headers.front().second.find("Basic realm=") == 0);
}

TEST_CASE("access: a filter names the paths that need the password, or those that do not") {
  runtime::HttpAuthArgs some = auth();
  some.filter = runtime::HttpFilterArgs{{"/metrics", "/api/"}, true};
  const Access protects(some, kLocal);
  CHECK(refusal(protects, "GET", "/metrics") == 401);
  CHECK(refusal(protects, "GET", "/api/v0/web/components") == 401);
  CHECK(refusal(protects, "GET", "/-/ready") == 0);
  some.filter->authenticate_matching_paths = false;
  const Access exempts(some, kLocal);
  CHECK(refusal(exempts, "GET", "/metrics") == 0);
  CHECK(refusal(exempts, "GET", "/-/ready") == 401);
  some.filter = runtime::HttpFilterArgs{};
  CHECK_FALSE(Access(some, kLocal).asks_for_password());
}

TEST_CASE("access: on the loopback, a name that is not this host's is DNS rebinding") {
  const Access access(std::nullopt, kLocal);
  for (const char* host : {"127.0.0.1:12345", "localhost:12345", "LOCALHOST", "[::1]:12345",
                           "a.localhost:1", "10.1.2.3:80", ""})
    CHECK(refusal(access, "GET", "/metrics", {{"host", host}}) == 0);
  for (const char* host : {"evil.example", "evil.example:12345", "localhost.evil.example",
                           "127.0.0.1.evil.example:12345", "[evil", "notlocalhost"})
    CHECK(refusal(access, "GET", "/metrics", {{"host", host}}) == 403);
  // Whoever knows the password is no stranger; and a server of the network has many names.
  CHECK(refusal(Access(auth(), kLocal), "GET", "/",
                {{"host", "agent.example"}, {"authorization", kGood}}) == 0);
  CHECK(refusal(Access(std::nullopt, "10.0.0.1:12345"), "GET", "/", {{"host", "x.example"}}) == 0);
}

TEST_CASE("access: a page of another site can neither reload nor read, but may link here") {
  const Access access(std::nullopt, kLocal);
  const auto with = [](Headers more) {
    more.emplace_back("host", kLocal);
    return more;
  };
  for (const char* method : {"POST", "GET"}) {
    const auto reload = [&](Headers more) {
      return refusal(access, method, "/-/reload", with(std::move(more)));
    };
    CHECK(reload({}) == 0);
    CHECK(reload({{"origin", "http://127.0.0.1:12345"}}) == 0);
    CHECK(reload({{"sec-fetch-site", "same-origin"}}) == 0);
    CHECK(reload({{"sec-fetch-site", "none"}, {"sec-fetch-mode", "navigate"}}) == 0);
    CHECK(reload({{"origin", "https://evil.example"}}) == 403);
    CHECK(reload({{"origin", "null"}}) == 403);
    CHECK(reload({{"origin", "http://127.0.0.1:3000"}}) == 403);
    CHECK(reload({{"sec-fetch-site", "same-site"}}) == 403);
    CHECK(reload({{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}}) == 403);
  }
  const auto get = [&](Headers more) {
    return refusal(access, "GET", "/metrics", with(std::move(more)));
  };
  CHECK(get({{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}}) == 0);
  CHECK(get({{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "no-cors"}}) == 403);
  CHECK(get({{"origin", "https://evil.example"}}) == 403);
}

TEST_CASE("access: which addresses are the loopback") {
  for (const char* address : {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "localhost"})
    CHECK(is_loopback(address));
  for (const char* address : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "", ":1"})
    CHECK_FALSE(is_loopback(address));
}

}  // namespace agent::ui
