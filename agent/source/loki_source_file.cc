// loki.source.file: lines of files as log entries.
//
// One thread reads all files. A file's stored place is the one below which everything was
// delivered; its key is the path, independent of labels, and the place knows the file by inode and
// content (io/file_tail.h). Lines have no time of their own: they get the time of reading, each
// some nanoseconds after the one before it, so that equal lines stay apart; read again, they get
// the same (read_times.h).
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/component/component.h"
#include "agent/component/path_targets.h"
#include "agent/io/compressed_tail.h"
#include "agent/io/file_print.h"
#include "agent/io/file_tail.h"
#include "agent/io/file_watch.h"
#include "agent/io/legacy_positions.h"
#include "agent/io/positions.h"
#include "agent/model/entry.h"
#include "agent/model/receipt.h"
#include "agent/source/long_line.h"
#include "agent/source/read_times.h"

namespace agent::source {
namespace {

using component::Schema;
using io::FilePlace;
using Outcome = io::LineReader::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};  // every offset is below it
constexpr std::size_t kBatchBytes = 1U << 20;
constexpr std::size_t kBatchLines = 8192;
constexpr Duration kSafetyPoll = seconds(30);
constexpr Duration kUnsettledWait = milliseconds(200);
constexpr Duration kBegunPause = milliseconds(100);  // between saves of new files
constexpr Duration kPostponed = seconds(1);
constexpr Duration kLongestPostponed = seconds(5);
constexpr Duration kForget = std::chrono::hours(24);
constexpr std::size_t kMaxFinished = 1024;
constexpr std::string_view kFinishedKey = "finished ";

lang::Span place_of(const lang::Body& body, std::string_view attribute) {
  const lang::Attribute* given = body.find(attribute);
  return given == nullptr ? body.span : given->value_span;
}

struct DecompressionArgs {
  bool enabled = false;
  Duration initial_delay{};
  std::string format;

  static Schema<DecompressionArgs> schema() {
    return Schema<DecompressionArgs>()
        .required("enabled", &DecompressionArgs::enabled, "Whether the files are compressed.")
        .required("format", &DecompressionArgs::format, "How: gz (gzip), z (zlib) or bz2 (bzip2).")
        .optional("initial_delay", &DecompressionArgs::initial_delay,
                  "Time that a new file is left alone, for its writer to finish it.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (!compression())
      diagnostics.error(place_of(body, "format"), "unknown compression format \"" + format + "\"",
                        "the formats are gz, z and bz2");
  }
  std::optional<io::Compression> compression() const {
    if (format == "gz") return io::Compression::kGzip;
    if (format == "z") return io::Compression::kZlib;
    if (format == "bz2") return io::Compression::kBzip2;
    return std::nullopt;
  }
};

struct FileWatchArgs {
  Duration min_poll_frequency = milliseconds(250);
  Duration max_poll_frequency = milliseconds(250);

  static Schema<FileWatchArgs> schema() {
    return Schema<FileWatchArgs>()
        .optional("min_poll_frequency", &FileWatchArgs::min_poll_frequency,
                  "Shortest time between two looks at a file that the system does not report on.")
        .optional("max_poll_frequency", &FileWatchArgs::max_poll_frequency,
                  "Longest time between two looks at such a file.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (min_poll_frequency <= Duration::zero() || max_poll_frequency < min_poll_frequency)
      diagnostics.error(place_of(body, "min_poll_frequency"),
                        "min_poll_frequency must be greater than 0s and at most "
                        "max_poll_frequency");
  }
};

struct FileMatchArgs {
  bool enabled = false;
  Duration sync_period = seconds(10);
  Duration ignore_older_than{};

  static Schema<FileMatchArgs> schema() {
    return Schema<FileMatchArgs>()
        .optional("enabled", &FileMatchArgs::enabled,
                  "Whether __path__ of a target is a pattern of file names, as in "
                  "local.file_match.")
        .optional("sync_period", &FileMatchArgs::sync_period,
                  "Time between two looks at the folders.")
        .optional("ignore_older_than", &FileMatchArgs::ignore_older_than,
                  "Files not modified for this long are left out. 0s: none are.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (sync_period <= Duration::zero())
      diagnostics.error(place_of(body, "sync_period"), "sync_period must be greater than 0s");
  }
};

struct FileArgs {
  std::vector<model::Target> targets;
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::string encoding;
  bool tail_from_end = false;
  std::string legacy_positions_file;
  std::string on_positions_file_error = "restart_from_beginning";
  std::optional<DecompressionArgs> decompression;
  FileWatchArgs file_watch;
  FileMatchArgs file_match;

