// stage.cri: a line of a container runtime's log file (CRI: containerd, CRI-O).
//
//   line := time blank { blank } ("stdout" | "stderr") [ blank { blank } tags ]
//   [ blank content ] tags := ("P" | "F") { ":" tag }       P: the line goes on
//   in the next one; without tags: F
//
// The line becomes the content, the label stream and the time are set,
// extracted get time, stream, flags and content. Parts are kept per label set
// until their end comes. Other lines pass as they are.
#include <list>
#include <unordered_map>

#include "agent/base/strings.h"
#include "agent/process/held_item.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"
#include "agent/wire/docker_stream.h"

namespace agent::process {
namespace {

constexpr std::size_t kMostHeld = std::size_t{32} << 20;  // bytes
// A line whose end never comes must not keep its source's position back for
// ever.
constexpr Duration kLongestWait = std::chrono::minutes(1);

struct CriLine {
  std::string_view time;
  std::string_view stream;
  std::string_view flag;
  std::string_view content;
};

std::optional<CriLine> parse_cri(std::string_view line) {
  // The word that `rest` begins with; the blanks behind it stay.
  const auto word = [](std::string_view& rest) {
    const std::size_t first = rest.find_first_not_of(' ');
    rest.remove_prefix(std::min(first, rest.size()));
    const std::string_view out = rest.substr(0, rest.find(' '));
    rest.remove_prefix(out.size());
    return out;
  };
  CriLine out;
  std::string_view rest = line;
  out.time = word(rest);
  out.stream = word(rest);
  if (out.stream != "stdout" && out.stream != "stderr") return std::nullopt;
  const std::string_view behind_stream = rest;
  const std::string_view tags = word(rest);
  out.flag = tags.substr(0, tags.find(':'));
  if (out.flag != "P" && out.flag != "F") {
    out.flag = "F";
    rest = behind_stream;
  }
  if (!rest.empty()) rest.remove_prefix(1);  // further blanks are the content's
  out.content = rest;
  return out;
}

struct CriArgs {
  std::int64_t max_partial_lines = 100;
  std::int64_t max_partial_line_size = 0;
  bool max_partial_line_size_truncate = false;
  static component::Schema<CriArgs> schema() {
    return component::Schema<CriArgs>()
        .optional("max_partial_lines", &CriArgs::max_partial_lines,
                  "Unfinished lines, each of another label set, that are kept "
                  "at once.")
        .optional("max_partial_line_size", &CriArgs::max_partial_line_size,
                  "Bytes to which a line of several parts is cut.")
        .optional("max_partial_line_size_truncate", &CriArgs::max_partial_line_size_truncate,
                  "Whether it is cut.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (max_partial_lines <= 0)
      diagnostics.error(body.span_of("max_partial_lines"),
                        "max_partial_lines must be greater than 0");
    if (max_partial_line_size < 0) {
      diagnostics.error(body.span_of("max_partial_line_size"),
                        "max_partial_line_size must not be negative");
    } else if (max_partial_line_size_truncate && max_partial_line_size == 0) {
      diagnostics.error(body.span_of("max_partial_line_size_truncate"),
                        "max_partial_line_size_truncate needs a max_partial_line_size");
    }
  }
};

class Cri final : public Stage {
 public:
  using Arguments = CriArgs;
  Cri(const Arguments& args, const StageHost& host)
      : args_(args),
        host_(host),
        stdout_(host.labels, [](model::LabelBuilder& labels) { labels.set("stream", "stdout"); }),
        stderr_(host.labels, [](model::LabelBuilder& labels) { labels.set("stream", "stderr"); }),
        flushed_(host.counter("loki_process_cri_partial_lines_flushed_total",
                              "Unfinished lines that went on before their end came.")),
        truncated_(host.counter("loki_process_cri_lines_truncated_total",
                                "Lines of several parts that were cut.")) {}

