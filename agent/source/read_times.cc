// The log: records of 40 bytes in the machine's byte order,
//   file u64, begin u64, end u64, time_ns i64, print u32, crc u32
// where print is the CRC32C of the first bytes of the line at begin, and crc that of the record
// before it; or, with begin = end and time_ns = 0, all of the file below begin was delivered.
// Reading ends at the first record that is not whole.
#include "agent/source/read_times.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
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
// The clock was set back by more than this: new lines get its time, be it before that of others.
constexpr std::int64_t kSetBack = 10'000'000'000;
constexpr std::uint64_t kMaxSpanBytes = 1U << 30;  // far above any read
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 2;

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
    const auto key = take<std::uint64_t>(field);
    Span span;
    span.begin = take<std::uint64_t>(field);
    span.end = take<std::uint64_t>(field);
    span.time_ns = take<std::int64_t>(field);
    span.print = take<std::uint32_t>(field);
    const bool whole =
        take<std::uint32_t>(field) == io::crc32c(record.substr(0, kRecord - sizeof(std::uint32_t)));
    if (!whole || span.begin > span.end || span.end - span.begin > kMaxSpanBytes ||
        span.time_ns < 0 || span.time_ns > kLatest)
      break;
    size_ = at + kRecord;
    if (span.begin == span.end) {
      remove(key, span.begin);
      continue;
    }
    add(key, span);
    last_ns_ = std::max(last_ns_, span.time_ns + static_cast<std::int64_t>(span.end - span.begin));
  }
}

void ReadTimes::record(std::uint64_t file, const Span& span, std::string& out) {
  const std::size_t begin = out.size();
  put(out, file);
  put(out, span.begin);
  put(out, span.end);
  put(out, span.time_ns);
  put(out, span.print);
  put(out, io::crc32c(std::string_view(out).substr(begin)));
}

// A span replaces what was known of its bytes and of those after it.
void ReadTimes::add(std::uint64_t file, const Span& span) {
  if (count_ >= kMaxSpans) {
    files_.clear();
    count_ = 0;
  }
  Spans& spans = files_[file];
  while (!spans.empty() && spans.back().end > span.begin) {
    spans.pop_back();
    --count_;
  }
  spans.push_back(span);
  ++count_;
}

void ReadTimes::give(std::uint64_t file, std::uint64_t end, const std::vector<io::FileLine>& lines,
                     std::int64_t now_ns, std::vector<std::int64_t>& times) {
  times.clear();
  const auto found = files_.find(file);
  const Spans* known = found == files_.end() ? nullptr : &found->second;
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
  const std::int64_t time = last_ns_ - now_ns > kSetBack ? now_ns : std::max(now_ns, last_ns_ + 1);
  const Span span{lines[i].offset, std::max(end, lines.back().offset + 1), time,
                  print_of(lines[i].text)};
  last_ns_ = time_in(span, span.end);
  for (; i < lines.size(); ++i) times.push_back(time_in(span, lines[i].offset));
  add(file, span);
  record(file, span, unwritten_);
}

Result<> ReadTimes::open() {
  if (log_) return {};
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  log_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log_) return fail_errno("open " + path_.string(), errno);
  // What stands after the last whole record goes.
  if (::ftruncate(log_.get(), static_cast<off_t>(size_)) != 0 ||
      ::lseek(log_.get(), static_cast<off_t>(size_), SEEK_SET) < 0) {
    const int number = errno;
    log_.reset();
    return fail_errno("truncate " + path_.string(), number);
  }
  return {};
}

Result<> ReadTimes::write() {
  if (unwritten_.empty()) return {};
  const std::string records = std::exchange(unwritten_, {});
  if (auto opened = open(); !opened) return opened;
  if (auto written = write_all(log_.get(), records); !written) {
    log_.reset();  // opened anew, it is cut to its whole records
    return fail(std::move(written.error()).within("write " + path_.string()));
  }
  size_ += records.size();
  return {};
}

bool ReadTimes::remove(std::uint64_t file, std::uint64_t offset) {
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  Spans& spans = found->second;
  const auto keep = std::find_if(spans.begin(), spans.end(),
                                 [offset](const Span& span) { return span.end > offset; });
  if (keep == spans.begin()) return false;
  count_ -= static_cast<std::size_t>(keep - spans.begin());
  spans.erase(spans.begin(), keep);
  if (spans.empty()) files_.erase(found);
  return true;
}

void ReadTimes::forget(std::uint64_t file, std::uint64_t offset) {
  if (remove(file, offset)) record(file, {offset, offset, 0, 0}, unwritten_);
}

std::optional<std::int64_t> ReadTimes::oldest_ns() const {
  std::optional<std::int64_t> oldest;
  for (const auto& [file, spans] : files_)
    if (!oldest || spans.front().time_ns < *oldest) oldest = spans.front().time_ns;
  return oldest;
}

Result<> ReadTimes::compact() {
  if (count_ > 0 && (size_ < kCompactFrom || size_ < 2 * count_ * kRecord)) return write();
  unwritten_.clear();  // the spans left are among those written below
  if (size_ == 0) return {};
  if (count_ == 0) {
    size_ = 0;
    log_.reset();
    return open();
  }
  std::string records;
  for (const auto& [file, spans] : files_)
    for (const Span& span : spans) record(file, span, records);
  if (auto written = write_file_atomic(path_, records); !written) return written;
  log_.reset();
  size_ = records.size();
  return {};
}

}  // namespace agent::source