  static Schema<FileArgs> schema() {
    return Schema<FileArgs>()
        .required("targets", &FileArgs::targets,
                  "Files to read: __path__ is the name, labels that do not start with __ become "
                  "labels of the entries, together with filename.")
        .required("forward_to", &FileArgs::forward_to, "Receivers that get the entries.")
        .optional("encoding", &FileArgs::encoding,
                  "What the files are written in, by its IANA name; UTF-8 when empty. A byte order "
                  "mark at a file's beginning wins.")
        .optional("tail_from_end", &FileArgs::tail_from_end,
                  "Start at the end of a file that has no stored position.")
        .optional("legacy_positions_file", &FileArgs::legacy_positions_file,
                  "Positions file of another agent, for files without a position of our own.")
        .optional("on_positions_file_error", &FileArgs::on_positions_file_error,
                  "What to do with files whose stored position was damaged: "
                  "restart_from_beginning, restart_from_end, or skip them.")
        .block("decompression", &FileArgs::decompression, "Files that are compressed.")
        .block("file_watch", &FileArgs::file_watch,
               "How often to look at files that the system does not report on, such as those "
               "behind symbolic links. Others are read when they change.")
        .block("file_match", &FileArgs::file_match, "Patterns instead of names.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (io::find_encoding(encoding) == nullptr)
      diagnostics.error(place_of(body, "encoding"), "unknown encoding \"" + encoding + "\"",
                        "such as utf-8, utf-16, iso-8859-1, windows-1252, shift_jis");
    if (on_positions_file_error != "restart_from_beginning" &&
        on_positions_file_error != "restart_from_end" && on_positions_file_error != "skip")
      diagnostics.error(place_of(body, "on_positions_file_error"),
                        "unknown value \"" + on_positions_file_error + "\"",
                        "restart_from_beginning, restart_from_end or skip");
  }
};

// The arguments in force, as the reading thread sees them. Immutable.
struct Setup {
  std::vector<model::Target> targets;              // with file names
  std::optional<component::PathTargets> patterns;  // instead
  Duration sync_period{};
  Duration ignore_older_than{};
  bool tail_from_end = false;
  const io::TextEncoding* encoding = nullptr;
  std::optional<io::Compression> compression;
  Duration initial_delay{};
  Duration poll_min{};
  Duration poll_max{};
  std::string on_damage;
  std::string legacy_file;
};

// One file name that is read, whatever file has it.
struct Tail {
  std::string path;
  io::FileWatch::Id id = 0;
  std::vector<model::LabelSet> labels;  // of each target that names the file
  std::unique_ptr<io::LineReader> reader;
  // Only while something is outstanding: ten thousand idle files shall not cost one each.
  std::unique_ptr<model::AckWindow<FilePlace>> window;
  std::optional<FilePlace> settled;  // what is stored
  component::Counter lines;
  component::Gauge bytes;
  component::Gauge size;
  Mono look_at{};  // when to look next, whatever the watch says
  Duration poll{};
  std::optional<Mono> postponed_since;
  bool started = false;
  bool queued = false;
  bool watched = false;
  bool skipped = false;
  bool deleted = false;  // read to its end after it lost its last name
};

class LokiSourceFile final : public component::Configured<FileArgs>, public component::Worker {
 public:
  explicit LokiSourceFile(component::Host host)
      : host_(std::move(host)),
        positions_(host_.clock, host_.data_dir / "positions", host_.log),
        times_(host_.data_dir / "times"),
        active_(host_.metrics.gauge("loki_source_file_files_active_total", "Files open now.")),
        cut_lines_(host_.metrics.counter("loki_source_file_cut_lines_total",
                                         "Lines cut because they are too long.")),
        truncations_(host_.metrics.counter("loki_source_file_truncations_total",
                                           "Files found truncated or overwritten.")),
        truncated_bytes_(host_.metrics.counter(
            "loki_source_file_truncated_bytes_total",
            "Bytes truncated away before they were read, as far as they were seen.")),
        hole_bytes_(host_.metrics.counter("loki_source_file_hole_bytes_total",
                                          "Bytes of NUL regions passed over.")),
        missing_(host_.metrics.counter(
            "loki_source_file_missing_files_total",
            "Files that were gone before they were known to be read to their end.")),
        rewinds_total_(
            host_.metrics.counter("loki_source_file_rewinds_total",
                                  "Times lines came back undelivered and are read again.")) {
    options_.max_line = kMaxLine;
    options_.cut_marker = kCutMarker;
    options_.learned = [this](const std::string& folder) { learn(folder); };
    options_.known = [this](io::FileId file) { return read_before(file); };
  }

