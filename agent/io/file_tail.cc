#include "agent/io/file_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "agent/base/strings.h"
#include "agent/io/file_print.h"
#include "agent/io/line_splitter.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

// Content shorter than this does not tell a copy from another file that begins alike.
constexpr std::uint32_t kTellingPrint = 64;
constexpr std::size_t kChunk = 256U << 10;
// A replaced file that keeps growing is left at last.
constexpr Duration kLongestGrace = std::chrono::minutes(1);
constexpr std::size_t kMaxFolders = 256;  // below the file's own, looked through for a moved one

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

// The rotated file `next` was made after the file `last` had been deleted: there was another one
// between them, which is deleted too.
bool born_after_end_of(const FileDescriptor& next, const FileDescriptor& last) {
  struct statx made {};
  struct stat gone {};
  if (::fstat(last.get(), &gone) != 0 || gone.st_nlink > 0 ||
      ::statx(next.get(), "", AT_EMPTY_PATH, STATX_BTIME, &made) != 0 ||
      (made.stx_mask & STATX_BTIME) == 0)
    return false;
  return std::pair<std::int64_t, std::int64_t>(made.stx_btime.tv_sec, made.stx_btime.tv_nsec) >
         std::pair<std::int64_t, std::int64_t>(gone.st_ctim.tv_sec, gone.st_ctim.tv_nsec);
}

}  // namespace

struct FileTail::Sibling {
  std::string file;
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

// What a tail has to remember while its file loses its name.
struct FileTail::Rotation {
  FileDescriptor kept;  // the file before
  std::uint64_t kept_inode = 0;
  std::uint64_t kept_size = 0;
  std::optional<Mono> end_since;  // at the end of a replaced or deleted file
  std::optional<Mono> replaced_since;
};

FileTail::FileTail(const std::string& path, const FileTailOptions& options)
    : path_(path), options_(options), encoding_(options.encoding) {}
FileTail::~FileTail() = default;

FileTail::Rotation& FileTail::rotation() {
  if (rotation_ == nullptr) rotation_ = std::make_unique<Rotation>();
  return *rotation_;
}

// Back under its name, or another file.
void FileTail::forget_pauses() {
  if (rotation_ == nullptr) return;
  if (!rotation_->kept) {
    rotation_.reset();
    return;
  }
  rotation_->end_since.reset();
  rotation_->replaced_since.reset();
}

void FileTail::from_end() {
  fd_.reset();
  start_ = Start::kEnd;
}

void FileTail::resume(const FilePlace& place) {
  forget_pauses();
  fresh_ = true;
  if (rotation_ != nullptr && place.inode == rotation_->kept_inode) {
    fd_ = std::move(rotation_->kept);
    rotation_.reset();
    place_ = place;
    struct stat info {};
    if (::fstat(fd_.get(), &info) == 0) device_ = info.st_dev;
  } else if (fd_ && place.inode == place_.inode && place.offset <= place_.offset &&
             place.generation == place_.generation) {
    place_ = place;
  } else {
    fd_.reset();
    place_ = place;
    start_ = Start::kPlace;
  }
}

void FileTail::release(const FilePlace& settled) {
  if (rotation_ != nullptr && settled.inode != rotation_->kept_inode) drop_kept();
}

std::uint64_t FileTail::kept() const {
  return rotation_ != nullptr && rotation_->kept ? rotation_->kept_size : 0;
}

void FileTail::drop_kept() {
  if (rotation_ == nullptr) return;
  rotation_->kept.reset();
  if (!rotation_->end_since && !rotation_->replaced_since) rotation_.reset();
}

bool FileTail::at_rest() const {
  return fd_ && rotation_ == nullptr && start_ == Start::kBeginning && size_ == place_.offset;
}

void FileTail::wake(FileDescriptor file, const FilePlace& place) {
  if (!file) return resume(place);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return resume(place);
  fd_ = std::move(file);
  device_ = info.st_dev;
  place_ = place;
  size_ = place.offset;
}

std::uint64_t FileTail::pinned() const {
  return pinned_by(fd_) + (rotation_ == nullptr ? 0 : pinned_by(rotation_->kept));
}

// True when the file is there and open, at its start.
Result<bool> FileTail::open(const std::string& file) {
  struct stat info {};
  FileDescriptor fd = open_regular(file, info);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return fail_errno("open " + file, errno);
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
  encoding_ = options_.encoding;
  mark_size_ = 0;
  forget_pauses();
  fresh_ = true;
}

// The content that was opened now comes after the one of `before`. Where the name keeps its file
// and its contents are copied away, they are told apart by their order, whichever of them is read
// from a copy.
void FileTail::name_content_after(const FilePlace& before) {
  const std::uint64_t number =
      before.content != 0 ? before.content : content_number(path_, before.inode);
  struct stat named {};
  if (::stat(path_.c_str(), &named) != 0 || content_number(path_, named.st_ino) != number) return;
  place_.generation = before.generation + 1;
  place_.content = place_.inode == named.st_ino ? 0 : number;
}

// The open file `fd` begins as `place` says and reaches to its offset.
bool FileTail::fits(int fd, const FilePlace& place) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && static_cast<std::uint64_t>(info.st_size) >= place.offset &&
         begins_as(fd, place);
}

