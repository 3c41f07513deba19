#include "agent/io/line_splitter.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::io {
namespace {

constexpr std::size_t kHole = 64;

// At or after `at`, aligned to code units; `end` when there is none.
char* find_newline(char* at, char* end, const TextEncoding& encoding) {
  const std::size_t width = encoding.width;
  if (width == 1) {
    void* found = std::memchr(at, encoding.newline, static_cast<std::size_t>(end - at));
    return found == nullptr ? end : static_cast<char*>(found);
  }
  const std::size_t byte = encoding.big_endian ? width - 1 : 0;  // of the unit, which is not 0
  for (char* from = at; from < end;) {
    auto* found = static_cast<char*>(
        std::memchr(from, encoding.newline, static_cast<std::size_t>(end - from)));
    if (found == nullptr) return end;
    const auto distance = static_cast<std::size_t>(found - at);
    char* const unit = found - distance % width;
    if (distance % width == byte && static_cast<std::size_t>(end - unit) >= width &&
        std::count(unit, unit + width, '\0') == static_cast<std::ptrdiff_t>(width - 1))
      return unit;
    from = found + 1;
  }
  return end;
}

char* end_of_nuls(char* at, const char* end) {
  while (at < end && *at == '\0') ++at;
  return at;
}

// The first hole in [at, end), or `end`.
char* find_hole(char* at, char* end) {
  while (at < end) {
    auto* nul = static_cast<char*>(std::memchr(at, '\0', static_cast<std::size_t>(end - at)));
    if (nul == nullptr) return end;
    at = end_of_nuls(nul, end);
    if (static_cast<std::size_t>(at - nul) >= kHole) return nul;
  }
  return end;
}

// How much of a UTF-8 text of more than `limit` bytes to keep: not the first part of a character.
std::size_t character_end(std::string_view text, std::size_t limit) {
  constexpr std::size_t kLongest = 4;
  for (std::size_t back = 0; back < kLongest && back < limit; ++back)
    if ((static_cast<unsigned char>(text[limit - back]) & 0xC0U) != 0x80) return limit - back;
  return limit;
}

class Splitting {
 public:
  Splitting(LineChunk chunk, const TextEncoding& encoding, const FileTailOptions& options,
            FilePlace& place, FileLines& out)
      : chunk_(std::move(chunk)),
        encoding_(encoding),
        options_(options),
        place_(place),
        out_(out),
        data_(chunk_.buffer.get()),
        begin_(place.offset) {}

  Result<> run(std::size_t mark) {
    if (!encoding_.is_utf8()) {
      auto decoder = TextDecoder::open(encoding_);
      if (!decoder) return fail(std::move(decoder.error()));
      decoder_.emplace(std::move(*decoder));
    }
    char* const end = data_ + chunk_.size;
    char* at = data_;
    if (begin_ == 0 && !place_.skipping) at += std::min(mark, chunk_.size);
    first_ = at;
    holes_ = encoding_.width == 1 && std::memchr(at, '\0', static_cast<std::size_t>(end - at));
    while (at < end) {
      char* const next = step(at, end);
      if (next == at) break;
      at = next;
    }
    // A mark alone is no line.
    if (at <= data_ + mark && out_.lines.empty() && !chunk_.last && begin_ == 0) at = data_;
    const auto taken = static_cast<std::size_t>(at - data_);
    place_.offset += taken;
    out_.bytes += taken;
    give_buffer();
    return {};
  }