  using Configured::prepare;
  Result<component::Commit> prepare(FileArgs args) override {
    auto setup = std::make_shared<Setup>();
    if (args.file_match.enabled) {
      auto patterns = component::PathTargets::compile(std::move(args.targets));
      if (!patterns) return fail(std::move(patterns.error()));
      setup->patterns = std::move(*patterns);
    } else {
      setup->targets = std::move(args.targets);
    }
    setup->sync_period = args.file_match.sync_period;
    setup->ignore_older_than = args.file_match.ignore_older_than;
    setup->encoding = io::find_encoding(args.encoding);
    if (auto decoder = io::TextDecoder::open(*setup->encoding); !decoder)
      return fail(ErrorCode::kInvalid, "encoding: " + decoder.error().message);
    setup->tail_from_end = args.tail_from_end;
    if (args.decompression && args.decompression->enabled) {
      setup->compression = args.decompression->compression();
      setup->initial_delay = args.decompression->initial_delay;
    }
    setup->poll_min = args.file_watch.min_poll_frequency;
    setup->poll_max = args.file_watch.max_poll_frequency;
    setup->on_damage = std::move(args.on_positions_file_error);
    setup->legacy_file = std::move(args.legacy_positions_file);
    return component::Commit([this, setup = std::shared_ptr<const Setup>(std::move(setup)),
                              receivers = std::move(args.forward_to)] {
      fanout_.set(receivers);
      MutexLock lock(mutex_);
      next_setup_ = setup;
    });
  }

  Result<> run(std::stop_token stop) override {
    while (!stop.stop_requested()) {
      take_setup();
      start_tails();
      look();
      const bool more = read_ready(stop);
      store_settled();
      if (!rewind_lost(stop) || more) continue;
      notice(watch_.wait(until_next_look(), stop));
    }
    return {};
  }

  void flush() override {
    store_settled();
    auto saved = positions_.save();
    if (saved) {
      forget_times();
    } else {
      host_.log.warn("the positions were not saved", {{"err", saved.error().message}});
    }
  }

  void debug_info(component::DebugWriter& out) const override {
    for (const auto& [path, place] : positions_.all()) {
      const auto parsed = FilePlace::parse(place);
      out.value("files." + path,
                parsed ? "delivered to byte " + std::to_string(parsed->offset) : place);
    }
  }

 private:
  // --- which files ---

  void take_setup() {
    {
      MutexLock lock(mutex_);
      if (next_setup_ != setup_) {
        setup_ = next_setup_;
        options_.encoding = setup_->encoding;
        sync_at_ = Mono{};
      }
    }
    const Mono now = host_.clock.mono();
    if (now < sync_at_) return;
    sync_at_ = setup_->patterns ? now + setup_->sync_period : kNever;
    set_targets(setup_->patterns
                    ? setup_->patterns->find(setup_->ignore_older_than, host_.clock.wall_ns())
                    : setup_->targets);
  }

  void set_targets(const std::vector<model::Target>& targets) {
    std::unordered_map<std::string, std::vector<model::LabelSet>> wanted;
    for (const model::Target& target : targets) {
      model::LabelBuilder labels(target);
      std::string path(labels.get(component::kPathLabel));
      if (path.empty()) {
        host_.log.limited(Level::kWarn, "a target has no __path__");
        continue;
      }
      labels.remove_prefix("__");
      labels.set("filename", path);
      auto& all = wanted[std::move(path)];
      const auto set = host_.labels.intern(std::move(labels).take());
      if (std::find(all.begin(), all.end(), set) == all.end()) all.push_back(set);
    }
    for (auto it = tails_.begin(); it != tails_.end();) {
      if (wanted.count(it->first) > 0) {
        ++it;
        continue;
      }
      watch_.remove(it->first);
      by_id_.erase(it->second->id);
      if (it->second->started && it->second->reader->is_open()) active_->add(-1);
      for (auto other = reading_.begin(); other != reading_.end();)
        other = other->second == it->second.get() ? reading_.erase(other) : std::next(other);
      ready_.erase(std::remove(ready_.begin(), ready_.end(), it->second.get()), ready_.end());
      if (it->second->window != nullptr) leaving_.push_back(std::move(it->second));
      it = tails_.erase(it);
    }
    for (auto& [path, labels] : wanted) {
      auto& tail = tails_[path];
      if (tail == nullptr) {
        tail = std::make_unique<Tail>();
        tail->path = path;
        tail->id = next_id_++;
        tail->poll = setup_->poll_min;
        tail->look_at = host_.clock.mono();
        if (setup_->compression) tail->look_at += setup_->initial_delay;
        by_id_[tail->id] = tail.get();
        start_at_ = std::min(start_at_, tail->look_at);
      }
      tail->labels = std::move(labels);
    }
  }

