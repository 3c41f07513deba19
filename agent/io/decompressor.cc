#include "agent/io/decompressor.h"

#include <bzlib.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace agent::io {
namespace {

// The libraries count in unsigned int.
unsigned bounded(std::size_t size) {
  return static_cast<unsigned>(
      std::min<std::size_t>(size, std::numeric_limits<unsigned>::max() / 2));
}

class Zlib final : public Decompressor {
 public:
  // 15: the largest window; 16 more: with gzip's header.
  explicit Zlib(bool gzip) : valid_(::inflateInit2(&z_, gzip ? 15 + 16 : 15) == Z_OK) {}
  ~Zlib() override {
    if (valid_) ::inflateEnd(&z_);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;
  bool valid() const { return valid_; }

  Outcome run(std::string_view& in, char*& out, std::size_t& room) override {
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = bounded(in.size());
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = bounded(room);
    const int r = ::inflate(&z_, Z_NO_FLUSH);
    in.remove_prefix(static_cast<std::size_t>(reinterpret_cast<char*>(z_.next_in) - in.data()));
    char* const end = reinterpret_cast<char*>(z_.next_out);
    room -= static_cast<std::size_t>(end - out);
    out = end;
    if (r == Z_STREAM_END) return ::inflateReset(&z_) == Z_OK ? Outcome::kEnd : Outcome::kDamaged;
    return r == Z_OK || r == Z_BUF_ERROR ? Outcome::kMore : Outcome::kDamaged;
  }

 private:
  z_stream z_{};
  bool valid_;
};

class Bzip2 final : public Decompressor {
 public:
  Bzip2() : valid_(start()) {}
  ~Bzip2() override {
    if (valid_) ::BZ2_bzDecompressEnd(&z_);
  }
  Bzip2(const Bzip2&) = delete;
  Bzip2& operator=(const Bzip2&) = delete;
  bool valid() const { return valid_; }

  Outcome run(std::string_view& in, char*& out, std::size_t& room) override {
    if (!valid_) return Outcome::kDamaged;
    z_.next_in = const_cast<char*>(in.data());
    z_.avail_in = bounded(in.size());
    z_.next_out = out;
    z_.avail_out = bounded(room);
    const int r = ::BZ2_bzDecompress(&z_);
    in.remove_prefix(static_cast<std::size_t>(z_.next_in - in.data()));
    room -= static_cast<std::size_t>(z_.next_out - out);
    out = z_.next_out;
    if (r == BZ_OK) return Outcome::kMore;
    if (r != BZ_STREAM_END) return Outcome::kDamaged;
    ::BZ2_bzDecompressEnd(&z_);
    valid_ = start();
    return valid_ ? Outcome::kEnd : Outcome::kDamaged;
  }

 private:
  bool start() {
    z_ = {};
    return ::BZ2_bzDecompressInit(&z_, 0, 0) == BZ_OK;
  }
  bz_stream z_{};
  bool valid_;
};

template <class T>
std::unique_ptr<Decompressor> checked(std::unique_ptr<T> made) {
  if (!made->valid()) return nullptr;
  return made;
}

}  // namespace

std::unique_ptr<Decompressor> Decompressor::make(Compression compression) {
  if (compression == Compression::kBzip2) return checked(std::make_unique<Bzip2>());
  return checked(std::make_unique<Zlib>(compression == Compression::kGzip));
}

}  // namespace agent::io
