#include "agent/base/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace agent {
namespace {

struct Pipe {
  FileDescriptor read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  Pipe pipe;
  pipe.read.reset(ends[0]);
  pipe.write.reset(ends[1]);
  return pipe;
}

// Between fork and exec only calls that a signal handler may make: the parent may have had other
// threads.
[[noreturn]] void become(const Spawn& spawn, char* const* argv, char* const* env, int in, int out,
                         int err) {
  ::setpgid(0, 0);
  const char* step = "dup2";
  bool good = ::dup2(in, 0) >= 0 && ::dup2(out, 1) >= 0 && ::dup2(err, 2) >= 0;
  for (const int number : {SIGHUP, SIGINT, SIGPIPE, SIGTERM}) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (good && spawn.identity) {
    step = "change of user";
    good = ::setgroups(spawn.identity->groups.size(), spawn.identity->groups.data()) == 0 &&
           ::setgid(spawn.identity->gid) == 0 && ::setuid(spawn.identity->uid) == 0;
  }
  if (good) {
    step = argv[0];
    environ = const_cast<char**>(env);
    ::execvp(argv[0], argv);
  }
  const char* reason = ::strerrordesc_np(errno);
  for (const char* part : {step, ": ", reason == nullptr ? "failed" : reason, "\n"}) {
    if (::write(2, part, std::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

}  // namespace

Child::Child(Child&& other) noexcept
    : in(std::move(other.in)),
      out(std::move(other.out)),
      err(std::move(other.err)),
      pid_(std::exchange(other.pid_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  if (pid_ > 0) {
    kill(SIGKILL);
    wait();
  }
  in = std::move(other.in);
  out = std::move(other.out);
  err = std::move(other.err);
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

Child::~Child() {
  if (pid_ <= 0) return;
  kill(SIGKILL);
  wait();
}

Result<Child> Child::start(const Spawn& spawn) {
  if (spawn.argv.empty()) return fail(ErrorCode::kInvalid, "no program to run");
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  if (!in) return fail(in.error());
  if (!out) return fail(out.error());
  if (!err) return fail(err.error());

  std::vector<char*> argv;
  for (const std::string& word : spawn.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (const std::string& variable : spawn.environment) {
    env.push_back(const_cast<char*>(variable.c_str()));
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool replaced =
        std::any_of(spawn.environment.begin(), spawn.environment.end(),
                    [&](const std::string& ours) { return ours.rfind(name, 0) == 0; });
    if (!replaced) env.push_back(*variable);
  }
  env.push_back(nullptr);

  const int err_end = spawn.merge_output ? out->write.get() : err->write.get();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    become(spawn, argv.data(), env.data(), in->read.get(), out->write.get(), err_end);
  }
  ::setpgid(pid, pid);  // also here, so that kill() is right at once
  Child child(pid);
  child.in = std::move(in->write);
  child.out = std::move(out->read);
  if (!spawn.merge_output) child.err = std::move(err->read);
  return child;
}

void Child::kill(int signal) const {
  if (pid_ > 0) ::kill(-pid_, signal);
}

int Child::wait() {
  if (pid_ <= 0) return 0;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<ProcessResult> run_process(Spawn spawn, std::string_view input, const Clock& clock,
                                  Duration limit_time, std::size_t limit_output,
                                  const std::stop_token& stop) {
  spawn.merge_output = true;
  auto child = Child::start(spawn);
  if (!child) return fail(child.error());
  ::fcntl(child->in.get(), F_SETFL, O_NONBLOCK);
  const Mono deadline = clock.mono() + limit_time;
  ProcessResult result;
  while (child->out) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, spawn.argv[0] + " was stopped");
    if (input.empty()) child->in.reset();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.mono()).count();
    if (left <= 0) {
      result.timed_out = true;
      child->kill(SIGKILL);
      break;
    }
    std::array<pollfd, 2> fds{pollfd{child->out.get(), POLLIN, 0},
                              pollfd{child->in.get(), POLLOUT, 0}};
    const nfds_t count = child->in ? 2 : 1;
    if (::poll(fds.data(), count, static_cast<int>(std::min<long>(left, 1000))) < 0 &&
        errno != EINTR) {
      return fail_errno("poll", errno);
    }
    if (count == 2 && fds[1].revents != 0) {
      const ssize_t n = ::write(child->in.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN && errno != EINTR) input = {};  // it does not want the rest
    }
    if (fds[0].revents != 0) {
      std::array<char, 16384> buffer;
      const ssize_t n = ::read(child->out.get(), buffer.data(), buffer.size());
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) child->out.reset();
      if (n > 0) {
        const auto room = limit_output - std::min(limit_output, result.output.size());
        result.output.append(buffer.data(), std::min(static_cast<std::size_t>(n), room));
      }
    }
  }
  result.status = child->wait();
  return result;
}

}  // namespace agent