 private:
  // Takes the hole or the line at `at`; `at` when there is more of it to come.
  char* step(char* at, char* end) {
    // What a hole at the end is, the next bytes tell.
    const bool decided = chunk_.last || (chunk_.full && at == first_);
    if (holes_ && *at == '\0') {
      char* stop = end_of_nuls(at, end);
      if (stop == end && !decided) return at;
      if (static_cast<std::size_t>(stop - at) >= kHole) {
        // So that the rest of it is known for a hole too.
        if (stop == end && !chunk_.last) stop = std::max(at + 1, stop - kHole);
        out_.hole_bytes += static_cast<std::size_t>(stop - at);
        place_.skipping = false;
        return stop;
      }
    }
    char* stop = find_newline(at, end, encoding_);
    if (holes_) {
      char* const hole = find_hole(at, stop);
      if (hole != stop) {
        if (end_of_nuls(hole, end) == end && !decided) return at;
        if (!place_.skipping) add(at, hole);
        place_.skipping = false;
        return hole;
      }
    }
    if (stop == end) {
      if (chunk_.last) {
        if (!place_.skipping) add(at, end);
        return end;
      }
      char* cut = end - (end - at) % encoding_.width;
      while (holes_ && cut > at && cut[-1] == '\0') --cut;  // perhaps a hole begins there
      const auto size = static_cast<std::size_t>(cut - at);
      if (size == 0 || (!place_.skipping && size <= surely_cut())) return at;
      if (!place_.skipping) add(at, cut);
      place_.skipping = true;
      return cut;
    }
    if (!place_.skipping) add(at, stop);
    place_.skipping = false;
    return stop + encoding_.width;
  }

  // Bytes of a line above which it is cut whatever ends it and whatever they mean.
  std::size_t surely_cut() const { return (options_.max_line + 2) * encoding_.width; }

  void add(char* at, const char* end) {
    const std::uint64_t offset = begin_ + static_cast<std::uint64_t>(at - data_);
    auto size = static_cast<std::size_t>(end - at);
    const bool more = size > surely_cut();
    if (!decoder_) {
      if (!more && size > 0 && at[size - 1] == '\r') --size;
      if (size > options_.max_line) size = cut(at, size);
      out_.lines.push_back({offset, {at, size}});
      return;
    }
    const std::size_t begin = decoded_.size();
    decoder_->decode({at, std::min(size, surely_cut())}, decoded_);
    if (!more && decoded_.size() > begin && decoded_.back() == '\r') decoded_.pop_back();
    size = decoded_.size() - begin;
    if (more || size > options_.max_line) {
      decoded_.append(options_.cut_marker.size(), ' ');
      size = cut(decoded_.data() + begin, size);
      decoded_.resize(begin + size);
    }
    out_.lines.push_back({offset, {}});
    sizes_.push_back(size);
  }

  // Puts the marker at the end of a line of `size` bytes, behind which there is room for it, or at
  // the limit; says how long it is then.
  std::size_t cut(char* line, std::size_t size) {
    const std::size_t marker = std::min(options_.cut_marker.size(), options_.max_line);
    const std::size_t limit = options_.max_line - marker;
    const std::size_t kept = size > limit ? character_end({line, size}, limit) : size;
    options_.cut_marker.copy(line + kept, marker);
    ++out_.cut;
    return kept + marker;
  }

  void give_buffer() {
    if (!decoder_) {
      out_.held = chunk_.size;
      out_.buffer = std::move(chunk_.buffer);
      return;
    }
    const auto text = std::make_shared<std::string>(std::move(decoded_));
    const char* at = text->data();
    for (std::size_t i = 0; i < sizes_.size(); ++i) {
      out_.lines[i].text = {at, sizes_[i]};
      at += sizes_[i];
    }
    out_.held = text->capacity();
    out_.buffer = text;
  }

  LineChunk chunk_;
  const TextEncoding& encoding_;
  const FileTailOptions& options_;
  FilePlace& place_;
  FileLines& out_;
  char* const data_;
  const char* first_ = nullptr;  // behind the mark
  const std::uint64_t begin_;
  std::optional<TextDecoder> decoder_;
  std::string decoded_;
  std::vector<std::size_t> sizes_;
  bool holes_ = false;  // there may be some
};

}  // namespace

std::size_t longest_raw_line(const TextEncoding& encoding, std::size_t max_line) {
  // The end of a line, the mark at the file's start, and what may become a hole.
  return (max_line + 4) * encoding.width + kHole;
}

Result<> split_lines(LineChunk chunk, const ByteOrderMark& mark, const FileTailOptions& options,
                     FilePlace& place, FileLines& out) {
  return Splitting(std::move(chunk), *mark.encoding, options, place, out).run(mark.size);
}

}  // namespace agent::io
