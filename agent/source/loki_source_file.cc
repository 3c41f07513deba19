// loki.source.file: lines of files as log entries.
//
// One thread reads all files. A file's stored place is the one below which everything was
// delivered; its key is the file's name, independent of labels, and the place knows the file by
// inode and content (io/file_tail.h). Lines have no time of their own: they get the time of
// reading, each some nanoseconds after the one before it, so that equal lines stay apart; read
// again, they get the same (read_times.h).
//
// There may be ten thousand files of which few are written to. One that is quiet is an open
// descriptor, its name and its place: it can be read to its end whenever something happens to it.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/component/component.h"
#include "agent/component/path_targets.h"
#include "agent/io/compressed_tail.h"
#include "agent/io/file_places.h"
#include "agent/io/file_print.h"
#include "agent/io/file_tail.h"
#include "agent/io/file_watch.h"
#include "agent/io/legacy_positions.h"
#include "agent/model/entry.h"
#include "agent/model/receipt.h"
#include "agent/source/delivery.h"
#include "agent/source/file_args.h"
#include "agent/source/long_line.h"
#include "agent/source/read_times.h"

namespace agent::source {
namespace {

using io::FilePlace;
using Outcome = io::LineReader::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};  // every offset is below it
constexpr std::size_t kBatchBytes = 256U << 10;
constexpr std::size_t kBatchLines = 4096;
constexpr Duration kSafetyLook = seconds(30);
constexpr Duration kUnsettledWait = milliseconds(200);
constexpr Duration kBegunPause = milliseconds(100);  // between saves of new files
constexpr Duration kPostponed = seconds(1);
constexpr Duration kLongestPostponed = seconds(5);
constexpr Duration kForget = std::chrono::hours(24);
// Between a rename and the new file of the name, when somebody looks which names there are.
constexpr Duration kNameless = seconds(10);
constexpr std::size_t kMaxFinished = 1024;
constexpr std::size_t kMaxStoredFinished = 32;  // and as many as there are files
constexpr std::string_view kFinishedKey = "finished ";
// Files that were left for the next one and are kept until their lines are delivered, beside the
// one that each name has: no more disk space is held than this.
constexpr std::uint64_t kMaxKept = 64U << 20;
constexpr std::size_t kClosedForOne = 64;  // quiet files, where descriptors run out
constexpr std::size_t kMaxDebugFiles = 200;

// The arguments in force, as the reading thread sees them. Immutable.
struct Setup {
  std::optional<component::PathTargets> patterns;  // instead of names
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

// The series of one file. From its first line on: ten thousand quiet files have none.
struct FileCounts {
  component::Counter lines;
  component::Gauge bytes;
  component::Gauge size;
};

// One file name that is read, whatever file has it.
struct Tail {
  std::string path;
  io::FileWatch::Id id = 0;
  // While there is no reader, the file is quiet: all of it was read and delivered.
  FileDescriptor quiet;
  std::uint8_t polls = 0;  // in a row
  bool started : 1 = false;
  bool queued : 1 = false;
  bool watched : 1 = false;
  bool skipped : 1 = false;
  bool deleted : 1 = false;  // read to its end after it lost its last name
  bool failing : 1 = false;  // it cannot be read
  std::unique_ptr<io::LineReader> reader;
  model::LabelSet labels;                                     // of a target that names the file
  std::unique_ptr<std::vector<model::LabelSet>> more_labels;  // of others
  std::unique_ptr<std::vector<model::LabelSet>> streams;  // these with filename; while it's read
  // Only while something is outstanding.
  std::unique_ptr<model::AckWindow<FilePlace>> window;
  std::unique_ptr<FileCounts> counts;
  Mono look_at = kNever;  // when to look next, whatever the watch says

  io::FilePlaces::Key key() const { return io::FilePlaces::key_of(path); }
  bool is_open() const { return reader != nullptr ? reader->is_open() : bool(quiet); }
};

class LokiSourceFile final : public component::Configured<FileArgs>, public component::Worker {
 public:
  explicit LokiSourceFile(component::Host host)
      : host_(std::move(host)),
        places_(host_.clock, host_.data_dir / "positions", host_.log),
        times_(host_.data_dir / "times"),
        active_(host_.metrics.gauge("loki_source_file_files_active_total", "Files open now.")),
        unreadable_(host_.metrics.gauge("loki_source_file_files_unreadable",
                                        "Files that cannot be read now.")),
        polled_(host_.metrics.gauge("loki_source_file_files_polled",
                                    "Files that the system does not report on.")),
        cut_lines_(host_.metrics.counter("loki_source_file_cut_lines_total",
                                         "Lines cut because they are too long.")),
        rotations_(host_.metrics.counter("loki_source_file_rotations_total",
                                         "Times a file was read to its end and left for the next "
                                         "one of its name.")),
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
                                  "Times lines came back undelivered and are read again.")),
        backlog_(host_.metrics.gauge("loki_source_file_backlog_bytes",
                                     "Bytes of the files that are not delivered.")),
        oldest_(host_.metrics.gauge("loki_source_file_oldest_unsent_seconds",
                                    "Time since the oldest line that is not delivered was read.")),
        pinned_(host_.metrics.gauge(
            "loki_source_file_pinned_bytes",
            "Disk space of deleted files that are kept open until they are read.")),
        shared_(std::make_shared<Shared>()),
        began_ns_(host_.clock.wall_ns()) {
    options_.max_line = kMaxLine;
    options_.cut_marker = kCutMarker;
    options_.learned = [this](const std::string& folder) { learn(folder); };
    options_.known = [this](io::FileId file) { return read_before(file); };
    shared_->source = this;
    collecting_ = host_.metrics.on_collect([shared = shared_](std::vector<model::MetricFamily>&) {
      // A file may hold up the thread for ever: the gauges stay what they were, and the page comes.
      std::unique_lock lock(shared->mutex, std::defer_lock);
      if (lock_soon(lock) && shared->source != nullptr) shared->source->set_gauges();
    });
  }

