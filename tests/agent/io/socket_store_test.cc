#include "agent/io/socket_store.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_systemd.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

std::uint64_t cookie(int fd) {
  std::uint64_t value = 0;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &size) == 0);
  return value;
}

// A connection to `listening` from this process, and the socket that it was accepted as.
std::pair<FileDescriptor, FileDescriptor> connect_to(int listening) {
  sockaddr_storage to{};
  socklen_t length = sizeof to;
  REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&to), &length) == 0);
  FileDescriptor peer(::socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(peer.get(), reinterpret_cast<sockaddr*>(&to), length) == 0);
  FileDescriptor accepted;
  while (!accepted) accepted.reset(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(peer), std::move(accepted)};
}

// A process of the unit.
struct Life {
  FakeSystemd& systemd;
  FakeClock& clock;
  SocketStore store{systemd.hand_over(), systemd.notify(), clock, Log::none()};

  KeptSocket listen(const std::string& address, Transport transport = Transport::kTcp) {
    auto socket = store.listen(address, transport);
    REQUIRE(socket);
    return std::move(*socket);
  }
};

}  // namespace

TEST_CASE("socket store: listeners and connections go on in the next process") {
  FakeSystemd systemd;
  FakeClock clock;
  std::string tcp_address;
  std::string udp_address;
  std::array<std::uint64_t, 3> before{};
  FileDescriptor peer;
  {
    Life life{systemd, clock};
    const KeptSocket tcp = life.listen("127.0.0.1:0");
    const KeptSocket udp = life.listen("127.0.0.1:0", Transport::kUdp);
    tcp_address = local_endpoint(tcp.get());
    udp_address = local_endpoint(udp.get());
    auto pair = connect_to(tcp.get());
    peer = std::move(pair.first);
    const KeptSocket connection = life.store.keep(std::move(pair.second));
    CHECK((tcp.kept() && udp.kept() && connection.kept()));
    before = {cookie(tcp.get()), cookie(udp.get()), cookie(connection.get())};
    life.store.settle();
    life.store.leave();
  }
  CHECK(systemd.kept() == 3);
  REQUIRE(::write(peer.get(), "meanwhile", 9) == 9);

  Life life{systemd, clock};
  const KeptSocket udp = life.listen(udp_address, Transport::kUdp);
  const KeptSocket tcp = life.listen(tcp_address);
  std::vector<KeptSocket> connections = life.store.connections_of(tcp.get());
  REQUIRE(connections.size() == 1);
  CHECK(before == std::array<std::uint64_t, 3>{cookie(tcp.get()), cookie(udp.get()),
                                               cookie(connections.front().get())});
  std::array<char, 16> text{};
  CHECK(::recv(connections.front().get(), text.data(), text.size(), 0) == 9);
  CHECK(life.store.connections_of(tcp.get()).empty());
  connections.front().close();
  CHECK(::recv(peer.get(), text.data(), text.size(), 0) == 0);
  CHECK(systemd.kept() == 2);
}

TEST_CASE("socket store: what nobody takes is closed when all have started, and not before") {
  FakeSystemd systemd;
  FakeClock clock;
  std::string address;
  {
    Life life{systemd, clock};
    address = local_endpoint(life.listen("127.0.0.1:0").get());
  }
  CHECK(systemd.kept() == 1);
  Life life{systemd, clock};
  const std::uint64_t first = cookie(life.listen(address).get());
  CHECK(cookie(life.listen(address).get()) == first);  // a second try
  life.store.settle();
  CHECK(systemd.kept() == 0);
  const KeptSocket other = life.listen(address);
  CHECK(cookie(other.get()) != first);
  CHECK(systemd.kept() == 1);
}

TEST_CASE("socket store: a listener that is given up later is closed for good") {
  FakeSystemd systemd;
  FakeClock clock;
  Life life{systemd, clock};
  life.store.settle();
  std::string address;
  {
    const KeptSocket socket = life.listen("127.0.0.1:0");
    address = local_endpoint(socket.get());
    CHECK(systemd.kept() == 1);
  }
  CHECK(systemd.kept() == 0);
  CHECK(life.listen(address).kept());
}

