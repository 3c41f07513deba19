// Grammar of a segment, the file <16 hex digits of its number>.log (integers little-endian):
//   segment = { record }
//   record  = marker check id time length items kind payload_check payload
//   marker  = F1 65 51 1E
//   check   = u32 CRC-32C of the header from id to payload_check
//   id      = u64, rising by one from record to record; 0 in acknowledgements
//   time    = i64 nanoseconds since 1970
//   length  = u32 of the payload       items = u32
//   kind    = 'R' record | 'A' acknowledgement, whose payload is { u64 first id, u64 end id }
//   payload_check = u32 CRC-32C of the payload
// Acknowledgements stand in the log behind the records that they mean. A file is never appended to
// after its process ended; whatever is no record is passed over up to the next marker.
#include "agent/io/disk_queue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "agent/base/pulse.h"
#include "agent/base/strings.h"
#include "agent/io/crc32c.h"

namespace agent::io {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMarker = "\xF1\x65\x51\x1E";
constexpr std::size_t kHeader = 4 + 4 + 8 + 8 + 4 + 4 + 1 + 4;

constexpr std::uint64_t kMaxId = std::uint64_t{1} << 62;  // nobody gets there by appending

struct Header {
  std::uint64_t id = 0;
  std::int64_t time_ns = 0;
  std::uint32_t length = 0;
  std::uint32_t items = 0;
  char kind = 'R';
  std::uint32_t payload_check = 0;
};

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class T>
T get(std::string_view& from) {
  T value{};
  std::memcpy(&value, from.data(), sizeof value);
  from.remove_prefix(sizeof value);
  return value;
}

std::string encode(const Header& header) {
  std::string checked;
  put(checked, header.id);
  put(checked, header.time_ns);
  put(checked, header.length);
  put(checked, header.items);
  put(checked, header.kind);
  put(checked, header.payload_check);
  std::string out(kMarker);
  put(out, crc32c(checked));
  return out + checked;
}

// The header at the start of `bytes`; none when there is no whole and right one.
std::optional<Header> decode(std::string_view bytes) {
  if (bytes.size() < kHeader || bytes.substr(0, kMarker.size()) != kMarker) return std::nullopt;
  bytes = bytes.substr(kMarker.size(), kHeader - kMarker.size());
  const auto check = get<std::uint32_t>(bytes);
  if (crc32c(bytes) != check) return std::nullopt;
  Header header;
  header.id = get<std::uint64_t>(bytes);
  header.time_ns = get<std::int64_t>(bytes);
  header.length = get<std::uint32_t>(bytes);
  header.items = get<std::uint32_t>(bytes);
  header.kind = get<char>(bytes);
  header.payload_check = get<std::uint32_t>(bytes);
  if (header.length > DiskQueue::kMaxRecord) return std::nullopt;
  return header;
}

// Up to `size` bytes of a file; fewer at its end or on an error.
std::string read_at(int fd, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t n = pread(fd, out.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

// Where the next thing that looks like a record starts, at or behind `from`.
std::size_t find_header(std::string_view data, std::size_t from) {
  for (;;) {
    from = data.find(kMarker, from);
    if (from == std::string_view::npos) return data.size();
    if (decode(data.substr(from))) return from;
    ++from;
  }
}

}  // namespace

Result<std::unique_ptr<DiskQueue>> DiskQueue::open(Options options, const Clock& clock) {
  options.segment_bytes =
      std::max<std::uint64_t>(1, std::min(options.segment_bytes, options.max_bytes / 4));
  auto queue = std::unique_ptr<DiskQueue>(new DiskQueue(std::move(options), clock));
  MutexLock lock(queue->mutex_);
  if (auto r = queue->load(); !r) return fail(std::move(r.error()));
  return queue;
}

DiskQueue::~DiskQueue() {
  // What is not written here comes back once more, no worse.
  [[maybe_unused]] const auto ignored = sync();
}

std::filesystem::path DiskQueue::path_of(std::uint64_t number) const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 16; i-- > 0; number >>= 4) name[i] = kHex[number & 15];
  return options_.folder / (name + ".log");
}

