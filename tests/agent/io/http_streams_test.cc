#include "agent/io/http_streams.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "tests/support/scripted_server.h"

using agent::ErrorCode;
using agent::Result;
using agent::ScriptedServer;
using agent::io::HttpOptions;
using agent::io::HttpRequest;
using agent::io::HttpStreams;

namespace {

using Answer = ScriptedServer::Answer;

// What one stream told.
struct Seen {
  int status = 0;
  std::string data;
  std::optional<Result<>> end;

  HttpStreams::Callbacks callbacks() {
    HttpStreams::Callbacks out;
    out.on_headers = [this](int s, const agent::io::HttpHeaders&) {
      status = s;
      return true;
    };
    out.on_data = [this](std::string_view bytes) {
      data += bytes;
      return true;
    };
    out.on_end = [this](Result<> r) { end = std::move(r); };
    return out;
  }
};

HttpRequest get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  request.timeout = agent::Duration::zero();
  return request;
}

// Polls until `done`, at most some seconds of polls.
bool poll_until(HttpStreams& streams, const std::function<bool()>& done) {
  for (int i = 0; i < 2000 && !done(); ++i) streams.poll(std::chrono::milliseconds(10), {});
  return done();
}

ScriptedServer::Script chunks(std::vector<std::string> parts, bool proper_end) {
  return [parts, proper_end](const ScriptedServer::Request&, std::size_t) {
    Answer answer;
    answer.stream = [parts, proper_end](ScriptedServer::Wire& wire) {
      wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (const std::string& part : parts) {
        static constexpr char kHex[] = "0123456789abcdef";
        wire.send(std::string(1, kHex[part.size()]) + "\r\n" + part + "\r\n");
      }
      if (proper_end) {
        wire.send("0\r\n\r\n");
      }
    };
    return answer;
  };
}

ScriptedServer::Script endless() {
  return [](const ScriptedServer::Request&, std::size_t) {
    Answer answer;
    answer.stream = [](ScriptedServer::Wire& wire) {
      wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      wire.wait_for_hang_up();
    };
    return answer;
  };
}

}  // namespace

TEST_CASE("http streams: a redirect is followed, with credentials on the same origin only") {
  const auto redirect = [](std::string to) {
    Answer answer;
    answer.status = 302;
    answer.body = "this way";
    answer.headers = {{"Location", std::move(to)}};
    return answer;
  };
  const auto found = [](const ScriptedServer::Request&, std::size_t) {
    Answer answer;
    answer.status = 200;
    answer.body = "found";
    return answer;
  };
  ScriptedServer other(found);
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t n) {
    if (request.target == "/near") return redirect("/here");
    if (request.target == "/far") return redirect(other.url("/there"));
    if (request.target == "/loop") return redirect("/loop");
    return found(request, n);
  });
  HttpStreams streams({});
  streams.authorize(agent::Secret("token"));
  Seen near;
  Seen far;
  Seen loop;
  streams.add(get(server.url("/near")), near.callbacks());
  streams.add(get(server.url("/far")), far.callbacks());
  streams.add(get(server.url("/loop")), loop.callbacks());
  REQUIRE(poll_until(streams, [&] { return near.end && far.end && loop.end; }));
  CHECK(near.status == 200);
  CHECK(near.data == "found");
  CHECK(far.data == "found");
  CHECK(loop.end->error().message.find("more than 10 redirects") != std::string::npos);
  for (const auto& request : server.requests())
    CHECK(request.headers.at("authorization") == "Bearer token");
  CHECK(other.requests().at(0).headers.count("authorization") == 0);
}

TEST_CASE("http streams: data arrives as it is sent, and the end is told once") {
  ScriptedServer server(chunks({"one ", "two"}, true));
  HttpStreams streams({});
  Seen seen;
  streams.add(get(server.url()), seen.callbacks());
  REQUIRE(poll_until(streams, [&] { return seen.end.has_value(); }));
  CHECK(seen.status == 200);
  CHECK(seen.data == "one two");
  CHECK(*seen.end);
  CHECK(streams.size() == 0);
}

