// stage.pattern: values out of a text by a pattern of LogQL, `<ip> - <_> [<time>] "<method> `.
//
//   pattern := { "<" name ">" | literal }       name: [a-zA-Z_][a-zA-Z0-9_]*, "_" is not kept
//
// A literal at the start must be the text's start. A capture ends before the first place of the
// literal behind it; when that is not there, it is the rest, and the captures behind it get
// nothing.
#include <algorithm>

#include "agent/base/strings.h"
#include "agent/process/label_memo.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

struct Part {
  std::string capture;  // "_" is not kept
  std::string literal;  // behind it; empty at the end of the pattern
};
struct Pattern {
  std::string start;
  std::vector<Part> parts;
};

Result<Pattern> parse_pattern(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorCode::kInvalid, "pattern " + json_string(text) + ": " + why);
  };
  Pattern out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = text[i] == '<' ? text.find('>', i) : std::string_view::npos;
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : text.substr(i + 1, end - i - 1);
    if (!model::is_valid_label_name(name)) {
      (out.parts.empty() ? out.start : out.parts.back().literal) += text[i++];
      continue;
    }
    if (!out.parts.empty() && out.parts.back().literal.empty())
      return wrong("there must be text between <" + out.parts.back().capture + "> and <" +
                   std::string(name) + ">");
    const auto same = std::find_if(out.parts.begin(), out.parts.end(),
                                   [&](const Part& part) { return part.capture == name; });
    if (name != "_" && same != out.parts.end())
      return wrong("<" + std::string(name) + "> is there twice");
    out.parts.push_back({std::string(name), ""});
    i = end + 1;
  }
  if (std::all_of(out.parts.begin(), out.parts.end(),
                  [](const Part& part) { return part.capture == "_"; }))
    return wrong("it has no capture with a name, like <ip>");
  return out;
}

struct PatternArgs {
  std::string pattern;
  std::string source;
  bool labels_from_groups = false;
  static component::Schema<PatternArgs> schema() {
    return component::Schema<PatternArgs>()
        .required("pattern", &PatternArgs::pattern,
                  "Text with captures, <name>; what <_> stands for is not kept.")
        .optional("source", &PatternArgs::source, "Extracted value to read; empty is the line.")
        .optional("labels_from_groups", &PatternArgs::labels_from_groups,
                  "Sets labels of the captures' names too.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (const auto parsed = parse_pattern(pattern); !parsed)
      diagnostics.error(body.span_of("pattern"), parsed.error().message);
  }
};

class PatternStage final : public Stage {
 public:
  using Arguments = PatternArgs;
  PatternStage(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        pattern_(parse_pattern(args_.pattern).value()),
        memo_(host.labels) {}

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto text = source_text(item, args_.source, batch.arena);
      if (!text || text->empty() || !text->starts_with(pattern_.start)) continue;
      match(text->substr(pattern_.start.size()));
      for (const auto& [name, value] : captures_) item.set(name, value);
      if (!args_.labels_from_groups || captures_.empty()) continue;
      for (auto& [name, value] : captures_) value = *to_label_value(value, batch.arena);
      item.labels = memo_.apply(item.labels, captures_);
    }
  }

 private:
  void match(std::string_view rest) {
    captures_.clear();
    for (const Part& part : pattern_.parts) {
      const std::size_t end =
          part.literal.empty() ? std::string_view::npos : rest.find(part.literal);
      if (part.capture != "_") captures_.emplace_back(part.capture, rest.substr(0, end));
      if (end == std::string_view::npos) return;
      rest.remove_prefix(end + part.literal.size());
    }
  }

  const Arguments args_;
  const Pattern pattern_;
  LabelMemo memo_;
  LabelMemo::Changes captures_;
};

}  // namespace

StageDeclaration stage_pattern() {
  return declare_stage<PatternStage>("pattern", "Extracts values by a pattern of LogQL.");
}

}  // namespace agent::process
