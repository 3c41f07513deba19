// stage.regex: what the named groups of a regular expression hold becomes extracted values, and
// labels with labels_from_groups. A group that takes no part gives an empty value; without a match
// nothing changes.
#include "agent/model/expression.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct RegexArgs {
  std::string expression;
  std::string source;
  bool labels_from_groups = false;
  static component::Schema<RegexArgs> schema() {
    return component::Schema<RegexArgs>()
        .required("expression", &RegexArgs::expression,
                  "RE2 expression, looked for anywhere in the text; its named groups, "
                  "(?P<name>...), are extracted.")
        .optional("source", &RegexArgs::source, "Extracted value to read; empty is the line.")
        .optional("labels_from_groups", &RegexArgs::labels_from_groups,
                  "Sets labels of the groups' names too.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (expression.empty()) {
      diagnostics.error(body.span_of("expression"), "expression must not be empty");
    } else {
      check_expression(expression, body, "expression", diagnostics);
    }
  }
};

class Regex final : public Stage {
 public:
  using Arguments = RegexArgs;
  Regex(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        expression_(model::Expression::compile(args_.expression).value()),
        memo_(host.labels) {}

  void process(Batch& batch) override {
    const std::vector<std::string>& names = expression_.names();
    for (Item& item : batch.items) {
      const auto text = source_text(item, args_.source, batch.arena);
      if (!text || !expression_.extract(*text, values_)) continue;
      for (std::size_t i = 0; i < names.size(); ++i) item.set(names[i], values_[i]);
      if (!args_.labels_from_groups) continue;
      changes_.clear();
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (model::is_valid_label_name(names[i]))
          changes_.emplace_back(names[i], *to_label_value(values_[i], batch.arena));
      }
      item.labels = memo_.apply(item.labels, changes_);
    }
  }

 private:
  const Arguments args_;
  const model::Expression expression_;
  LabelMemo memo_;
  std::vector<std::string_view> values_;
  LabelMemo::Changes changes_;
};

}  // namespace

StageDeclaration stage_regex() {
  return declare_stage<Regex>("regex", "Extracts what the groups of a regular expression hold.");
}

}  // namespace agent::process