TEST_CASE("http streams: a stream that breaks off ends with an error") {
  ScriptedServer server(chunks({"one "}, false));
  HttpStreams streams({});
  Seen seen;
  streams.add(get(server.url()), seen.callbacks());
  REQUIRE(poll_until(streams, [&] { return seen.end.has_value(); }));
  CHECK(seen.data == "one ");
  REQUIRE_FALSE(*seen.end);
  CHECK(seen.end->error().code == ErrorCode::kUnavailable);
}

TEST_CASE("http streams: a refused connection ends the stream with an error") {
  std::string url;
  { url = ScriptedServer(endless()).url(); }
  HttpStreams streams({});
  Seen seen;
  streams.add(get(url), seen.callbacks());
  REQUIRE(poll_until(streams, [&] { return seen.end.has_value(); }));
  CHECK_FALSE(*seen.end);
  CHECK(seen.status == 0);
}

TEST_CASE("http streams: an error status is told before its body") {
  ScriptedServer server([](const auto&, std::size_t) {
    Answer answer;
    answer.status = 404;
    answer.body = "no such container";
    return answer;
  });
  HttpStreams streams({});
  Seen seen;
  streams.add(get(server.url()), seen.callbacks());
  REQUIRE(poll_until(streams, [&] { return seen.end.has_value(); }));
  CHECK(seen.status == 404);
  CHECK(seen.data == "no such container");
}

TEST_CASE("http streams: 200 streams over one unix socket on one thread") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("http_streams_test." + std::to_string(getpid()) + ".sock");
  {
    ScriptedServer server(endless(), path);
    HttpOptions options;
    options.unix_socket = path;
    HttpStreams streams(options);
    std::vector<Seen> seen(200);
    std::vector<HttpStreams::Id> ids;
    for (Seen& one : seen)
      ids.push_back(streams.add(get("http://localhost/logs"), one.callbacks()));
    REQUIRE(poll_until(streams, [&] {
      return std::all_of(seen.begin(), seen.end(), [](const Seen& s) { return s.data == "abc"; });
    }));
    CHECK(streams.size() == 200);
    for (std::size_t i = 0; i < 100; ++i) streams.cancel(ids[i]);
    streams.poll(agent::Duration::zero(), {});
    CHECK(streams.size() == 100);
    for (const Seen& one : seen) CHECK_FALSE(one.end);
  }
  std::filesystem::remove(path);
}

TEST_CASE("http streams: callbacks may cancel their own stream and add another") {
  ScriptedServer server(endless());
  HttpStreams streams({});
  Seen second;
  HttpStreams::Id first = 0;
  HttpStreams::Callbacks callbacks;
  bool ended = false;
  callbacks.on_data = [&](std::string_view) {
    streams.cancel(first);
    streams.add(get(server.url("/second")), second.callbacks());
    return true;
  };
  callbacks.on_end = [&](Result<>) { ended = true; };
  first = streams.add(get(server.url("/first")), std::move(callbacks));
  REQUIRE(poll_until(streams, [&] { return second.data == "abc"; }));
  CHECK_FALSE(ended);
  CHECK(streams.size() == 1);
}

TEST_CASE("http streams: a callback that has enough ends its stream well") {
  ScriptedServer server(endless());
  HttpStreams streams({});
  Seen seen;
  auto callbacks = seen.callbacks();
  callbacks.on_data = [](std::string_view) { return false; };
  streams.add(get(server.url()), std::move(callbacks));
  REQUIRE(poll_until(streams, [&] { return seen.end.has_value(); }));
  CHECK(*seen.end);
}

TEST_CASE("http streams: a wakeup and a stop end a poll that waits without limit") {
  ScriptedServer server(endless());
  HttpStreams streams({});
  std::thread waker([&] { streams.wakeup(); });
  streams.poll(agent::Duration(-1), {});
  waker.join();

  Seen seen;
  streams.add(get(server.url()), seen.callbacks());
  REQUIRE(poll_until(streams, [&] { return seen.data == "abc"; }));
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  while (!stop.stop_requested()) streams.poll(agent::Duration(-1), stop.get_token());
  stopper.join();
  CHECK(streams.size() == 1);
}
