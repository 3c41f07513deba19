#include <zlib.h>

#include <catch2/catch.hpp>

#include "agent/component/relabel_args.h"
#include "agent/io/http_client.h"
#include "agent/wire/loki_push.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"

namespace agent::source {
component::Declaration loki_source_api();
namespace {

using lang::Value;
using Options = std::vector<std::pair<std::string, Value>>;

constexpr char kJson[] =
    R"({"streams":[{"stream":{"app":"x"},"values":[["1700000000000000001","hello"]]}]})";

struct Fixture {
  ComponentBox box{"loki.source.api.x"};
  std::shared_ptr<LogCollector> receiver = std::make_shared<LogCollector>();
  RunningComponent source{box, loki_source_api()};
  io::HttpClient client{{}};

  explicit Fixture(Options more = {}) {
    more.emplace_back("forward_to", receivers(receiver));
    more.emplace_back("labels", Value::Object{{"via", "api"}});
    more.emplace_back("use_incoming_timestamp", true);
    const auto body =
        body_of(std::move(more),
                {{"http", body_of({{"listen_address", "127.0.0.1"}, {"listen_port", 0}})}});
    REQUIRE(source.configure(body) == "");
  }
  int post(std::string_view body, io::HttpHeaders headers,
           const std::string& path = "/loki/api/v1/push") {
    io::HttpRequest request;
    request.method = "POST";
    request.url = "http://" + source.debug_rows().front().second + path;
    request.headers = std::move(headers);
    request.body = body;
    const auto answer = client.send(request, {});
    if (!answer) FAIL(answer.error().message);
    return answer->status;
  }
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
  CHECK(f.post(gzip(kJson), {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}) ==
        204);
  const std::string zeros(10 << 20, ' ');
  CHECK(f.post(gzip(zeros), {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}) ==
        413);
  CHECK(f.receiver->seen().size() == 1);
}

TEST_CASE("loki.source.api: what is no push is refused with 400, other paths with 404") {
  Fixture f;
  CHECK(f.post("{", {{"Content-Type", "application/json"}}) == 400);
  CHECK(f.post("no snappy", {{"Content-Type", "application/x-protobuf"}}) == 400);
  CHECK(f.post(kJson, {}, "/elsewhere") == 404);
  CHECK(f.box.metric("loki_source_api_refused_requests_total") == 2);
}

TEST_CASE("loki.source.api: the pusher hears 503 when nobody takes the entries") {
  Fixture f;
  f.receiver->set_mode(LogCollector::Mode::kRefuse);
  CHECK(f.post(kJson, {{"Content-Type", "application/json"}}) == 503);
}

TEST_CASE("loki.source.api: the tenant travels with the entries, rules may drop streams") {
  model::RelabelRule drop;
  drop.action = model::RelabelRule::Action::kDrop;
  drop.source_labels = {"app"};
  drop.regex = "x";
  Fixture dropping(
      Options{{"relabel_rules", component::capsule(std::make_shared<model::RelabelRules>(
                                    *model::RelabelRules::compile({drop})))}});
  CHECK(dropping.post(kJson, {{"Content-Type", "application/json"}}) == 204);
  CHECK(dropping.receiver->seen().empty());
  Fixture f;
  CHECK(f.post(kJson, {{"Content-Type", "application/json"}, {"X-Scope-OrgID", "team"}}) == 204);
  CHECK(f.receiver->seen().front().labels == R"({__tenant_id__="team", app="x", via="api"})");
}

}  // namespace agent::source
