#include "agent/exporter/process/proc_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "agent/exporter/process/proc_files.h"

namespace agent::exporter::processes {
namespace {

// /proc/stat has a number for each interrupt there is.
constexpr std::size_t kMaxHostStat = 8U << 20;

std::optional<int> positive(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Whether /proc/self there is this process.
bool is_ours(int folder) {
  std::array<char, 16> text{};
  const ssize_t size = ::readlinkat(folder, "self", text.data(), text.size());
  return size > 0 && positive({text.data(), static_cast<std::size_t>(size)}) == ::getpid();
}

}  // namespace

ProcRoot::ProcRoot(FileDescriptor folder, std::uint64_t boot_time, bool ours, bool sized)
    : folder_(std::move(folder)),
      boot_time_(boot_time),
      ours_(ours),
      sized_(sized),
      buffer_(std::make_unique<char[]>(kMaxRead)) {}

Result<ProcRoot> ProcRoot::open(const std::filesystem::path& path) {
  FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail(ErrorCode::kUnavailable, path.string() + ": " + errno_text(errno));
  const auto host = read_file(path / "stat", kMaxHostStat);
  if (!host) return fail(ErrorCode::kUnavailable, host.error().message);
  const auto boot_time = parse_boot_time(*host);
  if (!boot_time)
    return fail(ErrorCode::kUnavailable,
                (path / "stat").string() + ": it does not tell when the host was booted");
  struct statfs system {};
  const bool kernels = ::fstatfs(folder.get(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
  const bool ours = kernels && is_ours(folder.get());
  struct stat own {};  // this process has descriptors
  const bool sized = kernels && ::stat("/proc/self/fd", &own) == 0 && own.st_size > 0;
  return ProcRoot(std::move(folder), *boot_time, ours, sized);
}

Result<> ProcRoot::list(int folder, std::vector<int>& out) {
  out.clear();
  if (::lseek(folder, 0, SEEK_SET) < 0) return fail_errno("lseek", error_ = errno);
  while (true) {
    const ssize_t got = ::getdents64(folder, buffer_.get(), kMaxRead);
    if (got < 0) return fail_errno("getdents", error_ = errno);
    if (got == 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      struct dirent64 entry {};
      constexpr std::size_t kName = offsetof(struct dirent64, d_name);
      std::memcpy(&entry, buffer_.get() + at, kName);
      if (const auto value = positive(buffer_.get() + at + kName)) out.push_back(*value);
      at += entry.d_reclen;
    }
  }
  if (!std::is_sorted(out.begin(), out.end())) std::sort(out.begin(), out.end());
  return {};
}

ProcessFolder ProcRoot::process(int pid) {
  ProcessFolder out{FileDescriptor(::openat(folder_.get(), std::to_string(pid).c_str(),
                                            O_PATH | O_DIRECTORY | O_CLOEXEC)),
                    {}};
  if (!out.self) error_ = errno;
  return out;
}

FileDescriptor ProcRoot::subfolder(int folder, const char* name) {
  FileDescriptor out(::openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out) error_ = errno;
  return out;
}

// The kernel is asked itself, as four files for each process are most of what a scan costs: the C
// library's calls are places where a thread may be cancelled, which takes two atomic exchanges
// each.
std::optional<std::string_view> ProcRoot::read(int folder, const char* name) {
  const auto file = static_cast<int>(::syscall(SYS_openat, folder, name, O_RDONLY | O_CLOEXEC));
  if (file < 0) {
    error_ = errno;
    return std::nullopt;
  }
  // The kernel gives such a file in one piece.
  const long got = ::syscall(SYS_read, file, buffer_.get(), kMaxRead);
  if (got < 0) error_ = errno;
  ::syscall(SYS_close, file);
  if (got < 0) return std::nullopt;
  return std::string_view(buffer_.get(), static_cast<std::size_t>(got));
}

bool ProcRoot::gone() const { return error_ == ENOENT || error_ == ESRCH; }

std::optional<std::uint64_t> ProcRoot::open_files(ProcessFolder& folder) {
  if (sized_) {
    if (!folder.descriptors)
      folder.descriptors =
          FileDescriptor(::openat(folder.self.get(), "fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    if (!folder.descriptors || ::fstat(folder.descriptors.get(), &info) != 0) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
  }
  const FileDescriptor listed = subfolder(folder.self.get(), "fd");
  if (!listed || !list(listed.get(), descriptors_)) return std::nullopt;
  return descriptors_.size();
}

std::optional<std::uint64_t> ProcRoot::open_files_limit(int pid, int process_folder) {
  // A tenth of the cost of the file, which tells twenty limits.
  struct rlimit limit {};
  if (ours_ && ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0) {
    static_assert(RLIM_INFINITY == UINT64_MAX);
    return limit.rlim_cur;
  }
  const auto text = read(process_folder, "limits");
  return text ? parse_open_files_limit(*text) : std::nullopt;
}

}  // namespace agent::exporter::processes
