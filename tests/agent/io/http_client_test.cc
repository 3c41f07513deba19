#include "agent/io/http_client.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/scripted_server.h"

using agent::ErrorCode;
using agent::ScriptedServer;
using agent::Secret;
using agent::io::HttpClient;
using agent::io::HttpOptions;
using agent::io::HttpRequest;

namespace {

using Answer = ScriptedServer::Answer;

ScriptedServer::Script always(Answer answer) {
  return [answer](const ScriptedServer::Request&, std::size_t) { return answer; };
}

HttpRequest get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

Answer redirect(int status, std::string to) {
  Answer answer;
  answer.status = status;
  answer.headers = {{"Location", std::move(to)}};
  return answer;
}

}  // namespace

TEST_CASE("http client: an answer has its status, headers and body") {
  Answer answer;
  answer.status = 429;
  answer.headers = {{"Retry-After", "7"}};
  answer.body = "slow down";
  ScriptedServer server(always(answer));
  HttpClient client({});
  const auto response = client.send(get(server.url("/a?b=c")), {});
  REQUIRE(response);
  CHECK(response->status == 429);
  CHECK(response->header("retry-after") == "7");
  CHECK(response->header("absent").empty());
  CHECK(response->body == "slow down");
  CHECK(server.requests().at(0).target == "/a?b=c");
  CHECK(server.requests().at(0).headers.at("user-agent").starts_with("fleet-agent/"));
}

TEST_CASE("http client: a POST carries its body and headers, and the connection is used again") {
  ScriptedServer server(always({}));
  HttpClient client({});
  HttpRequest request = get(server.url());
  request.method = "POST";
  const std::string body("a\0b", 3);
  request.body = body;
  request.headers = {{"Content-Type", "application/x-protobuf"}, {"X-Scope-OrgID", "me"}};
  REQUIRE(client.send(request, {}));
  request.body = {};
  REQUIRE(client.send(request, {}));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].method == "POST");
  CHECK(requests[0].body == body);
  CHECK(requests[0].headers.at("content-type") == "application/x-protobuf");
  CHECK(requests[0].headers.at("x-scope-orgid") == "me");
  CHECK(requests[0].headers.count("expect") == 0);
  CHECK(requests[1].body.empty());
  CHECK(requests[1].connection == requests[0].connection);
}

