// A child process with pipes on its three standard streams. The calling program ignores SIGPIPE.
#pragma once

#include <sys/types.h>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"

namespace agent {

// Who a child runs as. Changing it needs root.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
};

struct Spawn {
  std::vector<std::string> argv;         // argv[0] is searched in PATH
  std::vector<std::string> environment;  // "K=v", on top of the parent's
  std::optional<Identity> identity;
  bool merge_output = false;  // standard error goes where standard output goes
};

// One owner, one thread. A child that is still there when the object goes is killed with its
// process group and reaped.
class Child {
 public:
  // The child leads a process group of its own. That the program could not be executed shows as
  // exit status 127 with the reason on its standard error.
  static Result<Child> start(const Spawn& spawn);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  FileDescriptor in;   // ours is the writing end; blocking
  FileDescriptor out;  // reading end
  FileDescriptor err;  // reading end; none when merged

  pid_t pid() const { return pid_; }
  void kill(int signal) const;  // the whole group
  // Waits for the end. The exit status, or 128 + the signal's number.
  int wait();

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

struct ProcessResult {
  int status = 0;          // as Child::wait
  bool timed_out = false;  // it was killed at the deadline
  std::string output;      // both streams, the first `limit` bytes
};

// Runs to the end: `input` goes in, what comes out is collected. Errors: it could not be started;
// kCancelled within a second of a stop, when it was killed.
Result<ProcessResult> run_process(Spawn spawn, std::string_view input, const Clock& clock,
                                  Duration limit_time, std::size_t limit_output = 256U << 10,
                                  const std::stop_token& stop = {});

}  // namespace agent