  void notice(const io::FileWatch::Changes& changes) {
    if (changes.any)
      for (auto& [path, tail] : tails_) queue(*tail);
    for (const auto id : changes.files) queue(id);
    for (const auto id : changes.unwatched) {
      Tail* tail = find(id);
      if (tail == nullptr) continue;
      tail->watched = false;
      retry(*tail, host_.clock.mono() + tail->poll);
    }
  }

  Tail* find(io::FileWatch::Id id) {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : it->second;
  }
  void queue(io::FileWatch::Id id) {
    if (Tail* tail = find(id)) queue(*tail);
  }
  void queue(Tail& tail) {
    if (tail.queued || !tail.started) return;
    tail.queued = true;
    ready_.push_back(&tail);
  }

  // --- where to start ---

  // What is known of a file by its inode: which name it is or was read under, and how far.
  struct Known {
    std::string path;
    FilePlace place;
  };

  // A file that was read to its end and left for another one.
  struct Finished {
    FilePlace end;
    io::FileWatch::Id by = 0;
  };

  void start_tails() {
    const Mono now = host_.clock.mono();
    if (now < start_at_) return;
    start_at_ = kNever;
    std::vector<Tail*> waiting;
    for (auto& [path, tail] : tails_) {
      if (tail->started || tail->skipped) continue;
      if (tail->look_at > now) start_at_ = std::min(start_at_, tail->look_at);
      if (tail->look_at <= now) waiting.push_back(tail.get());
    }
    if (waiting.empty()) return;
    std::unordered_map<std::uint64_t, Known> by_inode;
    for (auto& [path, text] : positions_.all())
      if (const auto place = FilePlace::parse(text)) by_inode[place->inode] = {path, *place};
    for (Tail* tail : waiting) {
      if (!start(*tail, by_inode)) {
        if (!tail->postponed_since) tail->postponed_since = now;
        retry(*tail, now + kPostponed);
        start_at_ = std::min(start_at_, tail->look_at);
        continue;
      }
      tail->started = true;
      tail->watched = watch_.add(tail->path, tail->id);
      tail->look_at = now + (tail->watched ? kSafetyPoll : tail->poll);
      queue(*tail);
    }
  }

  // False: to be tried again later, for the file is still read under another name.
  bool start(Tail& tail, const std::unordered_map<std::uint64_t, Known>& by_inode) {
    if (setup_->compression) {
      tail.reader = std::make_unique<io::CompressedTail>(tail.path, *setup_->compression, options_);
    } else {
      tail.reader = std::make_unique<io::FileTail>(tail.path, options_);
    }
    std::optional<FilePlace> own;
    if (const auto text = positions_.get(tail.path)) own = FilePlace::parse(*text);
    const auto file = io::file_id(tail.path);
    if (own && (!file || own->inode == file->inode)) return resume(tail, *own, file);
    if (file) {
      // Rotated into a name that is read as well: what was read of it under its former name counts.
      const auto reading = reading_.find(*file);
      // Unless both names are the file's: then each is read by itself.
      if (reading != reading_.end() && reading->second != &tail &&
          io::file_id(reading->second->path) != file)
        return false;
      const auto finished = finished_.find(*file);
      if (finished != finished_.end()) return resume(tail, finished->second.end, file);
      const auto known = by_inode.find(file->inode);
      // The inode may have been given to another file since.
      if (known != by_inode.end() && fits(tail.path, known->second.place)) {
        const auto other = tails_.find(known->second.path);
        const bool will_start = other != tails_.end() && other->second.get() != &tail &&
                                !other->second->started && !other->second->skipped;
        const bool patient =
            !tail.postponed_since || host_.clock.mono() - *tail.postponed_since < kLongestPostponed;
        if (will_start && patient) return false;
        return resume(tail, pinned(known->second.place, known->second.path), file);
      }
    }
    if (own) return resume(tail, *own, file);
    return start_fresh(tail, file);
  }