TEST_CASE("socket store: a .socket unit's socket stays, taken or not") {
  FakeClock clock;
  FakeSystemd systemd;
  auto bound = listen_on("127.0.0.1:0", Transport::kTcp);
  REQUIRE(bound);
  const std::string address = local_endpoint(bound->get());
  const std::uint64_t cookie_of_it = cookie(bound->get());
  std::vector<SocketStore::Given> given;
  given.push_back({"fleet-agent-syslog.socket", std::move(*bound)});
  given.push_back({"no socket", FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC))});
  SocketStore store(std::move(given), systemd.notify(), clock, Log::none());
  store.settle();
  for (int i = 0; i < 2; ++i) {
    auto socket = store.listen(address, Transport::kTcp);
    REQUIRE(socket);
    CHECK(cookie(socket->get()) == cookie_of_it);
    CHECK((::fcntl(socket->get(), F_GETFL) & O_NONBLOCK) != 0);
    if (i == 1) socket->close();
  }
  CHECK(systemd.kept() == 0);
  CHECK(cookie(store.listen(address, Transport::kTcp).value().get()) == cookie_of_it);
}

TEST_CASE("socket store: addresses and kinds of sockets are not mixed up") {
  FakeSystemd systemd;
  FakeClock clock;
  Life life{systemd, clock};
  const KeptSocket tcp = life.listen("127.0.0.1:0");
  const std::string address = local_endpoint(tcp.get());
  const std::string port = address.substr(address.rfind(':'));
  CHECK(listens_on(tcp.get(), address, Transport::kTcp));
  CHECK(listens_on(tcp.get(), "localhost" + port, Transport::kTcp));
  CHECK_FALSE(listens_on(tcp.get(), address, Transport::kUdp));
  CHECK_FALSE(listens_on(tcp.get(), "127.0.0.2" + port, Transport::kTcp));
  CHECK_FALSE(listens_on(tcp.get(), "0.0.0.0" + port, Transport::kTcp));
  CHECK_FALSE(listens_on(tcp.get(), "127.0.0.1:1", Transport::kTcp));
  const auto [peer, accepted] = connect_to(tcp.get());
  CHECK_FALSE(listens_on(accepted.get(), address, Transport::kTcp));
  CHECK(came_through(accepted.get(), tcp.get()));
  CHECK_FALSE(came_through(peer.get(), tcp.get()));
  CHECK_FALSE(came_through(tcp.get(), tcp.get()));
  const KeptSocket everywhere = life.listen("0.0.0.0:0");
  CHECK_FALSE(came_through(accepted.get(), everywhere.get()));
  CHECK(came_through(connect_to(everywhere.get()).second.get(), everywhere.get()));
}

TEST_CASE("socket store: systemd is not flooded with connections") {
  FakeSystemd systemd;
  FakeClock clock;
  Life life{systemd, clock};
  const KeptSocket tcp = life.listen("127.0.0.1:0");
  int kept = 0;
  for (int i = 0; i < 2000; ++i)
    kept += life.store.keep(FileDescriptor(::dup(tcp.get()))).kept() ? 1 : 0;
  CHECK(kept == 1024);
  clock.advance(std::chrono::seconds(1));
  CHECK(life.store.keep(FileDescriptor(::dup(tcp.get()))).kept());
}

TEST_CASE("socket store: it speaks to systemd as sd_notify does") {
  const TempDir dir;
  const std::string path = dir / "notify";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const FileDescriptor systemd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(systemd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  FakeClock clock;
  REQUIRE(::setenv("NOTIFY_SOCKET", path.c_str(), 1) == 0);
  const auto store = SocketStore::of_process(clock, Log::none());
  store->settle();
  auto socket = store->listen("127.0.0.1:0", Transport::kTcp);
  REQUIRE(socket);
  const std::uint64_t number = cookie(socket->get());

  std::array<char, 256> text{};
  alignas(cmsghdr) std::array<char, 256> control{};
  iovec vector{text.data(), text.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t n = ::recvmsg(systemd.get(), &header, MSG_CMSG_CLOEXEC);
  const std::string name = "FDNAME=kept-" + std::to_string(number);
  CHECK(std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))) ==
        "FDSTORE=1\nFDPOLL=0\n" + name);
  FileDescriptor sent;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    sent.reset(fd);
  }
  REQUIRE(sent);
  CHECK(cookie(sent.get()) == number);

  socket->close();
  n = ::recv(systemd.get(), text.data(), text.size(), 0);
  CHECK(std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))) ==
        "FDSTOREREMOVE=1\n" + name);
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("socket store: without systemd sockets are as any others") {
  FakeClock clock;
  SocketStore store({}, {}, clock, Log::none());
  CHECK_FALSE(store.keeps());
  auto socket = store.listen("127.0.0.1:0", Transport::kTcp);
  REQUIRE(socket);
  CHECK_FALSE(socket->kept());
  CHECK_FALSE(store.listen(local_endpoint(socket->get()), Transport::kTcp));
}

}  // namespace agent::io