void DiskQueue::add_range(Ranges& ranges, std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  auto it = ranges.upper_bound(first);
  if (it != ranges.begin() && std::prev(it)->second >= first) {
    --it;
    first = it->first;
  }
  while (it != ranges.end() && it->first <= end) {
    end = std::max(end, it->second);
    it = ranges.erase(it);
  }
  ranges.emplace(first, end);
}

bool DiskQueue::acknowledged(std::uint64_t first, std::uint64_t end) const {
  if (first >= end) return true;
  const auto it = done_.upper_bound(first);
  return it != done_.begin() && std::prev(it)->second >= end;
}

Result<> DiskQueue::load() {
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) {
    return fail_errno("make the folder " + options_.folder.string(), error.value());
  }
  chmod(options_.folder.c_str(), 0700);
  for (std::filesystem::directory_iterator it(options_.folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::uint64_t number = 0;
    if (name.size() != 20 || name.substr(16) != ".log") continue;
    const auto parsed = std::from_chars(name.data(), name.data() + 16, number, 16);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + 16) continue;
    Segment segment;
    segment.number = number;
    segments_.push_back(std::move(segment));
  }
  if (error) return fail_errno("read the folder " + options_.folder.string(), error.value());
  std::sort(segments_.begin(), segments_.end(),
            [](const Segment& a, const Segment& b) { return a.number < b.number; });
  // The newest first: acknowledgements stand behind what they mean.
  for (std::size_t i = segments_.size(); i-- > 0;) {
    Pulse::beat();  // all of them may take a while
    scan(segments_[i]);
  }
  if (!segments_.empty()) {
    next_segment_ = segments_.back().number + 1;
    read_segment_ = segments_.front().number;
  }
  keep_budget(0);
  remove_done();
  return {};
}

void DiskQueue::scan(Segment& segment) {
  if (open_for_reading(segment) != 0) {
    ++stats_.damaged;
    return;
  }
  const std::uint64_t limit = options_.segment_bytes + kMaxRecord + 2 * kHeader;
  struct stat info {};
  fstat(segment.file.get(), &info);
  segment.bytes = static_cast<std::uint64_t>(std::max<off_t>(0, info.st_size));
  segment.judged = segment.bytes;
  stats_.bytes += segment.bytes;
  const std::string data =
      read_at(segment.file.get(), 0, static_cast<std::size_t>(std::min(segment.bytes, limit)));
  segment.file.reset();
  std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
  Footing footing;
  for (std::size_t at = 0; at < data.size();) {
    const auto header = decode(std::string_view(data).substr(at));
    const std::size_t payload_at = at + kHeader;
    if (!header || header->length > data.size() - payload_at) {  // what follows may be whole
      if (!footing.lost) ++stats_.damaged;
      footing.lost = true;
      at = find_header(data, at + 1);
      continue;
    }
    std::string_view payload = std::string_view(data).substr(payload_at, header->length);
    if (crc32c(payload) != header->payload_check) {
      if (!footing.lost) ++stats_.damaged;
      at = footing.search() ? find_header(data, at + 1) : payload_at + header->length;
      continue;
    }
    footing.on(header->id);
    at = payload_at + header->length;
    segment.newest_ns = std::max(segment.newest_ns, header->time_ns);
    if (header->kind == 'A') {
      while (payload.size() >= 16) {
        const auto first = get<std::uint64_t>(payload);
        const auto end = get<std::uint64_t>(payload);
        if (end > kMaxId) continue;
        add_range(done_, first, end);
        // Ids are never given twice, even when all that is left of one is that it is done.
        next_id_ = std::max(next_id_, end);
      }
    } else if (header->kind == 'R' && header->id != 0 && header->id < kMaxId &&
               (found.empty() || header->id > found.back().first)) {
      found.emplace_back(header->id, header->items);
    }
  }
  if (found.empty()) return;
  segment.first_id = found.front().first;
  segment.end_id = found.back().first + 1;
  next_id_ = std::max(next_id_, segment.end_id);
  std::uint64_t expected = segment.first_id;
  for (const auto& [id, items] : found) {
    add_range(done_, expected, id);  // damaged ones between, which nobody will acknowledge
    expected = id + 1;
    if (!acknowledged(id, id + 1)) {
      segment.live_items += items;
      stats_.items += items;
    }
  }
}

