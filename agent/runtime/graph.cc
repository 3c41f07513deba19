#include "agent/runtime/graph.h"

#include <algorithm>
#include <deque>
#include <map>
#include <queue>
#include <set>
#include <string_view>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/elsewhere.h"
#include "agent/component/schema.h"
#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "agent/runtime/evaluate.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {
namespace {

constexpr std::size_t kMaxNodes = 20'000;
constexpr std::size_t kMaxScopes = 20'000;
constexpr std::size_t kMaxModules = 1'000;
constexpr std::size_t kMaxDepth = 32;    // of custom components, and of imports, in each other
constexpr std::size_t kMaxChain = 1000;  // of names that stand for each other

std::string join(std::span<const std::string_view> path, std::size_t parts) {
  std::string out;
  for (std::size_t i = 0; i < parts; ++i) {
    if (i > 0) out += '.';
    out += path[i];
  }
  return out;
}

// Where custom components are known: a file, the body of a declare, or a module.
struct Environment {
  struct Definition {
    const lang::BlockNode* block = nullptr;
    const lang::Source* source = nullptr;
    const Environment* where = nullptr;  // whose names its body sees
  };
  const Environment* outer = nullptr;
  std::string module_path;
  std::map<std::string, Definition, std::less<>> declares;
  std::map<std::string, const Environment*, std::less<>> imports;  // null: not known

  // The custom component `name` ("shop", or "shared.shop"): its definition, or null. `unknown`: it
  // may be one, in a module that is not known.
  const Definition* find(std::string_view name, bool& unknown) const {
    const std::size_t dot = name.find('.');
    for (const Environment* at = this; at != nullptr; at = at->outer) {
      if (dot == std::string_view::npos) {
        if (const auto it = at->declares.find(name); it != at->declares.end()) return &it->second;
        continue;
      }
      const auto it = at->imports.find(name.substr(0, dot));
      if (it == at->imports.end()) continue;
      unknown = it->second == nullptr;
      if (unknown) return nullptr;
      const auto inner = it->second->declares.find(name.substr(dot + 1));
      return inner == it->second->declares.end() ? nullptr : &inner->second;
    }
    return nullptr;
  }
  void names(std::vector<std::string>& out) const {
    for (const Environment* at = this; at != nullptr; at = at->outer) {
      for (const auto& [name, unused] : at->declares) out.push_back(name);
      for (const auto& [space, module] : at->imports)
        if (module != nullptr)
          for (const auto& [name, unused] : module->declares) out.push_back(space + "." + name);
    }
  }
};

struct ArgumentArgs {
  bool optional = false;
  lang::Value fallback;
  std::string comment;
  static component::Schema<ArgumentArgs> schema() {
    return component::Schema<ArgumentArgs>()
        .optional("optional", &ArgumentArgs::optional, "It may be left out.")
        .optional("default", &ArgumentArgs::fallback, "Its value when it is left out.")
        .optional("comment", &ArgumentArgs::comment, "What it is for.");
  }
};

struct EachArgs {
  lang::Value collection;
  std::string var, id;
  bool hash_string_id = false;
  bool enable_metrics = false;
};

class Builder {
 public:
  Builder(const Surroundings& surroundings, lang::Diagnostics& diagnostics)
      : surroundings_(surroundings), diagnostics_(diagnostics) {}

  Graph build(const std::vector<SourceText>& texts) {
    Statements all = parse(texts);
    graph_.scopes.emplace_back();
    Environment& root = environments_.emplace_back();
    if (!texts.empty()) root.module_path = folder_of(texts.front().name);
    graph_.scopes[0].module_path = root.module_path;
    add(all, 0, root, Kind::kConfiguration);
    add_remote(root);
    while (!each_.empty() && !too_large_) {
      const Each each = each_.front();
      each_.pop_front();
      open(each);
    }
    resolve();
    order();
    return std::move(graph_);
  }

