#include "agent/io/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace agent::io {
namespace fs = std::filesystem;
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kEvents = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr milliseconds kGather{20};

std::string folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path().string() : ".";
}

}  // namespace

FileWatch::FileWatch()
    : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

bool FileWatch::add(const fs::path& file, Id id) {
  if (!inotify_) return false;
  struct stat info {};
  if (::lstat(file.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) return false;
  std::string folder = folder_of(file);
  int descriptor = -1;
  if (const auto known = descriptors_.find(folder); known != descriptors_.end()) {
    descriptor = known->second;
  } else {
    descriptor = ::inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
    if (descriptor < 0) return false;
    // Two names of one folder share a descriptor; the second is polled.
    if (!folders_.emplace(descriptor, Folder{folder, {}}).second) return false;
    descriptors_.emplace(std::move(folder), descriptor);
  }
  if (folders_[descriptor].files.insert_or_assign(file.filename().string(), id).second) ++files_;
  return true;
}

void FileWatch::remove(const fs::path& file) {
  const auto known = descriptors_.find(folder_of(file));
  if (known == descriptors_.end()) return;
  auto& files = folders_[known->second].files;
  files_ -= files.erase(file.filename().string());
  if (!files.empty()) return;
  ::inotify_rm_watch(inotify_.get(), known->second);
  folders_.erase(known->second);
  descriptors_.erase(known);
}

FileWatch::Changes FileWatch::wait(Duration at_most, const std::stop_token& stop) {
  Changes out;
  const std::stop_callback on_stop(stop, [wake = wake_.get()] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake, &one, sizeof one);
  });
  const auto sleep = [&](milliseconds limit, bool events) {
    std::array<pollfd, 2> polled{};
    polled[0].fd = wake_.get();
    polled[0].events = POLLIN;
    polled[1].fd = inotify_.get();
    polled[1].events = POLLIN;
    const nfds_t count = events && inotify_ ? 2 : 1;
    limit = std::clamp(limit, milliseconds(0), milliseconds(60'000));
    return ::poll(polled.data(), count, static_cast<int>(limit.count())) > 0 &&
           (polled[1].revents & POLLIN) != 0;
  };
  if (!stop.stop_requested() && sleep(std::chrono::ceil<milliseconds>(at_most), true)) {
    sleep(kGather, false);
    read_events(out);
  }
  std::uint64_t drained = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &drained, sizeof drained);
  return out;
}

void FileWatch::read_events(Changes& out) {
  alignas(inotify_event) std::array<char, 64U << 10> buffer;
  // A writer faster than we are must not keep us here.
  for (int round = 0; round < 16; ++round) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) out.any = true;
      const auto folder = folders_.find(event.wd);
      if (folder == folders_.end()) continue;
      if ((event.mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) {
        for (const auto& [file, id] : folder->second.files) out.unwatched.push_back(id);
        files_ -= folder->second.files.size();
        descriptors_.erase(folder->second.path);
        if ((event.mask & IN_MOVE_SELF) != 0) ::inotify_rm_watch(inotify_.get(), event.wd);
        folders_.erase(folder);
        continue;
      }
      if (event.len == 0) continue;
      const auto file = folder->second.files.find(std::string(name, ::strnlen(name, event.len)));
      if (file == folder->second.files.end()) continue;
      if (out.files.empty() || out.files.back() != file->second) out.files.push_back(file->second);
    }
  }
}

}  // namespace agent::io
