// Real sshd processes behind a listener of our own on a free port: each connection gets an `sshd
// -i`, and a test can cut them all.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"

namespace fleetctl::remote {

class TestSshd {
 public:
  // Keys and configuration go to `folder`: host_key, user_key, other_key (which is not let in),
  // known_hosts.
  explicit TestSshd(std::filesystem::path folder) : folder_(std::move(folder)) {
    for (const char* name : {"host_key", "user_key", "other_key"}) {
      shell("ssh-keygen -q -t ed25519 -N '' -f " + path(name));
    }
    ::mkdir("/run/sshd", 0755);  // root's sshd wants it; nobody else may make it or needs it
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_.get(), 16);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    std::ofstream(path("sshd_config"))
        << "HostKey " << path("host_key") << "\nAuthorizedKeysFile " << path("user_key.pub")
        << "\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
        << "KbdInteractiveAuthentication no\nPrintMotd no\n";
    std::ofstream(path("known_hosts"))
        << "[127.0.0.1]:" << port_ << " " << agent::read_file(path("host_key.pub")).value_or("");
    thread_ = std::thread([this] { accept_all(); });
  }
  ~TestSshd() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    cut();
    for (const pid_t pid : children_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  std::uint16_t port() const { return port_; }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string user() const { return ::getpwuid(::getuid())->pw_name; }
  // Ends every connection there is, as a pulled cable with a router's reset does.
  void cut() {
    const agent::MutexLock lock(mutex_);
    for (const auto& connection : connections_) ::shutdown(connection.get(), SHUT_RDWR);
    connections_.clear();
  }

 private:
  static void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) std::abort();
  }
  void accept_all() {
    const std::string config = path("sshd_config");
    while (!stopping_) {
      agent::FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) continue;
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::dup2(connection.get(), 0);
        ::dup2(connection.get(), 1);
        ::signal(SIGPIPE, SIG_DFL);
        ::execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-i", "-e", "-q", "-f", config.c_str(),
                nullptr);
        ::_exit(127);
      }
      const agent::MutexLock lock(mutex_);
      children_.push_back(pid);
      connections_.push_back(std::move(connection));
    }
  }

  std::filesystem::path folder_;
  agent::FileDescriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  agent::Mutex mutex_;
  std::vector<agent::FileDescriptor> connections_ GUARDED_BY(mutex_);
  std::vector<pid_t> children_;
  std::thread thread_;
};

}  // namespace fleetctl::remote
