// tar (POSIX.1-1988 ustar): blocks of 512 bytes; a header has the name in bytes 0-99, the size in
// octal in 124-135, the type in 156 ('0' or NUL: a file); the content follows, padded to a block.
// ELF: 0x7f 'E' 'L' 'F', byte 5 the byte order (1: little endian), bytes 18-19 e_machine.
#include "fleetctl/command/agent_machine.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kMost = 256U << 20;  // bytes of an archive, and unpacked before the agent

struct Machine {
  unsigned number;  // e_machine, elf(5)
  const char* name;
};
constexpr std::array<Machine, 6> kMachines{{{62, "x86_64"},
                                            {183, "aarch64"},
                                            {40, "armv7l"},
                                            {243, "riscv64"},
                                            {21, "ppc64le"},
                                            {22, "s390x"}}};

// Block after block of what is in a gzip stream.
class Blocks {
 public:
  explicit Blocks(std::string_view bytes) {
    good_ = ::inflateInit2(&stream_, 15 + 16) == Z_OK;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), kMost));
  }
  ~Blocks() { ::inflateEnd(&stream_); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  // False at the end, or where the stream is damaged.
  bool next(std::array<unsigned char, kBlock>& block) {
    stream_.next_out = block.data();
    stream_.avail_out = kBlock;
    while (good_ && stream_.avail_out > 0)
      good_ = ::inflate(&stream_, Z_NO_FLUSH) == Z_OK || (stream_.avail_out == 0);
    return stream_.avail_out == 0;
  }

 private:
  z_stream stream_{};
  bool good_ = false;
};

}  // namespace

agent::Result<std::string> machine_in(std::string_view archive) {
  Blocks blocks(archive);
  std::array<unsigned char, kBlock> block{};
  for (std::uint64_t read = 0; read < kMost && blocks.next(block);) {
    const auto* text = reinterpret_cast<const char*>(block.data());
    std::string_view name(text, 100);
    name = name.substr(0, name.find('\0'));
    if (name.substr(0, 2) == "./") name.remove_prefix(2);
    std::uint64_t size = 0;
    for (const char c : std::string_view(text + 124, 11))
      if (c >= '0' && c <= '7') size = size * 8 + static_cast<std::uint64_t>(c - '0');
    if (name == "bin/fleet-agent" && (block[156] == '0' || block[156] == 0)) {
      if (size < 20 || !blocks.next(block))
        return fail(ErrorCode::kInvalid, "its bin/fleet-agent is cut off");
      if (std::string_view(text, 2) == "#!") return std::string();
      if (std::string_view(text, 4) !=
          "\x7f"
          "ELF")
        return fail(ErrorCode::kInvalid, "its bin/fleet-agent is no program");
      const unsigned first = block[18], second = block[19];
      const unsigned number = block[5] == 1 ? second << 8 | first : first << 8 | second;
      for (const Machine& machine : kMachines)
        if (machine.number == number) return std::string(machine.name);
      return fail(ErrorCode::kInvalid,
                  "its bin/fleet-agent is for the ELF machine " + std::to_string(number));
    }
    const std::uint64_t rest = (size + kBlock - 1) / kBlock;
    read += (rest + 1) * kBlock;
    for (std::uint64_t i = 0; i < rest && read < kMost && blocks.next(block); ++i) {
    }
  }
  return fail(ErrorCode::kInvalid, "no tar.gz with bin/fleet-agent");
}

}  // namespace fleetctl::command
