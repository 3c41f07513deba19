// Names whose lookup does not come back: this program's getaddrinfo() stands in for the system's.
#include <dlfcn.h>
#include <netdb.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "agent/base/pulse.h"
#include "agent/io/http_client.h"
#include "agent/io/socket.h"

namespace {

std::mutex mutex;
std::condition_variable changed;
int asked = 0;    // for a name that is slow
int waiting = 0;  // of them
bool released = false;

// Until so many lookups hang.
bool hang(int count) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, std::chrono::minutes(1), [&] { return waiting >= count; });
}
void release() {
  std::unique_lock lock(mutex);
  released = true;
  changed.notify_all();
  changed.wait(lock, [] { return waiting == 0; });
}

}  // namespace

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  using Real = int(const char*, const char*, const addrinfo*, addrinfo**);
  static auto* const real = reinterpret_cast<Real*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const bool numeric = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (numeric || host == nullptr || std::string(host) != "slow.test")
    return real(host, service, hints, found);
  std::unique_lock lock(mutex);
  ++asked;
  ++waiting;
  changed.notify_all();
  changed.wait(lock, [] { return released; });
  --waiting;
  changed.notify_all();
  return EAI_NONAME;
}

namespace agent::io {

TEST_CASE("name lookup: one that does not come back holds nobody up, nor is that a hang") {
  Pulses pulses;
  ErrorCode listened{};
  bool still = false;
  {
    std::jthread listening([&] {
      const Pulse pulse({&pulses, 1});
      if (const auto fd = listen_on("slow.test:0", Transport::kTcp); !fd)
        listened = fd.error().code;
    });
    REQUIRE(hang(1));
    // The thread tells of its wait a moment before or after.
    const SystemClock clock;
    for (int i = 0; i < 100; ++i) {
      still = !pulses.look(std::chrono::hours(1), std::chrono::hours(1)).empty();
      if (!still) break;
      SystemClock().sleep_for(std::chrono::milliseconds(10), {});
    }
  }
  CHECK_FALSE(still);
  CHECK(listened == ErrorCode::kUnavailable);

  {
    HttpClient client{HttpOptions{}};
    HttpRequest request;
    request.url = "http://slow.test/";
    std::stop_source stop;
    const std::jthread stopping([&] {
      static_cast<void>(hang(2));
      stop.request_stop();
    });
    const auto stopped = client.send(request, stop.get_token());
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == ErrorCode::kCancelled);
    request.timeout = std::chrono::milliseconds(200);
    CHECK_FALSE(client.send(request, {}));
  }
  CHECK(waiting == asked);  // all of this while they hang
  CHECK(asked >= 2);
  release();
}

TEST_CASE("name lookup: names and numbers can be listened on") {
  for (const char* address : {"127.0.0.1:0", "localhost:0", ":0", "[::1]:0"}) {
    const auto fd = listen_on(address, Transport::kUdp);
    INFO(address);
    // Not every machine has IPv6.
    if (fd || std::string(address) != "[::1]:0") REQUIRE(fd);
    if (fd) CHECK(listens_on(fd->get(), local_endpoint(fd->get()), Transport::kUdp));
  }
  CHECK_FALSE(listen_on("no.such.name.invalid:0", Transport::kTcp));
}

}  // namespace agent::io