  // The place's file has this name, and its content is still there.
  bool fits(const std::string& path, const FilePlace& place) const {
    if (!setup_->compression) return io::FileTail::fits(path, place);
    struct stat info {};
    const FileDescriptor fd = io::open_regular(path, info);
    return fd && info.st_ino == place.inode && io::begins_as(fd.get(), place);
  }

  // For a file that is read on under a name of another folder.
  static FilePlace pinned(FilePlace place, std::string_view path) {
    if (place.content == 0) place.content = io::content_number(path, place.inode);
    return place;
  }

  bool resume(Tail& tail, const FilePlace& place, const std::optional<io::FileId>& named) {
    tail.reader->resume(place);
    settle(tail, place);
    // Renamed within its folder, it is on the same device.
    if (named) reading_[{named->device, place.inode}] = &tail;
    return true;
  }

  // The place up to which a file was read under a former name; while it still is, its end.
  // Under the name of `current_` itself does not count: that is a rewind.
  std::optional<FilePlace> read_before(io::FileId file) const {
    const auto reading = reading_.find(file);
    if (reading != reading_.end() && reading->second != current_ &&
        reading->second->reader->file() == file) {
      FilePlace place = pinned(reading->second->reader->place(), reading->second->path);
      place.offset += reading->second->reader->behind();
      return place;
    }
    const auto finished = finished_.find(file);
    if (finished == finished_.end() || current_ == nullptr || finished->second.by == current_->id)
      return std::nullopt;
    return finished->second.end;
  }

  // Where one file was rotated to, others are looked for.
  void learn(const std::string& folder) {
    constexpr std::size_t kMost = 64;
    auto& all = options_.rotated_to;
    if (all.size() < kMost && std::find(all.begin(), all.end(), folder) == all.end())
      all.push_back(folder);
  }

  bool start_fresh(Tail& tail, const std::optional<io::FileId>& file) {
    if (const auto offset = legacy_offset(tail.path); offset && file) {
      FilePlace place;
      place.inode = file->inode;
      place.offset = *offset;
      return resume(tail, place, file);
    }
    bool at_end = setup_->tail_from_end;
    // Whether this file had a position among the damaged ones cannot be known.
    if (positions_.damaged_lines() > 0 && first_start_) {
      at_end = at_end || setup_->on_damage == "restart_from_end";
      if (setup_->on_damage == "skip") {
        host_.log.warn("a file is skipped because stored positions were damaged",
                       {{"path", tail.path}});
        tail.skipped = true;
        return false;
      }
    }
    if (at_end) tail.reader->from_end();
    return true;
  }

  std::optional<std::uint64_t> legacy_offset(const std::string& path) {
    if (!legacy_) {
      legacy_.emplace();
      // Alloy's own file in the same place, then the one that the configuration names.
      for (const auto& file :
           {host_.data_dir / "positions.yml", std::filesystem::path(setup_->legacy_file)}) {
        if (!positions_.fresh() || file.empty()) continue;
        const auto text = read_file(file, 64U << 20);
        if (!text) continue;
        for (const auto& position : io::parse_legacy_positions(*text)) {
          std::uint64_t offset = 0;
          const char* end = position.value.data() + position.value.size();
          if (std::from_chars(position.value.data(), end, offset).ptr == end)
            legacy_->emplace(position.path, offset);
        }
        host_.log.info("positions of another agent were taken over", {{"file", file.string()}});
      }
    }
    const auto it = legacy_->find(path);
    return it == legacy_->end() ? std::nullopt : std::optional(it->second);
  }

  // --- reading ---

  // Queues the files whose time has come.
  void look() {
    const Mono now = host_.clock.mono();
    if (now < next_look_) return;
    next_look_ = now + kSafetyPoll;
    for (auto& [path, tail] : tails_) {
      if (tail->skipped) continue;
      if (tail->look_at <= now) {
        if (!tail->watched && tail->started) {
          tail->watched = watch_.add(path, tail->id);
          tail->poll = std::min(tail->poll * 2, setup_->poll_max);
        }
        tail->look_at = now + (tail->watched ? kSafetyPoll : tail->poll);
        queue(*tail);
      }
      next_look_ = std::min(next_look_, tail->look_at);
    }
    if (now >= prune_at_) {
      prune_at_ = now + std::chrono::hours(1);
      for (const auto& [path, tail] : tails_) positions_.touch(path);
      if (positions_.prune(kForget) > 0) unsaved_ = true;
    }
    first_start_ = false;
  }

