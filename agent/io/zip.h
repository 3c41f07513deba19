// A zip archive of texts, made in memory, as every unpacker reads it (PKWARE's APPNOTE.TXT):
//
//   { "PK\3\4" head name deflated }...  { "PK\1\2" head name }...  "PK\5\6" counts
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace agent::io {

// One thread at a time. Not for archives of 4 GiB or 65536 files.
class Zip {
 public:
  // Of every file: seconds since 1970, shown as UTC.
  explicit Zip(std::int64_t time) : time_(time) {}

  // `name` has / between folders. kExhausted without memory.
  Result<> add(std::string_view name, std::string_view content);
  // The archive; afterwards this one is empty.
  std::string take();

 private:
  std::int64_t time_;
  std::string files_;
  std::string directory_;
  std::uint16_t count_ = 0;
};

}  // namespace agent::io
