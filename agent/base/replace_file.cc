#include "agent/base/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "agent/base/file.h"

namespace agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".new-";     // people name copies, but not so
constexpr std::string_view kRandom = "XXXXXX";  // see mkstemp(3)

}  // namespace

Result<> replace_file(const fs::path& path, std::string_view bytes, const Replacement& as) {
  std::string temporary = path.string() + std::string(kMark) + std::string(kRandom);
  FileDescriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno("create " + temporary, errno);
  const auto give_up = [&](Error error) -> Result<> {
    ::unlink(temporary.c_str());
    return fail(std::move(error).within("write " + path.string()));
  };
  if (auto written = write_all(fd.get(), bytes); !written) return give_up(written.error());
  // Not called without need: the agent's unit forbids the system call.
  const bool owner = as.uid != static_cast<uid_t>(-1) || as.gid != static_cast<gid_t>(-1);
  if (owner && ::fchown(fd.get(), as.uid, as.gid) != 0)
    return give_up(fail_errno("chown", errno).value());
  if (::fchmod(fd.get(), as.mode) != 0) return give_up(fail_errno("chmod", errno).value());
  if (as.durable && ::fsync(fd.get()) != 0) return give_up(fail_errno("fsync", errno).value());
  fd.reset();
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return give_up(fail_errno("rename", errno).value());
  return {};
}

void remove_half_written(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string beginning = path.filename().string() + std::string(kMark);
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool random =
        name.size() == beginning.size() + kRandom.size() && name.starts_with(beginning) &&
        std::all_of(name.end() - static_cast<std::ptrdiff_t>(kRandom.size()), name.end(),
                    [](unsigned char c) { return std::isalnum(c) != 0; });
    std::error_code unknown;
    if (random && it->symlink_status(unknown).type() == fs::file_type::regular)
      found.push_back(it->path());
  }
  for (const fs::path& one : found) ::unlink(one.c_str());
}

}  // namespace agent
