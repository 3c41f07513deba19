#include "agent/io/compressed_tail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/io/file_print.h"
#include "agent/io/line_splitter.h"

namespace agent::io {
namespace {

constexpr std::size_t kInput = 64U << 10;
constexpr std::size_t kOutput = 256U << 10;

}  // namespace

struct CompressedTail::Stream {
  std::unique_ptr<Decompressor> decompressor;
  ByteOrderMark mark{&utf8(), 0};
  bool begun = false;  // the mark was looked for
  bool between_members = true;
  std::size_t members = 0;
  std::string_view input;
  std::array<char, kInput> buffer;
};

CompressedTail::CompressedTail(std::filesystem::path path, Compression compression,
                               const FileTailOptions& options)
    : path_(std::move(path)), compression_(compression), options_(options) {}
CompressedTail::~CompressedTail() = default;

void CompressedTail::resume(const FilePlace& place) {
  fd_.reset();
  stream_.reset();
  pending_.clear();
  failure_.reset();
  finished_ = false;
  place_ = place;
  place_.whole = false;
  go_back_ = place;
}

Result<> CompressedTail::open() {
  if (fd_ || place_.whole) return {};
  struct stat info {};
  FileDescriptor fd = open_regular(path_, info);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return fail_errno("open " + path_.string(), errno);
  }
  id_ = {info.st_dev, info.st_ino};
  size_ = static_cast<std::uint64_t>(info.st_size);
  taken_ = 0;
  skip_to_ = 0;
  finished_ = false;
  const auto back = std::exchange(go_back_, std::nullopt);
  if (back && info.st_ino == back->inode && begins_as(fd.get(), *back)) {
    place_ = *back;
    if (place_.whole) {
      taken_ = size_;
      return {};
    }
    skip_to_ = place_.offset;
    place_.offset = 0;
  } else {
    place_ = {};
    place_.inode = info.st_ino;
    std::array<char, kLargestPrint> head;
    const auto got = read_at(fd.get(), head.data(), head.size(), 0);
    if (!got) return fail(Error(got.error()).within(path_.string()));
    place_.print_size = static_cast<std::uint32_t>(*got);
    place_.print = print_of(head.data(), *got);
  }
  if (at_end_ && !back) {
    place_.whole = true;
    taken_ = size_;
    return {};
  }
  fd_ = std::move(fd);
  stream_ = std::make_unique<Stream>();
  stream_->decompressor = Decompressor::make(compression_);
  if (stream_->decompressor == nullptr) {
    fd_.reset();
    return fail(ErrorCode::kExhausted, "no memory to decompress");
  }
  return {};
}

// Another file has the name of the one that was read, or that one has grown.
bool CompressedTail::replaced() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return false;
  return info.st_ino != place_.inode || static_cast<std::uint64_t>(info.st_size) > size_;
}

// Content up to `room` bytes; what is left of it is not there yet.
Result<> CompressedTail::fill(char* to, std::size_t& room) {
  Stream& s = *stream_;
  char* const begin = to;
  Result<> outcome;
  while (room > 0) {
    if (s.input.empty()) {
      const ssize_t n = ::read(fd_.get(), s.buffer.data(), s.buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        finished_ = true;
        if (n < 0) {
          outcome = fail_errno("read " + path_.string(), errno);
        } else if (!s.between_members) {
          outcome = fail(ErrorCode::kInvalid, path_.string() + ": the compressed data has no end");
        }
        break;
      }
      s.input = {s.buffer.data(), static_cast<std::size_t>(n)};
      taken_ += static_cast<std::uint64_t>(n);
    }
    const bool between = s.between_members;
    const std::size_t room_before = room;
    const auto done = s.decompressor->run(s.input, to, room);
    s.between_members = done == Decompressor::Outcome::kEnd;
    s.members += s.between_members ? 1 : 0;
    if (done == Decompressor::Outcome::kDamaged) {
      finished_ = true;
      // What stands behind the last member is no part of the content.
      if (between && s.members > 0 && room == room_before) break;
      outcome = fail(ErrorCode::kInvalid, path_.string() + ": the compressed data is damaged");
      break;
    }
  }
  const auto got = static_cast<std::size_t>(to - begin);
  if (!s.begun && got > 0) {
    s.mark = byte_order_mark({begin, got}, *options_.encoding);
    s.begun = true;
  }
  if (place_.offset < skip_to_) {
    const auto skipped =
        static_cast<std::size_t>(std::min<std::uint64_t>(got, skip_to_ - place_.offset));
    std::memmove(begin, begin + skipped, got - skipped);
    room += skipped;
    place_.offset += skipped;
  }
  return outcome;
}

Result<LineReader::Outcome> CompressedTail::read(Mono, FileLines& out) {
  out.clear();
  if (failure_) return fail(*std::exchange(failure_, std::nullopt));
  if (place_.whole && replaced()) {
    const FilePlace before = place_;
    resume(before);
    go_back_->whole = false;
    at_end_ = false;
  }
  if (auto opened = open(); !opened) return fail(std::move(opened.error()));
  if (place_.whole) return Outcome::kDone;
  if (!fd_) return Outcome::kMissing;

  LineChunk chunk;
  const std::size_t capacity = pending_.size() + kOutput;
  chunk.buffer = std::shared_ptr<char[]>(new char[capacity]);
  std::memcpy(chunk.buffer.get(), pending_.data(), pending_.size());
  std::size_t room = kOutput;
  Result<> filled;
  if (!finished_) filled = fill(chunk.buffer.get() + pending_.size(), room);
  chunk.size = capacity - room;
  chunk.last = finished_;
  const auto buffer = chunk.buffer;
  const std::size_t size = chunk.size;
  // A hole as large as the chunk is taken in parts; anything else that fills it is a long line.
  chunk.full = size > longest_raw_line(*stream_->mark.encoding, options_.max_line);
  if (auto split = split_lines(std::move(chunk), stream_->mark, options_, place_, out); !split)
    return fail(std::move(split.error()).within(path_.string()));
  pending_.assign(buffer.get() + out.bytes, size - out.bytes);
  // What came before the damage is given first.
  if (!filled) failure_ = std::move(filled.error());
  if (finished_ && pending_.empty()) {
    place_.whole = true;
    size_ = std::max(size_, taken_);
    fd_.reset();
    stream_.reset();
  }
  out.after = place_;
  if (out.bytes > 0 || !place_.whole) return Outcome::kLines;
  if (failure_) return fail(*std::exchange(failure_, std::nullopt));
  return Outcome::kDone;
}

}  // namespace agent::io