 private:
  enum class Kind { kConfiguration, kRemote, kCustom, kEach, kModule };
  struct Written {
    const lang::Statement* statement = nullptr;
    const lang::Source* source = nullptr;
  };
  using Statements = std::vector<Written>;
  struct Block {
    const lang::BlockNode* block = nullptr;
    const lang::Source* source = nullptr;
  };
  struct Each {
    Block block;
    std::size_t scope = 0;
    const Environment* environment = nullptr;
  };

  static std::string folder_of(const std::string& file) {
    const std::size_t slash = file.rfind('/');
    if (slash == std::string::npos) return {};
    return slash == 0 ? "/" : file.substr(0, slash);
  }

  Statements parse(const std::vector<SourceText>& texts) {
    Statements out;
    for (const SourceText& text : texts) {
      graph_.files.push_back(
          std::make_unique<const lang::File>(lang::parse(text.text, text.name, diagnostics_)));
      const lang::File& file = *graph_.files.back();
      for (const lang::Statement& statement : file.body)
        out.push_back({&statement, file.source.get()});
    }
    return out;
  }

  static Statements statements(const lang::BlockNode& block, const lang::Source& source) {
    Statements out;
    for (const lang::Statement& statement : block.body) out.push_back({&statement, &source});
    return out;
  }

  static lang::Span header(const Block& block) { return block.source->span(block.block->header()); }

  bool full(const lang::Span& at) {
    if (graph_.nodes.size() < kMaxNodes && graph_.scopes.size() < kMaxScopes) return false;
    if (!std::exchange(too_large_, true))
      diagnostics_.error(at, "the configuration opens up to more than " +
                                 std::to_string(kMaxNodes) + " components");
    return true;
  }

  // A label that is an identifier; what it is missing or wrong otherwise is reported.
  bool check_label(const Block& block, const std::string& what) {
    const std::string& label = block.block->label;
    if (label.empty()) {
      diagnostics_.error(header(block), what + " must have a label",
                         "write " + block.block->name + " \"default\" { ... }");
      return false;
    }
    if (!lang::is_identifier(label)) {
      diagnostics_.error(header(block), "label \"" + label + "\" is not a valid identifier");
      return false;
    }
    return true;
  }

  // The name `id` of `scope` is free; from now on it is taken.
  bool claim(std::size_t scope, const std::string& id, const Block& block,
             const std::string& what) {
    const auto [it, first] = places_.emplace(graph_.scopes[scope].path + id, header(block).begin);
    if (!first)
      diagnostics_.error(header(block),
                         what + " \"" + id + "\" already declared at " + it->second.text());
    return first;
  }

  // All that stands in a body: of the configuration, of a custom component, of a foreach.
  void add(const Statements& all, std::size_t scope, Environment& environment, Kind kind) {
    std::vector<Block> imports;
    std::vector<Block> customs;
    for (const Written& written : all) {
      if (written.statement->block == nullptr) {
        diagnostics_.error(
            written.source->span(written.statement->name_range),
            "attribute \"" + std::string(written.statement->name) + "\" is not allowed here",
            "a configuration consists of blocks");
        continue;
      }
      const Block block{written.statement->block.get(), written.source};
      const std::string& name = block.block->name;
      if (find_settings(name) != nullptr) {
        add_settings(block, kind);
      } else if (name == "declare") {
        define(block, environment);
      } else if (name.starts_with("import.")) {
        imports.push_back(block);
      } else if (kind == Kind::kModule) {
        diagnostics_.error(header(block), "block \"" + name + "\" is not allowed in a module",
                           "an imported file holds declare and import blocks only");
      } else if (name == "argument" || name == "export") {
        if (kind != Kind::kCustom)
          diagnostics_.error(header(block),
                             "block \"" + name + "\" is only allowed inside of a declare block");
      } else if (name == "foreach") {
        if (check_label(block, "block \"foreach\"") &&
            claim(scope, name + "." + block.block->label, block, "block"))
          each_.push_back({block, scope, &environment});
      } else if (const component::Declaration* declaration = surroundings_.registry.find(name)) {
        add_node(block, *declaration, scope);
      } else {
        customs.push_back(block);
      }
    }
    for (const Block& block : imports) import(block, scope, environment);
    if (kind == Kind::kModule) return;
    for (const Block& block : customs) add_custom(block, scope, environment);
  }

