// Renders cases for oracle_test.py: a JSON list of cases on stdin, a JSON list of results on
// stdout.
//   case   := {"source", "context" or "literal": the same in Python's notation, "templates": {name:
//   text}, "settings": {...}, "mode": "file" | "variable"} result := {"out": text} | {"value":
//   json} | {"error": kind, "message": text}
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/template/engine.h"
#include "fleetctl/value/text.h"

using namespace fleetctl;
using template_::Engine;
using value::Value;

namespace {

class CaseLoader final : public template_::TemplateLoader {
 public:
  explicit CaseLoader(const Value* templates) : templates_(templates) {}
  agent::Result<std::optional<std::string>> load(std::string_view name) const override {
    const Value* text = templates_ != nullptr ? templates_->get(name) : nullptr;
    if (text == nullptr) return std::optional<std::string>();
    return std::optional<std::string>(text->as_string());
  }

 private:
  const Value* templates_;
};

template_::Settings settings_of(const Value* given) {
  template_::Settings settings;
  if (given == nullptr) return settings;
  const auto text = [given](std::string_view key, std::string& into) {
    if (const Value* v = given->get(key); v != nullptr && v->is_string()) into = v->as_string();
  };
  const auto flag = [given](std::string_view key, bool& into) {
    if (const Value* v = given->get(key)) into = value::truthy(*v);
  };
  text("block_start_string", settings.block_start);
  text("block_end_string", settings.block_end);
  text("variable_start_string", settings.variable_start);
  text("variable_end_string", settings.variable_end);
  text("comment_start_string", settings.comment_start);
  text("comment_end_string", settings.comment_end);
  text("line_statement_prefix", settings.line_statement_prefix);
  text("line_comment_prefix", settings.line_comment_prefix);
  text("newline_sequence", settings.newline_sequence);
  flag("trim_blocks", settings.trim_blocks);
  flag("lstrip_blocks", settings.lstrip_blocks);
  flag("keep_trailing_newline", settings.keep_trailing_newline);
  flag("ansible", settings.ansible);
  flag("lenient_undefined", settings.lenient_undefined);
  return settings;
}

std::string_view kind_name(template_::ProblemKind kind) {
  switch (kind) {
    case template_::ProblemKind::kSyntax:
      return "syntax";
    case template_::ProblemKind::kUndefined:
      return "undefined";
    case template_::ProblemKind::kNotFound:
      return "not found";
    case template_::ProblemKind::kLimit:
      return "limit";
    case template_::ProblemKind::kRuntime:
      break;
  }
  return "runtime";
}

Value run(const Value& one) {
  value::Dict result;
  const CaseLoader loader(one.get("templates"));
  template_::World world;
  world.loader = &loader;
  world.read_yaml = [](std::string_view text) {
    std::vector<std::string> ignored;
    return inventory::read_yaml(text, "from_yaml", ignored);
  };
  world.read_yaml_documents = [](std::string_view text) {
    return inventory::read_yaml_documents(text, "from_yaml_all");
  };
  world.sees_files = true;
  const template_::BasicLookups lookups({true, {}, {}});
  world.lookups = &lookups;
  const agent::SystemClock clock;
  world.clock = &clock;
  const Engine engine(world, settings_of(one.get("settings")));
  const value::Dict none;
  const Value* context = one.get("context");
  std::optional<Value> literal;
  if (const Value* text = one.get("literal")) {
    literal = value::parse_literal(text->as_string());
    context = literal ? &*literal : nullptr;
    if (!literal) result.set("unreadable", Value::boolean(true));
  }
  const template_::DictVariables variables(
      context != nullptr && context->is_dict() ? context->as_dict() : none);
  const Value* mode = one.get("mode");
  const auto failed = [&result](const template_::Problem& p) {
    result.set("error", Value::string(std::string(kind_name(p.kind))));
    result.set("message", Value::string(p.text()));
  };
  if (mode != nullptr && mode->as_string() == "variable") {
    auto made = engine.resolve(*one.get("source"), variables);
    if (made) {
      result.set("value", *made);
    } else {
      failed(*made.error());
    }
  } else {
    auto made = engine.render(one.get("source")->as_string(), "case", variables);
    if (made) {
      result.set("out", Value::string(made->text));
    } else {
      failed(*made.error());
    }
  }
  return Value::dict(std::move(result));
}

}  // namespace

int main() {
  const std::string input((std::istreambuf_iterator<char>(std::cin)),
                          std::istreambuf_iterator<char>());
  const auto cases = value::parse_json(input);
  if (!cases || !cases->is_list()) {
    std::cerr << "expected a JSON list on stdin\n";
    return 2;
  }
  std::vector<Value> results;
  for (const Value& one : cases->items()) results.push_back(run(one));
  value::JsonFormat format;
  const auto text = value::to_json(Value::list(std::move(results)), format);
  if (!text) {
    std::cerr << text.error().message << "\n";
    return 2;
  }
  std::cout << *text << "\n";
  return 0;
}
