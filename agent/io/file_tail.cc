#include "agent/io/file_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "agent/base/strings.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPrint = 1024;
// Content shorter than this does not tell a copy from another file that begins alike.
constexpr std::uint32_t kTellingPrint = 64;
constexpr std::size_t kChunk = 256U << 10;
// A replaced file that keeps growing is left at last.
constexpr Duration kLongestGrace = std::chrono::minutes(1);

std::uint32_t crc(const char* data, std::size_t size) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data), size));
}

Result<std::size_t> read_at(int fd, char* data, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

FileDescriptor open_regular(const fs::path& file, struct stat& info) {
  // Not blocking: the name may be a FIFO's.
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fd;
  if (::fstat(fd.get(), &info) != 0) return FileDescriptor();
  if (!S_ISREG(info.st_mode)) {
    errno = EINVAL;
    return FileDescriptor();
  }
  return fd;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ".1", "-20260101", ".2026-01-01T10:00": what rotation puts behind a name, or between its stem and
// its extension.
bool is_rotation_mark(std::string_view mark) {
  return mark.size() >= 2 && (mark[0] == '.' || mark[0] == '-' || mark[0] == '_') &&
         is_digit(mark[1]) && std::all_of(mark.begin() + 1, mark.end(), [](char c) {
           return is_digit(c) || c == '-' || c == '_' || c == ':' || c == 'T' || c == '.';
         });
}

std::optional<std::string_view> rotation_mark(std::string_view name, std::string_view base) {
  if (name.size() <= base.size()) return std::nullopt;
  const std::size_t extra = name.size() - base.size();
  if (name.substr(0, base.size()) == base) {
    const std::string_view mark = name.substr(base.size());
    if (is_rotation_mark(mark)) return mark;
  }
  const std::size_t dot = base.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  if (name.substr(0, dot) != base.substr(0, dot) || name.substr(dot + extra) != base.substr(dot))
    return std::nullopt;
  const std::string_view mark = name.substr(dot, extra);
  return is_rotation_mark(mark) ? std::optional(mark) : std::nullopt;
}

// The number of ".7"; none of a date.
std::optional<std::uint64_t> rotation_number(std::string_view mark) {
  constexpr std::size_t kLongestNumber = 6;
  std::uint64_t number = 0;
  const char* end = mark.data() + mark.size();
  if (mark.size() > kLongestNumber || std::from_chars(mark.data() + 1, end, number).ptr != end)
    return std::nullopt;
  return number;
}

}  // namespace

struct FileTail::Sibling {
  fs::path file;
  std::string mark;
  std::uint64_t inode = 0;
  timespec changed{};

  // Rotated before `other`: a higher number, or an earlier date.
  bool before(const Sibling& other) const {
    const auto mine = rotation_number(mark);
    const auto theirs = rotation_number(other.mark);
    if (mine && theirs) return *mine > *theirs;
    return mark < other.mark;
  }
};

FileTail::FileTail(fs::path path, const FileTailOptions& options)
    : path_(std::move(path)), options_(options) {}

void FileTail::from_end() {
  fd_.reset();
  start_ = Start::kEnd;
}

void FileTail::resume(const FilePlace& place) {
  end_since_.reset();
  replaced_since_.reset();
  fresh_ = true;
  if (previous_ && place.inode == previous_inode_) {
    fd_ = std::move(previous_);
    place_ = place;
    struct stat info {};
    if (::fstat(fd_.get(), &info) == 0) device_ = info.st_dev;
  } else if (fd_ && place.inode == place_.inode && place.offset <= place_.offset) {
    place_ = place;
  } else {
    fd_.reset();
    place_ = place;
    start_ = Start::kPlace;
  }
}

void FileTail::release(const FilePlace& settled) {
  if (previous_ && settled.inode != previous_inode_) previous_.reset();
}

// True when the file is there and open, at its start.
Result<bool> FileTail::open(const fs::path& file) {
  struct stat info {};
  FileDescriptor fd = open_regular(file, info);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return fail_errno("open " + file.string(), errno);
  }
  adopt(std::move(fd), info.st_ino, info.st_dev, static_cast<std::uint64_t>(info.st_size));
  return true;
}

