// loki.source.journal: the systemd journal as log entries.
//
// A process of its own reads the journal (agent/io/journal_reader.h) and is started again, from the
// last entry that it told, when it dies, fails or hangs. The stored position is the cursor of the
// last entry below which everything was delivered.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/relabel_args.h"
#include "agent/io/journal_reader.h"
#include "agent/io/legacy_positions.h"
#include "agent/io/positions.h"
#include "agent/model/entry.h"
#include "agent/model/receipt.h"
#include "agent/source/delivery.h"
#include "agent/source/journal_gaps.h"
#include "agent/source/journal_labels.h"
#include "agent/source/long_line.h"

namespace agent::source {
namespace {

using component::Schema;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kIdleWait = seconds(5);
constexpr Duration kUnsettledWait = milliseconds(200);
// What may have been in the frame that a dead reader did not send.
constexpr std::uint32_t kOneByOne = 2048;
// Failures without an entry between them, until the component rests; from kMaxTries on a part of
// the journal is passed over.
constexpr int kMaxFailures = 6;
constexpr int kMaxTries = 3;
constexpr Duration kRetry = milliseconds(100);
constexpr Duration kCalm = seconds(10);
constexpr std::string_view kCursorKey = "cursor";

struct LegacyPositionArgs {
  std::string file;
  std::string name;

  static Schema<LegacyPositionArgs> schema() {
    return Schema<LegacyPositionArgs>()
        .required("file", &LegacyPositionArgs::file, "Positions file of the other agent.")
        .required("name", &LegacyPositionArgs::name,
                  "Name of the journal in that file, with or without its prefix \"cursor-\" or "
                  "\"journal-\".");
  }
};

struct JournalArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  bool format_as_json = false;
  Duration max_age = std::chrono::hours(7);
  std::string path;
  std::string matches;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  component::StringMap labels;
  std::optional<LegacyPositionArgs> legacy_position;