bool FileTail::fits(const std::filesystem::path& file, const FilePlace& place) {
  struct stat info {};
  const FileDescriptor fd = open_regular(file, info);
  return fd && info.st_ino == place.inode && fits(fd.get(), place);
}

bool FileTail::open_at(const std::string& file, const FilePlace& place) {
  const auto opened = open(file);
  if (!opened || !*opened) return false;
  if (!fits(fd_.get(), place)) {
    fd_.reset();
    return false;
  }
  const std::uint64_t inode = place_.inode;
  place_ = place;
  if (inode == place.inode) return true;
  place_.inode = inode;
  if (place_.content == 0) place_.content = content_number(path_, place.inode);
  return true;
}

std::string FileTail::folder() const {
  const std::size_t slash = path_.rfind('/');
  if (slash == std::string::npos) return ".";
  return path_.substr(0, std::max<std::size_t>(slash, 1));
}

// Files whose names say that they were rotated out of ours. Elsewhere they may have kept the name.
void FileTail::siblings_in(const std::string& folder, bool own, std::vector<Sibling>& out) const {
  const std::string_view base = std::string_view(path_).substr(path_.rfind('/') + 1);
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool same = !own && name == base;
    const auto mark = rotation_mark(name, base);
    struct stat info {};
    if ((!mark && !same) || ::stat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode))
      continue;
    out.push_back({it->path().string(), std::string(mark.value_or("")), info.st_ino, info.st_mtim});
  }
}

std::optional<FilePlace> FileTail::oldest_rotated(
    const std::string& path, const FileTailOptions& options,
    const std::function<bool(FileId, std::int64_t born_ns)>& wanted) {
  for (const Sibling& sibling : FileTail(path, options).rotated_siblings()) {
    struct statx made {};
    struct stat info {};
    if (::statx(AT_FDCWD, sibling.file.c_str(), 0, STATX_BTIME, &made) != 0 ||
        (made.stx_mask & STATX_BTIME) == 0 || ::stat(sibling.file.c_str(), &info) != 0)
      continue;
    const std::int64_t born_ns =
        std::int64_t{made.stx_btime.tv_sec} * 1'000'000'000 + made.stx_btime.tv_nsec;
    if (info.st_ino != sibling.inode || !wanted({info.st_dev, info.st_ino}, born_ns)) continue;
    FilePlace place;
    place.inode = sibling.inode;
    return place;
  }
  return std::nullopt;
}

// In the file's folder and in those where its like were rotated to.
std::vector<FileTail::Sibling> FileTail::rotated_siblings() const {
  std::vector<Sibling> out;
  const std::string own = folder();
  siblings_in(own, true, out);
  for (const std::string& other : options_.rotated_to)
    if (other != own) siblings_in(other, false, out);
  std::sort(out.begin(), out.end(), [](const Sibling& a, const Sibling& b) { return a.before(b); });
  return out;
}

// And in the folders within its own.
std::vector<FileTail::Sibling> FileTail::siblings_anywhere() const {
  std::vector<Sibling> out;
  std::size_t folders = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder(), error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored) || it->is_symlink(ignored)) continue;
    if (++folders > kMaxFolders) break;
    siblings_in(it->path().string(), false, out);
  }
  return out;
}