  void add_settings(const Block& block, Kind kind) {
    const std::string& name = block.block->name;
    if (kind != Kind::kConfiguration) {
      diagnostics_.error(header(block),
                         "block \"" + name + "\" is only allowed in the main configuration");
      return;
    }
    if (!block.block->label.empty())
      diagnostics_.error(header(block), "block \"" + name + "\" does not take a label");
    const auto [it, first] = settings_.emplace(name, header(block).begin);
    if (!first)
      diagnostics_.error(header(block), "block \"" + name + "\" may only be specified once",
                         "the first one is at " + it->second.text());
    graph_.settings.push_back({block.block, block.source});
  }

  void add_node(const Block& block, const component::Declaration& declaration, std::size_t scope) {
    const std::string local = block.block->name + "." + block.block->label;
    if (!check_label(block, "component \"" + block.block->name + "\"") ||
        !claim(scope, local, block, "component") || full(header(block)))
      return;
    Node node;
    node.id = graph_.scopes[scope].path + local;
    node.declaration = &declaration;
    node.block = block.block;
    node.source = block.source;
    node.scope = scope;
    graph_.scopes[scope].names[local].node = graph_.nodes.size();
    graph_.nodes.push_back(std::move(node));
  }

  void define(const Block& block, Environment& environment) {
    if (!check_label(block, "block \"declare\"")) return;
    const std::string& name = block.block->label;
    if (surroundings_.registry.find(name) != nullptr || find_settings(name) != nullptr ||
        name == "declare" || name == "foreach" || name == "argument" || name == "export") {
      diagnostics_.error(header(block), "\"" + name + "\" is the name of a block already");
      return;
    }
    const auto [it, first] = environment.declares.emplace(
        name, Environment::Definition{block.block, block.source, &environment});
    if (!first)
      diagnostics_.error(header(block),
                         "custom component \"" + name + "\" already declared at " +
                             it->second.source->span(it->second.block->header()).begin.text());
  }

  void import(const Block& block, std::size_t scope, Environment& environment) {
    if (!check_label(block, "block \"" + block.block->name + "\"")) return;
    const std::string& name = block.block->label;
    if (environment.imports.contains(name)) {
      diagnostics_.error(header(block), "namespace \"" + name + "\" is imported twice");
      return;
    }
    environment.imports[name] = nullptr;
    Import import;
    import.kind = block.block->name;
    import.id = graph_.scopes[scope].path + import.kind + "." + name;
    import.module_path = environment.module_path;
    lang::Diagnostics own;
    {
      Values values(graph_, surroundings_.stdlib, surroundings_.exports_of);
      import.arguments = values.body(*block.block, *block.source, scope, own);
    }
    note_structural(*block.block, scope);
    if (!surroundings_.importer || own.has_errors()) {
      diagnostics_.add(std::move(own));
      return;
    }
    auto module = surroundings_.importer(import, own);
    const bool wrong = own.has_errors();
    diagnostics_.add(std::move(own));
    if (!module) {
      if (!wrong)
        diagnostics_.error(header(block), import.kind + "." + name + ": " + module.error().message);
      return;
    }
    if (wrong || !*module) return;
    if (depth_ >= kMaxDepth || ++modules_ > kMaxModules) {
      diagnostics_.error(header(block), "modules import each other without end");
      return;
    }
    Environment& inside = environments_.emplace_back();
    inside.module_path = (*module)->path;
    // A module's imports are read where nothing else is.
    const std::size_t empty = add_scope("", inside.module_path, std::nullopt);
    ++depth_;
    add(parse((*module)->texts), empty, inside, Kind::kModule);
    --depth_;
    environment.imports[name] = &inside;
  }

