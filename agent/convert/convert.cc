#include "agent/convert/convert.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/convert/prometheus.h"
#include "agent/convert/promtail.h"
#include "agent/convert/section.h"
#include "agent/convert/yaml_tree.h"
#include "agent/lang/parser.h"
#include "agent/lang/printer.h"
#include "agent/runtime/check.h"

namespace agent::convert {
namespace {

constexpr std::string_view kPrivate = "\xEE\x80";  // U+E000 to U+E03F, the markers' characters

// The words of a command line; quotes of either kind hold one together.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool open = false;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (open || !word.empty()) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) words.push_back(std::move(word));
  return words;
}

struct Flag {
  std::string name;
  std::string value;
  bool has_value = false;
};

// -name=value, --name value, -name.
std::vector<Flag> flags_of(std::string_view text) {
  std::vector<Flag> flags;
  for (const std::string& word : words_of(text)) {
    if (!word.starts_with("-")) {
      if (!flags.empty() && !flags.back().has_value) {
        flags.back().value = word;
        flags.back().has_value = true;
      } else {
        flags.push_back({word, "", true});
      }
      continue;
    }
    const std::string_view rest = std::string_view(word).substr(word.starts_with("--") ? 2 : 1);
    const std::size_t equals = rest.find('=');
    Flag flag{std::string(rest.substr(0, equals)), "", equals != std::string_view::npos};
    if (flag.has_value) flag.value = std::string(rest.substr(equals + 1));
    flags.push_back(std::move(flag));
  }
  return flags;
}

struct CommandLine {
  PromtailFlags promtail;
  bool expand = false;
};

CommandLine read_flags(const Options& options, Findings& findings) {
  CommandLine out;
  for (const Flag& flag : flags_of(options.extra_args)) {
    const bool on = !flag.has_value || flag.value == "true";
    if (flag.name == "config.file") continue;
    if (options.format == Format::kPrometheus) {
      if (flag.name == "agent" ||
          (flag.name == "enable-feature" &&
           (flag.value == "agent" || flag.value == "expand-external-labels")))
        continue;
    } else if (flag.name == "config.expand-env") {
      out.expand = on;
      continue;
    } else if (flag.name == "positions.file") {
      out.promtail.positions_file = flag.value;
      continue;
    } else if (flag.name == "client.url") {
      out.promtail.client_url = flag.value;
      continue;
    } else if (flag.name == "client.external-labels") {
      for (const std::string_view pair : split(flag.value, ',')) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        out.promtail.external_labels.emplace_back(pair.substr(0, equals),
                                                  quoted(pair.substr(equals + 1)));
      }
      continue;
    } else if (flag.name.starts_with("log.") || flag.name.starts_with("log-config") ||
               flag.name.starts_with("print-config") || flag.name.starts_with("server.")) {
      continue;
    }
    findings.add(Severity::kWarn, {}, "the flag -" + flag.name + " is left out");
  }
  return out;
}

// The places of statements, those that hold others before them: the order of Output::origins().
void statements_of(const std::vector<lang::Statement>& body, std::vector<lang::Range>& out) {
  for (const lang::Statement& statement : body) {
    out.push_back(statement.range);
    if (statement.block) statements_of(statement.block->body, out);
  }
}

// Where the statement around a place of the text came from.
class Origins {
 public:
  Origins(const lang::File& file, const std::vector<Mark>& origins) : origins_(origins) {
    statements_of(file.body, ranges_);
  }
  Mark at(std::size_t offset) const {
    Mark found;
    for (std::size_t i = 0; i < std::min(ranges_.size(), origins_.size()); ++i)
      if (ranges_[i].begin <= offset && offset < ranges_[i].end && origins_[i].line > 0)
        found = origins_[i];
    return found;
  }

 private:
  const std::vector<Mark>& origins_;
  std::vector<lang::Range> ranges_;
};

// Formats what was written and finds what the agent would refuse.
std::string finish(Context& context, const component::Registry& registry,
                   const runtime::Review& review) {
  lang::Diagnostics diagnostics;
  auto text = lang::format(context.output.text(), "converted", diagnostics);
  if (!text) {
    const std::string why =
        diagnostics.all().empty() ? text.error().message : diagnostics.all().front().message;
    context.critical({}, "what this becomes cannot be written down: " + why);
    return context.output.text();
  }
  const auto world = runtime::unknown_world();
  const runtime::CheckReport report =
      runtime::check({{"converted", *text}}, registry, *world, review);
  lang::Diagnostics again;
  const lang::File file = lang::parse(*text, "converted", again);
  const Origins origins(file, context.output.origins());
  for (const lang::Diagnostic& each : report.diagnostics.all()) {
    const bool is_error = each.severity == lang::Severity::kError;
    context.findings.add(is_error ? Severity::kCritical : Severity::kWarn,
                         origins.at(each.span.begin.offset),
                         (is_error ? "not accepted: " : "") + each.message +
                             (each.hint.empty() ? "" : " (" + each.hint + ")"));
  }
  return std::move(*text);
}

}  // namespace

Severity Converted::worst() const {
  Severity worst = Severity::kInfo;
  for (const Finding& finding : findings) worst = std::max(worst, finding.severity);
  return worst;
}

Converted convert(std::string_view yaml, const Options& options,
                  const component::Registry& registry, const runtime::Review& review) {
  Context context;
  const CommandLine command_line = read_flags(options, context.findings);
  Converted out;
  if (yaml.starts_with("\xEF\xBB\xBF")) yaml.remove_prefix(3);
  if (!is_valid_utf8(yaml) || yaml.find(kPrivate) != std::string_view::npos) {
    context.critical({}, "it is not UTF-8, or has characters for private use");
  } else {
    const std::string text = command_line.expand && yaml.size() <= kMaxYamlBytes
                                 ? context.environment.mark(yaml, context.findings)
                                 : std::string(yaml);
    if (const auto root = read_yaml_tree(text, context.environment, context.findings)) {
      if (options.format == Format::kPromtail) {
        convert_promtail(context, *root, command_line.promtail);
      } else {
        convert_prometheus(context, *root);
      }
      out.text = finish(context, registry, review);
      out.has_secrets = context.findings.hides();
    }
  }
  out.findings = context.findings.take();
  return out;
}

}  // namespace agent::convert
