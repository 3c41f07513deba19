#include "agent/base/keyed_hash.h"

#include <sys/random.h>

#include <bit>
#include <cstring>

namespace agent {

KeyedHash::KeyedHash() {
  if (::getrandom(key_.data(), sizeof key_, 0) != static_cast<ssize_t>(sizeof key_)) key_ = {};
}

KeyedHash::Message::Message(const Key& key)
    : v_{key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU ^ 0xeeU,
         key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U} {}

inline void KeyedHash::Message::round(std::array<std::uint64_t, 4>& v) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = std::rotl(v[1], 13) ^ v[0];
  v[3] = std::rotl(v[3], 16) ^ v[2];
  v[0] = std::rotl(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = std::rotl(v[1], 17) ^ v[2];
  v[3] = std::rotl(v[3], 21) ^ v[0];
  v[2] = std::rotl(v[2], 32);
}

inline void KeyedHash::Message::compress(std::uint64_t word) {
  v_[3] ^= word;
  round(v_);
  round(v_);
  v_[0] ^= word;
}

// The lowest `bytes` (1 to 8) of `word`; the others are zero.
inline void KeyedHash::Message::take(std::uint64_t word, unsigned bytes) {
  const auto filled = static_cast<unsigned>(size_ % 8);
  size_ += bytes;
  pending_ |= word << (8 * filled);
  if (filled + bytes < 8) return;
  compress(pending_);
  pending_ = filled == 0 ? 0 : word >> (8 * (8 - filled));
}

void KeyedHash::Message::add(std::string_view bytes) {
  while (bytes.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);  // little-endian, as every machine that we run on
    take(word, 8);
    bytes.remove_prefix(8);
  }
  if (bytes.empty()) return;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  take(word, static_cast<unsigned>(bytes.size()));
}

void KeyedHash::Message::add(std::uint64_t word) { take(word, 8); }

KeyedHash::Digest KeyedHash::Message::digest() const {
  Message end = *this;
  end.compress(pending_ | size_ << 56);
  Digest out;
  end.v_[2] ^= 0xeeU;
  for (int i = 0; i < 4; ++i) round(end.v_);
  out.low = end.v_[0] ^ end.v_[1] ^ end.v_[2] ^ end.v_[3];
  end.v_[1] ^= 0xddU;
  for (int i = 0; i < 4; ++i) round(end.v_);
  out.high = end.v_[0] ^ end.v_[1] ^ end.v_[2] ^ end.v_[3];
  return out;
}

}  // namespace agent