void FileTail::adopt(FileDescriptor fd, std::uint64_t inode, std::uint64_t device,
                     std::uint64_t size) {
  fd_ = std::move(fd);
  device_ = device;
  size_ = size;
  place_ = {};
  place_.inode = inode;
  end_since_.reset();
  replaced_since_.reset();
  fresh_ = true;
}

// The open file `fd` begins as `place` says and reaches to its offset.
bool FileTail::fits(int fd, const FilePlace& place) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || static_cast<std::uint64_t>(info.st_size) < place.offset)
    return false;
  std::array<char, kPrint> head;
  const auto got = read_at(fd, head.data(), place.print_size, 0);
  return got && *got == place.print_size && crc(head.data(), *got) == place.print;
}

bool FileTail::fits(const fs::path& file, const FilePlace& place) {
  struct stat info {};
  const FileDescriptor fd = open_regular(file, info);
  return fd && info.st_ino == place.inode && fits(fd.get(), place);
}

bool FileTail::open_at(const fs::path& file, const FilePlace& place) {
  const auto opened = open(file);
  if (!opened || !*opened) return false;
  if (!fits(fd_.get(), place)) {
    fd_.reset();
    return false;
  }
  const std::uint64_t inode = place_.inode;
  place_ = place;
  place_.inode = inode;
  return true;
}

std::vector<FileTail::Sibling> FileTail::rotated_siblings() const {
  std::vector<Sibling> out;
  const std::string base = path_.filename().string();
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const auto mark = rotation_mark(name, base);
    struct stat info {};
    if (!mark || ::stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    out.push_back({entry.path(), std::string(*mark), info.st_ino, info.st_mtim});
  }
  std::sort(out.begin(), out.end(), [](const Sibling& a, const Sibling& b) { return a.before(b); });
  return out;
}

// Opens the file of `place` under the name that rotation gave it, or the copy that copytruncate
// left of it.
bool FileTail::find_moved(const FilePlace& place) {
  const auto siblings = rotated_siblings();
  for (const Sibling& sibling : siblings)
    if (sibling.inode == place.inode && open_at(sibling.file, place)) return true;
  if (place.print_size < kTellingPrint) return false;
  for (const Sibling& sibling : siblings)
    if (sibling.inode != place.inode && open_at(sibling.file, place)) return true;
  return false;
}

// The files rotated after the open one, which is itself replaced, oldest first.
std::vector<FileTail::Sibling> FileTail::successors() const {
  struct stat own {};
  if (::fstat(fd_.get(), &own) != 0) return {};
  auto all = rotated_siblings();
  const auto self =
      std::find_if(all.begin(), all.end(), [&](const Sibling& s) { return s.inode == own.st_ino; });
  if (self != all.end()) {
    all.erase(all.begin(), self + 1);
    return all;
  }
  // Ours was deleted: all that changed since.
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const Sibling& s) {
                             return std::pair(s.changed.tv_sec, s.changed.tv_nsec) <
                                    std::pair(own.st_mtim.tv_sec, own.st_mtim.tv_nsec);
                           }),
            all.end());
  return all;
}

Result<> FileTail::start() {
  const Start how = start_;
  const FilePlace place = place_;
  struct stat info {};
  const bool named = ::stat(path_.c_str(), &info) == 0;
  if (how == Start::kPlace) {
    if ((named && info.st_ino == place.inode && open_at(path_, place)) || find_moved(place)) {
      start_ = Start::kBeginning;
      return {};
    }
  }
  const auto opened = open(path_);
  if (!opened || !*opened) {
    // The place is kept: what has the name when it comes back may be the same file.
    place_ = place;
    if (how == Start::kEnd && opened) start_ = Start::kBeginning;
    return opened ? Result<>() : fail(opened.error());
  }
  start_ = Start::kBeginning;
  if (how == Start::kPlace && place.offset > 0) ++events_.missing_files;
  if (how != Start::kEnd) {
    start_where_known();
    return {};
  }
  if (auto learned = check_print(); !learned) return fail(learned.error());
  place_.offset = size_;
  // Not in the middle of a line.
  char last = '\n';
  if (size_ > 0 && read_at(fd_.get(), &last, 1, size_ - 1).value_or(0) == 1)
    place_.skipping = last != '\n';
  return {};
}

