// stage.logfmt: values out of a logfmt text (agent/wire/logfmt.h). A key that is not there sets
// nothing; what stands before the first place that is not logfmt is taken.
#include "agent/wire/logfmt.h"
#include "agent/model/expression.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct LogfmtArgs {
  component::StringMap mapping;
  std::string regex;
  std::string source;
  static component::Schema<LogfmtArgs> schema() {
    return component::Schema<LogfmtArgs>()
        .optional("mapping", &LogfmtArgs::mapping,
                  "Values to extract, each with its key; an empty one is the value's own name.")
        .optional("regex", &LogfmtArgs::regex,
                  "Keys in which this RE2 expression is found are extracted too.")
        .optional("source", &LogfmtArgs::source,
                  "Extracted value that holds the logfmt text; empty is the line.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (mapping.empty() && regex.empty())
      diagnostics.error(body.span, "stage.logfmt needs a mapping or a regex");
    if (!regex.empty()) check_expression(regex, body, "regex", diagnostics);
  }
};

class Logfmt final : public Stage {
 public:
  using Arguments = LogfmtArgs;
  Logfmt(Arguments args, const StageHost& host) : args_(std::move(args)), log_(host.log) {
    for (auto& [name, key] : args_.mapping)
      if (key.empty()) key = name;
    if (!args_.regex.empty()) regex_ = model::Expression::compile(args_.regex).value();
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto text = source_text(item, args_.source, batch.arena);
      if (!text) continue;
      wire::LogfmtReader reader(*text);
      while (reader.next()) take(reader, item, batch.arena);
      if (reader.failed()) log_.limited(Level::kDebug, "stage.logfmt: an entry is not logfmt");
    }
  }

 private:
  void take(const wire::LogfmtReader& reader, Item& item, model::Arena& arena) const {
    std::string_view value = reader.value();
    bool stored = !reader.is_copy();
    const auto set = [&](std::string_view name) {
      if (!std::exchange(stored, true)) value = arena.store(value);
      item.set(name, value);
    };
    for (const auto& [name, key] : args_.mapping)
      if (key == reader.key()) set(name);
    if (regex_ && regex_->found_in(reader.key())) set(reader.key());
  }

  Arguments args_;
  const Log log_;
  std::optional<model::Expression> regex_;
};

}  // namespace

StageDeclaration stage_logfmt() {
  return declare_stage<Logfmt>("logfmt", "Extracts values from a logfmt text.");
}

}  // namespace agent::process