  Duration until_next_look() const {
    const Mono now = host_.clock.mono();
    Mono next = std::min({next_look_, sync_at_, start_at_});
    if (unsaved_ || unsettled_) next = std::min(next, now + kUnsettledWait);
    return std::max(Duration::zero(), next - now);
  }

  // Reads each queued file once, in turn. True: there is more at once.
  bool read_ready(const std::stop_token& stop) {
    model::EntryBatch batch;
    std::size_t bytes = 0;
    std::vector<Tail*> turn = std::move(ready_);
    ready_.clear();
    for (Tail* tail : turn) {
      tail->queued = false;
      if (read_one(*tail, batch, bytes)) queue(*tail);
      if (bytes >= kBatchBytes || batch.entries.size() >= kBatchLines) {
        send(std::exchange(batch, {}), stop);
        bytes = 0;
        if (stop.stop_requested()) break;
      }
    }
    send(std::move(batch), stop);
    return !ready_.empty();
  }

  // True: the file has more.
  bool read_one(Tail& tail, model::EntryBatch& batch, std::size_t& bytes) {
    const Mono now = host_.clock.mono();
    const auto before = tail.reader->events();
    const bool counted = tail.reader->is_open();
    if (!tail.settled) {
      // Before the first byte is read, so that there is a place to go back to.
      current_ = &tail;
      if (auto opened = tail.reader->open(); opened && tail.reader->is_open())
        settle(tail, tail.reader->place());
    }
    const FilePlace old = tail.reader->place();
    const io::FileId old_file = tail.reader->file();
    const bool was_open = tail.reader->is_open();
    current_ = &tail;
    auto outcome = tail.reader->read(now, lines_);
    current_ = nullptr;
    active_->add((tail.reader->is_open() ? 1 : 0) - (counted ? 1 : 0));
    const auto& after = tail.reader->events();
    truncations_->add(static_cast<double>(after.truncations - before.truncations));
    truncated_bytes_->add(static_cast<double>(after.lost_bytes - before.lost_bytes));
    missing_->add(static_cast<double>(after.missing_files - before.missing_files));
    if (!outcome) {
      host_.log.limited(Level::kWarn, "a file cannot be read",
                        {{"path", tail.path}, {"err", outcome.error().message}});
      retry(tail, now + kPostponed);
      return false;
    }
    if (was_open && (!tail.reader->is_open() || !(tail.reader->file() == old_file))) {
      if (finished_.size() >= kMaxFinished) finished_.clear();
      // The read may have gone on in the next file already.
      const bool of_old = lines_.bytes > 0 && lines_.after.inode == old.inode;
      finished_[old_file] = {pinned(of_old ? lines_.after : old, tail.path), tail.id};
      if (const auto it = reading_.find(old_file); it != reading_.end() && it->second == &tail)
        reading_.erase(it);
    }
    if (tail.reader->is_open()) {
      reading_.emplace(tail.reader->file(), &tail);
      tail.deleted = false;
    } else if (was_open) {
      tail.deleted = true;
    }
    if (lines_.bytes > 0) {
      add_lines(tail, batch, bytes);
    } else if (tail.window == nullptr && tail.reader->is_open() && tail.settled &&
               !same_content(*tail.settled, tail.reader->place())) {
      // A file of which nothing is left to read has the name now: known after a restart too.
      settle(tail, tail.reader->place());
    }
    switch (*outcome) {
      case Outcome::kLines:
        return true;
      case Outcome::kPending:
        retry(tail, now + setup_->poll_min);
        break;
      case Outcome::kMissing:
        retry(tail, now + kPostponed);
        if (tail.deleted && tail.window == nullptr && tail.settled) forget(tail);
        break;
      case Outcome::kDone:
      case Outcome::kIdle:
        if (!tail.watched) retry(tail, now + tail.poll);
        break;
    }
    return false;
  }

  void retry(Tail& tail, Mono at) {
    tail.look_at = at;
    next_look_ = std::min(next_look_, at);
  }

  // What times_ knows a content by, under each name of its file and in each copy.
  static std::uint64_t times_key(const Tail& tail, const FilePlace& place) {
    constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15U;
    return pinned(place, tail.path).content ^ place.generation * kSpread;
  }

  // The file is deleted and all of it was delivered: another one of this name is read from its
  // start.
  void forget(Tail& tail) {
    delivered_[times_key(tail, *tail.settled)] = kWhole;
    tail.settled.reset();
    positions_.erase(tail.path);
    unsaved_ = true;
  }