  static Schema<JournalArgs> schema() {
    return Schema<JournalArgs>()
        .required("forward_to", &JournalArgs::forward_to, "Receivers that get the entries.")
        .optional("format_as_json", &JournalArgs::format_as_json,
                  "Send all fields of an entry as a JSON object instead of its MESSAGE alone.")
        .optional("max_age", &JournalArgs::max_age,
                  "At the start, entries older than this are passed over. 0s: none are.")
        .optional("path", &JournalArgs::path,
                  "Folder of journal files to read. Empty: this machine's journal.")
        .optional("matches", &JournalArgs::matches,
                  "Only entries with these fields, as FIELD=value words: different fields must all "
                  "match, of one field any value.")
        .optional("relabel_rules", &JournalArgs::relabel_rules,
                  "Rules that make labels of the fields, which they see as __journal_ and the "
                  "field's name in lower case. Labels that start with __ are removed afterwards.")
        .optional("labels", &JournalArgs::labels,
                  "Labels of every entry. Without a job among them, job is the component's id.")
        .block("legacy_position", &JournalArgs::legacy_position,
               "Where to read on from when this component has no position of its own yet.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (max_age < Duration::zero())
      diagnostics.error(body.span_of("max_age"), "max_age must not be negative");
    for (const std::string& match : words()) {
      const std::size_t equals = match.find('=');
      if (equals == 0 || equals == std::string::npos)
        diagnostics.error(body.span_of("matches"), "\"" + match + "\" is not a match",
                          "write FIELD=value, several of them with spaces between");
    }
  }

  std::vector<std::string> words() const {
    std::vector<std::string> out;
    std::string word;
    for (const char c : matches + " ") {
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
        word += c;
      } else if (!word.empty()) {
        out.push_back(std::exchange(word, {}));
      }
    }
    return out;
  }
};

// The arguments in force, as the reading thread sees them. Immutable.
struct Setup {
  std::string directory;
  std::vector<std::string> matches;
  Duration max_age{};
  bool json = false;
  model::Labels labels;
  model::RelabelRules rules;
  std::optional<LegacyPositionArgs> legacy;
};

// A damaged cursor must not be taken for one.
bool looks_like_cursor(std::string_view text) {
  return text.size() < 1024 && text.substr(0, 2) == "s=" && text.find(";i=") != text.npos;
}

// Microseconds since 1970 of a cursor's entry; 0: it does not say.
std::uint64_t time_of_cursor(std::string_view cursor) {
  const std::size_t at = cursor.find(";t=");
  std::uint64_t us = 0;
  if (at != std::string_view::npos)
    std::from_chars(cursor.data() + at + 3, cursor.data() + cursor.size(), us, /*base=*/16);
  return us;
}

// A system journal that is there and may not be read: libsystemd then shows an empty journal and
// no error.
std::optional<std::string> unreadable_system_journal() {
  std::error_code error;
  std::optional<std::string> refused;
  for (const char* root : {"/run/log/journal", "/var/log/journal"}) {
    for (const auto& machine : std::filesystem::directory_iterator(root, error)) {
      const auto file = machine.path() / "system.journal";
      const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
      const int number = errno;
      if (fd >= 0) {
        ::close(fd);
        return std::nullopt;
      }
      if (number == EACCES) refused = file.string();
    }
  }
  return refused;
}

class LokiSourceJournal final : public component::Configured<JournalArgs>,
                                public component::Worker {
 public:
  explicit LokiSourceJournal(component::Host host)
      : host_(std::move(host)),
        positions_(host_.clock, host_.data_dir / "positions", host_.log),
        lines_(host_.metrics.counter("loki_source_journal_target_lines_total",
                                     "Journal entries sent on.")),
        no_message_(parsing_errors("no_message")),
        empty_labels_(parsing_errors("empty_labels")),
        cut_lines_(host_.metrics.counter("loki_source_journal_target_cut_lines_total",
                                         "Journal entries cut because their line is too long.")),
        failures_total_(
            host_.metrics.counter("loki_source_journal_read_failures_total",
                                  "Times the journal could not be read on and was opened again.")),
        rewinds_total_(
            host_.metrics.counter("loki_source_journal_rewinds_total",
                                  "Times entries came back undelivered and are read again.")),
        missing_(host_.metrics.counter(
            "loki_source_journal_target_missing_entries_total",
            "Entries that journald numbered and that were not found: removed before they were "
            "read, damaged, or in a file that the agent may not read.")) {}

  Result<component::Commit> prepare(JournalArgs args) override {
    auto setup = std::make_shared<Setup>();
    setup->directory = args.path;
    setup->matches = args.words();
    setup->max_age = args.max_age;
    setup->json = args.format_as_json;
    setup->labels.push_back({"job", host_.id});
    for (const auto& [name, value] : args.labels) setup->labels.push_back({name, value});
    if (args.relabel_rules != nullptr) setup->rules = *args.relabel_rules;
    setup->legacy = std::move(args.legacy_position);
    return component::Commit([this, setup = std::shared_ptr<const Setup>(std::move(setup)),
                              targets = std::move(args.forward_to)] {
      fanout_.set(targets);
      MutexLock lock(mutex_);
      setup_ = setup;
    });
  }

  Result<> run(std::stop_token stop) override {
    Result<> good;
    while (good && !stop.stop_requested()) {
      take_setup();
      store_settled();
      if (window_.lost() && !rewind(stop)) break;
      good = step(stop);
    }
    reader_.reset();
    return good;
  }

  void flush() override {
    store_settled();
    if (auto saved = positions_.save(); !saved)
      host_.log.warn("the position was not saved", {{"err", saved.error().message}});
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto setup = this->setup();
    if (setup != nullptr) {
      out.value("path", setup->directory.empty() ? "this machine's journal" : setup->directory);
    }
    const std::uint64_t us = last_read_us_;
    if (us > 0) {
      const auto age = host_.clock.wall_ns() - static_cast<std::int64_t>(us) * 1000;
      out.value("last_read_unix_seconds", std::to_string(us / 1'000'000));
      out.value("last_read_age", format_duration(Duration(age)));
    }
    out.value("stored_cursor", positions_.get(kCursorKey).value_or(""));
    delivery_.debug_info(out);
    out.value("unsettled_batches", std::to_string(window_.outstanding()));
    out.value("label_sets_remembered", std::to_string(remembered_.load()));
  }

 private:
  component::Counter parsing_errors(std::string_view reason) const {
    return host_.metrics.counter("loki_source_journal_target_parsing_errors_total",
                                 "Journal entries not sent on, by reason.",
                                 {{"error", std::string(reason)}});
  }

  std::shared_ptr<const Setup> setup() const {
    MutexLock lock(mutex_);
    return setup_;
  }

  // A change of what is read starts a reader after the last entry that was.
  void take_setup() {
    const auto next = setup();
    if (next == active_) return;
    if (active_ != nullptr && active_->directory != next->directory) {
      read_cursor_.clear();
      gaps_ = {};
    }
    active_ = next;
    labels_.emplace(host_.labels, active_->labels, active_->rules);
    std::vector<std::string> fields;
    if (auto some = labels_->fields(); some && !active_->json) {
      fields = std::move(*some);
      fields.emplace_back("MESSAGE");
    }
    const io::JournalRequest before = request_;
    request_.directory = active_->directory;
    request_.matches = active_->matches;
    request_.fields = std::move(fields);
    if (!(request_ == before)) reader_.reset();
  }

  void store_settled() {
    if (auto cursor = window_.take_settled()) {
      positions_.set(kCursorKey, *cursor);
      rewinds_ = 0;
      unsaved_ = true;
    }
    if (!unsaved_) return;
    if (auto saved = positions_.save_if_due(); !saved) {
      host_.log.limited(Level::kWarn, "the position was not saved",
                        {{"err", saved.error().message}});
    } else {
      unsaved_ = positions_.unsaved();
    }
  }

  // Entries came back undelivered: reads on from what was delivered, at once the first time and
  // more and more slowly after that.
  bool rewind(const std::stop_token& stop) {
    window_.rewind();
    rewinds_total_->increment();
    reader_.reset();
    read_cursor_.clear();
    const int doublings = std::min(rewinds_++, 5);
    if (doublings == 0) return true;
    return host_.clock.sleep_for(milliseconds(250) * (1 << doublings), stop);
  }

  // What the reader has to say next, if it says anything. An Error: give up for now.
  Result<> step(const std::stop_token& stop) {
    if (reader_ == nullptr) {
      auto started = start_reader();
      if (!started) {
        host_.health.bad(started.error().message);
        return fail(std::move(started.error()));
      }
      reader_ = std::move(*started);
    }
    const bool unsettled = window_.outstanding() > 0 || unsaved_;
    const auto event = reader_->read(unsettled ? kUnsettledWait : kIdleWait, stop);
    // What came while this thread waited is treated as the newest arguments say.
    take_setup();
    if (reader_ == nullptr) return {};
    if (!event) return recover(event.error(), stop);
    using Kind = io::JournalReader::Event::Kind;
    switch (event->kind) {
      case Kind::kReady:
        opened(*event);
        return {};
      case Kind::kRefused:
        reader_.reset();
        host_.health.bad(std::string(event->payload));
        return fail(ErrorCode::kUnavailable, std::string(event->payload));
      case Kind::kEntries:
        if (!pass_on(event->payload, stop))
          return recover({ErrorCode::kIo, "an entry of the journal is damaged"}, stop);
        return {};
      case Kind::kPaused:
        reader_.reset();
        return {};
      case Kind::kNothing:
      case Kind::kIdle:
        break;
    }
    return {};
  }

  // Reading starts after what was read in this life, else after what was delivered in an earlier
  // one, else `max_age` ago.
  Result<std::unique_ptr<io::JournalReader>> start_reader() {
    request_.cursor.clear();
    request_.oldest_us = 0;
    request_.one_by_one = failures_ > 0 ? kOneByOne : 0;
    if (skip_to_us_) {
      request_.oldest_us = *std::exchange(skip_to_us_, std::nullopt);
    } else if (!read_cursor_.empty()) {
      request_.cursor = read_cursor_;
    } else {
      request_.cursor = stored_cursor();
      request_.oldest_us = oldest_us();
      gaps_.start(request_.cursor);
    }
    return io::JournalReader::start(request_);
  }

  void opened(const io::JournalReader::Event& event) {
    if (event.cursor_refused)
      host_.log.warn("the stored cursor is not one", {{"cursor", request_.cursor}});
    if (event.passed_over) {
      host_.log.warn("entries older than max_age are passed over",
                     {{"to_unix_us", request_.oldest_us}});
      gaps_ = {};
    }
    const auto refused = active_->directory.empty() ? unreadable_system_journal() : std::nullopt;
    if (refused) {
      host_.health.bad(*refused +
                       " may not be read: add the agent's user to the group systemd-journal");
    } else {
      host_.health.good();
    }
  }

  // Of this life: what max_age lets in.
  std::uint64_t oldest_us() {
    if (!oldest_us_) {
      const auto now = static_cast<std::uint64_t>(host_.clock.wall_ns()) / 1000;
      const auto age = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(active_->max_age).count());
      oldest_us_ = age == 0 || age > now ? 0 : now - age;
    }
    return *oldest_us_;
  }

