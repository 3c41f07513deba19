#include "agent/component/http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>

#include "agent/base/file.h"
#include "agent/component/listen_args.h"
#include "agent/io/socket.h"
#include "tests/support/component_box.h"

namespace agent::component {
namespace {

struct Fixture {
  ComponentBox box{"loki.source.api.x"};
  Host host = box.host();
  HttpListener listener{host, [](const io::ServerRequest&, const io::HttpServer::Answer& answer) {
                          answer({200, "text/plain", "fine", {}});
                        }};

  // Clients have this long for the headers of their first request.
  explicit Fixture(Duration headers) {
    ListenArgs args;
    args.listen_address = "127.0.0.1";
    args.listen_port = 0;
    args.server_read_timeout = headers;
    auto commit = listener.prepare(args.options(1 << 20), [] {});
    REQUIRE(commit);
    (*commit)();
  }
  // A client that says so much and then waits.
  FileDescriptor client(std::string_view says) const {
    const std::string at = listener.address();
    FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    REQUIRE(write_all(fd.get(), says));
    return fd;
  }
  // Whether the server hangs up on it.
  bool is_cut(const FileDescriptor& fd) {
    SystemClock real;
    for (int i = 0; i < 60'000; ++i) {
      listener.tend();
      char byte = 0;
      const ssize_t n = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
      real.sleep_for(std::chrono::milliseconds(1), {});
    }
    return false;
  }
  static std::string answer_to(const FileDescriptor& fd) {
    std::string out(512, '\0');
    const ssize_t n = ::read(fd.get(), out.data(), out.size());
    out.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return out;
  }
};

constexpr char kWhole[] = "GET /ready HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace

TEST_CASE("http listener: clients who keep it waiting for headers are cut off, others are not") {
  Fixture f(std::chrono::milliseconds(1));
  const FileDescriptor silent = f.client("");
  const FileDescriptor header = f.client("POST / HTTP/1.1\r\nHost: h\r\nX-A: ");
  CHECK(f.is_cut(silent));
  CHECK(f.is_cut(header));
}

TEST_CASE("http listener: who has asked may be quiet for server_idle_timeout") {
  Fixture f(std::chrono::hours(1));
  const FileDescriptor kept = f.client(kWhole);
  CHECK(Fixture::answer_to(kept).starts_with("HTTP/1.1 200"));
  const FileDescriptor slow = f.client("GET /ready HTTP/1.1\r\nHost: h");
  f.listener.tend();
  REQUIRE(write_all(slow.get(), "\r\n\r\n"));
  CHECK(Fixture::answer_to(slow).starts_with("HTTP/1.1 200"));
  REQUIRE(write_all(kept.get(), kWhole));
  CHECK(Fixture::answer_to(kept).starts_with("HTTP/1.1 200"));
}

}  // namespace agent::component
