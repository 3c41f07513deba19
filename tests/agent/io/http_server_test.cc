#include "agent/io/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <iterator>

#include "agent/base/file.h"
#include "agent/io/socket.h"
#include "tests/support/fake_clock.h"

namespace agent::io {
namespace {

FileDescriptor connect_to(std::uint16_t port) {
  FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// The raw answer to `request`, read until the server closes.
std::string exchange(std::uint16_t port, const std::string& request) {
  const FileDescriptor fd = connect_to(port);
  REQUIRE(write_all(fd.get(), request));
  std::string answer;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n <= 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

TEST_CASE("http server: method, path, query, headers and body reach the handler") {
  ServerRequest seen;
  auto server = HttpServer::start({}, [&](const ServerRequest& request) {
    seen = request;
    return ServerReply{200, "text/plain", "fine", {}};
  });
  REQUIRE(server);
  const std::string answer =
      exchange((*server)->port(),
               "POST /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Thing: 7\r\nContent-Length: 5\r\n"
               "Connection: close\r\n\r\nhello");
  CHECK(answer.find("HTTP/1.1 200") == 0);
  CHECK(answer.find("\r\n\r\nfine") != std::string::npos);
  CHECK(seen.method == "POST");
  CHECK(seen.path == "/a b");
  CHECK(seen.query == std::vector<std::pair<std::string, std::string>>{{"x", "1"}, {"y", ""}});
  CHECK(seen.header("x-thing") == "7");
  CHECK(seen.body == "hello");
  CHECK(seen.peer.find("127.0.0.1:") == 0);
}

TEST_CASE("http server: a body beyond the limit is refused with 413, declared or not") {
  HttpServer::Options options;
  options.max_body = 4;
  bool called = false;
  auto server = HttpServer::start(options, [&](const ServerRequest&) {
    called = true;
    return ServerReply{};
  });
  REQUIRE(server);
  CHECK(
      exchange((*server)->port(),
               "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
          .find("HTTP/1.1 413") == 0);
  CHECK(exchange(
            (*server)->port(),
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            "5\r\nhello\r\n0\r\n\r\n")
            .find("HTTP/1.1 413") == 0);
  CHECK_FALSE(called);
}

TEST_CASE("http server: a taken port is kUnavailable and says which") {
  auto first = HttpServer::start({}, [](const ServerRequest&) { return ServerReply{}; });
  REQUIRE(first);
  HttpServer::Options options;
  options.address = (*first)->address();
  auto second = HttpServer::start(options, [](const ServerRequest&) { return ServerReply{}; });
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kUnavailable);
  CHECK(second.error().message == "listen on " + options.address + ": Address already in use");
}

TEST_CASE("http server: headers have a limit") {
  bool called = false;
  auto server = HttpServer::start({}, [&](const ServerRequest&) {
    called = true;
    return ServerReply{};
  });
  REQUIRE(server);
  const std::string many(40'000, 'x');
  for (const std::string& request :
       {"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + many + "\r\nConnection: close\r\n\r\n",
        "GET /" + many + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}) {
    const std::string status = exchange((*server)->port(), request).substr(0, 12);
    CHECK((status == "HTTP/1.1 431" || status == "HTTP/1.1 414" || status == "HTTP/1.1 413"));
  }
  CHECK_FALSE(called);
}

TEST_CASE(
    "http server: connections whose headers drip, or do not come, are ended; others are not") {
  HttpServer::Options options;
  options.max_connections = 3;
  options.header_timeout = std::chrono::milliseconds(1);
  options.idle_timeout = std::chrono::seconds(1);
  auto server = HttpServer::start(options, [](const ServerRequest&) { return ServerReply{}; });
  REQUIRE(server);
  // All that there may be: a newcomer waits, or is turned away.
  const FileDescriptor silent = connect_to((*server)->port());
  const FileDescriptor drips = connect_to((*server)->port());
  const FileDescriptor second = connect_to((*server)->port());
  REQUIRE(write_all(drips.get(), "GET / HTTP/1.1\r\nHost: h\r\nX-A: "));
  REQUIRE(write_all(second.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET"));  // of a second request
  SystemClock clock;
  while ((*server)->connections() != 0) {
    (*server)->cut_slow();
    clock.sleep_for(std::chrono::milliseconds(5), {});
  }
  char byte = 0;
  CHECK(::read(silent.get(), &byte, 1) <= 0);
  CHECK(::read(drips.get(), &byte, 1) <= 0);
  CHECK(exchange((*server)->port(), "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .find("HTTP/1.1 200") == 0);
}

TEST_CASE(
    "http server: a body has its time, then its end hears 408, and then the connection ends") {
  FakeClock clock;
  HttpServer::Options options;
  options.read_timeout = std::chrono::seconds(30);
  options.idle_timeout = std::chrono::hours(1);
  options.clock = &clock;
  auto server = HttpServer::start(options, [](const ServerRequest& request) {
    return ServerReply{200, "text/plain", request.body, {}};
  });
  REQUIRE(server);
  const auto read_some = [](const FileDescriptor& fd) {
    std::string text(512, '\0');
    const ssize_t n = ::read(fd.get(), text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
  };
  // A client whose headers the server has, and the beginning of its body.
  const auto begin = [&] {
    FileDescriptor fd = connect_to((*server)->port());
    REQUIRE(write_all(fd.get(),
                      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n"
                      "Expect: 100-continue\r\nConnection: close\r\n\r\n"));
    REQUIRE(read_some(fd).starts_with("HTTP/1.1 100"));
    REQUIRE(write_all(fd.get(), "a"));
    return fd;
  };
  const auto after = [&](Duration time) {
    clock.advance(time);
    (*server)->cut_slow();
  };
  const FileDescriptor in_time = begin();
  after(std::chrono::seconds(30));
  REQUIRE(write_all(in_time.get(), "bcd"));
  CHECK(read_some(in_time).starts_with("HTTP/1.1 200"));
  const FileDescriptor late = begin();
  const FileDescriptor never = begin();
  after(std::chrono::seconds(40));
  REQUIRE(write_all(late.get(), "bcd"));
  CHECK(read_some(late).starts_with("HTTP/1.1 408"));
  char byte = 0;
  CHECK((::recv(never.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN));
  after(std::chrono::milliseconds(1));
  CHECK(::read(never.get(), &byte, 1) <= 0);
}

TEST_CASE("http server: a successor takes the socket over and nobody is turned away") {
  HttpServer::Options options;
  auto first = HttpServer::start(options, [](const ServerRequest&) {
    return ServerReply{200, "text/plain", "served", {}};
  });
  REQUIRE(first);
  const std::string ask = "GET / HTTP/1.1\r\nHost: h\r\n";
  const FileDescriptor kept = connect_to((*first)->port());
  while ((*first)->connections() == 0) SystemClock().sleep_for(std::chrono::milliseconds(1), {});
  options.max_connections = 7;
  auto second = (*first)->succeed(options);
  REQUIRE(second);
  CHECK((*second)->address() == (*first)->address());
  CHECK(exchange((*second)->port(), ask + "Connection: close\r\n\r\n").find("served") !=
        std::string::npos);
  // What is connected goes on.
  REQUIRE(write_all(kept.get(), ask + "\r\n"));
  char buffer[512];
  CHECK(::read(kept.get(), buffer, sizeof buffer) > 12);
  first->reset();
  CHECK(exchange((*second)->port(), ask + "Connection: close\r\n\r\n").find("served") !=
        std::string::npos);
  options.tls.emplace();
  options.tls->cert_pem = "nonsense";
  CHECK_FALSE((*second)->succeed(options));
  CHECK(exchange((*second)->port(), ask + "Connection: close\r\n\r\n").find("served") !=
        std::string::npos);
}

TEST_CASE("http server: addresses are host:port") {
  CHECK(split_host_port("[::1]:80")->first == "::1");
  CHECK(split_host_port(":80")->first.empty());
  for (const char* bad : {"localhost", "::1:80", "h:99999", "h:", "h:8x"}) {
    INFO(bad);
    CHECK_FALSE(split_host_port(bad).has_value());
  }
}

TEST_CASE("http server: a body goes on until its handler ends it") {
  std::atomic<int> turns{0};
  auto server = HttpServer::start({}, [&](const ServerRequest&) {
    ServerReply reply{200, "text/plain", "first\n", {}};
    reply.more = [&](std::string& out) {
      const int turn = ++turns;
      if (turn == 2) out = "second\n";
      return turn < 3;
    };
    return reply;
  });
  REQUIRE(server);
  const std::string answer =
      exchange((*server)->port(), "GET / HTTP/1.0\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(answer.find("HTTP/1.") == 0);
  CHECK(answer.ends_with("\r\n\r\nfirst\nsecond\n"));
}

TEST_CASE("http server: bodies that go on have a thread as long as there are any") {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  };
  auto server = HttpServer::start({}, [](const ServerRequest&) {
    ServerReply reply{200, "text/plain", "", {}};
    reply.more = [](std::string& out) {
      out = "x";
      return true;
    };
    return reply;
  });
  REQUIRE(server);
  const auto alone = threads();
  SystemClock clock;
  for (int again = 0; again < 2; ++again) {
    {
      const FileDescriptor viewer = connect_to((*server)->port());
      REQUIRE(write_all(viewer.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
      std::string text;
      char buffer[256];
      while (text.find("\r\nx") == std::string::npos) {  // of a chunk
        const ssize_t n = ::read(viewer.get(), buffer, sizeof buffer);
        REQUIRE(n > 0);
        text.append(buffer, static_cast<std::size_t>(n));
      }
      CHECK(threads() == alone + 1);
    }
    while (threads() != alone) clock.sleep_for(std::chrono::milliseconds(5), {});
  }
}

TEST_CASE("http server: so many bodies that go on at a time, and a stop ends them") {
  std::atomic<int> open{0};
  struct Count {
    explicit Count(std::atomic<int>& c) : count(c) { ++count; }
    ~Count() { --count; }
    std::atomic<int>& count;
  };
  HttpServer::Options options;
  options.max_streams = 1;
  auto server = HttpServer::start(options, [&](const ServerRequest&) {
    ServerReply reply{200, "text/plain", "first\n", {}};
    reply.more = [held = std::make_shared<Count>(open)](std::string& out) {
      out = "x";
      return true;
    };
    return reply;
  });
  REQUIRE(server);
  const auto connect = [&] {
    FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons((*server)->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(write_all(fd.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    return fd;
  };
  const auto read_until = [](const FileDescriptor& fd, std::string_view wanted) {
    std::string text;
    char buffer[256];
    while (text.find(wanted) == std::string::npos) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) return false;
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
  };
  const auto request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  {
    const FileDescriptor first = connect();
    REQUIRE(read_until(first, "x"));
    CHECK(exchange((*server)->port(), request).find("HTTP/1.1 503") == 0);
    CHECK(open == 1);
  }
  // The place of one who left is free once the server has noticed.
  SystemClock clock;
  while (open > 0) clock.sleep_for(std::chrono::milliseconds(5), {});
  const FileDescriptor second = connect();
  REQUIRE(read_until(second, "x"));
  server->reset();
  CHECK(open == 0);
  CHECK_FALSE(read_until(second, "never"));
}

}  // namespace agent::io
