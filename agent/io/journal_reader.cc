#include "agent/io/journal_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/base/pulse.h"
#include "agent/io/journal_child.h"

namespace agent::io {
namespace {

// The program itself, also when its file has been replaced meanwhile.
constexpr const char* kProgram = "/proc/self/exe";
// Three of the child's heartbeats, and a long search through large files.
constexpr Duration kHung = std::chrono::seconds(60);
constexpr int kReapMs = 1000;

// Gets `socket` as standard input and nothing else but standard error.
Result<pid_t> spawn(int socket) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, socket, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t signals;
  sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = "fleet-agent";
  std::string argument(kJournalChild);
  std::array<char*, 3> argv = {name.data(), argument.data(), nullptr};
  std::array<char*, 1> environment = {nullptr};
  pid_t pid = -1;
  const int number =
      ::posix_spawn(&pid, kProgram, &actions, &attributes, argv.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (number != 0) return fail_errno("start the journal's reader", number);
  return pid;
}

// Waits for the end of a killed process, but not for ever: one that waits for a dead disk cannot be
// killed.
int reap(pid_t pid) {
  const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd gone{process.get(), POLLIN, 0};
  if (process) ::poll(&gone, 1, kReapMs);
  int status = 0;
  ::waitpid(pid, &status, process ? WNOHANG : 0);
  return status;
}

}  // namespace

Result<std::unique_ptr<JournalReader>> JournalReader::start(const JournalRequest& request) {
  std::string frame;
  append_request(frame, request);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("a socket for the journal's reader", errno);
  std::unique_ptr<JournalReader> reader(new JournalReader());
  reader->socket_.reset(ends[0]);
  const FileDescriptor theirs(ends[1]);
  reader->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!reader->wake_) return fail_errno("eventfd", errno);
  auto pid = spawn(theirs.get());
  if (!pid) return fail(std::move(pid.error()));
  reader->pid_ = *pid;
  if (::send(ends[0], frame.data(), frame.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("ask the journal's reader", errno);
  return reader;
}

JournalReader::~JournalReader() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  reap(pid_);
}

Result<JournalReader::Event> JournalReader::read(Duration at_most, const std::stop_token& stop) {
  using std::chrono::milliseconds;
  const auto limit = std::min(std::chrono::ceil<milliseconds>(at_most), milliseconds(60'000));
  for (;;) {
    auto frame = frames_.next();
    if (!frame) return fail(std::move(frame.error()));
    if (*frame) {
      silent_ = {};
      return event_of(**frame);
    }
    std::array<pollfd, 2> polled = {pollfd{socket_.get(), POLLIN, 0},
                                    pollfd{wake_.get(), POLLIN, 0}};
    int ready = 0;
    {
      const std::stop_callback on_stop(stop, [wake = wake_.get()] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(wake, &one, sizeof one);
      });
      const Pulse::Wait waiting;
      ready = ::poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
    }
    if (ready == 0) {
      silent_ += limit;
      if (silent_ >= kHung)
        return fail(ErrorCode::kUnavailable, "the journal's reader hangs: it is started anew");
      return Event{};
    }
    if (polled[1].revents != 0) {
      std::uint64_t drained = 0;
      [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &drained, sizeof drained);
    }
    if (stop.stop_requested()) return Event{};
    if (polled[0].revents == 0) continue;
    std::size_t size = 0;
    char* const room = frames_.room(size);
    const ssize_t n = ::recv(socket_.get(), room, size, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return ended();
    frames_.filled(static_cast<std::size_t>(n));
  }
}

Result<JournalReader::Event> JournalReader::event_of(const JournalFrames::Frame& frame) {
  Event event;
  event.payload = frame.payload;
  switch (frame.kind) {
    case JournalFrame::kReady: {
      const auto notes = static_cast<std::uint8_t>(frame.payload.empty() ? 0 : frame.payload[0]);
      event.kind = Event::Kind::kReady;
      event.cursor_refused = (notes & kCursorRefused) != 0;
      event.passed_over = (notes & kPassedOver) != 0;
      return event;
    }
    case JournalFrame::kRefused:
      event.kind = Event::Kind::kRefused;
      return event;
    case JournalFrame::kEntries:
      event.kind = Event::Kind::kEntries;
      return event;
    case JournalFrame::kIdle:
      frames_.shrink();
      event.kind = Event::Kind::kIdle;
      event.payload = {};
      return event;
    case JournalFrame::kFailed:
      return fail(ErrorCode::kUnavailable, std::string(frame.payload));
    case JournalFrame::kRequest:
      break;
  }
  return fail(ErrorCode::kIo, "the journal's reader sent a frame of no known kind");
}

// The socket is closed: the process has ended, or is about to.
Result<JournalReader::Event> JournalReader::ended() {
  if (pid_ <= 0) return fail(ErrorCode::kUnavailable, "the journal's reader has ended");
  const int status = reap(std::exchange(pid_, -1));
  if (WIFEXITED(status) && WEXITSTATUS(status) == kJournalPaused) {
    Event event;
    event.kind = Event::Kind::kPaused;
    return event;
  }
  if (WIFSIGNALED(status)) {
    const char* const name = ::sigabbrev_np(WTERMSIG(status));
    return fail(ErrorCode::kUnavailable, std::string("the journal's reader was ended by SIG") +
                                             (name == nullptr ? "?" : name));
  }
  return fail(ErrorCode::kUnavailable,
              "the journal's reader ended with status " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace agent::io
