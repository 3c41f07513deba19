// stage.replace: what the groups of a regular expression capture is replaced by what a template
// makes of it; without groups, all that the expression matches. The values of named groups are
// extracted as they became. An error changes nothing.
#include <re2/re2.h>

#include <memory>
#include <vector>

#include "agent/process/stage.h"
#include "agent/process/template_data.h"
#include "agent/wire/go_regex.h"
#include "agent/wire/go_template.h"

namespace agent::process {
namespace {

constexpr std::size_t kMostBytes = 16 << 20;  // of a result
constexpr std::size_t kKeptBytes = 1
                                   << 20;  // a buffer that one line has grown beyond is given back

struct ReplaceArgs {
  std::string expression;
  std::string source;
  std::string replace;
  static component::Schema<ReplaceArgs> schema() {
    return component::Schema<ReplaceArgs>()
        .required("expression", &ReplaceArgs::expression,
                  "RE2 expression whose groups are replaced, or all of it when it has none.")
        .optional("source", &ReplaceArgs::source,
                  "Extracted value to replace in; empty is the line.")
        .optional("replace", &ReplaceArgs::replace,
                  "Template of Go's that writes what comes in place of .Value; empty removes it.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (expression.empty()) {
      diagnostics.error(body.span_of("expression"), "expression must not be empty");
    } else {
      check_expression(expression, body, "expression", diagnostics);
    }
    if (const auto program = wire::GoTemplate::parse(replace); !program)
      diagnostics.error(body.span_of("replace"), "replace: " + program.error().message);
  }
};

class Replace final : public Stage {
 public:
  using Arguments = ReplaceArgs;
  Replace(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        regex_(args_.expression, RE2::Quiet),
        matches_(regex_, static_cast<std::size_t>(regex_.NumberOfCapturingGroups())),
        program_(wire::GoTemplate::parse(args_.replace).value()),
        executor_(host.clock),
        log_(host.log) {
    names_.resize(matches_.groups() + 1);
    for (const auto& [index, name] : regex_.CapturingGroupNames())
      names_[static_cast<std::size_t>(index)] = name;
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto input = source_text(item, args_.source, batch.arena);
      if (input) replace(item, *input, batch.arena);
    }
  }

 private:
  struct Capture {
    std::size_t group = 0;
    std::string_view value;
  };

  void replace(Item& item, std::string_view input, model::Arena& arena) {
    TemplateData data(item, arena);
    if (result_.capacity() > kKeptBytes) result_ = std::string();
    result_.clear();
    captures_.clear();
    std::size_t copied = 0;
    bool first_match = true;
    bool started = false;
    const std::size_t first_group = matches_.groups() == 0 ? 0 : 1;
    for (matches_.start(input); matches_.next(); first_match = false) {
      for (std::size_t i = first_group; i <= matches_.groups(); ++i) {
        const std::string_view captured = matches_.group(i);
        if (captured.data() == nullptr) continue;
        const std::size_t start = offset(input, captured);
        const bool named = first_match && !names_[i].empty();
        const bool outside = start >= copied;  // not within a group that is replaced already
        if (!named && !outside) continue;
        data.value = captured;
        const auto text = executor_.execute(program_, data, started);
        started = true;
        if (!text || result_.size() > kMostBytes) {
          log_.limited(Level::kDebug, "stage.replace: a template cannot be executed",
                       {{"err", text ? "the result is too long" : text.error().message}});
          return;
        }
        if (outside) {
          result_ += input.substr(copied, start - copied);
          result_ += *text;
          copied = start + captured.size();
        }
        if (named) captures_.push_back({i, arena.store(*text)});
      }
    }
    if (first_match) return;
    result_ += input.substr(copied);
    const std::string_view result = arena.store(result_);
    if (args_.source.empty()) {
      item.line = result;
    } else {
      item.set(args_.source, result);
    }
    for (const Capture& capture : captures_) item.set(names_[capture.group], capture.value);
  }

  // Of a part of `input`; matches of an empty input lie elsewhere.
  static std::size_t offset(std::string_view input, std::string_view part) {
    return input.empty() ? 0 : static_cast<std::size_t>(part.data() - input.data());
  }

  const Arguments args_;
  const RE2 regex_;
  wire::GoMatches matches_;
  const wire::GoTemplate program_;
  wire::GoExecutor executor_;
  Log log_;
  std::vector<std::string> names_;  // of the groups, empty where there is none
  std::string result_;
  std::vector<Capture> captures_;
};

}  // namespace

StageDeclaration stage_replace() {
  return declare_stage<Replace>("replace", "Replaces parts of the line or of an extracted value.");
}

}  // namespace agent::process