  // The stored place of a file whose beginning was not there yet learns it before lines go on: when
  // the file is copied away, its inode alone will not tell.
  void learn_print(Tail& tail) {
    constexpr std::uint32_t kTelling = 64;
    if (!tail.settled || tail.settled->print_size >= kTelling ||
        tail.settled->print_size >= lines_.after.print_size ||
        !same_content(*tail.settled, lines_.after))
      return;
    FilePlace place = *tail.settled;
    place.print_size = lines_.after.print_size;
    place.print = lines_.after.print;
    settle(tail, place);
  }

  void add_lines(Tail& tail, model::EntryBatch& batch, std::size_t& bytes) {
    learn_print(tail);
    if (tail.lines == nullptr) {
      const model::Labels label = {{"path", tail.path}};
      tail.lines = host_.metrics.counter("loki_source_file_read_lines_total", "Lines read.", label);
      tail.bytes = host_.metrics.gauge("loki_source_file_read_bytes_total",
                                       "Bytes of the file read so far.", label);
      tail.size =
          host_.metrics.gauge("loki_source_file_file_bytes_total", "Size of the file.", label);
    }
    times_.give(times_key(tail, lines_.after), lines_.after.offset, lines_.lines,
                host_.clock.wall_ns(), given_);
    for (const model::LabelSet& labels : tail.labels)
      for (std::size_t i = 0; i < lines_.lines.size(); ++i)
        batch.entries.push_back({labels, given_[i], lines_.lines[i].text, {}});
    if (!lines_.lines.empty()) batch.arena.adopt(lines_.buffer, lines_.held);
    if (tail.window == nullptr) {
      tail.window = std::make_unique<model::AckWindow<FilePlace>>();
      outstanding_.push_back(&tail);
    }
    batch.add_receipt(tail.window->issue(lines_.after));
    unsettled_ = true;
    bytes += lines_.bytes;
    tail.lines->add(static_cast<double>(lines_.lines.size()));
    tail.bytes->set(static_cast<double>(lines_.after.offset));
    tail.size->set(static_cast<double>(lines_.after.offset + tail.reader->behind()));
    cut_lines_->add(static_cast<double>(lines_.cut));
    hole_bytes_->add(static_cast<double>(lines_.hole_bytes));
  }

  void send(model::EntryBatch batch, const std::stop_token& stop) {
    if (batch.empty()) {
      batch.settle();
      return;
    }
    save_begun();
    if (auto written = times_.write(); !written)
      host_.log.limited(Level::kWarn, "times of lines were not saved",
                        {{"err", written.error().message}});
    if (auto sent = fanout_.consume(std::move(batch), stop); !sent && !stop.stop_requested())
      host_.log.limited(Level::kWarn, "a receiver refused entries",
                        {{"err", sent.error().message}});
  }

  // --- delivered and not ---

  static bool same_content(const FilePlace& a, const FilePlace& b) {
    return a.inode == b.inode && a.generation == b.generation;
  }

  void settle(Tail& tail, const FilePlace& place) {
    if (tail.settled && !same_content(*tail.settled, place)) {
      delivered_[times_key(tail, *tail.settled)] = kWhole;
      if (const std::uint64_t inode = tail.settled->inode; inode != place.inode) {
        // Under its next name the finished file may be read as well.
        const auto finished = finished_.find({tail.reader->file().device, inode});
        const FilePlace end =
            finished == finished_.end() ? pinned(*tail.settled, tail.path) : finished->second.end;
        positions_.set(std::string(kFinishedKey) + std::to_string(inode), end.text());
      }
    }
    delivered_[times_key(tail, place)] = place.offset;
    tail.settled = place;
    const std::string text = place.text();
    // A beginning is stored by save_begun() and leaves this second's save to the first delivery.
    const bool beginning =
        place.offset == 0 && !setup_->tail_from_end && positions_.damaged_lines() == 0;
    if (positions_.get(tail.path) != text) (beginning ? begun_ : unsaved_) = true;
    positions_.set(tail.path, text);
  }

  // Which file was begun is stored before its lines go on: rotated while we are down, it would not
  // be found again.
  void save_begun() {
    const Mono now = host_.clock.mono();
    if (!begun_ || now < save_begun_at_) return;
    save_begun_at_ = now + kBegunPause;
    if (auto saved = positions_.save(); !saved)
      host_.log.limited(Level::kWarn, "the positions were not saved",
                        {{"err", saved.error().message}});
    begun_ = positions_.unsaved();
  }