// Opens the file of `place` under the name that rotation gave it, or the copy that copytruncate
// left of it.
bool FileTail::find_moved(const FilePlace& place) {
  const auto siblings = rotated_siblings();
  for (const Sibling& sibling : siblings)
    if (sibling.inode == place.inode && open_at(sibling.file, place)) return true;
  const auto others = siblings_anywhere();
  for (const Sibling& other : others) {
    if (other.inode != place.inode || !open_at(other.file, place)) continue;
    if (options_.learned) options_.learned(other.file.substr(0, other.file.rfind('/')));
    return true;
  }
  if (place.print_size < kTellingPrint) return false;
  for (const auto* some : {&siblings, &others})
    for (const Sibling& sibling : *some)
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
  if (how == Start::kEnd) return go_to_end();
  if (how == Start::kPlace) name_content_after(place);
  start_where_known();
  return {};
}

// To the beginning of a line that may not be complete yet.
Result<> FileTail::go_to_end() {
  if (auto learned = check_print(); !learned) return fail(learned.error());
  const std::size_t width = encoding_->width;
  std::uint64_t size = size_ - size_ % width;
  const auto limit = static_cast<std::uint64_t>(longest_raw_line(*encoding_, options_.max_line));
  const std::uint64_t begin = size > limit ? (size - limit) / width * width : 0;
  std::string tail(static_cast<std::size_t>(size - begin), '\0');
  const auto got = read_at(fd_.get(), tail.data(), tail.size(), begin);
  if (!got) return fail(Error(got.error()).within(path_));
  std::string newline(width, '\0');
  newline[encoding_->big_endian ? width - 1 : 0] = encoding_->newline;
  std::size_t found = tail.rfind(newline);
  while (found != std::string::npos && found % width != 0)
    found = found == 0 ? std::string::npos : tail.rfind(newline, found - 1);
  if (found != std::string::npos) {
    place_.offset = begin + found + width;
  } else if (begin > 0) {
    place_.offset = size;
    place_.skipping = true;  // its beginning is too far away
  }
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
  std::array<char, kLargestPrint> head;
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), size_));
  if (wanted < place_.print_size) return false;
  const auto got = read_at(fd_.get(), head.data(), wanted, 0);
  if (!got) return fail(Error(got.error()).within(path_));
  if (*got < place_.print_size || print_of(head.data(), place_.print_size) != place_.print)
    return false;
  place_.print_size = static_cast<std::uint32_t>(*got);
  place_.print = print_of(head.data(), *got);
  const ByteOrderMark mark = byte_order_mark({head.data(), *got}, *options_.encoding);
  encoding_ = mark.encoding;
  mark_size_ = static_cast<std::uint8_t>(mark.size);
  return true;
}

// The content is not what it was: reads on in the copy that was made of it, if there is one, else
// the new content from its start. `before_size` is how large the old one was seen.
void FileTail::restart_truncated(std::uint64_t before_size) {
  ++events_.truncations;
  drop_kept();
  const FilePlace before = place_;
  FileDescriptor own = std::move(fd_);
  const std::uint64_t device = device_;
  const std::uint64_t size = size_;
  if (find_moved(before)) return;
  if (before_size > before.offset) events_.lost_bytes += before_size - before.offset;
  adopt(std::move(own), before.inode, device, size);
  name_content_after(before);
}

Result<> FileTail::open() {
  if (fd_) return {};
  return start();
}

Result<FileTail::Outcome> FileTail::read(Mono now, FileLines& out) {
  out.clear();
  if (auto opened = open(); !opened) return fail(std::move(opened.error()));
  if (!fd_) return Outcome::kMissing;
  // Each further round is for a file that changed under us.
  for (int round = 0; round < 8; ++round) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return fail_errno("stat " + path_, errno);
    const std::uint64_t size_before = size_;
    size_ = static_cast<std::uint64_t>(info.st_size);
    bool same = size_ >= place_.offset;
    if (same && fresh_) {  // also with as many bytes as before
      const auto checked = check_print();
      if (!checked) return fail(checked.error());
      same = *checked;
    }
    if (!same) {
      restart_truncated(size_before);
      continue;
    }
    fresh_ = false;
    if (size_ > place_.offset) {
      auto taken = take_lines(false, out);
      if (!taken || *taken == Outcome::kLines) {
        if (rotation_ != nullptr) rotation_->end_since.reset();
        return taken;
      }
    }
    fresh_ = true;
    const auto outcome = at_end(now);
    if (!outcome) continue;
    if (*outcome != Outcome::kLines) return *outcome;
    // Nothing will be added to this file any more: its last line needs no newline.
    if (size_ > place_.offset)
      if (auto rest = take_lines(true, out); !rest) return fail(std::move(rest.error()));
    if (auto opened = open_next(); !opened && out.bytes == 0)
      return fail(std::move(opened.error()));
    if (out.bytes > 0) return Outcome::kLines;
    if (!fd_) return Outcome::kMissing;
  }
  return Outcome::kPending;
}

