// stage.drop: drops the entries for which every given criterion holds.
//
// An expression is RE2. Beyond Alloy, one that is a template - all of it in {{ }}, and reading a
// field - drops when it writes "true": `{{ .container_name | contains("debug") }}`.
#include <re2/re2.h>

#include <memory>
#include <optional>

#include "agent/base/strings.h"
#include "agent/process/stage.h"
#include "agent/process/template_data.h"
#include "agent/wire/go_template.h"

namespace agent::process {
namespace {

bool is_in_braces(std::string_view expression) {
  const std::string_view text = trim(expression);
  return text.starts_with("{{") && text.ends_with("}}");
}

// Of an expression in {{ }}.
Result<wire::GoTemplate> parse_template(std::string_view expression) {
  auto program = wire::GoTemplate::parse(trim(expression), {.calls = true});
  if (program && !program->reads_fields())
    return fail(ErrorCode::kInvalid, "it reads no field of the entry");
  return program;
}

struct DropArgs {
  std::string drop_counter_reason = "drop_stage";
  std::string source;
  std::string value;
  std::string separator = ";";
  std::string expression;
  Duration older_than{0};
  component::ByteSize longer_than;
  static component::Schema<DropArgs> schema() {
    return component::Schema<DropArgs>()
        .optional("drop_counter_reason", &DropArgs::drop_counter_reason,
                  "Reason under which dropped lines are counted.")
        .optional("source", &DropArgs::source,
                  "Extracted values to look at, separated by commas; empty is the line.")
        .optional("separator", &DropArgs::separator, "Joins the values of several sources.")
        .optional("value", &DropArgs::value, "Drops when the source equals this.")
        .optional("expression", &DropArgs::expression,
                  "Drops when this RE2 expression is found in the source, or when this template "
                  "({{ ... }}) writes true.")
        .optional("older_than", &DropArgs::older_than, "Drops entries older than this.")
        .optional("longer_than", &DropArgs::longer_than,
                  "Drops lines longer than this many bytes.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (source.empty() && expression.empty() && older_than.count() == 0 && longer_than.bytes == 0)
      diagnostics.error(
          body.span,
          "stage.drop needs at least one of source, expression, older_than, longer_than");
    if (!value.empty() && !expression.empty())
      diagnostics.error(body.find("value")->name_span, "value and expression exclude each other");
    if (!value.empty() && source.empty())
      diagnostics.error(body.find("value")->name_span, "value needs a source");
    if (expression.empty()) return;
    if (is_in_braces(expression)) {
      const auto program = parse_template(expression);
      if (program) return;
      diagnostics.warning(body.span_of("expression"),
                          "this is taken as a regular expression, for it is no template: " +
                              program.error().message);
    }
    check_expression(expression, body, "expression", diagnostics);
  }
};

class Drop final : public Stage {
 public:
  using Arguments = DropArgs;
  Drop(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        clock_(host.clock),
        dropped_(host.dropped(args_.drop_counter_reason)) {
    if (is_in_braces(args_.expression)) {
      if (auto program = parse_template(args_.expression)) {
        program_ = std::move(*program);
        executor_.emplace(clock_);
      }
    }
    if (!args_.expression.empty() && !program_)
      regex_ = std::make_unique<RE2>(args_.expression, RE2::Quiet);
    if (!args_.source.empty())
      for (std::string_view name : split(args_.source, ',')) sources_.emplace_back(trim(name));
  }

  void process(Batch& batch) override {
    const std::int64_t now = args_.older_than.count() > 0 ? clock_.wall_ns() : 0;
    for (Item& item : batch.items) {
      if (args_.longer_than.bytes > 0 &&
          item.line.size() <= static_cast<std::size_t>(args_.longer_than.bytes))
        continue;
      if (args_.older_than.count() > 0 && now - item.time_ns <= args_.older_than.count()) continue;
      if (!source_holds(item, batch.arena)) continue;
      item.dropped = true;
      dropped_->increment();
    }
  }

 private:
  bool source_holds(const Item& item, model::Arena& arena) {
    if (sources_.empty())
      return program_ ? says_true(item, arena, std::nullopt)
                      : regex_ == nullptr || search(item.line);
    joined_.clear();
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const auto value = item.find(sources_[i]);
      if (!value) return false;
      if (args_.expression.empty() && args_.value.empty())
        continue;  // the key being there is the criterion
      const auto text = to_text(*value, arena);
      if (!text) return false;
      if (i > 0) joined_ += args_.separator;
      joined_ += *text;
    }
    if (program_) return says_true(item, arena, joined_);
    if (regex_ != nullptr) return search(joined_);
    return args_.value.empty() || joined_ == args_.value;
  }

  bool search(std::string_view text) const {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex_);
  }

  // A template that cannot be executed, because a value is missing, says nothing.
  bool says_true(const Item& item, model::Arena& arena, std::optional<std::string_view> value) {
    TemplateData data(item, arena);
    data.entry = item.line;
    data.value = value;
    const auto text = executor_->execute(*program_, data);
    return text && trim(*text) == "true";
  }

  const Arguments args_;
  Clock& clock_;
  component::Counter dropped_;
  std::unique_ptr<RE2> regex_;
  std::optional<wire::GoTemplate> program_;
  std::optional<wire::GoExecutor> executor_;
  std::vector<std::string> sources_;
  std::string joined_;
};

}  // namespace

StageDeclaration stage_drop() {
  return declare_stage<Drop>("drop", "Drops entries by their content, age or length.");
}

}  // namespace agent::process