  void store_settled() {
    save_begun();
    unsettled_ = false;
    std::size_t kept = 0;
    for (Tail* tail : outstanding_) {
      if (auto place = tail->window->take_settled()) {
        settle(*tail, *place);
        tail->reader->release(*place);
        rewinds_ = 0;
      }
      if (tail->window->outstanding() == 0 && !tail->window->lost()) {
        tail->window.reset();
        continue;
      }
      unsettled_ = true;
      outstanding_[kept++] = tail;
    }
    outstanding_.resize(kept);
    // Files that are no longer wanted are remembered until all of theirs is delivered or lost.
    leaving_.erase(std::remove_if(leaving_.begin(), leaving_.end(),
                                  [&](const std::unique_ptr<Tail>& tail) {
                                    if (tail->window != nullptr && !tail->window->lost())
                                      return false;
                                    drop_outstanding(*tail);
                                    return true;
                                  }),
                   leaving_.end());
    if (!unsaved_) return;
    if (auto saved = positions_.save_if_due(); !saved)
      host_.log.limited(Level::kWarn, "the positions were not saved",
                        {{"err", saved.error().message}});
    unsaved_ = positions_.unsaved();
    if (!unsaved_) forget_times();
  }

  // Of lines whose delivery the stored positions know.
  void forget_times() {
    for (const auto& [file, offset] : delivered_) times_.forget(file, offset);
    delivered_.clear();
    if (auto compacted = times_.compact(); !compacted)
      host_.log.limited(Level::kWarn, "times of lines were not saved",
                        {{"err", compacted.error().message}});
  }

  void drop_outstanding(const Tail& tail) {
    outstanding_.erase(std::remove(outstanding_.begin(), outstanding_.end(), &tail),
                       outstanding_.end());
  }

  // Files whose lines came back undelivered are read again from what was delivered; the more often
  // that happens, the slower. False: wait no longer, something is to be read or the stop came.
  bool rewind_lost(const std::stop_token& stop) {
    bool lost = false;
    for (Tail* tail : outstanding_) {
      if (!tail->window->lost() || find(tail->id) != tail) continue;
      lost = true;
      tail->window->rewind();
      rewinds_total_->increment();
      if (tail->settled) tail->reader->resume(*tail->settled);
      queue(*tail);
    }
    if (!lost) return true;
    const int doublings = std::min(rewinds_++, 5);
    if (doublings > 0) host_.clock.sleep_for(milliseconds(250) * (1 << doublings), stop);
    return false;
  }

  component::Host host_;
  io::Positions positions_;
  ReadTimes times_;
  io::FileTailOptions options_;
  component::LogFanout fanout_;
  component::Gauge active_;
  component::Counter cut_lines_;
  component::Counter truncations_;
  component::Counter truncated_bytes_;
  component::Counter hole_bytes_;
  component::Counter missing_;
  component::Counter rewinds_total_;

  Mutex mutex_;
  std::shared_ptr<const Setup> next_setup_ GUARDED_BY(mutex_);

  // Of the reading thread.
  std::shared_ptr<const Setup> setup_;
  io::FileWatch watch_;
  std::unordered_map<std::string, std::unique_ptr<Tail>> tails_;
  std::unordered_map<io::FileWatch::Id, Tail*> by_id_;
  std::vector<std::unique_ptr<Tail>> leaving_;
  std::vector<Tail*> ready_;
  std::vector<Tail*> outstanding_;                                     // those with a window
  std::unordered_map<io::FileId, Tail*, io::FileIdHash> reading_;      // who reads which file
  std::unordered_map<io::FileId, Finished, io::FileIdHash> finished_;  // the ends of files
  std::optional<std::unordered_map<std::string, std::uint64_t>> legacy_;
  const Tail* current_ = nullptr;  // whose reader is at work
  io::FileLines lines_;
  io::FileWatch::Id next_id_ = 1;
  std::vector<std::int64_t> given_;
  std::unordered_map<std::uint64_t, std::uint64_t>
      delivered_;  // times_key -> offset, not saved yet
  Mono sync_at_{};
  Mono next_look_{};
  Mono start_at_{};  // when a file is to be begun
  Mono prune_at_{};
  int rewinds_ = 0;
  Mono save_begun_at_{};
  bool begun_ = false;  // a file whose beginning is not stored
  bool unsaved_ = false;
  bool unsettled_ = false;
  bool first_start_ = true;
};

}  // namespace

component::Declaration loki_source_file() {
  return component::declare<LokiSourceFile>(
      "loki.source.file", "Reads lines of files as they are written and sends them on.");
}

}  // namespace agent::source
