// Sockets that outlive the process. systemd holds them while the agent is down and hands them over
// when it starts: those of a .socket unit, and those that the agent itself has put into its unit's
// descriptor store (FileDescriptorStoreMax=). What a peer sends meanwhile waits in the kernel.
//
// Protocols: sd_listen_fds(3) ($LISTEN_PID, $LISTEN_FDS, $LISTEN_FDNAMES) and sd_notify(3)
// (FDSTORE=1, FDSTOREREMOVE=1, FDNAME=, FDPOLL=0). A socket's name in the store is made of the
// kernel's cookie for it (SO_COOKIE), which no other socket of the host has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/io/socket.h"

namespace agent::io {

class SocketStore;

// A socket that systemd may hold, too. Letting go of it closes it for the peer as well, unless the
// process is starting or ending (see SocketStore).
class KeptSocket {
 public:
  KeptSocket() = default;
  explicit KeptSocket(FileDescriptor fd) : fd_(std::move(fd)) {}  // in no store
  KeptSocket(KeptSocket&&) noexcept = default;
  KeptSocket& operator=(KeptSocket&& other) noexcept;
  ~KeptSocket() { reset(); }
  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  bool kept() const { return store_ != nullptr; }  // it outlives the process
  void close();  // for good, at any time; one of a .socket unit goes back to the store

 private:
  friend class SocketStore;
  KeptSocket(FileDescriptor fd, std::string name, SocketStore* store)
      : fd_(std::move(fd)), name_(std::move(name)), store_(store) {}
  void reset();

  FileDescriptor fd_;
  std::string name_;  // in the unit's store; "": it belongs to a .socket unit
  SocketStore* store_ = nullptr;
};

// Thread-safe. It outlives the sockets that come from it.
//
// Until settle() a socket that is let go of (a component could not start yet) can be taken again;
// after leave() it stays in the hands of systemd for the next process.
class SocketStore {
 public:
  struct Given {
    std::string name;
    FileDescriptor fd;
  };
  // Sends a message of sd_notify(3), with a descriptor unless that is -1.
  // False: it could not be sent.
  using Notify = std::function<bool(const std::string& message, int fd)>;

  // What systemd handed to this process, and its $NOTIFY_SOCKET; changes the environment. Before
  // any other thread runs. `clock` outlives it.
  static std::unique_ptr<SocketStore> of_process(const Clock& clock, Log log);
  // `notify` may be empty: nobody keeps sockets.
  SocketStore(std::vector<Given> given, Notify notify, const Clock& clock, Log log);

  // The socket that was handed over for this address, or a new one, which is kept from now on.
  // Errors as of listen_on().
  Result<KeptSocket> listen(std::string_view address, Transport transport) EXCLUDES(mutex_);
  // The connections that were handed over and came in through this listening socket.
  std::vector<KeptSocket> connections_of(int listening) EXCLUDES(mutex_);
  // Keeps a connection; not when very many come at a time, to spare systemd.
  KeptSocket keep(FileDescriptor connection) EXCLUDES(mutex_);

  // All listeners of the configuration are there: what nobody took is closed. Sockets of a .socket
  // unit stay, for a later configuration.
  void settle() EXCLUDES(mutex_);
  // The process ends.
  void leave() EXCLUDES(mutex_);
  bool leaving() const EXCLUDES(mutex_);
  bool keeps() const { return static_cast<bool>(notify_); }  // there is a systemd to keep them

 private:
  friend class KeptSocket;
  enum class Phase { kStarting, kRunning, kLeaving };
  void let_go(FileDescriptor fd, std::string name) EXCLUDES(mutex_);
  void discard(FileDescriptor fd, const std::string& name) const;
  KeptSocket store(FileDescriptor fd) REQUIRES(mutex_);

  const Notify notify_;
  const Clock& clock_;
  const Log log_;
  mutable Mutex mutex_;
  Phase phase_ GUARDED_BY(mutex_) = Phase::kStarting;
  std::vector<Given> free_ GUARDED_BY(mutex_);  // handed over, and nobody's
  double allowance_ GUARDED_BY(mutex_);         // sockets that may be stored now
  Mono allowance_at_ GUARDED_BY(mutex_);
};

}  // namespace agent::io
