// SipHash-2-4 with 128 bits of result (Aumasson and Bernstein, "SipHash: a fast short-input PRF")
// under a random key: whoever chooses the bytes cannot choose the hashes, so that a table cannot be
// made slow from outside, and two texts have one digest by an accident that nobody will see.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace agent {

class KeyedHash {
 public:
  struct Digest {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Digest&) const = default;
  };
  using Key = std::array<std::uint64_t, 2>;

  // One message, in as many pieces as it comes.
  class Message {
   public:
    void add(std::string_view bytes);
    void add(std::uint64_t word);
    Digest digest() const;

   private:
    friend class KeyedHash;
    explicit Message(const Key& key);
    void take(std::uint64_t word, unsigned bytes);
    void compress(std::uint64_t word);
    static void round(std::array<std::uint64_t, 4>& v);

    std::array<std::uint64_t, 4> v_;
    std::uint64_t pending_ = 0;  // bytes that do not fill a word yet, the first one lowest
    std::uint64_t size_ = 0;
  };

  KeyedHash();  // a key of its own; the same one for all where the kernel has no random bytes
  explicit KeyedHash(const Key& key) : key_(key) {}

  Message message() const { return Message(key_); }
  Digest operator()(std::string_view bytes) const {
    Message out(key_);
    out.add(bytes);
    return out.digest();
  }

 private:
  Key key_{};
};

}  // namespace agent
