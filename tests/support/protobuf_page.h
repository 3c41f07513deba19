// Pages in Prometheus' protobuf exposition format, made field by field.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/varint.h"

namespace agent::protobuf_page {

inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::string number(unsigned field, std::uint64_t value) {
  std::string out;
  put_varint(out, std::uint64_t{field} << 3U);
  put_varint(out, value);
  return out;
}
inline std::string real(unsigned field, double value) {
  std::string out;
  put_varint(out, (std::uint64_t{field} << 3U) | 1U);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  return out.append(bytes, sizeof value);
}
inline std::string bytes(unsigned field, std::string_view value) {
  std::string out;
  put_varint(out, (std::uint64_t{field} << 3U) | 2U);
  put_varint(out, value.size());
  return out.append(value);
}
inline std::string label(std::string_view name, std::string_view value) {
  return bytes(1, name) + bytes(2, value);
}
// `type`: 0 counter, 1 gauge, 2 summary, 3 untyped, 4 histogram.
inline std::string family(std::string_view name, int type, const std::vector<std::string>& metrics,
                          std::string_view help = {}, std::string_view unit = {}) {
  std::string inside = bytes(1, name) + number(3, static_cast<std::uint64_t>(type));
  if (!help.empty()) inside += bytes(2, help);
  for (const std::string& metric : metrics) inside += bytes(4, metric);
  if (!unit.empty()) inside += bytes(5, unit);
  std::string out;
  put_varint(out, inside.size());
  return out + inside;
}

}  // namespace agent::protobuf_page
