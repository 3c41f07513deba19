#include "fleetctl/command/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <utility>

#include "agent/base/file.h"

namespace fleetctl::command {

namespace {

// While it lives, what is typed cannot be seen.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    known_ = ::tcgetattr(terminal_, &old_) == 0;
    termios silent = old_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (known_) ::tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (!known_) return;
    ::tcsetattr(terminal_, TCSAFLUSH, &old_);
    std::cerr << "\n";
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int terminal_;
  bool known_ = false;
  termios old_{};
};

// Until `stop` is set, if there is one.
std::optional<agent::Wiped> line_of_terminal(const std::string& question,
                                             const std::atomic<bool>* stop) {
  constexpr int kSliceMs = 200;
  const agent::FileDescriptor terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal) return std::nullopt;
  const Silence silence(terminal.get());
  std::cerr << question << std::flush;
  std::string answer;
  while (stop == nullptr || !*stop) {
    pollfd waiting{terminal.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kSliceMs) <= 0) continue;
    char c = 0;
    if (::read(terminal.get(), &c, 1) != 1) break;
    if (c == '\n') return agent::Wiped(std::move(answer));
    answer.push_back(c);
  }
  agent::wipe(answer);
  return std::nullopt;
}

}  // namespace

std::optional<agent::Wiped> ask_secret(const std::string& question, Asked asked) {
  if (asked == Asked::kTerminal && ::isatty(STDIN_FILENO) == 0)
    return line_of_terminal(question, nullptr);
  std::string answer;
  bool read = false;
  if (::isatty(STDIN_FILENO) != 0) {
    const Silence silence(STDIN_FILENO);
    std::cerr << question << std::flush;
    read = static_cast<bool>(std::getline(std::cin, answer));
  } else {
    read = static_cast<bool>(std::getline(std::cin, answer));
  }
  if (!read) return std::nullopt;
  return agent::Wiped(std::move(answer));
}

std::optional<agent::Wiped> ask_secret_meanwhile(const std::string& question,
                                                 const std::atomic<bool>& stop) {
  if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
  return line_of_terminal(question, &stop);
}

std::optional<std::string> ask_line(const std::string& question) {
  if (::isatty(STDIN_FILENO) != 0) std::cerr << question << std::flush;
  std::string answer;
  if (!std::getline(std::cin, answer)) return std::nullopt;
  return answer;
}

std::size_t terminal_columns(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace fleetctl::command
