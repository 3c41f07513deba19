// loki.source.journal: the systemd journal as log entries.
//
// The stored position is the cursor of the last entry below which everything was delivered. The
// journal is closed while a receiver keeps us waiting for long, so that files which journald
// removed meanwhile give their disk space back.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
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
#include "agent/io/journal.h"
#include "agent/io/legacy_positions.h"
#include "agent/io/positions.h"
#include "agent/model/entry.h"
#include "agent/model/receipt.h"
#include "agent/source/journal_labels.h"
#include "agent/source/long_line.h"

namespace agent::source {
namespace {

using component::Schema;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kBatchEntries = 1024;
constexpr std::size_t kBatchBytes = 1U << 20;
constexpr Duration kParkedLimit = seconds(30);
constexpr Duration kSlow = seconds(5);
constexpr Duration kIdleWait = seconds(5);
constexpr Duration kUnsettledWait = milliseconds(200);
constexpr int kMaxFailures = 6;
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
      diagnostics.error(body.find("max_age")->value_span, "max_age must not be negative");
    for (const std::string& match : words()) {
      const std::size_t equals = match.find('=');
      if (equals == 0 || equals == std::string::npos)
        diagnostics.error(body.find("matches")->value_span, "\"" + match + "\" is not a match",
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
  io::Journal::Options journal;
  Duration max_age{};
  bool json = false;
  model::Labels labels;
  model::RelabelRules rules;
  std::optional<LegacyPositionArgs> legacy;
};

// The open journal while a receiver has the reading thread; whoever looks at the metrics closes it
// when that takes long.
struct Parked {
  Mutex mutex;
  std::unique_ptr<io::Journal> journal GUARDED_BY(mutex);
  std::optional<Mono> since GUARDED_BY(mutex);
};

// A damaged cursor must not be taken for one.
bool looks_like_cursor(std::string_view text) {
  return text.size() < 1024 && text.substr(0, 2) == "s=" && text.find(";i=") != text.npos;
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
        parked_(std::make_shared<Parked>()) {
    closer_ = host_.metrics.on_collect(
        [parked = parked_, &clock = host_.clock](std::vector<model::MetricFamily>&) {
          MutexLock lock(parked->mutex);
          if (parked->since && clock.mono() - *parked->since > kParkedLimit)
            parked->journal.reset();
        });
  }

  Result<component::Commit> prepare(JournalArgs args) override {
    auto setup = std::make_shared<Setup>();
    setup->journal.directory = args.path;
    setup->journal.matches = args.words();
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
    while (!stop.stop_requested()) {
      take_setup();
      store_settled();
      if (window_.lost() && !rewind(stop)) break;
      if (auto opened = open(); !opened) {
        host_.health.bad(opened.error().message);
        return opened;
      }
      auto more = read_and_send(stop);
      if (more) {
        failures_ = 0;
        if (*more) continue;
        const bool unsettled = window_.outstanding() > 0 || unsaved_;
        more = wait(unsettled ? kUnsettledWait : kIdleWait, stop);
      }
      if (!more && !recover(more.error(), stop)) return fail(std::move(more.error()));
    }
    return {};
  }

  void flush() override {
    store_settled();
    if (auto saved = positions_.save(); !saved)
      host_.log.warn("the position was not saved", {{"err", saved.error().message}});
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto setup = this->setup();
    if (setup != nullptr) {
      out.value("path", setup->journal.directory.empty() ? "this machine's journal"
                                                         : setup->journal.directory.string());
    }
    const std::uint64_t us = last_read_us_;
    if (us > 0) {
      const auto age = host_.clock.wall_ns() - static_cast<std::int64_t>(us) * 1000;
      out.value("last_read_unix_seconds", std::to_string(us / 1'000'000));
      out.value("last_read_age", format_duration(Duration(age)));
    }
    out.value("stored_cursor", positions_.get(kCursorKey).value_or(""));
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

  // A change of the journal itself opens it again after the last entry read.
  void take_setup() {
    const auto next = setup();
    if (next == active_) return;
    const bool reopen = active_ == nullptr ||
                        active_->journal.directory != next->journal.directory ||
                        active_->journal.matches != next->journal.matches;
    if (active_ != nullptr && active_->journal.directory != next->journal.directory)
      read_cursor_.clear();
    if (reopen) journal_.reset();
    active_ = next;
    labels_.emplace(host_.labels, active_->labels, active_->rules);
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
    journal_.reset();
    read_cursor_.clear();
    const int doublings = std::min(rewinds_++, 5);
    if (doublings == 0) return true;
    return host_.clock.sleep_for(milliseconds(250) * (1 << doublings), stop);
  }

  Result<> open() {
    if (journal_ != nullptr) return {};
    auto opened = io::Journal::open(active_->journal);
    if (!opened) return fail(std::move(opened.error()));
    journal_ = std::move(*opened);
    if (auto sought = seek(); !sought) {
      journal_.reset();
      return sought;
    }
    const auto refused =
        active_->journal.directory.empty() ? unreadable_system_journal() : std::nullopt;
    if (refused) {
      host_.health.bad(*refused +
                       " may not be read: add the agent's user to the group systemd-journal");
    } else {
      host_.health.good();
    }
    return {};
  }

  // Where reading starts: after what was read in this life, else after what was delivered in an
  // earlier one, else `max_age` ago.
  Result<> seek() {
    if (skip_to_us_) return journal_->seek_time(*std::exchange(skip_to_us_, std::nullopt));
    if (!read_cursor_.empty()) return journal_->seek_cursor(read_cursor_);
    if (!oldest_us_) {
      const auto now = static_cast<std::uint64_t>(host_.clock.wall_ns()) / 1000;
      const auto age = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(active_->max_age).count());
      oldest_us_ = age == 0 || age > now ? 0 : now - age;
    }
    const std::string cursor = stored_cursor();
    if (cursor.empty()) return seek_oldest();
    if (auto sought = journal_->seek_cursor(cursor); !sought) {
      if (sought.error().code != ErrorCode::kInvalid) return sought;
      host_.log.warn("the stored cursor is not one", {{"cursor", cursor}});
      return seek_oldest();
    }
    const auto first = journal_->peek();
    if (!first) return fail(first.error());
    if (!*first || **first >= *oldest_us_) return {};
    host_.log.warn("entries older than max_age are passed over",
                   {{"from_unix_us", **first}, {"to_unix_us", *oldest_us_}});
    return seek_oldest();
  }
  Result<> seek_oldest() {
    return *oldest_us_ == 0 ? journal_->seek_head() : journal_->seek_time(*oldest_us_);
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

  // Reads a batch and passes it on. False: the journal's end was reached. A failure leaves the
  // position where it was.
  Result<bool> read_and_send(const std::stop_token& stop) {
    model::EntryBatch batch;
    std::size_t count = 0;
    std::size_t bytes = 0;
    Tally tally;
    bool more = true;
    while (count < batch_limit_ && bytes < kBatchBytes) {
      auto us = read_entry(batch, tally);
      if (!us) {
        // What is before the damage goes first: the next attempt ends in front of it.
        if (count > 0) batch_limit_ = count;
        return fail(std::move(us.error()));
      }
      if (!*us) {
        more = false;
        break;
      }
      last_read_us_ = **us;
      bytes += tally.bytes;
      ++count;
    }
    batch_limit_ = kBatchEntries;
    if (count == 0) return more;
    auto cursor = journal_->cursor();
    if (!cursor) return fail(std::move(cursor.error()));
    if (more) {
      if (auto refreshed = journal_->refresh(); !refreshed) journal_.reset();
    }
    read_cursor_ = std::move(*cursor);
    lines_->add(static_cast<double>(batch.entries.size()));
    no_message_->add(static_cast<double>(tally.no_message));
    empty_labels_->add(static_cast<double>(tally.empty_labels));
    cut_lines_->add(static_cast<double>(tally.cut));
    remembered_ = labels_->remembered();
    model::Receipt receipt = window_.issue(read_cursor_);
    if (batch.empty()) {
      receipt.settle();
      return more;
    }
    batch.add_receipt(std::move(receipt));
    send(std::move(batch), stop);
    return more;
  }

  struct Tally {
    std::size_t bytes = 0;  // of the last entry
    std::size_t no_message = 0;
    std::size_t empty_labels = 0;
    std::size_t cut = 0;
  };

  Result<std::optional<std::uint64_t>> read_entry(model::EntryBatch& batch, Tally& tally) {
    labels_->begin();
    line_ = {};
    fields_.clear();
    bool cut = false;
    const bool json = active_->json;
    auto us = journal_->next([&](std::string_view name, std::string_view value) {
      labels_->field(name, value);
      if (json) {
        fields_.emplace_back(name, value.substr(0, kMaxLine));
      } else if (name == "MESSAGE") {
        line_ = store_line(batch.arena, value, cut);
      }
    });
    if (!us || !*us) return us;
    if (json) line_ = store_line(batch.arena, json_line(), cut);
    tally.bytes = line_.size();
    if (line_.empty()) {
      ++tally.no_message;
      return us;
    }
    const model::LabelSet& labels = labels_->labels();
    if (labels.empty()) {
      ++tally.empty_labels;
      return us;
    }
    if (cut) ++tally.cut;
    batch.entries.push_back({labels, static_cast<std::int64_t>(**us) * 1000, line_, {}});
    return us;
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
      const std::string& value = fields_[i].second;
      append_json_string(json_, is_valid_utf8(value) ? value : to_valid_utf8(value));
    }
    json_ += '}';
    return json_;
  }

  void send(model::EntryBatch batch, const std::stop_token& stop) {
    {
      MutexLock lock(parked_->mutex);
      // A receiver that was slow last time is likely to be slow again.
      if (!slow_) parked_->journal = std::move(journal_);
      parked_->since = host_.clock.mono();
    }
    journal_.reset();
    const Mono begin = host_.clock.mono();
    const auto sent = fanout_.consume(std::move(batch), stop);
    slow_ = host_.clock.mono() - begin > kSlow;
    if (!sent && !stop.stop_requested())
      host_.log.limited(Level::kWarn, "a receiver refused entries",
                        {{"err", sent.error().message}});
    MutexLock lock(parked_->mutex);
    parked_->since.reset();
    journal_ = std::move(parked_->journal);
  }

  Result<bool> wait(Duration at_most, const std::stop_token& stop) {
    if (journal_ == nullptr) return true;
    if (auto waited = journal_->wait(at_most, stop); !waited)
      return fail(std::move(waited.error()));
    return true;
  }

  // After a failure: opens the journal again after the last good entry; when that does not help,
  // further and further on. False: give up for now.
  bool recover(const Error& error, const std::stop_token& stop) {
    failures_total_->increment();
    host_.log.limited(Level::kWarn, "the journal could not be read on", {{"err", error.message}});
    journal_.reset();
    if (++failures_ > kMaxFailures) {
      failures_ = 0;
      host_.health.bad(error.message);
      return false;
    }
    if (failures_ >= 3) {
      constexpr std::uint64_t kSteps[] = {1, 1'000'000, 60'000'000, 3'600'000'000};
      const std::uint64_t step = kSteps[failures_ - 3];
      skip_to_us_ = std::max(last_read_us_.load(), oldest_us_.value_or(0)) + step;
      host_.log.warn("a damaged part of the journal is passed over",
                     {{"to_unix_us", *skip_to_us_}});
    }
    return host_.clock.sleep_for(milliseconds(failures_ == 1 ? 0 : 200), stop) ||
           stop.stop_requested();
  }

  component::Host host_;
  io::Positions positions_;
  component::LogFanout fanout_;
  component::Counter lines_;
  component::Counter no_message_;
  component::Counter empty_labels_;
  component::Counter cut_lines_;
  component::Counter failures_total_;
  component::Counter rewinds_total_;
  model::AckWindow<std::string> window_;
  std::shared_ptr<Parked> parked_;
  std::shared_ptr<void> closer_;
  std::atomic<std::uint64_t> last_read_us_{0};
  std::atomic<std::size_t> remembered_{0};

  mutable Mutex mutex_;
  std::shared_ptr<const Setup> setup_ GUARDED_BY(mutex_);

  // Of the reading thread.
  std::shared_ptr<const Setup> active_;
  std::optional<JournalLabels> labels_;
  std::unique_ptr<io::Journal> journal_;
  std::string read_cursor_;                  // of the last entry read in this life
  std::optional<std::uint64_t> oldest_us_;   // of this life: what max_age lets in
  std::optional<std::uint64_t> skip_to_us_;  // past damage
  std::size_t batch_limit_ = kBatchEntries;
  int failures_ = 0;
  int rewinds_ = 0;
  bool slow_ = false;
  bool unsaved_ = false;
  std::string_view line_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::string json_;
};

}  // namespace

component::Declaration loki_source_journal() {
  return component::declare<LokiSourceJournal>(
      "loki.source.journal", "Reads the systemd journal and sends its entries on.");
}

}  // namespace agent::source
