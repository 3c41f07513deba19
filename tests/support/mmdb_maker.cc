#include "tests/support/mmdb_maker.h"

#include <arpa/inet.h>

#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cstdint>

#include "agent/base/file.h"

namespace agent {
namespace {

using model::Json;

constexpr std::size_t kPaddingBytes = 16;

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

// The control byte of a value, and what may follow it.
void append_control(std::string& out, int type, std::size_t size) {
  const int inline_type = type < 8 ? type : 0;
  const std::size_t inline_size = size < 29 ? size : size < 285 ? 29 : 30;
  out += static_cast<char>(static_cast<std::size_t>(inline_type) << 5 | inline_size);
  if (type >= 8) out += static_cast<char>(type - 7);
  if (inline_size == 29) append_big_endian(out, size - 29, 1);
  if (inline_size == 30) append_big_endian(out, size - 285, 2);
}

void append_unsigned(std::string& out, int type, std::uint64_t value) {
  int bytes = 0;
  while (bytes < 8 && value >> (8 * bytes) != 0) ++bytes;
  append_control(out, type, static_cast<std::size_t>(bytes));
  append_big_endian(out, value, bytes);
}

void append_value(std::string& out, const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kString:
      append_control(out, 2, value.string().size());
      out += value.string();
      return;
    case Json::Kind::kDouble:
      append_control(out, 3, 8);
      append_big_endian(out, std::bit_cast<std::uint64_t>(value.number()), 8);
      return;
    case Json::Kind::kInt:
      if (value.integer() < 0) {
        append_control(out, 8, 4);
        append_big_endian(out, static_cast<std::uint32_t>(value.integer()), 4);
      } else {
        append_unsigned(out, value.integer() <= UINT32_MAX ? 6 : 9,
                        static_cast<std::uint64_t>(value.integer()));
      }
      return;
    case Json::Kind::kBool:
      append_control(out, 14, value.boolean() ? 1 : 0);
      return;
    case Json::Kind::kArray:
      append_control(out, 11, value.array().size());
      for (const Json& item : value.array()) append_value(out, item);
      return;
    case Json::Kind::kObject:
      append_control(out, 7, value.object().size());
      for (const auto& [name, member] : value.object()) {
        append_value(out, Json(name));
        append_value(out, member);
      }
      return;
    case Json::Kind::kNull:
      FAIL("the format has no null");
  }
}

// 128 bits; an IPv4 network lies at ::/96.
std::pair<std::array<std::uint8_t, 16>, int> parse_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  REQUIRE(slash != std::string::npos);
  const std::string address = text.substr(0, slash);
  int length = std::stoi(text.substr(slash + 1));
  std::array<std::uint8_t, 16> bits{};
  if (::inet_pton(AF_INET, address.c_str(), bits.data() + 12) == 1) {
    length += 96;
  } else {
    REQUIRE(::inet_pton(AF_INET6, address.c_str(), bits.data()) == 1);
  }
  return {bits, length};
}

}  // namespace

void write_mmdb(const std::filesystem::path& path, const std::string& type,
                const std::vector<MmdbNetwork>& networks) {
  // Per bit: -1 is nothing, -2 - n the data at n, otherwise a node.
  std::vector<std::array<std::int64_t, 2>> nodes{{-1, -1}};
  std::string data;
  for (const MmdbNetwork& network : networks) {
    const auto [bits, length] = parse_network(network.network);
    std::size_t node = 0;
    for (int i = 0; i < length; ++i) {
      const std::size_t bit = bits[static_cast<std::size_t>(i) / 8] >> (7 - i % 8) & 1U;
      if (i + 1 == length) {
        nodes[node][bit] = -2 - static_cast<std::int64_t>(data.size());
      } else {
        if (nodes[node][bit] < 0) {
          nodes[node][bit] = static_cast<std::int64_t>(nodes.size());
          nodes.push_back({-1, -1});
        }
        node = static_cast<std::size_t>(nodes[node][bit]);
      }
    }
    append_value(data, network.record);
  }
  std::string out;
  for (const auto& node : nodes) {
    for (const std::int64_t to : node) {
      const std::uint64_t count = nodes.size();
      append_big_endian(out,
                        to >= 0    ? static_cast<std::uint64_t>(to)
                        : to == -1 ? count
                                   : count + kPaddingBytes + static_cast<std::uint64_t>(-2 - to),
                        4);
    }
  }
  out += std::string(kPaddingBytes, '\0') + data + "\xAB\xCD\xEFMaxMind.com";
  append_control(out, 7, 9);
  const auto add = [&](const std::string& name, int number_type, std::uint64_t value) {
    append_value(out, Json(name));
    append_unsigned(out, number_type, value);
  };
  add("node_count", 6, nodes.size());
  add("record_size", 5, 32);
  add("ip_version", 5, 6);
  add("binary_format_major_version", 5, 2);
  add("binary_format_minor_version", 5, 0);
  append_value(out, Json(std::string("database_type")));
  append_value(out, Json(type));
  add("build_epoch", 9, 1'704'067'200);
  append_value(out, Json(std::string("languages")));
  append_value(out, Json(Json::Array{Json(std::string("en"))}));
  append_value(out, Json(std::string("description")));
  append_value(out, Json(Json::Object{{"en", Json(std::string("made by a test"))}}));
  REQUIRE(write_file_atomic(path, out, 0644));
}

}  // namespace agent
