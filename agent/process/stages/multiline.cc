// stage.multiline: joins the lines of a block into one entry, per label set.
//
// A line that matches firstline starts a block; the lines behind it belong to it until the next
// start, max_lines, or max_wait_time without a line. The entry has the labels, time, metadata and
// extracted values of the block's first line. Lines of a label set that has not had a start yet
// pass through. What follows after max_lines is the same block's: it has the first line's time.
// What follows after a silence is a block of its own, with its own time: the old one may be so old
// that Loki refuses it.
#include <re2/re2.h>

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "agent/process/held_item.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

// Label sets and lines come from outside.
constexpr std::size_t kMostStreams = 10'000;
constexpr std::size_t kMostHeld = std::size_t{32} << 20;
constexpr std::size_t kMostBlock = std::size_t{1} << 20;

struct MultilineArgs {
  std::string firstline;
  std::int64_t max_lines = 128;
  Duration max_wait_time = std::chrono::seconds(3);
  bool trim_newlines = true;
  static component::Schema<MultilineArgs> schema() {
    return component::Schema<MultilineArgs>()
        .required("firstline", &MultilineArgs::firstline,
                  "RE2 expression; a line in which it is found starts a block.")
        .optional("max_lines", &MultilineArgs::max_lines,
                  "Lines of a block after which it goes on; 0 is no limit.")
        .optional("max_wait_time", &MultilineArgs::max_wait_time,
                  "Time without a further line after which a block goes on.")
        .optional("trim_newlines", &MultilineArgs::trim_newlines,
                  "Removes carriage returns and line ends from the end of each line.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const RE2 compiled(firstline, RE2::Quiet);
    if (firstline.empty()) {
      diagnostics.error(body.span_of("firstline"), "firstline must not be empty");
    } else if (!compiled.ok()) {
      diagnostics.error(body.span_of("firstline"),
                        "the regular expression is wrong: " + compiled.error());
    }
    if (max_lines < 0)
      diagnostics.error(body.span_of("max_lines"), "max_lines must not be negative");
    if (max_wait_time.count() <= 0)
      diagnostics.error(body.span_of("max_wait_time"), "max_wait_time must be greater than 0");
  }
};

class Multiline final : public Stage {
 public:
  using Arguments = MultilineArgs;
  Multiline(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        host_(host),
        firstline_(args_.firstline, RE2::Quiet),
        early_(host.counter(
            "loki_process_multiline_early_blocks_total",
            "Blocks that went on before they were complete, since too much was kept back.")) {}

  void process(Batch& batch) override {
    now_ = host_.clock.mono();
    std::vector<Item> items = std::exchange(batch.items, {});
    batch.items.reserve(items.size());
    flush(batch, now_, false);
    for (Item& item : items) {
      const bool first =
          RE2::PartialMatch(re2::StringPiece(item.line.data(), item.line.size()), firstline_);
      const auto known = index_.find(item.labels);
      if (known == index_.end() && !first) {
        batch.items.push_back(std::move(item));
        continue;
      }
      add(known == index_.end() ? begin_stream(item.labels) : known->second, item, first, batch);
      while (open_.size() > kMostStreams || held_ > kMostHeld) {
        early_->increment();
        host_.log.limited(Level::kWarn,
                          "stage.multiline: too much is kept back, the oldest block goes on early");
        end_oldest(batch);
      }
    }
  }

  Mono deadline() const override {
    return open_.empty() ? kNever : open_.front().last_line + args_.max_wait_time;
  }

  void flush(Batch& out, Mono now, bool all) override {
    while (!open_.empty() && (all || open_.front().last_line + args_.max_wait_time <= now))
      end_oldest(out);
  }

 private:
  struct Stream {
    model::LabelSet labels;
    std::optional<HeldItem> block;
    std::size_t weight = 0;  // of the block, as counted in held_
    Mono last_line{};
  };
  using Streams = std::list<Stream>;

  Streams::iterator begin_stream(const model::LabelSet& labels) {
    idle_.push_back({labels, std::nullopt, 0, {}});
    return index_[labels] = std::prev(idle_.end());
  }

  void add(Streams::iterator stream, const Item& item, bool first, Batch& batch) {
    Streams& from = stream->block ? open_ : idle_;
    if (first) release(*stream, batch);
    std::optional<HeldItem>& block = stream->block;
    std::string_view line = item.line;
    if (args_.trim_newlines) line = line.substr(0, line.find_last_not_of("\r\n") + 1);
    if (block) {
      block->join(item, batch);
      if (!block->line.empty()) block->line += '\n';
      block->line += line;
    } else {
      block.emplace(item, batch, host_);
      block->line.resize(line.size());
    }
    const bool too_long = block->line.size() >= kMostBlock;
    if (too_long) early_->increment();
    if (too_long || block->lines() == static_cast<std::size_t>(args_.max_lines))
      block->release_part_into(batch);
    held_ -= stream->weight;
    held_ += stream->weight = block->weight();
    stream->last_line = now_;
    open_.splice(open_.end(), from, stream);
  }

  void release(Stream& stream, Batch& out) {
    if (stream.block && stream.block->lines() > 0) std::move(*stream.block).release_into(out);
    stream.block.reset();
    held_ -= std::exchange(stream.weight, 0);
  }

  void end_oldest(Batch& out) {
    release(open_.front(), out);
    idle_.splice(idle_.end(), open_, open_.begin());
    if (idle_.size() <= kMostStreams) return;
    index_.erase(idle_.front().labels);
    idle_.pop_front();
  }

  const Arguments args_;
  const StageHost host_;
  const RE2 firstline_;
  component::Counter early_;
  Mono now_{};
  std::size_t held_ = 0;  // bytes
  Streams open_;          // those with a block, the one that is silent longest first
  Streams idle_;          // had a start once; in the order in which they became silent
  std::unordered_map<model::LabelSet, Streams::iterator, model::LabelSetHash> index_;
};

}  // namespace

StageDeclaration stage_multiline() {
  return declare_stage<Multiline>("multiline", "Joins the lines of a block into one entry.");
}

}  // namespace agent::process