  std::string stored_cursor() {
    if (auto own = positions_.get(kCursorKey)) {
      if (looks_like_cursor(*own)) return *own;
      host_.log.warn("the stored cursor is not one", {{"cursor", *own}});
      return "";
    }
    // Alloy's file in the same place, then the one that the configuration names.
    std::string cursor =
        foreign_cursor(host_.data_dir / "positions.yml", {"cursor-" + host_.id, "cursor-"});
    if (cursor.empty() && active_->legacy) {
      const std::string& name = active_->legacy->name;
      cursor = foreign_cursor(active_->legacy->file, {name, "cursor-" + name, "journal-" + name});
    }
    return cursor;
  }
  std::string foreign_cursor(const std::filesystem::path& file,
                             const std::vector<std::string>& names) const {
    const auto text = read_file(file, 16U << 20);
    if (!text) return "";
    for (const auto& position : io::parse_legacy_positions(*text)) {
      if (std::find(names.begin(), names.end(), position.path) == names.end() ||
          !looks_like_cursor(position.value))
        continue;
      host_.log.info("reading on from another agent's position",
                     {{"file", file.string()}, {"name", position.path}});
      return position.value;
    }
    return "";
  }

  // The entries of one frame become one batch. False: they are not what they should be.
  bool pass_on(std::string_view payload, const std::stop_token& stop) {
    io::JournalEntries entries(payload);
    if (gaps_.is_damaged(entries.cursor())) return false;
    model::EntryBatch batch;
    Tally tally;
    std::uint64_t count = 0;
    while (const auto us = entries.next()) {
      add_entry(entries, *us, batch, tally);
      last_read_us_ = *us;
      ++count;
    }
    if (entries.broken() || count == 0) return false;
    failures_ = 0;
    read_cursor_ = entries.cursor();
    // With matches most numbers are not for us.
    if (active_->matches.empty())
      missing_->add(static_cast<double>(gaps_.read(read_cursor_, count)));
    lines_->add(static_cast<double>(batch.entries.size()));
    no_message_->add(static_cast<double>(tally.no_message));
    empty_labels_->add(static_cast<double>(tally.empty_labels));
    cut_lines_->add(static_cast<double>(tally.cut));
    remembered_ = labels_->remembered();
    model::Receipt receipt = window_.issue(read_cursor_);
    if (batch.empty()) {
      receipt.settle();
      return true;
    }
    batch.add_receipt(std::move(receipt));
    delivery_.watch(batch);
    const auto sent = fanout_.consume(std::move(batch), stop);
    if (!sent && !stop.stop_requested())
      host_.log.limited(Level::kWarn, "a receiver refused entries",
                        {{"err", sent.error().message}});
    return true;
  }

