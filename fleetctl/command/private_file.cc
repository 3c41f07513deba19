#include "fleetctl/command/private_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/wiped.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/inventory/shell_words.h"

namespace fleetctl::command {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::fail_errno;
using agent::Result;

namespace {

// What is open and has no name any more is overwritten, so that its blocks do not hold the text.
void overwrite(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return;
  const std::string zeros(64U << 10, '\0');
  off_t left = status.st_size;
  if (::lseek(file, 0, SEEK_SET) != 0) return;
  while (left > 0) {
    const auto n =
        static_cast<std::size_t>(std::min<off_t>(left, static_cast<off_t>(zeros.size())));
    if (!agent::write_all(file, std::string_view(zeros).substr(0, n))) return;
    left -= static_cast<off_t>(n);
  }
  ::fsync(file);
}

bool in_memory(const fs::path& folder) {
  struct statfs status {};
  return ::statfs(folder.c_str(), &status) == 0 && status.f_type == TMPFS_MAGIC &&
         ::access(folder.c_str(), W_OK | X_OK) == 0;
}

class PrivateFolder {
 public:
  static Result<PrivateFolder> make() {
    std::vector<fs::path> places = {environment("XDG_RUNTIME_DIR"), "/dev/shm"};
    std::error_code error;
    fs::path place = fs::temp_directory_path(error);
    for (const fs::path& candidate : places) {
      if (candidate.empty() || !in_memory(candidate)) continue;
      place = candidate;
      break;
    }
    std::string name = (place / "fleetctl-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      return fail_errno("make a folder in " + place.string(), errno);
    return PrivateFolder(name);
  }
  explicit PrivateFolder(fs::path path) : path_(std::move(path)) {}
  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  // Editors leave copies beside the file.
  ~PrivateFolder() {
    if (path_.empty()) return;
    std::error_code error;
    for (fs::recursive_directory_iterator it(path_, error), end; !error && it != end;
         it.increment(error)) {
      const agent::FileDescriptor file(
          ::open(it->path().c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (file) overwrite(file.get());
    }
    fs::remove_all(path_, error);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

// While it lives, signals that would end us wait: they would leave the text behind.
class SignalsWait {
 public:
  SignalsWait() {
    sigset_t waiting;
    sigemptyset(&waiting);
    for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) sigaddset(&waiting, number);
    ::pthread_sigmask(SIG_BLOCK, &waiting, &before_);
  }
  // Ctrl-C was for the editor, which shares our terminal.
  ~SignalsWait() {
    const timespec now{0, 0};
    sigset_t keyboard;
    sigemptyset(&keyboard);
    sigaddset(&keyboard, SIGINT);
    sigaddset(&keyboard, SIGQUIT);
    while (::sigtimedwait(&keyboard, nullptr, &now) > 0) continue;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsWait(const SignalsWait&) = delete;
  SignalsWait& operator=(const SignalsWait&) = delete;
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

// With our terminal and the signals as they were.
Result<> run_editor(const fs::path& file, const sigset_t& signals) {
  const std::string named = environment("EDITOR");
  auto words = inventory::split_shell_words(named.empty() ? "vi" : named, inventory::Comments::kNo);
  if (!words || words->empty())
    return fail(ErrorCode::kInvalid, "EDITOR is not a command: " + named);
  words->push_back(file.string());
  std::vector<char*> arguments;
  for (std::string& word : *words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], nullptr, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) return fail_errno("run the editor " + words->front(), failed);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ErrorCode::kIo, "the editor " + words->front() + " failed: nothing was changed");
  return {};
}

}  // namespace

Result<> replace_file(const fs::path& path, std::string_view bytes, Mode mode) {
  std::error_code error;
  fs::path file = fs::weakly_canonical(path, error);
  if (error) file = path;
  const agent::FileDescriptor old(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat status {};
  const bool known = old && ::fstat(old.get(), &status) == 0;
  const bool kept = known && mode == Mode::kKept;
  const bool other_owner = kept && (status.st_uid != ::geteuid() || status.st_gid != ::getegid());
  auto written = agent::write_file_atomic(file, bytes, kept ? status.st_mode & 07777U : 0600U,
                                          other_owner ? status.st_uid : static_cast<uid_t>(-1),
                                          other_owner ? status.st_gid : static_cast<gid_t>(-1));
  if (!written) return written;
  // A further link to the old file keeps what it has.
  if (known && ::fstat(old.get(), &status) == 0 && status.st_nlink == 0) overwrite(old.get());
  return {};
}

Result<> edit_text(std::string_view text, const std::string& extension, const Save& save) {
  const SignalsWait signals;
  auto folder = PrivateFolder::make();
  if (!folder) return fail(folder.error());
  const fs::path file = *folder / ("secret" + extension);
  if (auto written = agent::write_file_atomic(file, text, 0600); !written) return written;
  if (auto edited = run_editor(file, signals.before()); !edited) return edited;
  auto edited = agent::read_file(file);
  if (!edited) return fail(edited.error());
  auto saved = save(*edited);
  agent::wipe(*edited);
  return saved;
}

}  // namespace fleetctl::command
