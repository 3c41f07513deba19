#include "agent/base/keyed_hash.h"

#include <catch2/catch.hpp>
#include <string>

namespace agent {
namespace {

// As the specification's reference prints it: 16 bytes, each half little-endian.
std::string text(const KeyedHash::Digest& digest) {
  std::string out;
  for (const std::uint64_t half : {digest.low, digest.high})
    for (unsigned i = 0; i < 8; ++i)
      for (const unsigned shift : {4U, 0U})
        out += "0123456789ABCDEF"[half >> (8 * i + shift) & 15U];
  return out;
}

// 00 01 .. 0F
const KeyedHash kKnown({0x0706050403020100U, 0x0f0e0d0c0b0a0908U});

}  // namespace

TEST_CASE("keyed hash: as OpenSSL's SipHash of 16 bytes computes it") {
  CHECK(text(kKnown("")) == "A3817F04BA25A8E66DF67214C7550293");
  std::string bytes;
  for (char c = 0; c < 15; ++c) bytes += c;
  CHECK(text(kKnown(bytes)) == "5493E99933B0A8117E08EC0F97CFC3D9");
  CHECK(text(kKnown(R"(node_cpu_seconds_total{cpu="0",mode="idle"})")) ==
        "42ED85C024CB61459F5311C55A78CA56");
}

TEST_CASE("keyed hash: pieces are the same as the whole") {
  const std::string whole = "http_requests_total{method=\"GET\",path=\"/api/v1/items\"}";
  for (std::size_t a = 0; a <= whole.size(); ++a) {
    for (std::size_t b = a; b <= whole.size(); ++b) {
      auto message = kKnown.message();
      message.add(std::string_view(whole).substr(0, a));
      message.add(std::string_view(whole).substr(a, b - a));
      message.add(std::string_view(whole).substr(b));
      if (message.digest() != kKnown(whole)) FAIL("cut at " << a << " and " << b);
    }
  }
}

TEST_CASE("keyed hash: each has a key of its own") { CHECK(KeyedHash()("x") != KeyedHash()("x")); }

}  // namespace agent