  struct Tally {
    std::size_t no_message = 0;
    std::size_t empty_labels = 0;
    std::size_t cut = 0;
  };

  void add_entry(io::JournalEntries& entries, std::uint64_t us, model::EntryBatch& batch,
                 Tally& tally) {
    labels_->begin();
    fields_.clear();
    const bool json = active_->json;
    std::string_view message, name, value;
    while (entries.field(name, value)) {
      labels_->field(name, value);
      if (json) {
        fields_.emplace_back(name, value.substr(0, kMaxLine));
      } else if (name == "MESSAGE") {
        message = value;
      }
    }
    if (json) message = json_line();
    if (message.empty()) {
      ++tally.no_message;
      return;
    }
    const model::LabelSet& labels = labels_->labels();
    if (labels.empty()) {
      ++tally.empty_labels;
      return;
    }
    bool cut = false;
    const std::string_view line = store_line(batch.arena, message, cut);
    if (cut) ++tally.cut;
    batch.entries.push_back({labels, static_cast<std::int64_t>(us) * 1000, line, {}});
  }

  // {"A":"1","B":"2"}: sorted, of one name the last.
  const std::string& json_line() {
    std::stable_sort(fields_.begin(), fields_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    json_ = "{";
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (i + 1 < fields_.size() && fields_[i + 1].first == fields_[i].first) continue;
      if (json_.size() > 1) json_ += ',';
      append_json_string(json_, fields_[i].first);
      json_ += ':';
      const std::string_view value = fields_[i].second;
      append_json_string(json_, is_valid_utf8(value) ? std::string(value) : to_valid_utf8(value));
    }
    json_ += '}';
    return json_;
  }

