#include "agent/io/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace agent::io {

Result<std::string> gunzip(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  // 32: the header says whether it is gzip or zlib.
  if (::inflateInit2(&stream, 15 + 32) != Z_OK)
    return fail(ErrorCode::kExhausted, "gunzip: no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 1U << 30));
  std::string out;
  int code = Z_OK;
  while (code == Z_OK) {
    const std::size_t filled = out.size();
    if (filled > limit) break;
    // Grows with what comes out, never with what the stream claims.
    out.resize(std::min(std::max<std::size_t>(filled * 2, 16 * 1024), limit + 1));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = static_cast<uInt>(out.size() - filled);
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  if (out.size() > limit)
    return fail(ErrorCode::kExhausted,
                "gunzip: the content is larger than " + std::to_string(limit) + " bytes");
  if (code != Z_STREAM_END)
    return fail(ErrorCode::kInvalid, "gunzip: the data is damaged or incomplete");
  return out;
}

}  // namespace agent::io
