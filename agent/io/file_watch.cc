#include "agent/io/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/base/pulse.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kEvents = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr milliseconds kGather{20};

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, std::max<std::size_t>(slash, 1));
}

// Of "": everything in the folder.
std::uint64_t hash_of(std::string_view name) { return std::hash<std::string_view>()(name); }

std::uint64_t name_of(const std::string& file) {
  return hash_of(std::string_view(file).substr(file.rfind('/') + 1));
}

}  // namespace

FileWatch::FileWatch()
    : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

bool FileWatch::add_name(const std::string& file, Id id) {
  std::string folder = folder_of(file);
  int descriptor = -1;
  if (const auto known = descriptors_.find(folder); known != descriptors_.end()) {
    descriptor = known->second;
  } else {
    descriptor = ::inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
    if (descriptor < 0) {
      exhausted_ = exhausted_ || errno == ENOSPC;
      return false;
    }
    folders_[descriptor].paths.push_back(folder);
    descriptors_.emplace(std::move(folder), descriptor);
  }
  folders_[descriptor].files.emplace(name_of(file), id);
  ++files_;
  return true;
}

bool FileWatch::add(const std::string& file, Id id) {
  if (!inotify_) return false;
  remove(file, id);
  if (!add_name(file, id)) return false;
  fs::path at = file;
  constexpr int kMostLinks = 8;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(at, error);
    if (error) return true;
    at = (at.parent_path() / target).lexically_normal();
    if (!add_name(at.string(), id)) break;
    links_[id].push_back(at.string());
  }
  remove(file, id);
  return false;
}

void FileWatch::drop(int descriptor) {
  const auto folder = folders_.find(descriptor);
  files_ -= folder->second.files.size();
  for (const std::string& path : folder->second.paths) descriptors_.erase(path);
  folders_.erase(folder);
}

void FileWatch::remove_name(const std::string& file, Id id) {
  const auto known = descriptors_.find(folder_of(file));
  if (known == descriptors_.end()) return;
  const int descriptor = known->second;
  auto& files = folders_[descriptor].files;
  auto [it, end] = files.equal_range(name_of(file));
  while (it != end && it->second != id) ++it;
  if (it == end) return;
  files.erase(it);
  --files_;
  if (!files.empty()) return;
  ::inotify_rm_watch(inotify_.get(), descriptor);
  drop(descriptor);
}

void FileWatch::remove(const std::string& file, Id id) {
  remove_name(file, id);
  const auto links = links_.find(id);
  if (links == links_.end()) return;
  for (const std::string& link : links->second) remove_name(link, id);
  links_.erase(links);
}

void FileWatch::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

FileWatch::Changes FileWatch::wait(Duration at_most, const std::stop_token& stop) {
  Changes out;
  const std::stop_callback on_stop(stop, [this] { wake(); });
  const auto sleep = [&](milliseconds limit, bool events) {
    std::array<pollfd, 2> polled{};
    polled[0].fd = wake_.get();
    polled[0].events = POLLIN;
    polled[1].fd = inotify_.get();
    polled[1].events = POLLIN;
    const nfds_t count = events && inotify_ ? 2 : 1;
    limit = std::clamp(limit, milliseconds(0), milliseconds(60'000));
    const Pulse::Wait waiting;
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
        if ((event.mask & IN_MOVE_SELF) != 0) ::inotify_rm_watch(inotify_.get(), event.wd);
        drop(event.wd);
        continue;
      }
      if (event.len == 0) continue;
      const std::string_view entry(name, ::strnlen(name, event.len));
      for (const std::string_view known : {entry, std::string_view()}) {
        const auto [first, last] = folder->second.files.equal_range(hash_of(known));
        for (auto file = first; file != last; ++file)
          if (out.files.empty() || out.files.back() != file->second)
            out.files.push_back(file->second);
      }
    }
  }
}

}  // namespace agent::io
