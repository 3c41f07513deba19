// stage.json: values out of a JSON text, by JMESPath expressions. An expression that finds nothing
// gives a null value; an object or array gives its JSON text.
//
// Names and indices (a.b[0]) are followed in the parsed text; only other expressions need the text
// as a tree.
#include <memory>

#include "agent/base/strings.h"
#include "agent/model/expression.h"
#include "agent/model/jmespath.h"
#include "agent/process/stage.h"
#include "agent/wire/json.h"

namespace agent::process {
namespace {

using model::JmesPath;
using model::Json;
using wire::JsonNode;

constexpr std::size_t kMaxText = 4 << 20;  // of an object or array that an expression makes

struct JsonArgs {
  component::StringMap expressions;
  std::string regex;
  std::string source;
  bool drop_malformed = false;
  static component::Schema<JsonArgs> schema() {
    return component::Schema<JsonArgs>()
        .optional(
            "expressions", &JsonArgs::expressions,
            "Values to extract, each with its JMESPath expression; an empty one is the value's own "
            "name.")
        .optional("regex", &JsonArgs::regex,
                  "Members of the top level in whose names this RE2 expression is found are "
                  "extracted too.")
        .optional("source", &JsonArgs::source,
                  "Extracted value that holds the JSON text; empty is the line.")
        .optional("drop_malformed", &JsonArgs::drop_malformed,
                  "Drops entries whose text is not JSON.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (expressions.empty() && regex.empty())
      diagnostics.error(body.span, "stage.json needs expressions or a regex");
    for (const auto& [name, expression] : expressions)
      if (auto path = JmesPath::compile(expression.empty() ? name : expression); !path)
        diagnostics.error(body.span_of("expressions"), path.error().message);
    if (!regex.empty()) check_expression(regex, body, "regex", diagnostics);
  }
};

Json to_tree(const JsonNode& node) {
  switch (node.kind()) {
    case JsonNode::Kind::kNull:
      return {};
    case JsonNode::Kind::kBool:
      return Json(node.boolean());
    case JsonNode::Kind::kInt:
      return Json(node.integer());
    case JsonNode::Kind::kUint:
    case JsonNode::Kind::kDouble:
      return Json(node.number());
    case JsonNode::Kind::kString:
      return Json(std::string(node.string()));
    case JsonNode::Kind::kArray: {
      Json::Array array;
      for (const JsonNode& item : node.elements()) array.push_back(to_tree(item));
      return Json(std::move(array));
    }
    case JsonNode::Kind::kObject: {
      Json::Object object;
      for (const auto& [name, member] : node.members())
        object.emplace_back(std::string(name), to_tree(member));
      return Json(std::move(object));
    }
  }
  return {};
}

class JsonStage final : public Stage {
 public:
  using Arguments = JsonArgs;
  JsonStage(Arguments args, const StageHost& host)
      : args_(std::move(args)), log_(host.log), dropped_(host.dropped("malformed_json")) {
    for (const auto& [name, expression] : args_.expressions)
      expressions_.push_back(JmesPath::compile(expression.empty() ? name : expression).value());
    if (!args_.regex.empty()) regex_ = model::Expression::compile(args_.regex).value();
  }

  void process(Batch& batch) override {
    for (Item& item : batch.items) {
      const auto text = source_text(item, args_.source, batch.arena);
      if (!text) continue;
      auto root = document_.parse(*text);
      if (!root && !is_valid_utf8(*text)) root = document_.parse(to_valid_utf8(*text));
      if (!root ||
          (root->kind() != JsonNode::Kind::kObject && root->kind() != JsonNode::Kind::kNull)) {
        log_.limited(Level::kDebug, "stage.json: an entry is not a JSON object");
        if (!args_.drop_malformed) continue;
        dropped_->increment();
        item.dropped = true;
        continue;
      }
      extract(*root, item, batch.arena);
    }
  }

 private:
  void extract(const JsonNode& root, Item& item, model::Arena& arena) {
    if (regex_) {
      for (const auto& [name, node] : root.members())
        if (regex_->found_in(name)) item.set(arena.store(name), value_of(node, arena));
    }
    std::optional<Json> tree;
    for (std::size_t i = 0; i < expressions_.size(); ++i) {
      const std::string& name = args_.expressions[i].first;
      if (const JmesPath::Path* path = expressions_[i].path()) {
        item.set(name, follow(root, *path, arena));
        continue;
      }
      if (!tree) tree = to_tree(root);
      const auto found = expressions_[i].search(*tree);
      if (found) {
        item.set(name, value_of(*found, arena));
      } else {
        log_.limited(Level::kDebug, "stage.json: an expression fails",
                     {{"name", name}, {"error", found.error().message}});
      }
    }
  }

  static Extracted follow(const JsonNode& root, const JmesPath::Path& path, model::Arena& arena) {
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

  static Extracted value_of(const Json& value, model::Arena& arena) {
    switch (value.kind()) {
      case Json::Kind::kNull:
        return std::monostate();
      case Json::Kind::kBool:
        return value.boolean();
      case Json::Kind::kInt:
        return value.integer();
      case Json::Kind::kDouble:
        return value.number();
      case Json::Kind::kString:
        return arena.store(value.string());
      default: {
        std::string text;
        if (!value.append_text(text, kMaxText)) return std::monostate();
        return arena.store(text);
      }
    }
  }

  const Arguments args_;
  const Log log_;
  component::Counter dropped_;
  std::vector<JmesPath> expressions_;
  std::optional<model::Expression> regex_;
  wire::JsonDocument document_;
};

}  // namespace

StageDeclaration stage_json() {
  return declare_stage<JsonStage>("json", "Extracts values from a JSON text.");
}

}  // namespace agent::process