TEST_CASE("http client: a refused connection is an error that says what was tried") {
  std::string url;
  { url = ScriptedServer(always({})).url("/push"); }
  HttpClient client({});
  url.insert(7, "user:secret@");
  const auto response = client.send(get(url), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
  CHECK_THAT(response.error().message, Catch::StartsWith("GET http://127.0.0.1:"));
  CHECK_THAT(response.error().message, !Catch::Contains("secret"));
}

TEST_CASE("http client: a reset is unavailable, and the next request works") {
  ScriptedServer server([](const auto&, std::size_t number) {
    return number == 0 ? ScriptedServer::reset() : Answer();
  });
  HttpClient client({});
  const auto first = client.send(get(server.url()), {});
  REQUIRE_FALSE(first);
  CHECK(first.error().code == ErrorCode::kUnavailable);
  CHECK(client.send(get(server.url()), {}).value().status == 204);
}

TEST_CASE("http client: silence ends with the time limit") {
  ScriptedServer server(always(ScriptedServer::silence()));
  HttpClient client({});
  HttpRequest request = get(server.url());
  request.timeout = std::chrono::milliseconds(50);
  const auto response = client.send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
  CHECK_THAT(response.error().message, Catch::Contains("timed out"));
}

TEST_CASE("http client: a body that stops half-way is an error, not a short answer") {
  Answer half;
  half.stream = [](ScriptedServer::Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  };
  ScriptedServer server(always(half));
  HttpClient client({});
  const auto response = client.send(get(server.url()), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("http client: an answer larger than the limit is refused") {
  Answer big;
  big.status = 200;
  big.body.assign(100'000, 'x');
  ScriptedServer server(always(big));
  HttpClient client({});
  HttpRequest request = get(server.url());
  request.max_body = 99'999;
  const auto response = client.send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kExhausted);
  request.max_body = 100'000;
  CHECK(client.send(request, {}).value().body.size() == 100'000);
}

TEST_CASE("http client: endless headers are refused") {
  Answer endless;
  endless.stream = [](ScriptedServer::Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\n");
    while (wire.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  };
  ScriptedServer server(always(endless));
  HttpClient client({});
  CHECK_FALSE(client.send(get(server.url()), {}));
}

TEST_CASE("http client: a stop ends a request that waits") {
  ScriptedServer server(always(ScriptedServer::silence()));
  HttpClient client({});
  std::stop_source stop;
  HttpRequest request = get(server.url());
  request.timeout = std::chrono::seconds(60);
  std::thread stopper([&] {
    server.wait_for(1);
    stop.request_stop();
  });
  const auto response = client.send(request, stop.get_token());
  stopper.join();
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kCancelled);
}

TEST_CASE("http client: speaks over a unix socket") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("http_client_test." + std::to_string(getpid()) + ".sock");
  Answer answer;
  answer.status = 200;
  answer.body = "OK";
  {
    ScriptedServer server(always(answer), path);
    auto origin = agent::io::parse_origin("unix://" + path.string());
    REQUIRE(origin);
    HttpOptions options;
    options.unix_socket = origin->unix_socket;
    HttpClient client(options);
    CHECK(client.send(get(origin->base_url + "/_ping"), {}).value().body == "OK");
    CHECK(server.requests().at(0).target == "/_ping");
  }
  std::filesystem::remove(path);
  HttpOptions options;
  options.unix_socket = path;
  HttpClient client(options);
  const auto gone = client.send(get("http://localhost/_ping"), {});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().message ==
        "GET http://localhost/_ping: connect to " + path.string() + ": No such file or directory");
}

TEST_CASE("http client: sends basic or bearer authentication, from a file if so told") {
  ScriptedServer server(always({}));
  const auto path = std::filesystem::temp_directory_path() /
                    ("http_client_test." + std::to_string(getpid()) + ".token");
  std::ofstream(path) << "from-file\n";
  HttpOptions basic;
  basic.basic_user = "u";
  basic.basic_password = Secret("p");
  HttpOptions bearer;
  bearer.credentials = Secret("t");
  HttpOptions file;
  file.authorization_type = "Custom";
  file.credentials_file = path;
  for (const auto& options : {basic, bearer, file})
    REQUIRE(HttpClient(options).send(get(server.url()), {}));
  std::filesystem::remove(path);
  const auto requests = server.requests();
  CHECK(requests[0].headers.at("authorization") == "Basic dTpw");
  CHECK(requests[1].headers.at("authorization") == "Bearer t");
  CHECK(requests[2].headers.at("authorization") == "Custom from-file");
  const auto gone = HttpClient(file).send(get(server.url()), {});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == ErrorCode::kPermission);
}

TEST_CASE("http client: a refusal that repeats the credentials is heard without them") {
  ScriptedServer server([](const ScriptedServer::Request& request, std::size_t) {
    Answer answer;
    answer.status = request.target == "/fine" ? 200 : 401;
    for (const auto& [name, value] : request.headers)
      if (name == "authorization" || name == "x-key") answer.body += value + "\n";
    return answer;
  });
  HttpOptions options;
  options.basic_user = "user";
  options.basic_password = Secret("pass1");
  options.headers = {{"X-Key", Secret("a key")}};
  const auto body = [&](const HttpOptions& with, const std::string& url) {
    const auto answer = HttpClient(with).send(get(url), {});
    return answer ? answer->body : answer.error().message;
  };
  CHECK(body(options, server.url()) == "Basic (secret)\n(secret)\n");
  CHECK(body(options, server.url("/fine")) == "Basic dXNlcjpwYXNzMQ==\na key\n");
  HttpOptions bearer;
  bearer.credentials = Secret("token");
  CHECK(body(bearer, server.url()) == "Bearer (secret)\n");
  std::string url = server.url();
  url.insert(url.find("://") + 3, "user:pass1@");
  CHECK(body({}, url) == "Basic (secret)\n");
}

TEST_CASE("http client: follows a redirect with credentials only on the same host and port") {
  ScriptedServer other(always({}));
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t) {
    if (request.target == "/near") return redirect(307, "/here");
    if (request.target == "/far") return redirect(308, other.url("/there"));
    return Answer();
  });
  HttpOptions options;
  options.credentials = Secret("t");
  options.headers = {{"X-Key", Secret("k")}};
  HttpClient client(options);
  HttpRequest request = get(server.url("/near"));
  request.method = "POST";
  request.body = "b";
  REQUIRE(client.send(request, {}).value().status == 204);
  CHECK(server.requests().at(1).headers.at("authorization") == "Bearer t");
  CHECK(server.requests().at(1).method == "POST");
  CHECK(server.requests().at(1).body == "b");
  request.url = server.url("/far");
  REQUIRE(client.send(request, {}).value().status == 204);
  CHECK(other.requests().at(0).headers.count("authorization") == 0);
  CHECK(other.requests().at(0).headers.count("x-key") == 0);
  CHECK(other.requests().at(0).body == "b");
}

