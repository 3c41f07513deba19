#include "agent/install/apply.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/install/bundle.h"
#include "agent/install/generations.h"
#include "agent/install/layout.h"
#include "agent/install/system.h"
#include "agent/install/transaction.h"

namespace agent::install {
namespace {

constexpr int kUsage = 64;
constexpr int kLocked = 75;

struct Options {
  int lock_fd = -1;
  std::string frame;
};

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) return fail(ErrorCode::kInvalid, name + ": needs a value");
    const std::string& value = arguments[i + 1];
    if (name == "--frame") {
      options.frame = value + " ";
    } else if (name == "--lock-fd") {
      const auto [stop, error] =
          std::from_chars(value.data(), value.data() + value.size(), options.lock_fd);
      if (error != std::errc() || stop != value.data() + value.size() || options.lock_fd < 3) {
        return fail(ErrorCode::kInvalid, "--lock-fd: not a descriptor: " + value);
      }
    } else {
      return fail(ErrorCode::kInvalid, "unknown option: " + name);
    }
  }
  return options;
}

// A line for the operator; nobody listening is no reason to stop.
void say(const Options& options, const std::string& json) {
  (void)write_all(STDOUT_FILENO, options.frame + json + "\n");
}

int exit_status(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUnchanged:
    case Outcome::kChanged:
      return 0;
    case Outcome::kRefused:
      return 1;
    case Outcome::kRolledBack:
      return 6;
    case Outcome::kBroken:
      return 7;
  }
  return 7;
}

// The host's lock, held until the process ends. The file says who holds it.
Result<FileDescriptor> take_lock(const std::string& who) {
  const std::string path(kLock);
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto holder = read_file(path, 4096);
    return fail(ErrorCode::kUnavailable,
                "another deploy is at work on this host: " +
                    (holder ? std::string(trim(*holder)) : std::string("unknown")));
  }
  if (::ftruncate(fd.get(), 0) == 0) (void)write_all(fd.get(), who + "\n");
  return fd;
}

}  // namespace

int apply_main(const std::vector<std::string>& arguments) {
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(number, SIG_IGN);
  ::umask(077);
  const auto options = parse_options(arguments);
  if (!options) {
    (void)write_all(STDERR_FILENO, "fleet-agent apply: " + options.error().message + "\n");
    return kUsage;
  }
  const auto refuse = [&](const Bundle& bundle, const Error& error, int status, std::int64_t now) {
    Report report;
    report.outcome = Outcome::kRefused;
    report.error = error.message;
    say(*options, report.json(bundle, now));
    return status;
  };

  SystemClock clock;
  auto bundle = read_bundle(STDIN_FILENO);
  if (!bundle) return refuse({}, bundle.error(), 1, clock.wall_ns());
  if (::geteuid() != 0) {
    return refuse(*bundle, Error{ErrorCode::kPermission, "needs root"}, 1, clock.wall_ns());
  }
  FileDescriptor lock(options->lock_fd);
  if (lock) {
    ::fcntl(lock.get(), F_SETFD, FD_CLOEXEC);
  } else {
    auto taken = take_lock(bundle->who + ", run " + bundle->run);
    if (!taken) return refuse(*bundle, taken.error(), kLocked, clock.wall_ns());
    lock = std::move(*taken);
  }

  HostSystem system(clock);
  if (auto found = find_generation(system, *bundle); !found)
    return refuse(*bundle, found.error(), 1, clock.wall_ns());
  Transaction transaction(system, clock, *bundle, [&](std::string_view step) {
    say(*options, "{\"step\":" + json_string(step) + "}");
  });
  const Report report = transaction.run();
  say(*options, report.json(*bundle, clock.wall_ns()));
  return exit_status(report.outcome);
}

}  // namespace agent::install
