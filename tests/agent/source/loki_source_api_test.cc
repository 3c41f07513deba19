#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "agent/base/file.h"
#include "agent/component/relabel_args.h"
#include "agent/io/http_client.h"
#include "agent/wire/loki_push.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"
#include "tests/support/test_certificate.h"

namespace agent::source {
component::Declaration loki_source_api();
namespace {

using lang::Value;
using Options = std::vector<std::pair<std::string, Value>>;

constexpr char kJson[] =
    R"({"streams":[{"stream":{"app":"x"},"values":[["1700000000000000001","hello"]]}]})";

struct Fixture {
  ComponentBox own{"loki.source.api.x"};
  ComponentBox& box;
  std::shared_ptr<LogCollector> receiver = std::make_shared<LogCollector>();
  RunningComponent source{box, loki_source_api()};
  io::HttpClient client{{}};
  lang::Body body;

  explicit Fixture(Options more = {}) : Fixture(own, std::move(more)) {}
  Fixture(ComponentBox& in, Options more) : box(in) {
    more.emplace_back("forward_to", receivers(receiver));
    more.emplace_back("labels", Value::Object{{"via", "api"}});
    more.emplace_back("use_incoming_timestamp", true);
    body = body_of(std::move(more), {{"http", body_of({{"listen_address", "127.0.0.1"},
                                                       {"listen_port", 0},
                                                       {"server_write_timeout", "1s"}})}});
  }
  Fixture& start() {
    REQUIRE(source.configure(body) == "");
    source.start();
    return *this;
  }
  std::string address() const { return source.debug("listening"); }
  int post(std::string_view content, io::HttpHeaders headers,
           const std::string& path = "/loki/api/v1/push") {
    io::HttpRequest request;
    request.method = "POST";
    request.url = "http://" + address() + path;
    request.headers = std::move(headers);
    request.body = content;
    const auto answer = client.send(request, {});
    if (!answer) FAIL(answer.error().message);
    return answer->status;
  }
  int post_json() { return post(kJson, {{"Content-Type", "application/json"}}); }
};

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(text.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("loki.source.api: JSON and protobuf pushes arrive with the labels added") {
  Fixture f;
  f.start();
  CHECK(f.post(kJson, {{"Content-Type", "application/json"}}) == 204);
  wire::LokiPushEncoder encoder;
  model::EntryBatch batch;
  batch.entries.push_back({{}, 7, batch.arena.store("bytes"), {}});
  const model::Entry* entry = batch.entries.data();
  encoder.add_stream(R"({app="y"})", {&entry, 1});
  CHECK(f.post(encoder.body(), {{"Content-Type", "application/x-protobuf"}}) == 204);
  CHECK(f.receiver->seen() ==
        std::vector<LogCollector::Line>{{R"({app="x", via="api"})", 1700000000000000001, "hello"},
                                        {R"({app="y", via="api"})", 7, "bytes"}});
}

TEST_CASE("loki.source.api: gzipped JSON is taken, a bomb is refused before it is unpacked") {
  Fixture f(Options{{"max_send_message_size", "64KiB"}});
  f.start();
  CHECK(f.post(gzip(kJson), {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}) ==
        204);
  const std::string zeros(10 << 20, ' ');
  CHECK(f.post(gzip(zeros), {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}) ==
        413);
  CHECK(f.receiver->seen().size() == 1);
}

TEST_CASE("loki.source.api: what is no push is refused with 400, other paths with 404") {
  Fixture f;
  f.start();
  CHECK(f.post("{", {{"Content-Type", "application/json"}}) == 400);
  CHECK(f.post("no snappy", {{"Content-Type", "application/x-protobuf"}}) == 400);
  CHECK(f.post(kJson, {}, "/elsewhere") == 404);
  CHECK(f.box.metric("loki_source_api_refused_requests_total") == 2);
}

TEST_CASE(
    "loki.source.api: the pusher hears 204 when it is delivered, and 503 when that takes long") {
  Fixture f;
  f.start();
  f.receiver->set_mode(LogCollector::Mode::kHold);
  std::jthread delivering([&] {
    f.receiver->wait_for(1);
    f.receiver->settle_held();
  });
  CHECK(f.post_json() == 204);
  delivering.join();
  CHECK(f.source.debug("unacknowledged_entries") == "0");
  CHECK(f.source.debug("last_delivery_unix_seconds").size() == 10);
  CHECK(f.post_json() == 503);
  CHECK(f.source.debug("unacknowledged_entries") == "1");
  // Many wait at a time, and none of them takes a thread.
  std::vector<std::jthread> pushers;
  std::atomic<int> late{0};
  for (int i = 0; i < 20; ++i) {
    pushers.emplace_back([&] {
      io::HttpClient client{{}};
      io::HttpRequest request;
      request.method = "POST";
      request.url = "http://" + f.address() + "/api/v1/push";
      request.headers = {{"Content-Type", "application/json"}};
      request.body = kJson;
      const auto answer = client.send(request, {});
      if (answer && answer->status == 503) ++late;
    });
  }
  io::HttpRequest ready;
  ready.url = "http://" + f.address() + "/ready";
  CHECK(f.client.send(ready, {})->status == 200);
  pushers.clear();
  CHECK(late == 20);
  CHECK(f.box.metric("loki_source_api_inflight_requests") == 0);
  CHECK(f.box.metric("loki_source_api_request_duration_seconds", {{"status_code", "503"}}) > 0);
}

TEST_CASE("loki.source.api: a stop answers what waits") {
  Fixture f;
  f.start();
  f.receiver->set_mode(LogCollector::Mode::kHold);
  std::jthread stopping([&] {
    f.receiver->wait_for(1);
    f.source.stop();
  });
  CHECK(f.post_json() == 503);
}

TEST_CASE("loki.source.api: with a queue the pusher hears 204 once it is on disk") {
  ComponentBox box("loki.source.api.x");
  {
    Fixture f(box, {});
    f.body.blocks.push_back(block("queue", {attribute("enabled", true)}));
    f.start();
    f.receiver->set_mode(LogCollector::Mode::kHold);
    CHECK(f.post_json() == 204);
    CHECK(f.receiver->seen().size() == 1);
  }
  Fixture f(box, {});
  f.body.blocks.push_back(block("queue", {attribute("enabled", true)}));
  f.start();
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.receiver->seen().front() ==
        LogCollector::Line{R"({app="x", via="api"})", 1700000000000000001, "hello"});
}

TEST_CASE("loki.source.api: lines of text are entries") {
  Fixture f;
  f.start();
  CHECK(f.post("one\r\n\ntwo\nbytes \xff", {{"X-Scope-OrgID", "team"}}, "/loki/api/v1/raw") == 204);
  CHECK(f.post("", {}, "/api/v1/raw") == 204);
  std::vector<std::string> lines;
  for (const auto& line : f.receiver->seen()) {
    CHECK(line.labels == R"({__tenant_id__="team", via="api"})");
    lines.push_back(line.text);
  }
  CHECK(lines == std::vector<std::string>{"one", "two", "bytes \xff"});
}

TEST_CASE("loki.source.api: a body that drips is given up, one that lies about its size as well") {
  Fixture f;
  f.body.blocks.front().body.attributes.push_back(attribute("server_read_timeout", "1s"));
  f.start();
  const auto talk = [&](const std::string& head, int drips) {
    FileDescriptor peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(
        static_cast<std::uint16_t>(std::stoi(f.address().substr(f.address().rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(peer.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    REQUIRE(
        write_all(peer.get(), "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\n" + head + "\r\n"));
    SystemClock clock;
    for (int i = 0; i < drips; ++i) {
      clock.sleep_for(std::chrono::milliseconds(100), {});
      if (!write_all(peer.get(), "x")) break;
    }
    std::string answer(256, '\0');
    const ssize_t n = ::read(peer.get(), answer.data(), answer.size());
    answer.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return answer.substr(0, answer.find('\r'));
  };
  CHECK(talk("Content-Length: 20\r\n", 20).starts_with("HTTP/1.1 408"));
  CHECK(talk("Content-Length: 99999999999\r\n", 0).starts_with("HTTP/1.1 413"));
}

TEST_CASE("loki.source.api: HTTPS, for clients that show a certificate") {
  TempDir dir;
  for (const char* name : {"server", "client", "stranger"}) make_certificate(dir.path(), name);
  const auto file = [&](const std::string& name) { return (dir.path() / name).string(); };
  Fixture f;
  f.body.blocks.front().body.blocks.push_back(block(
      "tls", {attribute("cert_file", file("server.pem")), attribute("key_file", file("server.key")),
              attribute("client_ca_file", file("client.pem")),
              attribute("client_auth_type", "RequireAndVerifyClientCert")}));
  f.start();
  const auto status_for = [&](const std::string& who) {
    io::HttpOptions options;
    options.tls.ca_file = file("server.pem");
    if (!who.empty()) {
      options.tls.cert_file = file(who + ".pem");
      options.tls.key_file = file(who + ".key");
    }
    io::HttpClient client(options);
    io::HttpRequest request;
    request.method = "POST";
    request.url = "https://" + f.address() + "/loki/api/v1/push";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = kJson;
    const auto answer = client.send(request, {});
    return answer ? answer->status : 0;
  };
  CHECK(status_for("client") == 204);
  CHECK(status_for("stranger") != 204);
  CHECK(status_for("") != 204);
  CHECK(f.receiver->seen().size() == 1);

  Fixture wrong;
  wrong.body.blocks.front().body.blocks.push_back(block(
      "tls",
      {attribute("cert_file", file("server.pem")), attribute("key_file", file("client.key"))}));
  CHECK(wrong.source.configure(wrong.body).find("TLS") != std::string::npos);
}

TEST_CASE("loki.source.api: the tenant travels with the entries, rules may drop streams") {
  model::RelabelRule drop;
  drop.action = model::RelabelRule::Action::kDrop;
  drop.source_labels = {"app"};
  drop.regex = "x";
  Fixture dropping(
      Options{{"relabel_rules", component::capsule(std::make_shared<model::RelabelRules>(
                                    *model::RelabelRules::compile({drop})))}});
  dropping.start();
  CHECK(dropping.post(kJson, {{"Content-Type", "application/json"}}) == 204);
  CHECK(dropping.receiver->seen().empty());
  Fixture f;
  f.start();
  CHECK(f.post(kJson, {{"Content-Type", "application/json"}, {"X-Scope-OrgID", "team"}}) == 204);
  CHECK(f.receiver->seen().front().labels == R"({__tenant_id__="team", app="x", via="api"})");
}

}  // namespace agent::source