  void process(Batch& batch) override {
    now_ = host_.clock.mono();
    std::vector<Item> items = std::exchange(batch.items, {});
    batch.items.reserve(items.size());
    flush(batch, now_, false);
    for (Item& item : items) {
      const auto line = parse_cri(item.line);
      if (!line) {
        batch.items.push_back(std::move(item));
        continue;
      }
      take_apart(item, *line);
      if (line->flag == "P") {
        keep(item, batch);
      } else {
        complete(std::move(item), batch);
      }
    }
  }

  Mono deadline() const override {
    return parts_.empty() ? kNever : parts_.front().last_part + kLongestWait;
  }

  void flush(Batch& out, Mono now, bool all) override {
    while (!parts_.empty() && (all || parts_.front().last_part + kLongestWait <= now))
      release_oldest(out);
  }

 private:
  struct Part {
    HeldItem held;
    std::size_t weight = 0;  // as counted in held_
    Mono last_part{};
    bool cut = false;
  };
  using Parts = std::list<Part>;

  void take_apart(Item& item, const CriLine& line) {
    item.set("time", line.time);
    item.set("stream", line.stream);
    item.set("flags", line.flag);
    item.set("content", line.content);
    item.line = line.content;
    if (const auto ns = wire::parse_docker_time(line.time)) item.time_ns = *ns;
    item.labels = (line.stream == "stdout" ? stdout_ : stderr_).apply(item.labels);
  }

  void keep(const Item& item, Batch& batch) {
    auto known = index_.find(item.labels);
    if (known == index_.end()) {
      if (parts_.size() >= static_cast<std::size_t>(args_.max_partial_lines)) {
        host_.log.limited(Level::kWarn,
                          "stage.cri: too many unfinished lines, they go on as they are");
        while (!parts_.empty()) release_oldest(batch);
      }
      parts_.push_back({HeldItem(item, batch, host_)});
      known = index_.emplace(item.labels, std::prev(parts_.end())).first;
      cut(*known->second);
    } else {
      append(*known->second, item, batch);
      parts_.splice(parts_.end(), parts_, known->second);
    }
    Part& part = *known->second;
    part.last_part = now_;
    held_ -= part.weight;
    held_ += part.weight = part.held.weight();
    while (held_ > kMostHeld) {
      host_.log.limited(Level::kWarn,
                        "stage.cri: unfinished lines are too long, the oldest goes on");
      release_oldest(batch);
    }
  }

  // The end of a line, which is all of it where nothing was kept.
  void complete(Item item, Batch& batch) {
    const auto known = index_.find(item.labels);
    if (known == index_.end()) {
      batch.items.push_back(std::move(item));
      return;
    }
    const Parts::iterator part = known->second;
    append(*part, item, batch);
    release(part, batch);
    // As the last part has them.
    Item& whole = batch.items.back();
    whole.time_ns = item.time_ns;
    for (const std::string_view name : {"time", "stream", "flags", "content"})
      whole.set(name, *item.find(name));
  }

  void append(Part& part, const Item& item, const Batch& batch) {
    part.held.join(item, batch);
    if (part.cut) return;
    part.held.line += item.line;
    cut(part);
  }

  void cut(Part& part) {
    const auto most = static_cast<std::size_t>(args_.max_partial_line_size);
    if (!args_.max_partial_line_size_truncate || part.held.line.size() <= most) return;
    part.held.line.resize(utf8_head(part.held.line, most).size());
    part.cut = true;
    truncated_->increment();
  }

  void release(Parts::iterator part, Batch& out) {
    index_.erase(part->held.item().labels);
    held_ -= part->weight;
    std::move(part->held).release_into(out);
    parts_.erase(part);
  }

  void release_oldest(Batch& out) {
    flushed_->increment();
    release(parts_.begin(), out);
  }

  const Arguments args_;
  const StageHost host_;
  LabelChange stdout_;
  LabelChange stderr_;
  component::Counter flushed_;
  component::Counter truncated_;
  Mono now_{};
  std::size_t held_ = 0;  // bytes
  Parts parts_;           // the one that waits longest first
  std::unordered_map<model::LabelSet, Parts::iterator, model::LabelSetHash> index_;
};

}  // namespace

StageDeclaration stage_cri() {
  return declare_stage<Cri>("cri", "Takes a line of a Kubernetes container's log file apart.");
}

}  // namespace agent::process