  // What the server of remotecfg has sent: beside the configuration, with names of its own.
  void add_remote(const Environment& root) {
    const auto at =
        std::find_if(graph_.settings.begin(), graph_.settings.end(),
                     [](const SettingsBlock& one) { return one.block->name == kRemotecfg; });
    if (at == graph_.settings.end() || !surroundings_.importer) return;
    Import import{std::string(kRemotecfg), std::string(kRemotecfg), {}, root.module_path};
    lang::Diagnostics told_with_the_settings;
    import.arguments = Values(graph_, surroundings_.stdlib, surroundings_.exports_of)
                           .body(*at->block, *at->source, 0, told_with_the_settings);
    note_structural(*at->block, 0);
    if (told_with_the_settings.has_errors()) return;
    const auto module = surroundings_.importer(import, told_with_the_settings);
    if (!module || !*module) return;
    Environment& inside = environments_.emplace_back();
    inside.module_path = (*module)->path;
    const std::size_t scope =
        add_scope(std::string(kRemotecfg) + "/", inside.module_path, std::nullopt);
    add(parse((*module)->texts), scope, inside, Kind::kRemote);
  }

  std::size_t add_scope(std::string path, std::string module_path,
                        std::optional<std::size_t> outer) {
    Scope scope;
    scope.path = std::move(path);
    scope.module_path = std::move(module_path);
    scope.outer = outer;
    graph_.scopes.push_back(std::move(scope));
    return graph_.scopes.size() - 1;
  }

  std::string unknown_hint(std::string_view name, const Environment& environment) const {
    std::vector<std::string> known;
    for (const auto& declaration : surroundings_.registry.all()) known.push_back(declaration.name);
    for (const auto& settings : settings_declarations()) known.push_back(settings.name);
    environment.names(known);
    return lang::suggestion(name, known);
  }

  // The use of a custom component.
  void add_custom(const Block& use, std::size_t scope, const Environment& environment) {
    const std::string& name = use.block->name;
    const std::string local = name + "." + use.block->label;
    bool unknown = false;
    const Environment::Definition* definition = environment.find(name, unknown);
    if (definition == nullptr) {
      graph_.scopes[scope].refused.insert(local);
      if (unknown) return;
      if (const std::string instead = component::instead_of(name); !instead.empty()) {
        diagnostics_.error(header(use), "component \"" + name + "\" is not supported here",
                           instead);
      } else {
        diagnostics_.error(header(use), "unknown component \"" + name + "\"",
                           unknown_hint(name, environment));
      }
      return;
    }
    if (!check_label(use, "component \"" + name + "\"")) return;
    if (!claim(scope, local, use, "component") || full(header(use))) return;
    if (std::find(opened_.begin(), opened_.end(), definition->block) != opened_.end() ||
        opened_.size() >= kMaxDepth) {
      diagnostics_.error(header(use), "custom component \"" + name + "\" contains itself");
      graph_.scopes[scope].refused.insert(local);
      return;
    }
    Environment& inside = environments_.emplace_back();
    inside.outer = definition->where;
    inside.module_path = definition->where->module_path;
    const std::size_t inner =
        add_scope(graph_.scopes[scope].path + local + "/", inside.module_path, std::nullopt);
    std::vector<Member> exports;
    add_arguments(use, scope, *definition, inner, exports);
    graph_.scopes[scope].names[local].members = std::move(exports);
    opened_.push_back(definition->block);
    add(statements(*definition->block, *definition->source), inner, inside, Kind::kCustom);
    opened_.pop_back();
  }

