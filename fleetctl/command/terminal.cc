#include "fleetctl/command/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <utility>

#include "agent/base/file.h"

namespace fleetctl::command {

namespace {

// Of the Silence that lives: whoever is ended by a signal leaves the terminal as it was.
int silent_terminal = -1;
termios before_silence{};

void speak_and_end(int signal) {
  ::tcsetattr(silent_terminal, TCSANOW, &before_silence);
  ::raise(signal);  // the handler is gone (SA_RESETHAND), and this one waits until it returns
}

// While it lives, what is typed cannot be seen. One at a time.
class Silence {
 public:
  explicit Silence(int terminal) {
    if (::tcgetattr(terminal, &before_silence) != 0) return;
    silent_terminal = terminal;
    struct sigaction action {};
    action.sa_handler = speak_and_end;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      ::sigaction(kSignals[i], &action, &handlers_[i]);
    termios silent = before_silence;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (silent_terminal < 0) return;
    ::tcsetattr(silent_terminal, TCSAFLUSH, &before_silence);
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      ::sigaction(kSignals[i], &handlers_[i], nullptr);
    silent_terminal = -1;
    std::cerr << "\n";
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  static constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> handlers_{};
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

std::optional<agent::Wiped> ask_passphrase(const std::string& file, bool again,
                                           const std::atomic<bool>& stop) {
  if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
  return line_of_terminal((again ? "Wrong. Passphrase of " : "Passphrase of ") + file + ": ",
                          &stop);
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
