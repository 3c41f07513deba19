// stage.match: runs stages on, or drops, the entries that a LogQL selector selects. It looks at
// labels and lines only.
#include "agent/base/strings.h"
#include "agent/model/selector.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct MatchArgs {
  std::string selector;
  std::string action = "keep";
  std::string pipeline_name;
  std::string drop_counter_reason = "match_stage";
  std::vector<StageSpec> stages;
  static component::Schema<MatchArgs> schema() {
    return component::Schema<MatchArgs>()
        .required("selector", &MatchArgs::selector,
                  "LogQL stream selector, with line filters if need be.")
        .optional("action", &MatchArgs::action,
                  "keep runs the stages inside, drop drops the selected entries.")
        .optional("pipeline_name", &MatchArgs::pipeline_name, "A name for people.")
        .optional("drop_counter_reason", &MatchArgs::drop_counter_reason,
                  "Reason under which dropped lines are counted.")
        .variants(&MatchArgs::stages, stage_declarations(true));
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (auto parsed = model::Selector::parse(selector); !parsed)
      diagnostics.error(body.span_of("selector"), parsed.error().message);
    if (action != "keep" && action != "drop") {
      diagnostics.error(body.span_of("action"),
                        "action must be \"keep\" or \"drop\", got " + json_string(action));
    } else if (action == "drop" && !stages.empty()) {
      diagnostics.error(body.blocks.front().span, "action \"drop\" takes no stages");
    } else if (action == "keep" && stages.empty()) {
      diagnostics.error(body.span, "action \"keep\" needs stages");
    }
  }
};

class Match final : public Stage {
 public:
  using Arguments = MatchArgs;
  Match(const Arguments& args, const StageHost& host)
      : selector_(model::Selector::parse(args.selector).value()),
        drop_(args.action == "drop"),
        dropped_(host.dropped(args.drop_counter_reason)),
        pipeline_(args.stages, host) {}

  void process(Batch& batch) override {
    bool known = false;
    bool selected = false;
    model::LabelSet labels;
    const auto matches = [&](const Item& item) {
      if (!known || !(item.labels == labels)) {
        labels = item.labels;
        selected = selector_.matches(labels);
        known = true;
      }
      return selected && selector_.matches_line(item.line);
    };
    if (drop_) {
      for (Item& item : batch.items) {
        if (!matches(item)) continue;
        item.dropped = true;
        dropped_->increment();
      }
      return;
    }
    batch.for_matching(matches, [&](Batch& run) { pipeline_.process(run); });
  }

  Mono deadline() const override { return pipeline_.deadline(); }
  void flush(Batch& out, Mono now, bool all) override { pipeline_.flush(out, now, all); }

 private:
  const model::Selector selector_;
  const bool drop_;
  component::Counter dropped_;
  Pipeline pipeline_;
};

}  // namespace

StageDeclaration stage_match() {
  return declare_stage<Match>("match",
                              "Runs stages on the entries that a selector selects, or drops them.");
}

}  // namespace agent::process