// kIdle when what is there is only the beginning of a line.
Result<FileTail::Outcome> FileTail::take_lines(bool last, FileLines& out) {
  const std::size_t limit = std::max(kChunk, longest_raw_line(*encoding_, options_.max_line));
  LineChunk chunk;
  chunk.size = static_cast<std::size_t>(std::min<std::uint64_t>(limit, size_ - place_.offset));
  chunk.buffer = std::shared_ptr<char[]>(new char[chunk.size]);
  const auto got = read_at(fd_.get(), chunk.buffer.get(), chunk.size, place_.offset);
  if (!got) return fail(Error(got.error()).within(path_));
  chunk.full = *got == limit;
  chunk.size = *got;
  chunk.last = last;
  if (auto split = split_lines(std::move(chunk), {encoding_, mark_size_}, options_, place_, out);
      !split)
    return fail(std::move(split.error()).within(path_));
  out.after = place_;
  return out.bytes == 0 ? Outcome::kIdle : Outcome::kLines;
}

// kLines: the file is finished. None: it was written to meanwhile.
std::optional<FileTail::Outcome> FileTail::at_end(Mono now) {
  struct stat named {};
  const bool there = ::stat(path_.c_str(), &named) == 0;
  if (there && named.st_ino == place_.inode && named.st_dev == device_) {
    forget_pauses();
    return Outcome::kIdle;
  }
  struct stat own {};
  if (::fstat(fd_.get(), &own) != 0) return Outcome::kIdle;
  // Between our read and the rename.
  if (static_cast<std::uint64_t>(own.st_size) != size_) return std::nullopt;
  // Renamed, and its writer goes on or will open a new one.
  if (!there && own.st_nlink > 0) return Outcome::kPending;
  Rotation& state = rotation();
  if (!state.end_since) state.end_since = now;
  if (!there) {
    const bool waited = now - *state.end_since >= options_.deletion_grace;
    return waited ? Outcome::kLines : Outcome::kPending;
  }
  if (!state.replaced_since) {
    state.replaced_since = now;
    learn_folder();
  }
  const bool waited =
      now - *state.end_since >= options_.rotation_grace ||
      now - *state.replaced_since >= std::max(kLongestGrace, options_.rotation_grace);
  return waited || !successors().empty() ? Outcome::kLines : Outcome::kPending;
}

// Where the open file was moved to, the next ones will be looked for.
void FileTail::learn_folder() const {
  if (!options_.learned) return;
  std::error_code error;
  const std::string now =
      fs::read_symlink("/proc/self/fd/" + std::to_string(fd_.get()), error).string();
  struct stat info {};
  if (error || now.empty() || now[0] != '/' || ::stat(now.c_str(), &info) != 0 ||
      info.st_ino != place_.inode)
    return;
  const std::string there = now.substr(0, std::max<std::size_t>(now.rfind('/'), 1));
  const std::string own = fs::weakly_canonical(folder(), error).string();
  if (!error && there != own) options_.learned(there);
}

// From a finished file to the one that was rotated after it, or to the one that has the name now.
Result<> FileTail::open_next() {
  start_ = Start::kBeginning;
  const FilePlace finished = place_;
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
    if (!fd && number != ENOENT) return fail_errno("open " + path_, number);
    ++events_.rotations;
    if (!next.empty() && born_after_end_of(fd, fd_)) ++events_.missing_files;
    Rotation& state = rotation();
    state.kept = std::move(fd_);
    state.kept_inode = finished.inode;
    state.kept_size = size_;
    if (fd) {
      adopt(std::move(fd), info.st_ino, info.st_dev, static_cast<std::uint64_t>(info.st_size));
      name_content_after(finished);
      if (next.empty()) start_where_known();
    } else {
      place_ = {};
      forget_pauses();
    }
    return {};
  }
  return {};
}

}  // namespace agent::io
