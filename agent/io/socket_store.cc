#include "agent/io/socket_store.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iterator>

namespace agent::io {
namespace {

constexpr std::string_view kOurs = "kept-";
// Each connection costs systemd two messages: so many at once, and so many a second afterwards.
constexpr double kMostAtOnce = 1024;
constexpr double kPerSecond = 50;

// "" when the kernel does not say.
std::string name_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return {};
  return std::string(kOurs) + std::to_string(cookie);
}

bool is_ours(std::string_view name) { return name.starts_with(kOurs); }

}  // namespace

KeptSocket& KeptSocket::operator=(KeptSocket&& other) noexcept {
  if (this == &other) return *this;
  reset();
  fd_ = std::move(other.fd_);
  name_ = std::move(other.name_);
  store_ = other.store_;
  return *this;
}

void KeptSocket::reset() {
  if (fd_ && store_ != nullptr) store_->let_go(std::move(fd_), std::move(name_));
  fd_.reset();
}

void KeptSocket::close() {
  if (fd_ && store_ != nullptr && !name_.empty()) store_->discard(std::move(fd_), name_);
  reset();
}

std::unique_ptr<SocketStore> SocketStore::of_process(const Clock& clock, Log log) {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  if (count < 0)
    log.warn("the sockets handed over are not understood", {{"err", errno_text(-count)}});
  std::vector<Given> given;
  for (int i = 0; i < count; ++i) {
    given.push_back({names[i], FileDescriptor(SD_LISTEN_FDS_START + i)});
    ::free(names[i]);
  }
  ::free(names);
  Notify notify;
  if (const char* socket = std::getenv("NOTIFY_SOCKET"); socket != nullptr && *socket != '\0') {
    notify = [log](const std::string& message, int fd) {
      const int sent = ::sd_pid_notify_with_fds(0, 0, message.c_str(), &fd, fd < 0 ? 0 : 1);
      if (sent <= 0)
        log.limited(Level::kWarn, "systemd does not keep a socket", {{"err", errno_text(-sent)}});
      return sent > 0;
    };
  }
  return std::make_unique<SocketStore>(std::move(given), std::move(notify), clock, std::move(log));
}

SocketStore::SocketStore(std::vector<Given> given, Notify notify, const Clock& clock, Log log)
    : notify_(std::move(notify)),
      clock_(clock),
      log_(std::move(log)),
      allowance_(kMostAtOnce),
      allowance_at_(clock.mono()) {
  for (Given& one : given) {
    // A .socket unit's sockets may block.
    const int flags = ::fcntl(one.fd.get(), F_GETFL);
    if (flags < 0 || local_endpoint(one.fd.get()).empty() ||
        ::fcntl(one.fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      log_.warn("a descriptor that was handed over is no Internet socket", {{"name", one.name}});
      if (is_ours(one.name)) discard(std::move(one.fd), one.name);
      continue;
    }
    free_.push_back(std::move(one));
  }
}

Result<KeptSocket> SocketStore::listen(std::string_view address, Transport transport) {
  MutexLock lock(mutex_);
  const auto it = std::find_if(free_.begin(), free_.end(), [&](const Given& one) {
    return listens_on(one.fd.get(), address, transport);
  });
  if (it != free_.end()) {
    KeptSocket socket(std::move(it->fd), is_ours(it->name) ? it->name : "", this);
    free_.erase(it);
    return socket;
  }
  auto bound = listen_on(address, transport);
  if (!bound) return fail(std::move(bound.error()));
  return store(std::move(*bound));
}

std::vector<KeptSocket> SocketStore::connections_of(int listening) {
  std::vector<KeptSocket> out;
  MutexLock lock(mutex_);
  const auto taken = std::remove_if(free_.begin(), free_.end(), [&](Given& one) {
    if (!is_ours(one.name) || !came_through(one.fd.get(), listening)) return false;
    out.push_back(KeptSocket(std::move(one.fd), std::move(one.name), this));
    return true;
  });
  free_.erase(taken, free_.end());
  return out;
}

KeptSocket SocketStore::keep(FileDescriptor connection) {
  MutexLock lock(mutex_);
  const Mono now = clock_.mono();
  const double seconds = std::chrono::duration<double>(now - allowance_at_).count();
  allowance_at_ = now;
  allowance_ = std::min(kMostAtOnce, allowance_ + seconds * kPerSecond);
  if (allowance_ < 1) return KeptSocket(std::move(connection));
  allowance_ -= 1;
  return store(std::move(connection));
}

KeptSocket SocketStore::store(FileDescriptor fd) {
  std::string name = name_of(fd.get());
  // Without FDPOLL=0 systemd forgets a connection that the peer has reset, and with it what came.
  if (!notify_ || name.empty() || !notify_("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd.get()))
    return KeptSocket(std::move(fd));
  return {std::move(fd), std::move(name), this};
}

void SocketStore::let_go(FileDescriptor fd, std::string name) {
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kLeaving) return;
    if (phase_ == Phase::kStarting || name.empty()) {
      free_.push_back({std::move(name), std::move(fd)});
      return;
    }
  }
  discard(std::move(fd), name);
}

void SocketStore::discard(FileDescriptor fd, const std::string& name) const {
  // For the peer it ends now, whenever systemd closes its copy.
  ::shutdown(fd.get(), SHUT_RDWR);
  if (notify_) notify_("FDSTOREREMOVE=1\nFDNAME=" + name, -1);
}

void SocketStore::settle() {
  std::vector<Given> gone;
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kStarting) return;
    phase_ = Phase::kRunning;
    const auto ours = std::stable_partition(free_.begin(), free_.end(),
                                            [](const Given& one) { return !is_ours(one.name); });
    gone.assign(std::make_move_iterator(ours), std::make_move_iterator(free_.end()));
    free_.erase(ours, free_.end());
    for (const Given& one : free_)
      log_.warn("nothing listens on a socket that was handed over",
                {{"name", one.name}, {"address", local_endpoint(one.fd.get())}});
  }
  for (Given& one : gone) discard(std::move(one.fd), one.name);
}

void SocketStore::leave() {
  MutexLock lock(mutex_);
  phase_ = Phase::kLeaving;
}

bool SocketStore::leaving() const {
  MutexLock lock(mutex_);
  return phase_ == Phase::kLeaving;
}

}  // namespace agent::io