  void add_arguments(const Block& use, std::size_t scope, const Environment::Definition& definition,
                     std::size_t inner, std::vector<Member>& exports) {
    std::map<std::string, const lang::Statement*, std::less<>> given;
    for (const lang::Statement& statement : use.block->body) {
      const lang::Span at = use.source->span(statement.name_range);
      if (statement.block != nullptr) {
        diagnostics_.error(use.source->span(statement.block->header()),
                           "unrecognized block name \"" + statement.block->name + "\"",
                           "custom components take attributes only");
      } else if (!given.emplace(statement.name, &statement).second) {
        diagnostics_.error(
            at, "attribute \"" + std::string(statement.name) + "\" may only be provided once");
      }
    }
    std::vector<std::string> known;
    for (const lang::Statement& statement : definition.block->body) {
      if (statement.block == nullptr) continue;
      const Block block{statement.block.get(), definition.source};
      if (block.block->name == "export") {
        if (check_label(block, "block \"export\"")) add_export(block, inner, exports);
        continue;
      }
      if (block.block->name != "argument" || !check_label(block, "block \"argument\"")) continue;
      const std::string& label = block.block->label;
      if (!claim(inner, "argument." + label, block, "block")) continue;
      known.push_back(label);
      ArgumentArgs argument;
      Values values(graph_, surroundings_.stdlib, surroundings_.exports_of);
      component::decode(values.body(*block.block, *block.source, inner, diagnostics_), argument,
                        diagnostics_);
      Member value{"value", nullptr, nullptr, inner};
      if (const auto it = given.find(label); it != given.end()) {
        value = {"value", it->second->value.get(), use.source, scope};
        given.erase(it);
      } else if (argument.optional) {
        for (const lang::Statement& attribute : block.block->body)
          if (attribute.name == "default")
            value = {"value", attribute.value.get(), block.source, inner};
      } else {
        diagnostics_.error(header(use), "missing required attribute \"" + label + "\"",
                           argument.comment);
      }
      graph_.scopes[inner].names["argument." + label].members.push_back(std::move(value));
    }
    for (const auto& [name, statement] : given)
      diagnostics_.error(use.source->span(statement->name_range),
                         "unrecognized attribute name \"" + name + "\"",
                         lang::suggestion(name, known));
  }

  void add_export(const Block& block, std::size_t inner, std::vector<Member>& exports) {
    if (!claim(inner, "export." + block.block->label, block, "block")) return;
    Member member{block.block->label, nullptr, block.source, inner};
    for (const lang::Statement& statement : block.block->body) {
      if (statement.value != nullptr && statement.name == "value") {
        member.value = statement.value.get();
        continue;
      }
      const std::string name =
          statement.block != nullptr ? statement.block->name : std::string(statement.name);
      diagnostics_.error(statement.block != nullptr ? block.source->span(statement.block->header())
                                                    : block.source->span(statement.name_range),
                         "unrecognized " + std::string(statement.block ? "block" : "attribute") +
                             " name \"" + name + "\"");
    }
    if (member.value == nullptr)
      diagnostics_.error(header(block), "missing required attribute \"value\"");
    exports.push_back(std::move(member));
  }

  // --- foreach

