// A Docker daemon that a test writes the lines of, for faults that a real one cannot be asked for:
// streams reset in the middle of a frame, silence, refusals. Events, lists, inspections and logs
// over a unix socket, in the real formats.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/scripted_server.h"

namespace agent {

class FakeDockerd {
 public:
  struct Message {
    int stream = 1;  // 1 stdout, 2 stderr
    std::int64_t time_ns = 0;
    std::string text;  // with its newline
  };
  struct Container {
    bool running = true;
    std::vector<Message> log;
    int refuse_logs = 0;  // a status instead of the log
    std::string refusal;
  };

  // On a unix socket, or with "" on a port of 127.0.0.1.
  explicit FakeDockerd(const std::string& socket);
  std::string tcp_host() const;  // tcp://127.0.0.1:PORT

  // Changes what the daemon knows; wakes everything that follows.
  void set(const std::string& id, Container container);
  void write(const std::string& id, std::vector<Message> messages);
  void stop(const std::string& id);
  void event(const std::string& action, const std::string& id);
  void remove(const std::string& id);

  // Faults, until they are called off.
  void fail_lists(int status);             // 0: none
  void refuse_events(int status);          // 0: none
  void hang_inspections(bool on);          // no answer
  void cut_logs_after(std::size_t bytes);  // the connection breaks there; 0: none
  void reset_all();                        // breaks every stream that is open

  std::size_t requests(const std::string& part) const;  // whose target contains `part`

 private:
  ScriptedServer::Answer answer(const ScriptedServer::Request& request);
  void stream_events(ScriptedServer::Wire& wire);
  void stream_logs(ScriptedServer::Wire& wire, const std::string& id, bool follow,
                   std::int64_t since_ns);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Container> containers_;
  std::vector<std::string> events_;
  int fail_lists_ = 0;
  int refuse_events_ = 0;
  bool hang_inspections_ = false;
  std::size_t cut_after_ = 0;
  int epoch_ = 0;  // streams of an older one end
  bool ending_ = false;
  ScriptedServer server_;  // last: its threads use the rest

 public:
  ~FakeDockerd();
  FakeDockerd(const FakeDockerd&) = delete;
  FakeDockerd& operator=(const FakeDockerd&) = delete;
};

// "2026-11-21T09:48:14.882260796Z"
std::string docker_time_text(std::int64_t time_ns);

}  // namespace agent