// Another file has the name now: perhaps one that was read under a former name.
void FileTail::start_where_known() {
  if (!options_.known) return;
  const auto place = options_.known({device_, place_.inode});
  if (!place || !fits(fd_.get(), *place)) return;
  const std::uint64_t inode = place_.inode;
  place_ = *place;
  place_.inode = inode;
}

// Compares the file's first bytes with what they were and learns more of them. False: this is not
// the content that was read before.
Result<bool> FileTail::check_print() {
  std::array<char, kPrint> head;
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPrint, size_));
  if (wanted < place_.print_size) return false;
  const auto got = read_at(fd_.get(), head.data(), wanted, 0);
  if (!got) return fail(Error(got.error()).within(path_.string()));
  if (*got < place_.print_size || crc(head.data(), place_.print_size) != place_.print) return false;
  place_.print_size = static_cast<std::uint32_t>(*got);
  place_.print = crc(head.data(), *got);
  return true;
}

// The content is not what it was: reads on in the copy that was made of it, if there is one, else
// the new content from its start.
void FileTail::restart_truncated() {
  ++events_.truncations;
  previous_.reset();
  const FilePlace before = place_;
  FileDescriptor own = std::move(fd_);
  const std::uint64_t device = device_;
  if (!find_moved(before)) adopt(std::move(own), before.inode, device, size_);
}

Result<> FileTail::open() {
  if (fd_) return {};
  return start();
}

Result<FileTail::Outcome> FileTail::read(Mono now, FileLines& out) {
  out.buffer.reset();
  out.lines.clear();
  out.bytes = 0;
  out.cut = 0;
  if (auto opened = open(); !opened) return fail(std::move(opened.error()));
  if (!fd_) return Outcome::kMissing;
  // Each further round is for a file that changed under us.
  for (int round = 0; round < 8; ++round) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return fail_errno("stat " + path_.string(), errno);
    size_ = static_cast<std::uint64_t>(info.st_size);
    bool same = size_ >= place_.offset;
    if (same && fresh_ && size_ > place_.offset) {
      const auto checked = check_print();
      if (!checked) return fail(checked.error());
      same = *checked;
    }
    if (!same) {
      restart_truncated();
      continue;
    }
    fresh_ = false;
    if (size_ > place_.offset) {
      auto taken = take_lines(out);
      if (!taken || *taken == Outcome::kLines) {
        end_since_.reset();
        return taken;
      }
    }
    fresh_ = true;
    const auto outcome = at_end(now);
    if (!outcome) continue;
    if (*outcome != Outcome::kLines) return *outcome;
    // Nothing will be added to this file any more.
    if (auto rest = take_rest(out); !rest) return fail(std::move(rest.error()));
    if (auto opened = open_next(); !opened && out.lines.empty())
      return fail(std::move(opened.error()));
    if (!out.lines.empty()) return Outcome::kLines;
    if (!fd_) return Outcome::kMissing;
  }
  return Outcome::kPending;
}

// kIdle when what is there is only the beginning of a line.
Result<FileTail::Outcome> FileTail::take_lines(FileLines& out) {
  const std::size_t limit = std::max(kChunk, options_.max_line + 1);
  const std::size_t size =
      static_cast<std::size_t>(std::min<std::uint64_t>(limit, size_ - place_.offset));
  std::shared_ptr<char[]> buffer(new char[size]);
  const auto got = read_at(fd_.get(), buffer.get(), size, place_.offset);
  if (!got) return fail(Error(got.error()).within(path_.string()));
  std::string_view text(buffer.get(), *got);
  const std::uint64_t begin = place_.offset;
  if (place_.skipping) {
    const std::size_t newline = text.find('\n');
    const std::size_t skipped = newline == std::string_view::npos ? text.size() : newline + 1;
    place_.offset += skipped;
    place_.skipping = newline == std::string_view::npos;
    text.remove_prefix(skipped);
  }
  if (!place_.skipping) split(text, out);
  if (out.lines.empty() && *got == limit && place_.offset == begin && !place_.skipping) {
    // No newline within the longest line.
    add_line(buffer.get(), *got, out);
    place_.offset += *got;
    place_.skipping = true;
  }
  out.bytes = static_cast<std::size_t>(place_.offset - begin);
  out.after = place_;
  if (out.bytes == 0) return Outcome::kIdle;
  out.begin = buffer.get();
  out.buffer = std::move(buffer);
  return Outcome::kLines;
}