  std::optional<EachArgs> each_args(const Each& each) {
    const lang::BlockNode* unused = nullptr;
    EachArgs args;
    lang::Diagnostics own;
    Values values(graph_, surroundings_.stdlib, surroundings_.exports_of);
    std::set<std::string_view> seen;
    for (const lang::Statement& statement : each.block.block->body) {
      if (statement.block != nullptr) {
        if (statement.block->name != "template" || unused != nullptr)
          own.error(each.block.source->span(statement.block->header()),
                    unused != nullptr && statement.block->name == "template"
                        ? "block \"template\" may only be specified once"
                        : "unrecognized block name \"" + statement.block->name + "\"");
        unused = statement.block.get();
        continue;
      }
      const lang::Span at = each.block.source->span(statement.value->range);
      seen.insert(statement.name);
      auto value = values.value(*statement.value, *each.block.source, each.scope, own);
      if (!value) continue;
      const auto decode = [&](auto& out) {
        component::Decoder<std::decay_t<decltype(out)>>::decode(*value, at, out, own);
      };
      if (statement.name == "collection") {
        args.collection = std::move(*value);
      } else if (statement.name == "var") {
        decode(args.var);
        if (!value->is_placeholder() && !lang::is_identifier(args.var))
          own.error(at, "\"" + args.var + "\" is not a valid identifier");
      } else if (statement.name == "id") {
        decode(args.id);
      } else if (statement.name == "hash_string_id") {
        decode(args.hash_string_id);
      } else if (statement.name == "enable_metrics") {
        decode(args.enable_metrics);
      } else {
        own.error(each.block.source->span(statement.name_range),
                  "unrecognized attribute name \"" + std::string(statement.name) + "\"",
                  lang::suggestion(statement.name, {"collection", "var", "id", "hash_string_id",
                                                    "enable_metrics"}));
      }
    }
    for (const std::string_view required : {"collection", "var"})
      if (!seen.contains(required))
        own.error(header(each.block),
                  "missing required attribute \"" + std::string(required) + "\"");
    if (unused == nullptr) own.error(header(each.block), "missing required block \"template\"");
    const auto kind = args.collection.kind();
    if (!own.has_errors() && kind != lang::Value::Kind::kList &&
        kind != lang::Value::Kind::kPlaceholder)
      own.error(header(each.block),
                "collection should be list, got " + std::string(args.collection.kind_name()));
    const bool wrong = own.has_errors();
    diagnostics_.add(std::move(own));
    return wrong ? std::nullopt : std::optional(std::move(args));
  }

  // What an item is called in the ids of its components: the same in whatever order items come.
  static std::string key_of(const lang::Value& item, const EachArgs& args) {
    std::string text;
    const lang::Value* named = &item;
    if (item.kind() == lang::Value::Kind::kObject && !args.id.empty()) {
      named = item.find(args.id);
      if (named == nullptr) named = &item;
    }
    const bool whole = named == &item && item.kind() == lang::Value::Kind::kObject;
    text = named->kind() == lang::Value::Kind::kString ? named->string() : named->text();
    if (whole || args.hash_string_id || text.size() > 100) return sha256_hex(text).substr(0, 16);
    for (char& c : text)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) c = '_';
    return text;
  }

  void open(const Each& each) {
    note_structural(each.block.block->body, each.scope, "collection");
    const auto args = each_args(each);
    if (!args) return;
    const lang::BlockNode* body = nullptr;
    for (const lang::Statement& statement : each.block.block->body)
      if (statement.block != nullptr) body = statement.block.get();
    lang::Value::List items;
    if (args->collection.kind() == lang::Value::Kind::kList) {
      items = args->collection.list();
    } else if (surroundings_.open_unknown) {
      items.emplace_back(lang::Placeholder{});
    }
    std::map<std::string, int> keys;
    for (const lang::Value& item : items) {
      if (full(header(each.block))) return;
      const std::string key = key_of(item, *args);
      const std::string path = graph_.scopes[each.scope].path + "foreach." +
                               each.block.block->label + "/" + key + "_" +
                               std::to_string(++keys[key]) + "/";
      Environment& inside = environments_.emplace_back();
      inside.outer = each.environment;
      inside.module_path = each.environment->module_path;
      const std::size_t inner = add_scope(path, inside.module_path, each.scope);
      graph_.scopes[inner].variables.emplace(args->var, item);
      add(statements(*body, *each.block.source), inner, inside, Kind::kEach);
    }
  }

  // --- who refers to whom

