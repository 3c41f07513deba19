// An HTTP/1.1 server on 127.0.0.1 or a unix socket that answers as a test's script says, for tests
// of everything that sends requests. Real sockets, a thread per connection.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"

namespace agent {

class ScriptedServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // "/path?query"
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // number of the connection it came over, from 0
  };

  // For answers that are more than a status and a body.
  class Wire {
   public:
    explicit Wire(int fd) : fd_(fd) {}
    bool send(std::string_view bytes);  // raw, head included; false when the peer is gone
    void wait_for_hang_up();            // or for the server's end

   private:
    int fd_;
  };

  struct Answer {
    int status = 204;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    bool close = false;  // after it
    bool reset = false;  // instead of an answer: RST
    std::function<void(Wire&)>
        stream;  // instead of an answer: does it all, then the connection ends
  };
  static Answer silence() {
    Answer a;
    a.stream = [](Wire& wire) { wire.wait_for_hang_up(); };
    return a;
  }
  static Answer reset() {
    Answer a;
    a.reset = true;
    return a;
  }

  // One call at a time, with the number of the request from 0.
  using Script = std::function<Answer(const Request& request, std::size_t number)>;

  explicit ScriptedServer(Script script, std::string unix_socket = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url(std::string_view path = "/") const;  // http://127.0.0.1:PORT/path
  std::vector<Request> requests() const;
  // Waits until that many requests were received, at most 20 s. False when they did not come.
  bool wait_for(std::size_t count) const;

 private:
  void accept_all();
  void serve(int fd, int connection);

  Script script_;
  std::string unix_socket_;
  int port_ = 0;
  FileDescriptor listener_;
  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::vector<Request> requests_ GUARDED_BY(mutex_);
  std::vector<int> open_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  Mutex script_mutex_;
  std::thread acceptor_;
};

}  // namespace agent