void FileTail::split(std::string_view text, FileLines& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const auto* newline =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    if (newline == nullptr) break;
    std::size_t size = static_cast<std::size_t>(newline - at);
    if (size > 0 && at[size - 1] == '\r') --size;
    add_line(const_cast<char*>(at), size, out);
    at = newline + 1;
  }
  place_.offset += static_cast<std::uint64_t>(at - text.data());
}

void FileTail::add_line(char* line, std::size_t size, FileLines& out) const {
  if (size > options_.max_line) {
    size = options_.max_line;
    const std::size_t marker = std::min(options_.cut_marker.size(), size);
    options_.cut_marker.copy(line + size - marker, marker);
    ++out.cut;
  }
  out.lines.push_back({line, size});
}

// kLines: the file is finished. None: it was written to meanwhile.
std::optional<FileTail::Outcome> FileTail::at_end(Mono now) {
  struct stat named {};
  const bool there = ::stat(path_.c_str(), &named) == 0;
  if (there && named.st_ino == place_.inode && named.st_dev == device_) {
    end_since_.reset();
    replaced_since_.reset();
    return Outcome::kIdle;
  }
  struct stat own {};
  if (::fstat(fd_.get(), &own) != 0) return Outcome::kIdle;
  // Between our read and the rename.
  if (static_cast<std::uint64_t>(own.st_size) != size_) return std::nullopt;
  // Renamed, and its writer goes on or will open a new one.
  if (!there && own.st_nlink > 0) return Outcome::kPending;
  if (!end_since_) end_since_ = now;
  if (!there) {
    const bool waited = now - *end_since_ >= options_.deletion_grace;
    return waited ? Outcome::kLines : Outcome::kPending;
  }
  if (!replaced_since_) replaced_since_ = now;
  const bool waited = now - *end_since_ >= options_.rotation_grace ||
                      now - *replaced_since_ >= std::max(kLongestGrace, options_.rotation_grace);
  return waited || !successors().empty() ? Outcome::kLines : Outcome::kPending;
}

// What is left of the last line of a finished file: less than a chunk, take_lines saw to that.
Result<> FileTail::take_rest(FileLines& out) {
  const auto size = static_cast<std::size_t>(size_ - place_.offset);
  if (size == 0 || place_.skipping) return {};
  std::shared_ptr<char[]> buffer(new char[size]);
  const auto got = read_at(fd_.get(), buffer.get(), size, place_.offset);
  if (!got) return fail(Error(got.error()).within(path_.string()));
  std::size_t length = *got;
  if (length > 0 && buffer.get()[length - 1] == '\r') --length;
  add_line(buffer.get(), length, out);
  place_.offset += *got;
  out.bytes = *got;
  out.after = place_;
  out.begin = buffer.get();
  out.buffer = std::move(buffer);
  return {};
}

// From a finished file to the one that was rotated after it, or to the one that has the name now.
Result<> FileTail::open_next() {
  start_ = Start::kBeginning;
  const std::uint64_t finished = place_.inode;
  // Files may be rotated once more while we look; what was opened must be what was found.
  for (int attempt = 0; attempt < 8; ++attempt) {
    const auto next = successors();
    struct stat info {};
    FileDescriptor fd = open_regular(next.empty() ? path_ : next.front().file, info);
    const int number = errno;
    if (fd && next.empty()) {
      const auto meanwhile = successors();
      if (!meanwhile.empty() && meanwhile.front().inode != info.st_ino) continue;
    }
    if (fd && !next.empty() && next.front().inode != info.st_ino) continue;
    if (!fd && !next.empty() && number == ENOENT) continue;
    if (!fd && number != ENOENT) return fail_errno("open " + path_.string(), number);
    ++events_.rotations;
    previous_ = std::move(fd_);
    previous_inode_ = finished;
    if (fd) {
      adopt(std::move(fd), info.st_ino, info.st_dev, static_cast<std::uint64_t>(info.st_size));
      if (next.empty()) start_where_known();
    } else {
      place_ = {};
    }
    return {};
  }
  return {};
}

}  // namespace agent::io
