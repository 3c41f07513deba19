#include "agent/ui/own_server.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "agent/base/file.h"
#include "agent/io/http_client.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificate.h"

namespace agent::ui {
namespace {

struct Fixture {
  TempDir dir;
  FakeClock clock;
  component::Metrics metrics;
  OwnServer server{clock, Log::none(), metrics,
                   [](const io::ServerRequest& request, const io::HttpServer::Answer& answer) {
                     answer({200, "text/plain", "page " + request.path, {}});
                   }};

  explicit Fixture(const std::string& address = "127.0.0.1:0", const std::string& prefix = "") {
    const auto started = server.start(address, dir.path(), prefix);
    INFO((started ? "" : started.error().message));
    REQUIRE(started);
  }
  // "" when the settings are in force, else why not.
  std::string apply(const runtime::HttpArgs& args) {
    const auto commit = server.prepare(args);
    if (!commit) return commit.error().message;
    (*commit)();
    return {};
  }
  runtime::HttpArgs tls(const std::string& name) const {
    runtime::HttpArgs args;
    args.tls.emplace();
    args.tls->cert_file = (dir.path() / (name + ".pem")).string();
    args.tls->key_file = (dir.path() / (name + ".key")).string();
    return args;
  }
  // Of a new connection. 0: no answer.
  int get(const std::string& scheme, const std::string& trusted = "",
          const std::string& path = "/metrics", io::HttpOptions options = {}) const {
    if (!trusted.empty()) options.tls.ca_file = (dir.path() / (trusted + ".pem")).string();
    io::HttpClient client(options);
    io::HttpRequest request;
    request.url = scheme + "://" + server.address() + path;
    const auto answer = client.send(request, {});
    return answer ? answer->status : 0;
  }
  double metric(const std::string& name) const {
    for (const auto& family : metrics.collect())
      if (family.name == name) return family.points.front().value;
    return -1;
  }
};

io::HttpOptions as(const std::string& user, const std::string& password) {
  io::HttpOptions out;
  out.basic_user = user;
  out.basic_password = Secret(password);
  return out;
}

}  // namespace

TEST_CASE("own server: nothing is shown before the settings are known, then everything") {
  Fixture f;
  CHECK(f.get("http") == 503);
  REQUIRE(f.apply({}).empty());
  CHECK(f.get("http") == 200);
  CHECK(f.metric("fleet_agent_http_open_to_network") == 0);
}

TEST_CASE("own server: every answer forbids what a page does not need") {
  Fixture f;
  REQUIRE(f.apply({}).empty());
  io::HttpClient client({});
  io::HttpRequest request;
  request.url = "http://" + f.server.address() + "/x";
  const auto answer = client.send(request, {});
  REQUIRE(answer);
  CHECK(answer->header("Content-Security-Policy").find("default-src 'none'") == 0);
  CHECK(answer->header("X-Content-Type-Options") == "nosniff");
  CHECK(answer->header("Referrer-Policy") == "no-referrer");
  CHECK(answer->header("X-Frame-Options") == "DENY");
  CHECK(answer->header("Access-Control-Allow-Origin").empty());
}

TEST_CASE("own server: TLS comes and goes with the configuration, on the same port") {
  Fixture f;
  make_certificate(f.dir.path(), "one");
  REQUIRE(f.apply({}).empty());
  REQUIRE(f.get("http") == 200);
  const std::string address = f.server.address();
  REQUIRE(f.apply(f.tls("one")).empty());
  CHECK(f.server.address() == address);
  CHECK(f.get("https", "one") == 200);
  CHECK(f.get("http") == 0);
  f.clock.advance(std::chrono::minutes(1));
  f.server.tend();  // the server without TLS ends
  CHECK(f.get("https", "one") == 200);
  REQUIRE(f.apply({}).empty());
  CHECK(f.get("http") == 200);
}

TEST_CASE("own server: certificates that are replaced are taken, broken ones are not") {
  Fixture f;
  make_certificate(f.dir.path(), "one");
  make_certificate(f.dir.path(), "two");
  REQUIRE(f.apply(f.tls("one")).empty());
  const auto copy = [&](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(f.dir.path() / from, f.dir.path() / to,
                               std::filesystem::copy_options::overwrite_existing);
    f.clock.advance(std::chrono::seconds(10));
    f.server.tend();
  };
  std::filesystem::copy_file(f.dir.path() / "one.pem", f.dir.path() / "old.pem");
  copy("two.pem", "one.pem");  // its key is not there yet
  CHECK(f.get("https", "old") == 200);
  CHECK(f.metric("fleet_agent_http_tls_failures_total") == 1);
  copy("two.key", "one.key");
  CHECK(f.get("https", "two") == 200);
  CHECK(f.get("https", "old") == 0);
  CHECK(f.metric("fleet_agent_http_tls_failures_total") == 1);

  // A reload that brings such files is refused, and changes nothing.
  runtime::HttpArgs wrong = f.tls("one");
  wrong.tls->key_file = (f.dir.path() / "nowhere.key").string();
  CHECK(f.apply(wrong).find("http: TLS key: ") == 0);
  wrong.tls->key_file = (f.dir.path() / "old.pem").string();
  CHECK(f.apply(wrong).find("http: TLS: the certificate and its key cannot be used") == 0);
  CHECK(f.get("https", "two") == 200);
}

TEST_CASE("own server: clients show certificates where they must") {
  Fixture f;
  for (const char* name : {"server", "friend", "stranger"}) make_certificate(f.dir.path(), name);
  runtime::HttpArgs args = f.tls("server");
  args.tls->client_auth_type = "RequireAndVerifyClientCert";
  args.tls->client_ca_file = (f.dir.path() / "friend.pem").string();
  REQUIRE(f.apply(args).empty());
  const auto with = [&](const std::string& name) {
    io::HttpOptions options;
    options.tls.cert_file = (f.dir.path() / (name + ".pem")).string();
    options.tls.key_file = (f.dir.path() / (name + ".key")).string();
    return f.get("https", "server", "/", options);
  };
  CHECK(with("friend") == 200);
  CHECK(with("stranger") != 200);
  CHECK(f.get("https", "server") != 200);
}

TEST_CASE("own server: versions and suites are those that the configuration names") {
  Fixture f;
  make_certificate(f.dir.path(), "one");
  runtime::HttpArgs args = f.tls("one");
  args.tls->max_version = "TLS12";
  args.tls->cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"};
  args.tls->curve_preferences = {"CurveP256"};
  REQUIRE(f.apply(args).empty());
  CHECK(f.get("https", "one") == 200);
  io::HttpOptions newer;
  newer.tls.min_version = "TLS13";
  CHECK(f.get("https", "one", "/", newer) == 0);
  args.tls->cipher_suites = {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"};  // of no use with an EC key
  REQUIRE(f.apply(args).empty());
  CHECK(f.get("https", "one") == 0);
}

TEST_CASE("own server: the password is asked for, but not on the agent's own socket") {
  Fixture f;
  runtime::HttpArgs args;
  args.auth.emplace();
  args.auth->basic = runtime::HttpBasicArgs{"ann", Secret("s3cret")};
  REQUIRE(f.apply(args).empty());
  CHECK(f.get("http") == 401);
  CHECK(f.get("http", "", "/", as("ann", "wrong")) == 401);
  CHECK(f.get("http", "", "/", as("ann", "s3cret")) == 200);

  const std::filesystem::path socket = f.dir.path() / kOwnSocket;
  struct stat found {};
  REQUIRE(::stat(socket.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  io::HttpOptions own;
  own.unix_socket = socket.string();
  CHECK(f.get("http", "", "/-/ready", own) == 200);
}

TEST_CASE("own server: only the agent's own socket tells where the server listens") {
  Fixture f("127.0.0.1:0", "/agent");
  REQUIRE(f.apply({}).empty());
  const auto body = [&](const io::HttpOptions& options) {
    io::HttpClient client(options);
    io::HttpRequest request;
    request.url = "http://" + f.server.address() + kWherePath;
    const auto answer = client.send(request, {});
    return answer ? answer->body : answer.error().message;
  };
  io::HttpOptions own;
  own.unix_socket = (f.dir.path() / kOwnSocket).string();
  CHECK(body(own) ==
        "{\"address\":\"" + f.server.address() + "\",\"prefix\":\"/agent\",\"tls\":false}\n");
  CHECK(body({}) == "page " + std::string(kWherePath));
}

TEST_CASE("own server: pages that the network can read are told of") {
  Fixture f("0.0.0.0:0");
  REQUIRE(f.apply({}).empty());
  CHECK(f.metric("fleet_agent_http_open_to_network") == 1);
  runtime::HttpArgs args;
  args.auth.emplace();
  args.auth->basic = runtime::HttpBasicArgs{"ann", Secret("s3cret")};
  REQUIRE(f.apply(args).empty());
  CHECK(f.metric("fleet_agent_http_open_to_network") == 0);
  args.auth->filter = runtime::HttpFilterArgs{};  // nobody is asked
  REQUIRE(f.apply(args).empty());
  CHECK(f.metric("fleet_agent_http_open_to_network") == 1);
}

TEST_CASE("own server: below a prefix are all pages, and a filter holds by either name") {
  Fixture f("127.0.0.1:0", "/agent");
  runtime::HttpArgs args;
  REQUIRE(f.apply(args).empty());
  io::HttpOptions stay;
  stay.follow_redirects = false;
  CHECK(f.get("http", "", "/agent", stay) == 308);
  CHECK(f.get("http", "", "/agent/") == 200);
  CHECK(f.get("http", "", "/agent/metrics") == 200);
  CHECK(f.get("http", "", "/metrics") == 200);
  CHECK(f.get("http", "", "/graph") == 404);
  CHECK(f.get("http", "", "/agents/") == 404);
  args.auth.emplace();
  args.auth->basic = runtime::HttpBasicArgs{"ann", Secret("s3cret")};
  args.auth->filter = runtime::HttpFilterArgs{{"/metrics", "/agent/graph"}, true};
  REQUIRE(f.apply(args).empty());
  for (const char* path : {"/metrics", "/agent/metrics", "/agent/graph"})
    CHECK(f.get("http", "", path) == 401);
  CHECK(f.get("http", "", "/agent/") == 200);
}

TEST_CASE("own server: suites that cannot be had alone are refused, with the others' names") {
  const auto wrong = io::tls_priorities(
      {"", "", {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"}, {}});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.find("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384") != std::string::npos);
  CHECK(wrong.error().message.find("TLS_RSA_WITH_AES_128_GCM_SHA256") != std::string::npos);
  CHECK(io::tls_priorities({"TLS12", "TLS13", {}, {}}));
  CHECK_FALSE(io::tls_priorities({"TLS13", "TLS12", {}, {}}));
  CHECK_FALSE(io::tls_priorities({"SSL3", "", {}, {}}));
  CHECK_FALSE(io::tls_priorities({"", "", {"TLS_NULL"}, {}}));
  CHECK_FALSE(io::tls_priorities({"", "", {}, {"CurveP224"}}));
}

}  // namespace agent::ui
