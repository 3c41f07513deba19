// Bytes of a file -> its lines. Shared by what reads files that grow and compressed ones.
//
// However a file's bytes are cut into pieces, the lines are the same, and so are their offsets.
//  - A line ends with the encoding's newline; a carriage return before it goes.
//  - A line longer than the limit is cut to it with a marker, at the end of a character where it is
//    UTF-8; the rest of it is passed over.
//  - Where the code unit is a byte, 64 or more NULs in a row are a hole: what a power cut leaves in
//    a file that was being written, or a writer that goes on at its old offset after a truncation.
//    A hole ends the line before it, and the next one begins after it.
#pragma once

#include <cstddef>
#include <memory>

#include "agent/base/result.h"
#include "agent/io/line_reader.h"
#include "agent/io/text_encoding.h"

namespace agent::io {

// Bytes that a chunk must be able to hold, so that each split takes something of a full one.
std::size_t longest_raw_line(const TextEncoding& encoding, std::size_t max_line);

struct LineChunk {
  std::shared_ptr<char[]> buffer;  // written to where lines are cut
  std::size_t size = 0;
  bool full = false;  // it cannot be made larger: something is to be taken
  bool last = false;  // nothing comes after it
};

// Takes all whole lines out of `chunk`, which begins at `place` and is in the encoding that `mark`
// says: adds them to `out`, whose buffer they point into, and moves `place` past them.
Result<> split_lines(LineChunk chunk, const ByteOrderMark& mark, const FileTailOptions& options,
                     FilePlace& place, FileLines& out);

}  // namespace agent::io
