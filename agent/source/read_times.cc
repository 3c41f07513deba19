// The log: records of 40 bytes in the machine's byte order,
//   inode u64, begin u64, end u64, time_ns i64, print u32, crc u32
// where print is the CRC32C of the first bytes of the line at begin, and crc that of the record
// before it. Reading ends at the first record that is not whole.
#include "agent/source/read_times.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "agent/io/crc32c.h"

namespace agent::source {
namespace {

constexpr std::size_t kRecord = 40;
constexpr std::size_t kPrinted = 256;        // bytes of a line
constexpr std::size_t kMaxSpans = 1U << 18;  // more are forgotten: the files they are of are gone
constexpr std::uint64_t kCompactFrom = 1U << 20;  // bytes
constexpr std::size_t kMaxLog = 64U << 20;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class T>
T take(const char*& at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return value;
}

std::uint32_t print_of(std::string_view line) { return io::crc32c(line.substr(0, kPrinted)); }

}  // namespace

ReadTimes::ReadTimes(std::filesystem::path log) : path_(std::move(log)) {
  const auto text = read_file(path_, kMaxLog);
  if (!text) return;
  for (std::size_t at = 0; at + kRecord <= text->size(); at += kRecord) {
    const std::string_view record(text->data() + at, kRecord);
    const char* field = record.data();
    const auto inode = take<std::uint64_t>(field);
    Span span;
    span.begin = take<std::uint64_t>(field);
    span.end = take<std::uint64_t>(field);
    span.time_ns = take<std::int64_t>(field);
    span.print = take<std::uint32_t>(field);
    const bool whole =
        take<std::uint32_t>(field) == io::crc32c(record.substr(0, kRecord - sizeof(std::uint32_t)));
    if (!whole || span.begin >= span.end) break;
    size_ = at + kRecord;
    add(inode, span);
    last_ns_ = std::max(last_ns_, span.time_ns + static_cast<std::int64_t>(span.end - span.begin));
  }
}

void ReadTimes::record(std::uint64_t inode, const Span& span, std::string& out) {
  const std::size_t begin = out.size();
  put(out, inode);
  put(out, span.begin);
  put(out, span.end);
  put(out, span.time_ns);
  put(out, span.print);
  put(out, io::crc32c(std::string_view(out).substr(begin)));
}

// A span replaces what was known of its bytes and of those after it.
void ReadTimes::add(std::uint64_t inode, const Span& span) {
  if (count_ >= kMaxSpans) {
    files_.clear();
    count_ = 0;
  }
  Spans& spans = files_[inode];
  while (!spans.empty() && spans.back().end > span.begin) {
    spans.pop_back();
    --count_;
  }
  spans.push_back(span);
  ++count_;
}

void ReadTimes::give(std::uint64_t inode, std::uint64_t end, const std::vector<Line>& lines,
                     std::int64_t now_ns, std::vector<std::int64_t>& times) {
  times.clear();
  const auto file = files_.find(inode);
  const Spans* known = file == files_.end() ? nullptr : &file->second;
  std::size_t next = 0;
  if (known != nullptr && !lines.empty()) {
    const auto first =
        std::upper_bound(known->begin(), known->end(), lines.front().offset,
                         [](std::uint64_t offset, const Span& span) { return offset < span.end; });
    next = static_cast<std::size_t>(first - known->begin());
  }
  const auto time_in = [](const Span& span, std::uint64_t offset) {
    return span.time_ns + static_cast<std::int64_t>(offset - span.begin);
  };
  std::size_t i = 0;
  for (; known != nullptr && i < lines.size(); ++i) {
    while (next < known->size() && (*known)[next].end <= lines[i].offset) ++next;
    if (next == known->size() || lines[i].offset < (*known)[next].begin) break;
    const Span& span = (*known)[next];
    if (lines[i].offset == span.begin && span.print != print_of(lines[i].text)) break;
    times.push_back(time_in(span, lines[i].offset));
  }
  if (i == lines.size()) return;
  const Span span{lines[i].offset, std::max(end, lines.back().offset + 1),
                  std::max(now_ns, last_ns_ + 1), print_of(lines[i].text)};
  last_ns_ = time_in(span, span.end);
  for (; i < lines.size(); ++i) times.push_back(time_in(span, lines[i].offset));
  add(inode, span);

  record(inode, span, unwritten_);
}

Result<> ReadTimes::open() {
  if (file_) return {};
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file_) return fail_errno("open " + path_.string(), errno);
  // What stands after the last whole record goes.
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0 ||
      ::lseek(file_.get(), static_cast<off_t>(size_), SEEK_SET) < 0) {
    const int number = errno;
    file_.reset();
    return fail_errno("truncate " + path_.string(), number);
  }
  return {};
}

Result<> ReadTimes::write() {
  if (unwritten_.empty()) return {};
  const std::string records = std::exchange(unwritten_, {});
  if (auto opened = open(); !opened) return opened;
  if (auto written = write_all(file_.get(), records); !written) {
    file_.reset();  // opened anew, it is cut to its whole records
    return fail(std::move(written.error()).within("write " + path_.string()));
  }
  size_ += records.size();
  return {};
}

void ReadTimes::forget(std::uint64_t inode, std::uint64_t offset) {
  const auto file = files_.find(inode);
  if (file == files_.end()) return;
  Spans& spans = file->second;
  const auto keep = std::find_if(spans.begin(), spans.end(),
                                 [offset](const Span& span) { return span.end > offset; });
  count_ -= static_cast<std::size_t>(keep - spans.begin());
  spans.erase(spans.begin(), keep);
  if (spans.empty()) files_.erase(file);
}

Result<> ReadTimes::compact() {
  if (size_ == 0 || (count_ > 0 && (size_ < kCompactFrom || size_ < 2 * count_ * kRecord)))
    return {};
  if (count_ > 0) {
    // The spans that are left, those not yet written among them.
    unwritten_.clear();
    std::string records;
    for (const auto& [inode, spans] : files_)
      for (const Span& span : spans) record(inode, span, records);
    if (auto written = write_file_atomic(path_, records); !written) return written;
    file_.reset();
    size_ = records.size();
    return {};
  }
  size_ = 0;
  file_.reset();
  return open();
}

}  // namespace agent::source
