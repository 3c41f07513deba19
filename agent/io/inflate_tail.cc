#include "agent/io/inflate_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace agent::io {
namespace {

constexpr std::size_t kInput = 64U << 10;
constexpr std::size_t kOutput = 256U << 10;

}  // namespace

struct InflateTail::Stream {
  Stream() { valid = ::inflateInit2(&z, 15 + 32) == Z_OK; }  // finds out which of both it is
  ~Stream() {
    if (valid) ::inflateEnd(&z);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  z_stream z{};
  bool valid = false;
  bool between_members = true;
  std::array<unsigned char, kInput> input;
};

InflateTail::InflateTail(std::filesystem::path path, const FileTailOptions& options)
    : path_(std::move(path)), options_(options) {}
InflateTail::~InflateTail() = default;

void InflateTail::resume(const FilePlace& place) {
  fd_.reset();
  stream_.reset();
  pending_.clear();
  failure_.reset();
  finished_ = false;
  done_ = false;
  place_ = place;
  skip_to_ = place.offset;
  resume_inode_ = place.inode;
}

Result<> InflateTail::open() {
  if (fd_ || done_) return {};
  FileDescriptor fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return fail_errno("open " + path_.string(), errno);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail(ErrorCode::kInvalid, "open " + path_.string() + ": it is no regular file");
  if (info.st_ino != resume_inode_) skip_to_ = 0;
  const bool skipping = skip_to_ > 0 && place_.skipping;
  fd_ = std::move(fd);
  id_ = {info.st_dev, info.st_ino};
  place_ = {};
  place_.inode = info.st_ino;
  place_.skipping = skipping;
  stream_ = std::make_unique<Stream>();
  if (!stream_->valid) return fail(ErrorCode::kExhausted, "no memory to decompress");
  if (at_end_) done_ = true;
  return {};
}

// Adds up to kOutput bytes of content to pending_.
Result<> InflateTail::fill() {
  z_stream& z = stream_->z;
  const std::size_t old = pending_.size();
  pending_.resize(old + kOutput);
  z.next_out = reinterpret_cast<Bytef*>(pending_.data() + old);
  z.avail_out = static_cast<uInt>(kOutput);
  Result<> outcome;
  while (z.avail_out > 0) {
    if (z.avail_in == 0) {
      const ssize_t n = ::read(fd_.get(), stream_->input.data(), kInput);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        finished_ = true;
        outcome = fail_errno("read " + path_.string(), errno);
        break;
      }
      if (n == 0) {
        finished_ = true;
        if (!stream_->between_members)
          outcome = fail(ErrorCode::kInvalid, path_.string() + ": the compressed data has no end");
        break;
      }
      z.next_in = stream_->input.data();
      z.avail_in = static_cast<uInt>(n);
    }
    const int r = ::inflate(&z, Z_NO_FLUSH);
    stream_->between_members = r == Z_STREAM_END;
    if (r == Z_STREAM_END) {
      ::inflateReset(&z);  // another member may follow
    } else if (r != Z_OK && r != Z_BUF_ERROR) {
      finished_ = true;
      outcome = fail(ErrorCode::kInvalid, path_.string() + ": the compressed data is damaged");
      break;
    }
  }
  pending_.resize(old + kOutput - z.avail_out);
  if (place_.offset < skip_to_) {
    const std::size_t skipped = static_cast<std::size_t>(
        std::min<std::uint64_t>(pending_.size(), skip_to_ - place_.offset));
    pending_.erase(0, skipped);
    place_.offset += skipped;
  }
  return outcome;
}

Result<LineReader::Outcome> InflateTail::read(Mono, FileLines& out) {
  out.buffer.reset();
  out.lines.clear();
  out.bytes = 0;
  out.cut = 0;
  if (auto opened = open(); !opened) return fail(std::move(opened.error()));
  if (done_) return Outcome::kDone;
  if (!fd_) return Outcome::kMissing;
  Result<> filled;
  if (!finished_) filled = fill();

  const auto text = std::make_shared<std::string>(std::move(pending_));
  pending_.clear();
  char* at = text->data();
  char* const end = at + text->size();
  const auto add = [&](char* line, std::size_t size) {
    if (size > 0 && line[size - 1] == '\r') --size;
    if (size > options_.max_line) {
      size = options_.max_line;
      const std::size_t marker = std::min(options_.cut_marker.size(), size);
      options_.cut_marker.copy(line + size - marker, marker);
      ++out.cut;
    }
    out.lines.push_back({line, size});
  };
  while (at < end) {
    auto* newline = static_cast<char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    const auto rest = static_cast<std::size_t>(end - at);
    if (newline == nullptr && !finished_ && rest <= options_.max_line && !place_.skipping) {
      pending_.assign(at, rest);
      break;
    }
    char* const stop = newline == nullptr ? end : newline;
    if (!place_.skipping) add(at, static_cast<std::size_t>(stop - at));
    place_.skipping = newline == nullptr && !finished_;
    at = newline == nullptr ? end : newline + 1;
  }
  out.bytes = static_cast<std::size_t>(at - text->data());
  place_.offset += out.bytes;
  out.after = place_;
  out.begin = text->data();
  out.buffer = text;
  // What came before the damage is given first.
  if (!filled) failure_ = std::move(filled.error());
  if (out.bytes > 0 || !finished_) return Outcome::kLines;
  done_ = true;
  fd_.reset();
  if (failure_) return fail(std::move(*failure_));
  return Outcome::kDone;
}

}  // namespace agent::io
