#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>

#include "agent/base/strings.h"

namespace agent {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// Reads more of the connection into `buffer`; false at its end.
bool read_more(int fd, std::string& buffer) {
  std::array<char, 16384> chunk{};
  const ssize_t n = recv(fd, chunk.data(), chunk.size(), 0);
  if (n <= 0) return false;
  buffer.append(chunk.data(), static_cast<std::size_t>(n));
  return true;
}

void reset_connection(int fd) {
  const linger hard{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

}  // namespace

bool ScriptedServer::Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void ScriptedServer::Wire::wait_for_hang_up() {
  std::string ignored;
  while (read_more(fd_, ignored)) {
  }
}

ScriptedServer::ScriptedServer(Script script, std::string unix_socket)
    : script_(std::move(script)), unix_socket_(std::move(unix_socket)) {
  if (unix_socket_.empty()) {
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  } else {
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (unix_socket_.size() >= sizeof address.sun_path) std::abort();
    std::memcpy(address.sun_path, unix_socket_.c_str(), unix_socket_.size() + 1);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      std::abort();
  }
  if (listen(listener_.get(), 512) != 0) std::abort();
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    ending_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::string ScriptedServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::vector<ScriptedServer::Request> ScriptedServer::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

bool ScriptedServer::wait_for(std::size_t count) const {
  MutexLock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20),
                           [&]() NO_THREAD_SAFETY_ANALYSIS { return requests_.size() >= count; });
}

void ScriptedServer::accept_all() {
  for (int connection = 0;; ++connection) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    MutexLock lock(mutex_);
    if (ending_ || fd < 0) {
      if (fd >= 0) close(fd);
      return;
    }
    open_.push_back(fd);
    threads_.emplace_back([this, fd, connection] { serve(fd, connection); });
  }
}

void ScriptedServer::serve(int fd, int connection) {
  std::string buffer;
  for (;;) {
    std::size_t head_end = std::string::npos;
    while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(fd, buffer)) break;
    }
    if (head_end == std::string::npos) break;
    Request request;
    request.connection = connection;
    const std::string head = buffer.substr(0, head_end);
    buffer.erase(0, head_end + 4);
    const auto lines = split(head, '\n');
    const auto words = split(trim(lines[0]), ' ');
    request.method = words[0];
    request.target = words.size() > 1 ? words[1] : "";
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const std::size_t colon = lines[i].find(':');
      if (colon == std::string_view::npos) continue;
      request.headers[lower(lines[i].substr(0, colon))] = trim(lines[i].substr(colon + 1));
    }
    const auto length = request.headers.find("content-length");
    const std::size_t size =
        length == request.headers.end() ? 0 : std::strtoul(length->second.c_str(), nullptr, 10);
    bool whole = true;
    while (buffer.size() < size && (whole = read_more(fd, buffer))) {
    }
    if (!whole) break;
    request.body = buffer.substr(0, size);
    buffer.erase(0, size);

    Answer answer;
    {
      MutexLock one(script_mutex_);
      std::size_t number = 0;
      {
        MutexLock lock(mutex_);
        number = requests_.size();
      }
      answer = script_(request, number);
      MutexLock lock(mutex_);
      requests_.push_back(std::move(request));
      changed_.notify_all();
    }
    Wire wire(fd);
    if (answer.reset) {
      reset_connection(fd);
      break;
    }
    if (answer.stream) {
      answer.stream(wire);
      break;
    }
    std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " Scripted\r\n";
    for (const auto& [name, value] : answer.headers) out += name + ": " + value + "\r\n";
    if (answer.status != 204)
      out += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    if (answer.close) out += "Connection: close\r\n";
    out += "\r\n" + answer.body;
    if (!wire.send(out) || answer.close) break;
  }
  MutexLock lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
}

}  // namespace agent
