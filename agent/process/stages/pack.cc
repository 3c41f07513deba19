// stage.pack: moves labels and extracted values into the line, which becomes
// {"name":"value",...,"_entry":"line"} with the names sorted. Loki's `unpack` takes it apart again.
#include <algorithm>

#include "agent/base/strings.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

constexpr std::string_view kEntry = "_entry";

struct PackArgs {
  std::vector<std::string> labels;
  bool ingest_timestamp = true;
  static component::Schema<PackArgs> schema() {
    return component::Schema<PackArgs>()
        .required("labels", &PackArgs::labels,
                  "Labels and extracted values to pack; labels that are packed are removed.")
        .optional("ingest_timestamp", &PackArgs::ingest_timestamp,
                  "Gives the entry the time of packing, so that packed streams stay in order.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (std::find(labels.begin(), labels.end(), kEntry) != labels.end())
      diagnostics.error(body.span_of("labels"), "\"_entry\" is the name of the line");
  }
};

class Pack final : public Stage {
 public:
  using Arguments = PackArgs;
  Pack(Arguments args, const StageHost& host)
      : args_(std::move(args)), clock_(host.clock), memo_(host.labels) {
    std::sort(args_.labels.begin(), args_.labels.end());
    args_.labels.erase(std::unique(args_.labels.begin(), args_.labels.end()), args_.labels.end());
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      removed_.clear();
      line_ = "{";
      for (const std::string& name : args_.labels) {
        const auto value = value_of(item, name, batch.arena);
        if (!value) continue;
        append_json_string(line_, name);
        line_ += ':';
        append_json_string(line_, *value);
        line_ += ',';
        if (!item.labels.get(name).empty()) removed_.emplace_back(name, "");
      }
      append_json_string(line_, kEntry);
      line_ += ':';
      append_json_string(line_, item.line);
      line_ += '}';
      item.line = batch.arena.store(line_);
      if (!removed_.empty()) item.labels = memo_.apply(item.labels, removed_);
      if (args_.ingest_timestamp) item.time_ns = clock_.wall_ns();
    }
  }

 private:
  static std::optional<std::string_view> value_of(const Item& item, const std::string& name,
                                                  model::Arena& arena) {
    if (const auto value = item.find(name)) return to_text(*value, arena);
    const std::string_view label = item.labels.get(name);
    if (label.empty()) return std::nullopt;
    return label;
  }

  Arguments args_;
  Clock& clock_;
  LabelMemo memo_;
  LabelMemo::Changes removed_;
  std::string line_;
};

}  // namespace

StageDeclaration stage_pack() {
  return declare_stage<Pack>("pack", "Moves labels and extracted values into the line.");
}

}  // namespace agent::process