  ~LokiSourceFile() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->source = nullptr;
  }

  using Configured::prepare;
  Result<component::Commit> prepare(FileArgs args) override {
    auto setup = std::make_shared<Setup>();
    std::vector<model::Target> targets;
    if (args.file_match.enabled) {
      auto patterns = component::PathTargets::compile(std::move(args.targets));
      if (!patterns) return fail(std::move(patterns.error()));
      setup->patterns = std::move(*patterns);
    } else {
      targets = std::move(args.targets);
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
                              targets = std::move(targets),
                              receivers = std::move(args.forward_to)]() mutable {
      fanout_.set(receivers);
      {
        MutexLock lock(mutex_);
        next_setup_ = setup;
        next_targets_ = std::move(targets);
      }
      watch_.wake();
    });
  }

  Result<> run(std::stop_token stop) override {
    std::unique_lock lock(shared_->mutex);
    while (!stop.stop_requested()) {
      take_setup(lock);
      look();
      const bool more = read_ready(lock, stop);
      store_settled();
      part();
      if (!rewind_lost(lock, stop) || more) continue;
      const Duration wait = until_next_look();
      lock.unlock();
      const auto changes = watch_.wait(wait, stop);
      lock.lock();
      notice(changes);
    }
    return {};
  }

  void flush() override {
    const std::lock_guard lock(shared_->mutex);
    store_settled();
    auto saved = places_.save();
    if (saved) {
      forget_times();
    } else {
      host_.log.warn("the positions were not saved", {{"err", saved.error().message}});
    }
  }

  void debug_info(component::DebugWriter& out) const override {
    std::unique_lock lock(shared_->mutex, std::defer_lock);
    if (!lock_soon(lock)) return;
    const Figures all = figures();
    out.value("files", std::to_string(tails_.size()));
    out.value("open", std::to_string(all.open));
    out.value("backlog_bytes", std::to_string(all.backlog));
    out.value("oldest_unsent_seconds", std::to_string(all.oldest_s));
    out.value("pinned_bytes", std::to_string(all.pinned));
    delivery_.debug_info(out);
    // Those that are furthest behind come first.
    std::vector<std::pair<std::uint64_t, const Tail*>> order;
    for (const auto& [path, tail] : tails_) order.emplace_back(backlog(*tail), tail.get());
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second->path < b.second->path;
    });
    if (order.size() > kMaxDebugFiles) order.resize(kMaxDebugFiles);
    for (const auto& [bytes, tail] : order) {
      const FilePlace* place = places_.find(tail->key());
      std::string text = place == nullptr ? "nothing delivered"
                                          : "delivered to byte " + std::to_string(place->offset);
      if (bytes > 0) text += ", " + std::to_string(bytes) + " behind";
      if (tail->skipped) text = "skipped: stored positions were damaged";
      if (tail->failing) text += ", it cannot be read";
      out.value("files." + tail->path, std::move(text));
    }
  }

 private:
  using Tails = std::unordered_map<std::string_view, std::unique_ptr<Tail>>;  // by their own names

  // --- what is told of it, by any thread ---

  struct Shared {
    // Held while the thread works, but not while it waits for a receiver or for changes.
    std::mutex mutex;
    LokiSourceFile* source = nullptr;
  };
  using Lock = std::unique_lock<std::mutex>;

  // False: the thread has been at work for a second.
  static bool lock_soon(Lock& lock) {
    SystemClock clock;
    for (int i = 0; i < 1000; ++i) {
      if (lock.try_lock()) return true;
      clock.sleep_for(std::chrono::milliseconds(1), {});
    }
    return lock.try_lock();
  }

  struct Figures {
    std::size_t open = 0;
    std::uint64_t backlog = 0;
    std::uint64_t pinned = 0;
    std::int64_t oldest_s = 0;
  };

  // Bytes of the file that has the name, which were not delivered.
  std::uint64_t backlog(const Tail& tail) const {
    if (tail.reader == nullptr) return 0;
    const FilePlace& read = tail.reader->place();
    const FilePlace* settled = places_.find(tail.key());
    std::uint64_t out = tail.reader->behind();
    // Of the contents before this one only that they are not delivered is known.
    if (settled == nullptr || !same_content(*settled, read)) return out + read.offset;
    return out + (read.offset > settled->offset ? read.offset - settled->offset : 0);
  }

  Figures figures() const {
    Figures out;
    const auto add = [&](const Tail& tail) {
      out.open += tail.is_open() ? 1 : 0;
      out.backlog += backlog(tail);
      out.pinned +=
          tail.reader != nullptr ? tail.reader->pinned() : io::LineReader::pinned_by(tail.quiet);
    };
    for (const auto& [path, tail] : tails_) add(*tail);
    for (const auto& tail : leaving_) add(*tail);
    if (const auto oldest = times_.oldest_ns(); oldest && !outstanding_.empty())
      out.oldest_s = std::max<std::int64_t>(0, host_.clock.wall_ns() - *oldest) / 1'000'000'000;
    return out;
  }

  void set_gauges() const {
    const Figures all = figures();
    backlog_->set(static_cast<double>(all.backlog));
    oldest_->set(static_cast<double>(all.oldest_s));
    pinned_->set(static_cast<double>(all.pinned));
  }

  // --- which files ---

  void take_setup(Lock& lock) NO_THREAD_SAFETY_ANALYSIS {
    std::optional<std::vector<model::Target>> targets;
    {
      MutexLock next(mutex_);
      if (next_setup_ != setup_) {
        setup_ = next_setup_;
        targets = std::move(next_targets_);
        options_.encoding = setup_->encoding;
        sync_at_ = Mono{};
        seen_ = {};
      }
    }
    const Mono now = host_.clock.mono();
    if (now < sync_at_) return;
    sync_at_ = setup_->patterns ? now + setup_->sync_period : kNever;
    if (setup_->patterns) {
      lock.unlock();  // it may take long
      targets =
          setup_->patterns->find_changed(seen_, setup_->ignore_older_than, host_.clock.wall_ns());
      lock.lock();
    }
    if (targets) set_targets(std::move(*targets));
  }

  void set_targets(std::vector<model::Target> targets) {
    std::unordered_map<std::string, std::vector<model::LabelSet>> wanted;
    for (model::Target& target : targets) {
      model::LabelBuilder labels(std::move(target));
      std::string path(labels.get(component::kPathLabel));
      if (path.empty()) {
        host_.log.limited(Level::kWarn, "a target has no __path__");
        continue;
      }
      labels.remove_prefix("__");
      labels.remove("filename");
      auto& all = wanted[std::move(path)];
      const auto set = host_.labels.intern(std::move(labels).take());
      if (std::find(all.begin(), all.end(), set) == all.end()) all.push_back(set);
    }
    for (auto it = tails_.begin(); it != tails_.end();) {
      Tail& tail = *it->second;
      if (wanted.count(tail.path) > 0) {
        parting_.erase(&tail);
        ++it;
      } else if (tail.is_open() && io::file_id(tail.path) != file_of(tail)) {
        parting_.emplace(&tail, host_.clock.mono());
        queue(tail);
        ++it;
      } else {
        it = leave(it);
      }
    }
    tails_.reserve(wanted.size());
    for (auto& [path, labels] : wanted) {
      Tail* tail = nullptr;
      if (const auto known = tails_.find(path); known != tails_.end()) {
        tail = known->second.get();
      } else {
        tail = add_tail(path);
      }
      tail->streams.reset();
      tail->labels = std::move(labels.front());
      labels.erase(labels.begin());
      tail->more_labels.reset();
      if (!labels.empty())
        tail->more_labels = std::make_unique<std::vector<model::LabelSet>>(std::move(labels));
    }
  }

  Tail* add_tail(const std::string& path) {
    auto made = std::make_unique<Tail>();
    Tail* tail = made.get();
    tail->path = path;
    if (free_ids_.empty()) {
      tail->id = static_cast<io::FileWatch::Id>(by_id_.size());
      by_id_.push_back(tail);
    } else {
      tail->id = free_ids_.back();
      free_ids_.pop_back();
      by_id_[tail->id] = tail;
    }
    tails_.emplace(tail->path, std::move(made));
    look_at(*tail,
            host_.clock.mono() + (setup_->compression ? setup_->initial_delay : Duration::zero()));
    return tail;
  }

  // Files that nobody wants because their names are gone: those deleted are read to their end;
  // those renamed also wait for the next one of their name.
  void part() {
    const Mono now = host_.clock.mono();
    for (auto it = parting_.begin(); it != parting_.end();) {
      Tail& tail = *it->first;
      const bool closed = !tail.is_open() && tail.window == nullptr;
      const bool read = tail.failing || tail.reader == nullptr || tail.reader->behind() == 0;
      if (!closed && (!read || now - it->second < kNameless)) {
        ++it;
        continue;
      }
      // Under its new name it goes on from here.
      if (const auto file = file_of(tail)) {
        const FilePlace& end =
            tail.reader != nullptr ? tail.reader->place() : *places_.find(tail.key());
        finish(*file, pinned(end, tail.path), kNobody);
      }
      it = parting_.erase(it);
      leave(tails_.find(tail.path));
    }
  }

  Tails::iterator leave(Tails::iterator at) {
    // Its name is its key.
    std::unique_ptr<Tail> tail = std::move(at->second);
    at = tails_.erase(at);
    parting_.erase(tail.get());
    look_at(*tail, kNever);
    unwatch(*tail);
    if (tail->started) polled_->add(-1);
    by_id_[tail->id] = nullptr;
    free_ids_.push_back(tail->id);
    if (tail->is_open()) active_->add(-1);
    set_failing(*tail, false);
    if (readers_)
      std::erase_if(*readers_, [&](const auto& entry) { return entry.second == tail.get(); });
    ready_.erase(std::remove(ready_.begin(), ready_.end(), tail.get()), ready_.end());
    if (tail->window != nullptr) leaving_.push_back(std::move(tail));
    return at;
  }

  void notice(const io::FileWatch::Changes& changes) {
    if (changes.any)
      for (auto& [path, tail] : tails_) queue(*tail);
    for (const auto id : changes.files) queue(id);
    for (const auto id : changes.unwatched) {
      Tail* tail = find(id);
      if (tail == nullptr) continue;
      unwatch(*tail);
      look_at(*tail, host_.clock.mono() + setup_->poll_min);
    }
  }

  Tail* find(io::FileWatch::Id id) { return id < by_id_.size() ? by_id_[id] : nullptr; }
  void queue(io::FileWatch::Id id) {
    if (Tail* tail = find(id)) queue(*tail);
  }
  void queue(Tail& tail) {
    if (tail.queued || !tail.started) return;
    tail.queued = true;
    ready_.push_back(&tail);
  }

  void look_at(Tail& tail, Mono at) {
    if (tail.look_at != kNever) due_.erase({tail.look_at, &tail});
    tail.look_at = at;
    if (at != kNever) due_.emplace(at, &tail);
  }

  void watch(Tail& tail) {
    set_watched(tail, watch_.add(tail.path, tail.id));
    if (!tail.watched && watch_.exhausted())
      host_.log.limited(Level::kWarn, "the system's watches on files are used up: files are polled",
                        {{"limit", "fs.inotify.max_user_watches"}});
  }
  void unwatch(Tail& tail) {
    watch_.remove(tail.path, tail.id);
    set_watched(tail, false);
  }
  void set_watched(Tail& tail, bool watched) {
    if (tail.watched != watched) polled_->add(watched ? -1 : 1);
    tail.watched = watched;
  }

  // Until the next look at a file that is not watched.
  Duration poll_pause(Tail& tail) {
    const Duration pause =
        std::min(setup_->poll_max, setup_->poll_min * (std::int64_t{1} << tail.polls));
    if (pause < setup_->poll_max && tail.polls < 30) ++tail.polls;
    return pause;
  }

  void set_failing(Tail& tail, bool failing) {
    if (tail.failing != failing) unreadable_->add(failing ? 1 : -1);
    tail.failing = failing;
  }

  // --- where to start ---

  // What is known of a file by its inode: which name it is or was read under, and how far.
  struct Known {
    io::FilePlaces::Key name = 0;
    FilePlace place;
  };

  // A file that was read to its end and left for another one.
  struct Finished {
    FilePlace end;
    io::FileWatch::Id by = 0;
  };
  static constexpr auto kNobody = static_cast<io::FileWatch::Id>(-1);

  void finish(io::FileId file, const FilePlace& end, io::FileWatch::Id by) {
    if (finished_.size() >= kMaxFinished) finished_.clear();
    finished_[file] = {end, by};
  }

  // Begins the files whose time has come, queues those to be looked at.
  void look() {
    const Mono now = host_.clock.mono();
    std::vector<Tail*> waiting;
    while (!due_.empty() && due_.begin()->first <= now) {
      Tail* tail = due_.begin()->second;
      look_at(*tail, kNever);
      if (tail->started) {
        queue(*tail);
      } else if (!tail->skipped) {
        waiting.push_back(tail);
      }
    }
    if (!waiting.empty()) start_tails(waiting);
    first_start_ = false;
    if (now >= safety_at_) {
      safety_at_ = now + kSafetyLook;
      look_at_all();
    }
  }

  // What nobody reported, and what need not be kept of quiet files.
  void look_at_all() {
    const Mono now = host_.clock.mono();
    readers_.reset();
    for (auto& [path, tail] : tails_) {
      if (!tail->started) continue;
      if (!tail->watched) watch(*tail);
      if (tail->queued || tail->window != nullptr) continue;
      if (tail->reader != nullptr && tail->reader->at_rest() && settle_all(*tail)) {
        tail->quiet = tail->reader->rest();
        tail->reader.reset();
        tail->streams.reset();
      }
      if (tail->reader != nullptr || !is_unchanged(*tail)) queue(*tail);
    }
    if (now < prune_at_) return;
    prune_at_ = now + std::chrono::hours(1);
    for (const auto& [path, tail] : tails_) places_.touch(tail->key());
    if (places_.prune(kForget) > 0) unsaved_ = true;
  }

  // Nothing is outstanding: the place that was reached is the one to store.
  bool settle_all(Tail& tail) {
    const FilePlace* place = places_.find(tail.key());
    if (place == nullptr || !same_content(*place, tail.reader->place()) ||
        place->offset != tail.reader->place().offset)
      return false;
    if (!(*place == tail.reader->place())) settle(tail, tail.reader->place());
    return true;
  }

  bool is_unchanged(const Tail& tail) const {
    const FilePlace* place = places_.find(tail.key());
    struct stat info {};
    return place != nullptr && ::stat(tail.path.c_str(), &info) == 0 &&
           info.st_ino == place->inode && static_cast<std::uint64_t>(info.st_size) == place->offset;
  }

  void start_tails(const std::vector<Tail*>& waiting) {
    const Mono now = host_.clock.mono();
    std::unordered_map<std::uint64_t, Known> by_inode;
    for (const auto& [key, entry] : places_.all()) by_inode[entry.place.inode] = {key, entry.place};
    std::unordered_map<io::FilePlaces::Key, const Tail*> to_start;
    for (const auto& [path, tail] : tails_)
      if (!tail->started && !tail->skipped) to_start.emplace(tail->key(), tail.get());
    for (Tail* tail : waiting) {
      if (!start(*tail, by_inode, to_start)) {
        if (tail->skipped) continue;
        postponed_.emplace(tail->id, now);
        look_at(*tail, now + kPostponed);
        continue;
      }
      postponed_.erase(tail->id);
      to_start.erase(tail->key());
      tail->started = true;
      polled_->add(1);
      watch(*tail);
      queue(*tail);
    }
  }

  std::unique_ptr<io::LineReader> make_reader(const Tail& tail) const {
    if (setup_->compression)
      return std::make_unique<io::CompressedTail>(tail.path, *setup_->compression, options_);
    return std::make_unique<io::FileTail>(tail.path, options_);
  }

  // False: to be tried again later, for the file is still read under another name; or skipped.
  bool start(Tail& tail, const std::unordered_map<std::uint64_t, Known>& by_inode,
             const std::unordered_map<io::FilePlaces::Key, const Tail*>& to_start) {
    tail.reader = make_reader(tail);
    const FilePlace* own = places_.find(tail.key());
    const auto file = io::file_id(tail.path);
    if (own != nullptr && (!file || own->inode == file->inode))
      return resume(tail, FilePlace(*own), file);
    if (file) {
      // Rotated into a name that is read as well: what was read of it under its former name counts.
      // Unless both names are the file's: then each is read by itself.
      const Tail* other = reader_of(*file);
      if (other != nullptr && other != &tail && io::file_id(other->path) != file) return false;
      const auto finished = finished_.find(*file);
      if (finished != finished_.end()) return resume(tail, finished->second.end, file);
      const auto known = by_inode.find(file->inode);
      // The inode may have been given to another file since.
      if (known != by_inode.end() && fits(tail.path, known->second.place)) {
        const auto owner = to_start.find(known->second.name);
        const auto since = postponed_.find(tail.id);
        const bool patient =
            since == postponed_.end() || host_.clock.mono() - since->second < kLongestPostponed;
        if (owner != to_start.end() && owner->second != &tail && patient) return false;
        return resume(tail, known->second.place, file);
      }
    }
    if (own != nullptr) return resume(tail, FilePlace(*own), file);
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
    if (named && readers_) (*readers_)[{named->device, place.inode}] = &tail;
    return true;
  }

  static std::optional<io::FileId> file_of(const Tail& tail) {
    struct stat info {};
    if (tail.reader != nullptr)
      return tail.reader->is_open() ? std::optional(tail.reader->file()) : std::nullopt;
    if (!tail.quiet || ::fstat(tail.quiet.get(), &info) != 0) return std::nullopt;
    return io::FileId{info.st_dev, info.st_ino};
  }

  // Who reads this file; null when nobody does. The list is made when somebody asks.
  const Tail* reader_of(io::FileId file) const {
    if (!readers_) {
      readers_.emplace();
      const auto add = [&](const Tail& tail) {
        if (const auto open = file_of(tail)) readers_->emplace(*open, &tail);
      };
      for (const auto& [path, tail] : tails_)
        if (tail.get() != current_) add(*tail);
      // The one that asks may have opened what another one reads, to see whether it is read.
      if (current_ != nullptr) add(*current_);
    }
    const auto it = readers_->find(file);
    return it == readers_->end() ? nullptr : it->second;
  }

  // The place up to which a file was read under a former name; while it still is, its end.
  // Under the name of `current_` itself does not count: that is a rewind.
  std::optional<FilePlace> read_before(io::FileId file) const {
    const Tail* other = reader_of(file);
    if (other != nullptr && other != current_) {
      if (other->reader == nullptr) return pinned(*places_.find(other->key()), other->path);
      if (other->reader->file() == file) {
        FilePlace place = pinned(other->reader->place(), other->path);
        place.offset += other->reader->behind();
        return place;
      }
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
    if (places_.damaged_lines() > 0 && first_start_) {
      at_end = at_end || setup_->on_damage == "restart_from_end";
      if (setup_->on_damage == "skip") {
        host_.log.warn("a file is skipped because stored positions were damaged",
                       {{"path", tail.path}});
        tail.skipped = true;
        tail.reader.reset();
        return false;
      }
    }
    if (at_end) {
      tail.reader->from_end();
    } else if (!setup_->compression) {
      // Rotated before it was found.
      const auto oldest = io::FileTail::oldest_rotated(
          tail.path, options_, [&](io::FileId rotated, std::int64_t born_ns) {
            return born_ns > began_ns_ && finished_.count(rotated) == 0 &&
                   places_.find(finished_key(rotated.inode)) == nullptr &&
                   reader_of(rotated) == nullptr;
          });
      if (oldest) return resume(tail, *oldest, std::nullopt);
    }
    return true;
  }

  std::optional<std::uint64_t> legacy_offset(const std::string& path) {
    if (!legacy_) {
      legacy_.emplace();
      // Alloy's own file in the same place, then the one that the configuration names.
      for (const auto& file :
           {host_.data_dir / "positions.yml", std::filesystem::path(setup_->legacy_file)}) {
        if (!places_.fresh() || file.empty()) continue;
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

  Duration until_next_look() const {
    const Mono now = host_.clock.mono();
    Mono next = std::min(safety_at_, sync_at_);
    if (!due_.empty()) next = std::min(next, due_.begin()->first);
    if (unsaved_ || unsettled_) next = std::min(next, now + kUnsettledWait);
    return std::max(Duration::zero(), next - now);
  }

  // Reads each queued file once, in turn. True: there is more at once.
  bool read_ready(Lock& lock, const std::stop_token& stop) {
    model::EntryBatch batch;
    std::size_t bytes = 0;
    std::vector<Tail*> turn = std::move(ready_);
    ready_.clear();
    for (std::size_t i = 0; i < turn.size(); ++i) {
      turn[i]->queued = false;
      if (read_one(*turn[i], batch, bytes)) queue(*turn[i]);
      if (bytes < kBatchBytes && batch.entries.size() < kBatchLines) continue;
      send(std::exchange(batch, {}), lock, stop);
      bytes = 0;
      if (stop.stop_requested()) break;
    }
    send(std::move(batch), lock, stop);
    return !ready_.empty();
  }

  void wake(Tail& tail) {
    if (tail.reader != nullptr) return;
    tail.reader = make_reader(tail);
    if (const FilePlace* place = places_.find(tail.key()))
      tail.reader->wake(std::move(tail.quiet), *place);
  }

  // True: the file has more.
  bool read_one(Tail& tail, model::EntryBatch& batch, std::size_t& bytes) {
    const Mono now = host_.clock.mono();
    const bool counted = tail.is_open();
    wake(tail);
    const auto before = tail.reader->events();
    current_ = &tail;
    // Before the first byte is read, so that there is a place to go back to.
    if (places_.find(tail.key()) == nullptr)
      if (auto opened = tail.reader->open(); opened && tail.reader->is_open())
        settle(tail, tail.reader->place());
    const FilePlace old = tail.reader->place();
    const io::FileId old_file = tail.reader->file();
    const bool was_open = tail.reader->is_open();
    auto outcome = tail.reader->read(now, lines_);
    current_ = nullptr;
    active_->add((tail.reader->is_open() ? 1 : 0) - (counted ? 1 : 0));
    const auto& after = tail.reader->events();
    rotations_->add(static_cast<double>(after.rotations - before.rotations));
    truncations_->add(static_cast<double>(after.truncations - before.truncations));
    truncated_bytes_->add(static_cast<double>(after.lost_bytes - before.lost_bytes));
    missing_->add(static_cast<double>(after.missing_files - before.missing_files));
    set_failing(tail, !outcome);
    if (!outcome) {
      if (outcome.error().code == ErrorCode::kExhausted && close_quiet()) {
        look_at(tail, now + milliseconds(100));
        return false;
      }
      host_.log.limited(Level::kWarn, "a file cannot be read",
                        {{"path", tail.path}, {"err", outcome.error().message}});
      look_at(tail, now + kPostponed);
      return false;
    }
    follow(tail, old, old_file, was_open);
    if (lines_.bytes > 0) {
      add_lines(tail, batch, bytes);
    } else if (const FilePlace* settled = places_.find(tail.key());
               tail.window == nullptr && tail.reader->is_open() && settled != nullptr &&
               !same_content(*settled, tail.reader->place())) {
      // A file of which nothing is left to read has the name now: known after a restart too.
      settle(tail, tail.reader->place());
    }
    bound_kept(tail);
    switch (*outcome) {
      case Outcome::kLines:
        return true;
      case Outcome::kPending:
        look_at(tail, now + setup_->poll_min);
        break;
      case Outcome::kMissing:
        look_at(tail, now + kPostponed);
        if (tail.deleted && tail.window == nullptr && places_.find(tail.key()) != nullptr)
          forget(tail);
        break;
      case Outcome::kDone:
      case Outcome::kIdle:
        if (lines_.bytes > 0) tail.polls = 0;
        if (!tail.watched) look_at(tail, now + poll_pause(tail));
        break;
    }
    return false;
  }

  // A read may have gone on from one file to the next.
  void follow(Tail& tail, const FilePlace& old, io::FileId old_file, bool was_open) {
    const bool is_open = tail.reader->is_open();
    const bool same = was_open && is_open && tail.reader->file() == old_file;
    if (was_open && !same) {
      const bool of_old = lines_.bytes > 0 && lines_.after.inode == old.inode;
      finish(old_file, pinned(of_old ? lines_.after : old, tail.path), tail.id);
      if (readers_)
        if (const auto it = readers_->find(old_file); it != readers_->end() && it->second == &tail)
          readers_->erase(it);
    }
    if (is_open) {
      if (readers_ && !same) readers_->emplace(tail.reader->file(), &tail);
      // A symbolic link may lead elsewhere now.
      if (was_open && !same) watch(tail);
      tail.deleted = false;
    } else if (was_open) {
      tail.deleted = true;
    }
  }

  // Files that were left stay open for their undelivered lines' sake, within bounds.
  void bound_kept(Tail& tail) {
    if (tail.reader->kept() == 0) return;
    std::uint64_t sum = 0;
    for (const Tail* other : outstanding_)
      if (other->reader != nullptr) sum += other->reader->kept();
    if (tail.window == nullptr || sum > kMaxKept) tail.reader->drop_kept();
  }

  // Descriptors have run out: those of quiet files are given up. They are opened when something
  // happens to them. False: there was none.
  bool close_quiet() {
    std::size_t closed = 0;
    for (auto& [path, tail] : tails_) {
      if (closed == kClosedForOne) break;
      if (tail->reader != nullptr && tail->window == nullptr && !tail->queued &&
          tail->reader->at_rest() && settle_all(*tail)) {
        tail->quiet = tail->reader->rest();
        tail->reader.reset();
      }
      if (!tail->quiet) continue;
      tail->quiet.reset();
      active_->add(-1);
      ++closed;
    }
    if (closed > 0)
      host_.log.limited(Level::kWarn, "descriptors ran out: quiet files are closed",
                        {{"limit", "LimitNOFILE"}});
    return closed > 0;
  }

  // What times_ knows a content by, under each name of its file and in each copy.
  static std::uint64_t times_key(const Tail& tail, const FilePlace& place) {
    constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15U;
    return pinned(place, tail.path).content ^ place.generation * kSpread;
  }

  // The file is deleted and all of it was delivered: another one of this name is read from its
  // start.
  void forget(Tail& tail) {
    delivered_[times_key(tail, *places_.find(tail.key()))] = kWhole;
    places_.erase(tail.key());
    unsaved_ = true;
  }

  // The stored place of a file whose beginning was not there yet learns it before lines go on: when
  // the file is copied away, its inode alone will not tell.
  void learn_print(Tail& tail) {
    constexpr std::uint32_t kTelling = 64;
    const FilePlace* settled = places_.find(tail.key());
    if (settled == nullptr || settled->print_size >= kTelling ||
        settled->print_size >= lines_.after.print_size || !same_content(*settled, lines_.after))
      return;
    FilePlace place = *settled;
    place.print_size = lines_.after.print_size;
    place.print = lines_.after.print;
    settle(tail, place);
  }

  const std::vector<model::LabelSet>& streams_of(Tail& tail) {
    if (tail.streams == nullptr) {
      tail.streams = std::make_unique<std::vector<model::LabelSet>>();
      const auto add = [&](const model::LabelSet& of) {
        model::LabelBuilder labels(of);
        labels.set("filename", tail.path);
        tail.streams->push_back(host_.labels.intern(std::move(labels).take()));
      };
      add(tail.labels);
      if (tail.more_labels != nullptr)
        for (const model::LabelSet& labels : *tail.more_labels) add(labels);
    }
    return *tail.streams;
  }

  void add_lines(Tail& tail, model::EntryBatch& batch, std::size_t& bytes) {
    learn_print(tail);
    if (tail.counts == nullptr) {
      const model::Labels label = {{"path", tail.path}};
      tail.counts = std::make_unique<FileCounts>();
      tail.counts->lines =
          host_.metrics.counter("loki_source_file_read_lines_total", "Lines read.", label);
      tail.counts->bytes = host_.metrics.gauge("loki_source_file_read_bytes_total",
                                               "Bytes of the file read so far.", label);
      tail.counts->size =
          host_.metrics.gauge("loki_source_file_file_bytes_total", "Size of the file.", label);
    }
    times_.give(times_key(tail, lines_.after), lines_.after.offset, lines_.lines,
                host_.clock.wall_ns(), given_);
    for (const model::LabelSet& labels : streams_of(tail))
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
    tail.counts->lines->add(static_cast<double>(lines_.lines.size()));
    tail.counts->bytes->set(static_cast<double>(lines_.after.offset));
    tail.counts->size->set(static_cast<double>(lines_.after.offset + tail.reader->behind()));
    cut_lines_->add(static_cast<double>(lines_.cut));
    hole_bytes_->add(static_cast<double>(lines_.hole_bytes));
  }

  void send(model::EntryBatch batch, Lock& lock,
            const std::stop_token& stop) NO_THREAD_SAFETY_ANALYSIS {
    lines_.clear();  // its buffer is the batch's now
    if (batch.empty()) {
      batch.settle();
      return;
    }
    save_begun();
    if (auto written = times_.write(); !written)
      host_.log.limited(Level::kWarn, "times of lines were not saved",
                        {{"err", written.error().message}});
    delivery_.watch(batch);
    lock.unlock();
    auto sent = fanout_.consume(std::move(batch), stop);
    lock.lock();
    if (!sent && !stop.stop_requested())
      host_.log.limited(Level::kWarn, "a receiver refused entries",
                        {{"err", sent.error().message}});
  }

  // --- delivered and not ---

  static bool same_content(const FilePlace& a, const FilePlace& b) {
    return a.inode == b.inode && a.generation == b.generation;
  }

  void settle(Tail& tail, const FilePlace& place) {
    const FilePlace* before = places_.find(tail.key());
    if (before != nullptr && !same_content(*before, place)) {
      delivered_[times_key(tail, *before)] = kWhole;
      if (before->inode != place.inode) remember_end(tail, *before);
      before = places_.find(tail.key());
    }
    delivered_[times_key(tail, place)] = place.offset;
    // A beginning is stored by save_begun() and leaves this second's save to the first delivery.
    const bool beginning =
        place.offset == 0 && !setup_->tail_from_end && places_.damaged_lines() == 0;
    if (before == nullptr || !(*before == place)) (beginning ? begun_ : unsaved_) = true;
    places_.set(tail.key(), place);
  }

  static io::FilePlaces::Key finished_key(std::uint64_t inode) {
    return io::FilePlaces::key_of(std::string(kFinishedKey) + std::to_string(inode));
  }

  // Under its next name the finished file may be read as well.
  void remember_end(const Tail& tail, const FilePlace& settled) {
    const auto finished = finished_.find({tail.reader->file().device, settled.inode});
    const FilePlace end =
        finished == finished_.end() ? pinned(settled, tail.path) : finished->second.end;
    const auto key = finished_key(settled.inode);
    places_.set(key, end);
    stored_finished_.push_back(key);
    while (stored_finished_.size() > kMaxStoredFinished + tails_.size()) {
      if (stored_finished_.front() != key) places_.erase(stored_finished_.front());
      stored_finished_.pop_front();
    }
  }
  // Which file was begun is stored before its lines go on: rotated while we are down, it would not
  // be found again.
  void save_begun() {
    const Mono now = host_.clock.mono();
    if (!begun_ || now < save_begun_at_) return;
    save_begun_at_ = now + kBegunPause;
    if (auto saved = places_.save(); !saved)
      host_.log.limited(Level::kWarn, "the positions were not saved",
                        {{"err", saved.error().message}});
    begun_ = places_.unsaved();
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
    if (auto saved = places_.save_if_due(); !saved)
      host_.log.limited(Level::kWarn, "the positions were not saved",
                        {{"err", saved.error().message}});
    unsaved_ = places_.unsaved();
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
  bool rewind_lost(Lock& lock, const std::stop_token& stop) NO_THREAD_SAFETY_ANALYSIS {
    bool lost = false;
    for (Tail* tail : outstanding_) {
      if (!tail->window->lost() || find(tail->id) != tail) continue;
      lost = true;
      tail->window->rewind();
      rewinds_total_->increment();
      if (const FilePlace* place = places_.find(tail->key())) tail->reader->resume(*place);
      queue(*tail);
    }
    if (!lost) return true;
    const int doublings = std::min(rewinds_++, 5);
    if (doublings > 0) {
      lock.unlock();
      host_.clock.sleep_for(milliseconds(250) * (1 << doublings), stop);
      lock.lock();
    }
    return false;
  }

  component::Host host_;
  io::FilePlaces places_;
  ReadTimes times_;
  io::FileTailOptions options_;
  component::LogFanout fanout_{host_.tap};
  const Delivery delivery_{host_.clock};
  component::Gauge active_;
  component::Gauge unreadable_;
  component::Gauge polled_;
  component::Counter cut_lines_;
  component::Counter rotations_;
  component::Counter truncations_;
  component::Counter truncated_bytes_;
  component::Counter hole_bytes_;
  component::Counter missing_;
  component::Counter rewinds_total_;
  component::Gauge backlog_;
  component::Gauge oldest_;
  component::Gauge pinned_;

  Mutex mutex_;
  std::shared_ptr<const Setup> next_setup_ GUARDED_BY(mutex_);
  std::vector<model::Target> next_targets_ GUARDED_BY(mutex_);

  // All that follows, but for watch_, is guarded by shared_->mutex.
  const std::shared_ptr<Shared> shared_;
  const std::int64_t began_ns_;
  std::shared_ptr<const Setup> setup_;
  component::PathTargets::Seen seen_;
  io::FileWatch watch_;
  Tails tails_;
  std::vector<Tail*> by_id_;
  std::vector<io::FileWatch::Id> free_ids_;
  std::set<std::pair<Mono, Tail*>> due_;
  std::unordered_map<io::FileWatch::Id, Mono> postponed_;  // since when
  std::unordered_map<Tail*, Mono> parting_;                // of tails_; since when
  std::vector<std::unique_ptr<Tail>> leaving_;
  std::vector<Tail*> ready_;
  std::vector<Tail*> outstanding_;  // those with a window
  mutable std::optional<std::unordered_map<io::FileId, const Tail*, io::FileIdHash>> readers_;
  std::unordered_map<io::FileId, Finished, io::FileIdHash> finished_;  // the ends of files
  std::deque<io::FilePlaces::Key> stored_finished_;
  std::optional<std::unordered_map<std::string, std::uint64_t>> legacy_;
  const Tail* current_ = nullptr;  // whose reader is at work
  io::FileLines lines_;
  std::vector<std::int64_t> given_;
  std::unordered_map<std::uint64_t, std::uint64_t>
      delivered_;  // times_key -> offset, not saved yet
  Mono sync_at_{};
  Mono safety_at_{};
  Mono prune_at_{};
  int rewinds_ = 0;
  Mono save_begun_at_{};
  bool begun_ = false;  // a file whose beginning is not stored
  bool unsaved_ = false;
  bool unsettled_ = false;
  bool first_start_ = true;
  std::shared_ptr<void> collecting_;
};

}  // namespace

component::Declaration loki_source_file() {
  return component::declare<LokiSourceFile>(
      "loki.source.file", "Reads lines of files as they are written and sends them on.");
}

}  // namespace agent::source
