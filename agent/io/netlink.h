// Questions to the kernel over AF_NETLINK (netlink(7)), and the attributes that its answers are
// made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/result.h"

namespace agent::io {

// One socket of one netlink protocol. One thread at a time.
class Netlink {
 public:
  // `protocol`: NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_GENERIC.
  static Result<Netlink> open(int protocol);

  // What stands behind the header of a message of this type.
  using Each = std::function<void(std::uint16_t type, std::string_view payload)>;
  // Sends `payload` as a message of this type and hands on what is answered: a whole table (`dump`)
  // or one thing. kPermission, kNotFound, kUnavailable when the kernel says nothing for a second,
  // kExhausted after 256 MiB, kCancelled.
  Result<> ask(std::uint16_t type, bool dump, std::string_view payload, const Each& each,
               const std::stop_token& stop);

 private:
  explicit Netlink(FileDescriptor socket) : socket_(std::move(socket)) {}
  FileDescriptor socket_;
  std::uint32_t sequence_ = 0;
};

// The bytes of a struct of the kernel's at the beginning of `bytes`; none when they are too few.
template <class T>
requires std::is_trivially_copyable_v<T> std::optional<T> read_struct(std::string_view bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T out;
  std::memcpy(&out, bytes.data(), sizeof(T));
  return out;
}
// A struct of the kernel's as bytes.
template <class T>
requires std::is_trivially_copyable_v<T> std::string struct_bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Messages, attributes and next hops begin at multiples of four bytes.
constexpr std::size_t netlink_align(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

// Calls use(type, value) for each attribute: its length with these four bytes (16 bits), its type
// (16 bits, two of them flags), its value. Ends at the first that is not whole.
template <class Use>
void for_each_attribute(std::string_view bytes, Use use) {
  constexpr std::size_t kHead = 4;
  while (const auto head = read_struct<std::uint32_t>(bytes)) {
    const auto length = read_struct<std::uint16_t>(bytes).value_or(0);
    const auto type = read_struct<std::uint16_t>(bytes.substr(2)).value_or(0);
    if (length < kHead || length > bytes.size()) return;
    use(static_cast<int>(type & 0x3fffU), bytes.substr(kHead, length - kHead));
    bytes.remove_prefix(std::min(bytes.size(), netlink_align(length)));
  }
}
// One attribute as for_each_attribute reads it.
std::string attribute(int type, std::string_view value);
// The text of an attribute, without the zero that may end it.
std::string attribute_text(std::string_view value);

}  // namespace agent::io