  // After a failure: starts a reader after the last good entry; when that does not help, further
  // and further on. An Error: rest for a while.
  Result<> recover(const Error& error, const std::stop_token& stop) {
    failures_total_->increment();
    host_.log.limited(Level::kWarn, "the journal could not be read on", {{"err", error.message}});
    reader_.reset();
    if (++failures_ > kMaxFailures) {
      failures_ = 0;
      host_.health.bad(error.message);
      return fail(error);
    }
    if (failures_ >= kMaxTries) {
      constexpr std::array<std::uint64_t, 4> kSteps = {1, 1'000'000, 60'000'000, 3'600'000'000};
      const std::uint64_t step = kSteps[static_cast<std::size_t>(failures_ - kMaxTries)];
      const std::uint64_t last =
          std::max({last_read_us_.load(), oldest_us_.value_or(0), time_of_cursor(request_.cursor)});
      // Beyond the present there is nothing, and will not be for long.
      skip_to_us_ = std::min(last + step, static_cast<std::uint64_t>(host_.clock.wall_ns()) / 1000);
      host_.log.warn("a damaged part of the journal is passed over",
                     {{"to_unix_us", *skip_to_us_}});
    }
    const Mono now = host_.clock.mono();
    const bool calm = failed_at_ == Mono{} || now - failed_at_ > kCalm;
    failed_at_ = now;
    if (!calm) host_.clock.sleep_for(kRetry, stop);
    return {};
  }

  component::Host host_;
  io::Positions positions_;
  component::LogFanout fanout_{host_.tap};
  const Delivery delivery_{host_.clock};
  component::Counter lines_;
  component::Counter no_message_;
  component::Counter empty_labels_;
  component::Counter cut_lines_;
  component::Counter failures_total_;
  component::Counter rewinds_total_;
  component::Counter missing_;
  model::AckWindow<std::string> window_;
  std::atomic<std::uint64_t> last_read_us_{0};
  std::atomic<std::size_t> remembered_{0};

  mutable Mutex mutex_;
  std::shared_ptr<const Setup> setup_ GUARDED_BY(mutex_);

  // Of the reading thread.
  std::shared_ptr<const Setup> active_;
  std::optional<JournalLabels> labels_;
  io::JournalRequest request_;  // of reader_
  std::unique_ptr<io::JournalReader> reader_;
  JournalGaps gaps_;
  std::string read_cursor_;                  // of the last entry read in this life
  std::optional<std::uint64_t> oldest_us_;   // of this life: what max_age lets in
  std::optional<std::uint64_t> skip_to_us_;  // past damage
  int failures_ = 0;
  Mono failed_at_{};
  int rewinds_ = 0;
  bool unsaved_ = false;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
  std::string json_;
};

}  // namespace

component::Declaration loki_source_journal() {
  return component::declare<LokiSourceJournal>(
      "loki.source.journal", "Reads the systemd journal and sends its entries on.");
}

}  // namespace agent::source