  void note_structural(const std::vector<lang::Statement>& body, std::size_t scope,
                       std::string_view attribute) {
    for (const lang::Statement& statement : body) {
      if (statement.value == nullptr || statement.name != attribute) continue;
      std::set<std::size_t> nodes;
      for (const lang::Reference& reference : lang::references(*statement.value))
        follow(scope, reference.names, nodes, 0);
      for (const std::size_t node : nodes) graph_.structural.insert(graph_.nodes[node].id);
    }
  }
  void note_structural(const lang::BlockNode& block, std::size_t scope) {
    for (const lang::Reference& reference : lang::references(block.body)) {
      std::set<std::size_t> nodes;
      follow(scope, reference.names, nodes, 0);
      for (const std::size_t node : nodes) graph_.structural.insert(graph_.nodes[node].id);
    }
  }

  // Adds the nodes that the value of `path` comes from. Names that are nobody's are for the
  // evaluator to report.
  void follow(std::size_t scope, std::span<const std::string_view> path,
              std::set<std::size_t>& nodes, std::size_t depth) {
    const auto found = graph_.find(scope, path);
    if (!found || found->named == nullptr || depth > kMaxChain) return;
    if (found->named->node) {
      nodes.insert(*found->named->node);
      return;
    }
    for (const Member& member : found->named->members) {
      if (member.value == nullptr ||
          (found->parts < path.size() && member.name != path[found->parts]))
        continue;
      const auto [it, first] = followed_.try_emplace(&member);
      Followed& kept = it->second;  // stays where it is
      if (kept.open) {
        if (!std::exchange(kept.reported, true))
          diagnostics_.error(member.source->span(member.value->range),
                             "custom components refer to each other in a cycle");
        continue;
      }
      if (first || !final_) {
        kept.open = true;
        kept.nodes.clear();
        for (const lang::Reference& reference : lang::references(*member.value))
          follow(member.scope, reference.names, kept.nodes, depth + 1);
        kept.open = false;
      }
      nodes.insert(kept.nodes.begin(), kept.nodes.end());
    }
  }

  void resolve() {
    followed_.clear();
    final_ = true;
    for (Node& node : graph_.nodes) {
      std::set<std::size_t> dependencies;
      for (const lang::Reference& reference : lang::references(node.block->body))
        follow(node.scope, reference.names, dependencies, 0);
      node.dependencies.assign(dependencies.begin(), dependencies.end());
    }
    // Cycles that no component is part of.
    for (const Scope& scope : graph_.scopes) {
      for (const auto& [name, named] : scope.names) {
        for (const Member& member : named.members) {
          if (member.value == nullptr || followed_.contains(&member)) continue;
          std::set<std::size_t> unused;
          for (const lang::Reference& reference : lang::references(*member.value))
            follow(member.scope, reference.names, unused, 0);
        }
      }
    }
  }