int DiskQueue::open_for_reading(Segment& segment) const {
  if (segment.file) return 0;
  segment.file.reset(::open(path_of(segment.number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return segment.file ? 0 : errno;
}

Result<> DiskQueue::start_segment() {
  const auto path = path_of(next_segment_);
  FileDescriptor file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail_errno("make " + path.string(), errno);
  FileDescriptor folder(::open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0)
    return fail_errno("sync the folder " + options_.folder.string(), errno);
  if (writable_) {
    // Its records must be durable when the next sync() says so.
    if (unsynced_ && fdatasync(segments_.back().file.get()) != 0)
      return fail_errno("sync " + path_of(segments_.back().number).string(), errno);
    if (segments_.back().number != read_segment_) segments_.back().file.reset();
  }
  Segment segment;
  segment.number = next_segment_++;
  segment.first_id = segment.end_id = next_id_;
  segment.newest_ns = clock_.wall_ns();
  segment.file = std::move(file);
  if (segments_.empty()) {
    read_segment_ = segment.number;
    read_offset_ = 0;
  }
  segments_.push_back(std::move(segment));
  writable_ = true;
  return {};
}

Result<> DiskQueue::write_record(char kind, std::uint64_t id, std::uint32_t items,
                                 std::string_view bytes) {
  if (!writable_ || segments_.back().bytes >= options_.segment_bytes) {
    if (auto r = start_segment(); !r) return r;
  }
  Segment& segment = segments_.back();
  Header header;
  header.id = id;
  header.time_ns = clock_.wall_ns();
  header.length = static_cast<std::uint32_t>(bytes.size());
  header.items = items;
  header.kind = kind;
  header.payload_check = crc32c(bytes);
  const std::string head = encode(header);
  const std::size_t size = head.size() + bytes.size();
  for (std::size_t written = 0; written < size;) {
    const std::string_view left_head =
        std::string_view(head).substr(std::min(written, head.size()));
    const std::string_view left_bytes = bytes.substr(written - (head.size() - left_head.size()));
    const std::array<iovec, 2> parts{
        iovec{const_cast<char*>(left_head.data()), left_head.size()},
        iovec{const_cast<char*>(left_bytes.data()), left_bytes.size()}};
    const ssize_t n =
        pwritev(segment.file.get(), parts.data(), 2, static_cast<off_t>(segment.bytes + written));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int why = n < 0 ? errno : EIO;
      // Half a record would only be passed over later; better none.
      if (ftruncate(segment.file.get(), static_cast<off_t>(segment.bytes)) != 0) writable_ = false;
      return fail_errno("write " + path_of(segment.number).string(), why);
    }
    written += static_cast<std::size_t>(n);
  }
  segment.bytes += size;
  segment.newest_ns = std::max(segment.newest_ns, header.time_ns);
  stats_.bytes += size;
  ++writes_;
  unsynced_ = true;
  return {};
}

Result<std::uint64_t> DiskQueue::append(std::string_view bytes, std::uint32_t items, bool taken) {
  if (bytes.size() > kMaxRecord) {
    return fail(ErrorCode::kExhausted, "a record of " + std::to_string(bytes.size()) +
                                           " bytes is larger than a queue on disk takes");
  }
  MutexLock lock(mutex_);
  if (!options_.drop_oldest) {
    remove_done();
    if (stats_.items > 0 && stats_.bytes + bytes.size() + kHeader > options_.max_bytes) {
      return fail(ErrorCode::kExhausted, "the " + std::to_string(options_.max_bytes) +
                                             " bytes of " + options_.folder.string() +
                                             " are used up");
    }
  }
  keep_budget(bytes.size() + kHeader);
  if (auto r = write_record('R', next_id_, items, bytes); !r) return fail(std::move(r.error()));
  Segment& segment = segments_.back();
  if (segment.first_id == segment.end_id) segment.first_id = next_id_;
  segment.end_id = ++next_id_;
  segment.live_items += items;
  stats_.items += items;
  if (taken) in_flight_.emplace(next_id_ - 1, items);
  return next_id_ - 1;
}

void DiskQueue::limit(std::uint64_t max_bytes, Duration max_age, bool drop_oldest) {
  MutexLock lock(mutex_);
  options_.max_bytes = max_bytes;
  options_.max_age = max_age;
  options_.drop_oldest = drop_oldest;
}

Result<> DiskQueue::move_to(const std::filesystem::path& folder) {
  MutexLock lock(mutex_);
  if (rename(options_.folder.c_str(), folder.c_str()) != 0) {
    return fail_errno("rename " + options_.folder.string() + " to " + folder.string(), errno);
  }
  options_.folder = folder;
  return {};
}

Result<> DiskQueue::sync() {
  MutexLock lock(mutex_);
  keep_budget(0);
  remove_done();
  if (!new_done_.empty()) {
    std::string payload;
    for (const auto& [first, end] : new_done_) {
      put(payload, first);
      put(payload, end);
      if (payload.size() >= kMaxRecord / 2)
        break;  // far more than there can be; the rest next time
    }
    if (auto r = write_record('A', 0, 0, payload); !r) return r;
    new_done_.clear();
  }
  if (!unsynced_ || !writable_) return {};
  const std::uint64_t writes = writes_;
  const std::string path = path_of(segments_.back().number).string();
  const FileDescriptor file(fcntl(segments_.back().file.get(), F_DUPFD_CLOEXEC, 0));
  lock.unlock();
  const int error = file && fdatasync(file.get()) == 0 ? 0 : errno;
  lock.lock();
  if (error != 0) return fail_errno("sync " + path, error);
  if (writes == writes_) unsynced_ = false;
  return {};
}

std::optional<DiskQueue::Record> DiskQueue::next() {
  MutexLock lock(mutex_);
  for (;;) {
    const auto wanted = read_segment_;
    const auto it = std::find_if(segments_.begin(), segments_.end(),
                                 [&](const Segment& s) { return s.number >= wanted; });
    if (it == segments_.end()) return std::nullopt;
    Segment& segment = *it;
    if (segment.number != read_segment_) {
      read_segment_ = segment.number;
      read_offset_ = 0;
      footing_ = {};
    }
    const bool last = std::next(it) == segments_.end();
    const int unusable = open_for_reading(segment);
    if (unusable != 0 && unusable != ENOENT) return std::nullopt;  // it may work later
    if (read_offset_ >= segment.bytes || unusable != 0) {
      read_through(segment);
      if (last) return std::nullopt;
      segment.file.reset();
      read_segment_ = segment.number + 1;
      read_offset_ = 0;
      footing_ = {};
      continue;
    }
    const int fd = segment.file.get();
    const auto header = decode(read_at(fd, read_offset_, kHeader));
    const std::uint64_t left = segment.bytes - read_offset_;
    // Each place is counted once, however often it is passed.
    const auto damaged = [&]() NO_THREAD_SAFETY_ANALYSIS {
      if (footing_.lost || read_offset_ < segment.judged) return;
      ++stats_.damaged;
      segment.judged = read_offset_ + 1;
    };
    const auto search = [&]() NO_THREAD_SAFETY_ANALYSIS {
      footing_.lost = true;
      const auto window = static_cast<std::size_t>(
          std::min<std::uint64_t>(left - 1, options_.segment_bytes + kMaxRecord));
      read_offset_ += 1 + find_header(read_at(fd, read_offset_ + 1, window), 0);
    };
    if (!header || left < kHeader || header->length > left - kHeader) {
      damaged();
      search();
      continue;
    }
    const std::uint64_t payload_at = read_offset_ + kHeader;
    const std::uint64_t end = payload_at + header->length;
    const bool fresh = header->kind == 'R' && header->id >= segment.first_id &&
                       header->id < segment.end_id && !acknowledged(header->id, header->id + 1) &&
                       in_flight_.count(header->id) == 0;
    Record record;
    if (fresh || footing_.lost) {
      record.bytes = read_at(fd, payload_at, header->length);
      if (record.bytes.size() != header->length || crc32c(record.bytes) != header->payload_check) {
        damaged();
        if (footing_.search()) {
          search();
        } else {
          read_offset_ = end;
        }
        continue;
      }
    }
    footing_.on(header->id);
    read_offset_ = end;
    if (!fresh) continue;
    record.id = header->id;
    record.items = header->items;
    record.time_ns = header->time_ns;
    in_flight_.emplace(record.id, record.items);
    return record;
  }
}

// Everything of the segment that could be read was handed out: what is neither on its way nor done
// is damaged, and nobody will acknowledge it.
void DiskQueue::read_through(Segment& segment) {
  std::uint64_t flying = 0;
  std::uint64_t expected = segment.first_id;
  for (auto it = in_flight_.lower_bound(segment.first_id);
       it != in_flight_.end() && it->first < segment.end_id; ++it) {
    add_range(done_, expected, it->first);
    expected = it->first + 1;
    flying += it->second;
  }
  add_range(done_, expected, segment.end_id);
  stats_.items -= segment.live_items - flying;
  segment.live_items = flying;
}

void DiskQueue::acknowledge(std::uint64_t id) {
  MutexLock lock(mutex_);
  const auto flying = in_flight_.find(id);
  if (flying == in_flight_.end()) return;
  const std::uint32_t items = flying->second;
  in_flight_.erase(flying);
  const auto it = std::find_if(segments_.begin(), segments_.end(),
                               [&](const Segment& s) { return id >= s.first_id && id < s.end_id; });
  if (it == segments_.end()) return;
  it->live_items -= items;
  stats_.items -= items;
  add_range(done_, id, id + 1);
  add_range(new_done_, id, id + 1);
}

bool DiskQueue::put_back(std::uint64_t id) {
  MutexLock lock(mutex_);
  if (in_flight_.erase(id) == 0) return false;
  const auto it = std::find_if(segments_.begin(), segments_.end(),
                               [&](const Segment& s) { return id >= s.first_id && id < s.end_id; });
  if (it == segments_.end()) return false;
  if (it->number <= read_segment_) {
    // What is on its way or done is passed over.
    read_segment_ = it->number;
    read_offset_ = 0;
    footing_ = {};
  }
  return true;
}

DiskQueue::Stats DiskQueue::stats() const {
  MutexLock lock(mutex_);
  Stats out = stats_;
  std::uint64_t flying = 0;
  for (const auto& [id, items] : in_flight_) flying += items;
  out.unread = out.items > flying;
  return out;
}

void DiskQueue::remove_front() {
  Segment& front = segments_.front();
  unlink(path_of(front.number).c_str());
  stats_.bytes -= front.bytes;
  stats_.items -= front.live_items;
  if (segments_.size() == 1) {
    writable_ = false;
    unsynced_ = false;
  }
  segments_.pop_front();
  const std::uint64_t first =
      segments_.empty() ? next_id_ : std::max(segments_.front().first_id, std::uint64_t{1});
  for (Ranges* ranges : {&done_, &new_done_}) {
    while (!ranges->empty() && ranges->begin()->second <= first) ranges->erase(ranges->begin());
  }
}

// Frees the oldest segments whose records are all done. Only from the front: a later segment holds
// the acknowledgements of earlier ones.
void DiskQueue::remove_done() {
  while (!segments_.empty() && acknowledged(segments_.front().first_id, segments_.front().end_id)) {
    // The one being written stays until it is worth the work.
    if (segments_.size() == 1 && writable_ && segments_.front().bytes < options_.segment_bytes / 8)
      return;
    remove_front();
  }
}

void DiskQueue::keep_budget(std::uint64_t needed) {
  const auto too_old = [&](const Segment& segment) NO_THREAD_SAFETY_ANALYSIS {
    return options_.max_age > Duration::zero() &&
           segment.newest_ns < clock_.wall_ns() - options_.max_age.count();
  };
  const auto too_many = [&]() NO_THREAD_SAFETY_ANALYSIS {
    return (options_.drop_oldest || stats_.items == 0) &&
           stats_.bytes + needed > options_.max_bytes;
  };
  while (!segments_.empty() && (too_many() || too_old(segments_.front()))) {
    Segment& front = segments_.front();
    // What is on its way counts as that, not as dropped.
    std::uint64_t flying = 0;
    for (auto it = in_flight_.lower_bound(front.first_id);
         it != in_flight_.end() && it->first < front.end_id; it = in_flight_.erase(it))
      flying += it->second;
    stats_.dropped_items += front.live_items - flying;
    remove_front();
  }
}

}  // namespace agent::io
