// Compressed bytes -> what was compressed, as a stream: gzip, zlib and bzip2, one member behind
// another. Owned; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace agent::io {

enum class Compression : std::uint8_t { kGzip, kZlib, kBzip2 };

class Decompressor {
 public:
  virtual ~Decompressor() = default;

  // Null: no memory.
  static std::unique_ptr<Decompressor> make(Compression compression);

  enum class Outcome : std::uint8_t {
    kMore,     // it needs more input or more room
    kEnd,      // of a member; the next call begins another one
    kDamaged,  // nothing more will come
  };
  // Takes from the front of `in`; writes to `out` and moves it on.
  virtual Outcome run(std::string_view& in, char*& out, std::size_t& room) = 0;
};

}  // namespace agent::io