  // Kahn's algorithm, taking the earliest in source order first.
  void order() {
    const std::size_t n = graph_.nodes.size();
    std::vector<std::size_t> missing(n, 0);
    std::vector<std::vector<std::size_t>> dependants(n);
    for (std::size_t i = 0; i < n; ++i) {
      missing[i] = graph_.nodes[i].dependencies.size();
      for (std::size_t d : graph_.nodes[i].dependencies) dependants[d].push_back(i);
    }
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < n; ++i)
      if (missing[i] == 0) ready.push(i);
    std::vector<std::size_t> sorted;
    while (!ready.empty()) {
      const std::size_t i = ready.top();
      ready.pop();
      sorted.push_back(i);
      for (std::size_t d : dependants[i])
        if (--missing[d] == 0) ready.push(d);
    }
    if (sorted.size() < n) {
      report_cycle(missing);
      return;
    }
    std::vector<std::size_t> place(n);
    for (std::size_t i = 0; i < n; ++i) place[sorted[i]] = i;
    std::vector<Node> nodes;
    nodes.reserve(n);
    for (std::size_t i : sorted) {
      Node node = std::move(graph_.nodes[i]);
      for (std::size_t& d : node.dependencies) d = place[d];
      std::sort(node.dependencies.begin(), node.dependencies.end());
      nodes.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes);
    for (Scope& scope : graph_.scopes)
      for (auto& [name, named] : scope.names)
        if (named.node) named.node = place[*named.node];
  }

  void report_cycle(const std::vector<std::size_t>& missing) {
    // Every node left over lies on or behind a cycle; walking to what it waits for finds one.
    std::size_t at = 0;
    while (missing[at] == 0) ++at;
    std::vector<std::size_t> walk;
    std::map<std::size_t, std::size_t> seen;
    while (!seen.contains(at)) {
      seen.emplace(at, walk.size());
      walk.push_back(at);
      for (std::size_t d : graph_.nodes[at].dependencies) {
        if (missing[d] > 0) {
          at = d;
          break;
        }
      }
    }
    std::string chain;
    for (std::size_t i = seen[at]; i < walk.size(); ++i) chain += graph_.nodes[walk[i]].id + " -> ";
    chain += graph_.nodes[at].id;
    diagnostics_.error(graph_.nodes[at].header(),
                       "components refer to each other in a cycle: " + chain);
  }

  struct Followed {
    std::set<std::size_t> nodes;
    bool open = false;  // it is being followed: coming back to it is a cycle
    bool reported = false;
  };

  const Surroundings& surroundings_;
  lang::Diagnostics& diagnostics_;
  Graph graph_;
  std::deque<Environment> environments_;        // never move
  std::deque<Each> each_;                       // to open when all else is in place
  std::vector<const lang::BlockNode*> opened_;  // the declares that we are inside of
  std::size_t depth_ = 0;                       // of imports
  std::size_t modules_ = 0;
  bool too_large_ = false;
  bool final_ = false;  // every name is in place
  std::map<const Member*, Followed> followed_;
  std::map<std::string, lang::Position> places_;
  std::map<std::string, lang::Position> settings_;
};

}  // namespace

component::Exports placeholder_exports(const Node& node) {
  component::Exports out;
  for (const component::ExportInfo& info : node.declaration->exports)
    out.emplace_back(info.name, lang::Value(lang::Placeholder{info.type}));
  return out;
}

std::vector<std::shared_ptr<const lang::Source>> Graph::sources() const {
  std::vector<std::shared_ptr<const lang::Source>> out;
  for (const auto& file : files) out.push_back(file->source);
  return out;
}

std::string Graph::module_of(const Node& node) const {
  const std::string& path = scopes[node.scope].path;
  return path.empty() ? "/" : "/" + path.substr(0, path.size() - 1);
}

bool Graph::is_refused(std::size_t scope, std::span<const std::string_view> path) const {
  for (std::optional<std::size_t> at = scope; at; at = scopes[*at].outer) {
    const auto& refused = scopes[*at].refused;
    for (std::size_t n = path.size(); n >= 2 && !refused.empty(); --n)
      if (refused.contains(join(path, n))) return true;
  }
  return false;
}

std::optional<Graph::Found> Graph::find(std::size_t scope,
                                        std::span<const std::string_view> path) const {
  for (std::optional<std::size_t> at = scope; at; at = scopes[*at].outer) {
    for (std::size_t n = path.size(); n >= 2; --n) {
      const auto it = scopes[*at].names.find(join(path, n));
      if (it != scopes[*at].names.end()) return Found{&it->second, nullptr, n};
    }
    const auto it = scopes[*at].variables.find(path[0]);
    if (it != scopes[*at].variables.end()) return Found{nullptr, &it->second, 1};
  }
  return std::nullopt;
}

Graph build_graph(const std::vector<SourceText>& texts, const Surroundings& surroundings,
                  lang::Diagnostics& diagnostics) {
  return Builder(surroundings, diagnostics).build(texts);
}

}  // namespace agent::runtime
