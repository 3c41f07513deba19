// stage.truncate: cuts what is too long, at a character's end. What was cut is told in the
// extracted value `truncated`: "label,line".
#include <algorithm>
#include <array>

#include "agent/base/strings.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

// In the alphabet's order, in which `truncated` lists them.
constexpr std::array<std::string_view, 4> kFields = {"extracted", "label", "line",
                                                     "structured_metadata"};
enum Field : std::size_t { kExtracted, kLabel, kLine, kMetadata };
constexpr std::string_view kMark = "truncated";

struct RuleArgs {
  component::ByteSize limit;
  std::string suffix;
  std::vector<std::string> sources;
  std::string source_type = "line";
  static component::Schema<RuleArgs> schema() {
    return component::Schema<RuleArgs>()
        .required("limit", &RuleArgs::limit, "Longest text, its suffix included.")
        .optional("suffix", &RuleArgs::suffix, "What ends a text that was cut.")
        .optional("sources", &RuleArgs::sources,
                  "Names of what may be cut; empty is all of the type.")
        .optional("source_type", &RuleArgs::source_type,
                  "line, label, structured_metadata or extracted.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (std::find(kFields.begin(), kFields.end(), source_type) == kFields.end())
      diagnostics.error(body.span_of("source_type"),
                        "source_type must be \"line\", \"label\", \"structured_metadata\" or "
                        "\"extracted\", got " +
                            json_string(source_type));
    if (limit.bytes <= 0) {
      diagnostics.error(body.span_of("limit"), "limit must be greater than zero");
    } else if (suffix.size() >= static_cast<std::size_t>(limit.bytes)) {
      diagnostics.error(body.span_of("suffix"), "suffix must be shorter than limit");
    }
    if (source_type == "line" && !sources.empty())
      diagnostics.error(body.find("sources")->name_span, "the line has no sources");
  }
};

struct TruncateArgs {
  std::vector<RuleArgs> rules;
  static component::Schema<TruncateArgs> schema() {
    return component::Schema<TruncateArgs>().required_block("rule", &TruncateArgs::rules,
                                                            "What to cut, and where.");
  }
};

class Truncate final : public Stage {
 public:
  using Arguments = TruncateArgs;
  Truncate(Arguments args, const StageHost& host) : args_(std::move(args)), memo_(host.labels) {
    for (std::size_t i = 0; i < kFields.size(); ++i)
      cut_[i] = host.counter("loki_process_truncated_fields_total",
                             "Lines, labels, extracted values and structured metadata that "
                             "were cut.",
                             {{"field", std::string(kFields[i])}});
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      std::array<bool, kFields.size()> cut{};
      for (const RuleArgs& rule : args_.rules) apply(rule, item, batch.arena, cut);
      if (std::find(cut.begin(), cut.end(), true) != cut.end()) mark(item, batch.arena, cut);
    }
  }

 private:
  using Cut = std::array<bool, kFields.size()>;

  void apply(const RuleArgs& rule, Item& item, model::Arena& arena, Cut& cut) {
    const auto field = static_cast<Field>(
        std::find(kFields.begin(), kFields.end(), rule.source_type) - kFields.begin());
    const auto shorten = [&](std::string_view& text) {
      if (text.size() <= static_cast<std::size_t>(rule.limit.bytes) - rule.suffix.size())
        return false;
      text = shortened(text, rule, arena);
      cut_[field]->increment();
      return cut[field] = true;
    };
    switch (field) {
      case kLine:
        shorten(item.line);
        break;
      case kLabel: {
        LabelMemo::Changes changes;
        for (const model::Label& label : item.labels.labels()) {
          std::string_view value = label.value;
          if (is_meant(rule, label.name) && shorten(value)) changes.emplace_back(label.name, value);
        }
        if (!changes.empty()) item.labels = memo_.apply(item.labels, changes);
        break;
      }
      case kMetadata:
        for (model::MetadataPair& pair : item.metadata)
          if (is_meant(rule, pair.name)) shorten(pair.value);
        break;
      case kExtracted:
        for (const auto& [name, value] : item.all_extracted()) {
          const auto* text = std::get_if<std::string_view>(&value);
          std::string_view shorter = text == nullptr ? std::string_view() : *text;
          if (is_meant(rule, name) && shorten(shorter)) item.set(arena.store(name), shorter);
        }
        break;
    }
  }

  static bool is_meant(const RuleArgs& rule, std::string_view name) {
    return rule.sources.empty() ||
           std::find(rule.sources.begin(), rule.sources.end(), name) != rule.sources.end();
  }

  static std::string_view shortened(std::string_view text, const RuleArgs& rule,
                                    model::Arena& arena) {
    const std::size_t most = static_cast<std::size_t>(rule.limit.bytes) - rule.suffix.size();
    const std::string_view head = utf8_head(text, most);
    if (rule.suffix.empty()) return head;
    return arena.store(std::string(head) + rule.suffix);
  }

  // Together with what an earlier stage said.
  static void mark(Item& item, model::Arena& arena, Cut cut) {
    std::vector<std::string_view> all;
    if (const auto before = item.find(kMark)) {
      if (const auto* text = std::get_if<std::string_view>(&*before)) all = split(*text, ',');
    }
    for (std::size_t i = 0; i < kFields.size(); ++i)
      if (cut[i]) all.push_back(kFields[i]);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::string text;
    for (const std::string_view field : all) {
      if (!text.empty()) text += ',';
      text += field;
    }
    item.set(kMark, arena.store(text));
  }

  const Arguments args_;
  LabelMemo memo_;
  std::array<component::Counter, kFields.size()> cut_;
};

}  // namespace

StageDeclaration stage_truncate() {
  return declare_stage<Truncate>("truncate",
                                 "Cuts lines, labels, structured metadata and extracted values.");
}

}  // namespace agent::process
