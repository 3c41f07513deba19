// stage.json: values out of a JSON text. An expression that finds nothing gives a null value; an
// object or array gives its JSON text.
//
// expression := step { "." name | "[" integer "]" }      step and name: an identifier or "quoted"
#include <re2/re2.h>

#include <charconv>
#include <memory>
#include <variant>

#include "agent/base/strings.h"
#include "agent/process/stage.h"
#include "agent/wire/json.h"

namespace agent::process {
namespace {

using wire::JsonNode;

// A way from the root to a value: member names and array indices.
using Path = std::vector<std::variant<std::string, std::int64_t>>;

Result<Path> parse_path(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorCode::kInvalid, "expression " + json_string(text) + ": " + why);
  };
  Path path;
  std::size_t i = 0;
  bool name_expected = true;
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  while (i < text.size()) {
    if (name_expected) {
      std::string name;
      if (text[i] == '"') {
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\' && i + 1 < text.size()) ++i;
          name += text[i];
        }
        if (i == text.size()) return wrong("the quoted name does not end");
        ++i;
      } else {
        while (i < text.size() && is_name(text[i])) name += text[i++];
        if (name.empty() || (name[0] >= '0' && name[0] <= '9'))
          return wrong("a name is expected at byte " + std::to_string(i + 1) +
                       "; names, \"quoted names\", a.b and a[0] are supported");
      }
      path.emplace_back(std::move(name));
      name_expected = false;
    } else if (text[i] == '.') {
      ++i;
      name_expected = true;
    } else if (text[i] == '[') {
      std::int64_t index = 0;
      const auto [end, error] =
          std::from_chars(text.data() + i + 1, text.data() + text.size(), index);
      if (error != std::errc() || end == text.data() + text.size() || *end != ']')
        return wrong("an index like [0] is expected at byte " + std::to_string(i + 1));
      path.emplace_back(index);
      i = static_cast<std::size_t>(end - text.data()) + 1;
    } else {
      return wrong("unexpected " + json_string(text.substr(i, 1)) + " at byte " +
                   std::to_string(i + 1) + "; names, \"quoted names\", a.b and a[0] are supported");
    }
  }
  if (name_expected) return wrong("a name is expected at its end");
  return path;
}

struct JsonArgs {
  component::StringMap expressions;
  std::string regex;
  std::string source;
  bool drop_malformed = false;
  static component::Schema<JsonArgs> schema() {
    return component::Schema<JsonArgs>()
        .optional(
            "expressions", &JsonArgs::expressions,
            "Values to extract, each with its expression; an empty one is the value's own name.")
        .optional("regex", &JsonArgs::regex,
                  "Members of the top level whose names match are extracted too.")
        .optional("source", &JsonArgs::source,
                  "Extracted value that holds the JSON text; empty is the line.")
        .optional("drop_malformed", &JsonArgs::drop_malformed,
                  "Drops entries whose text is not JSON.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (expressions.empty() && regex.empty())
      diagnostics.error(body.span, "stage.json needs expressions or a regex");
    for (const auto& [name, expression] : expressions)
      if (auto path = parse_path(expression.empty() ? name : expression); !path)
        diagnostics.error(body.find("expressions")->value_span, path.error().message);
    if (!regex.empty()) check_expression(regex, body, "regex", diagnostics);
  }
};

class Json final : public Stage {
 public:
  using Arguments = JsonArgs;
  Json(Arguments args, const StageHost& host)
      : args_(std::move(args)), log_(host.log), dropped_(host.dropped("malformed_json")) {
    for (const auto& [name, expression] : args_.expressions)
      paths_.push_back(parse_path(expression.empty() ? name : expression).value());
    if (!args_.regex.empty()) regex_ = std::make_unique<RE2>(args_.regex, RE2::Quiet);
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto text = source_text(item, args_.source, batch.arena);
      if (!text) continue;
      const auto root = document_.parse(*text);
      if (!root || root->kind() != JsonNode::Kind::kObject) {
        log_.limited(Level::kDebug, "stage.json: an entry is not a JSON object");
        if (!args_.drop_malformed) continue;
        dropped_->increment();
        item.dropped = true;
        continue;
      }
      if (regex_ != nullptr) {
        for (const auto& [name, node] : root->members())
          if (RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *regex_))
            item.set(batch.arena.store(name), value_of(node, batch.arena));
      }
      for (std::size_t i = 0; i < paths_.size(); ++i)
        item.set(args_.expressions[i].first, walk(*root, paths_[i], batch.arena));
    }
  }

 private:
  static Extracted walk(const JsonNode& root, const Path& path, model::Arena& arena) {
    std::optional<JsonNode> node = root;
    for (const auto& step : path) {
      if (const auto* name = std::get_if<std::string>(&step)) {
        node = node->find(*name);
      } else {
        node = node->at(std::get<std::int64_t>(step));
      }
      if (!node) return std::monostate();
    }
    return value_of(*node, arena);
  }

  static Extracted value_of(const JsonNode& node, model::Arena& arena) {
    switch (node.kind()) {
      case JsonNode::Kind::kNull:
        return std::monostate();
      case JsonNode::Kind::kBool:
        return node.boolean();
      case JsonNode::Kind::kInt:
        return node.integer();
      case JsonNode::Kind::kUint:
      case JsonNode::Kind::kDouble:
        return node.number();
      case JsonNode::Kind::kString:
        return arena.store(node.string());
      case JsonNode::Kind::kArray:
      case JsonNode::Kind::kObject:
        return arena.store(node.text());
    }
    return std::monostate();
  }

  const Arguments args_;
  const Log log_;
  component::Counter dropped_;
  std::vector<Path> paths_;
  std::unique_ptr<RE2> regex_;
  wire::JsonDocument document_;
};

}  // namespace

StageDeclaration stage_json() {
  return declare_stage<Json>("json", "Extracts values from a JSON text.");
}

}  // namespace agent::process