TEST_CASE("http client: a push is never turned into a GET, and redirects end") {
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t) {
    return redirect(request.target == "/see" ? 303 : 302, "/loop");
  });
  HttpRequest request = get(server.url("/see"));
  request.method = "POST";
  HttpClient client({});
  CHECK(client.send(request, {}).value().status == 303);
  request.url = server.url("/loop");
  CHECK_FALSE(client.send(request, {}));
  for (const auto& seen : server.requests()) CHECK(seen.method == "POST");
  HttpOptions never;
  never.follow_redirects = false;
  CHECK(HttpClient(never).send(request, {}).value().status == 302);
}

TEST_CASE("http client: a header that would smuggle another one is refused") {
  ScriptedServer server(always({}));
  HttpRequest request = get(server.url());
  request.headers = {{"X-A", "1\r\nX-B: 2"}};
  const auto response = HttpClient({}).send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kInvalid);
  CHECK(server.requests().empty());
}

TEST_CASE("http client: only http and https URLs are fetched") {
  for (const char* url : {"file:///etc/passwd", "gopher://localhost/", "http://", "::"}) {
    const auto response = HttpClient({}).send(get(url), {});
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("http client: fetches an OAuth token once and sends it") {
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t) {
    Answer answer;
    if (request.target == "/token") {
      answer.status = 200;
      answer.body = R"({"access_token":"abc","token_type":"bearer","expires_in":3600})";
    }
    return answer;
  });
  HttpOptions options;
  options.oauth2.token_url = server.url("/token");
  options.oauth2.client_id = "id";
  options.oauth2.client_secret = Secret("s&cret");
  options.oauth2.scopes = {"a", "b"};
  HttpClient client(options);
  REQUIRE(client.send(get(server.url("/x")), {}));
  REQUIRE(client.send(get(server.url("/y")), {}));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 3);
  CHECK(requests[0].body == "grant_type=client_credentials&scope=a%20b");
  CHECK(requests[0].headers.at("authorization") == "Basic aWQ6cyUyNmNyZXQ=");
  CHECK(requests[1].headers.at("authorization") == "Bearer abc");
  CHECK(requests[2].headers.at("authorization") == "Bearer abc");
}

TEST_CASE("http client: addresses of daemons") {
  CHECK(agent::io::parse_origin("tcp://h:2375/").value().base_url == "http://h:2375");
  CHECK(agent::io::parse_origin("unix:///run/d.sock").value().unix_socket == "/run/d.sock");
  CHECK(agent::io::parse_origin("https://h").value().base_url == "https://h");
  CHECK_FALSE(agent::io::parse_origin("unix://"));
  CHECK_FALSE(agent::io::parse_origin("npipe:////./pipe/docker"));
  CHECK_FALSE(agent::io::parse_origin("tcp://"));
}
