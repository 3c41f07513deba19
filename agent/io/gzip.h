// gzip and zlib streams, whole in memory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace agent::io {

// kExhausted when the content is larger than `limit` bytes, kInvalid when it is no whole gzip or
// zlib stream.
Result<std::string> gunzip(std::string_view bytes, std::size_t limit);

}  // namespace agent::io
