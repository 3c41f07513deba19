// Configuration text -> the components it names and what each depends on. Knows kinds of components
// only through the Registry; starts nothing.
//
// Custom components (declare, import.*) and foreach are opened up here: what they hold becomes
// components of the one graph, with the path of the module before their ids. The names in a module
// are its own: a Scope.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/component/component.h"
#include "agent/lang/ast.h"
#include "agent/lang/body.h"
#include "agent/lang/diagnostic.h"
#include "agent/lang/stdlib.h"

namespace agent::runtime {

// A configuration file as it was read.
struct SourceText {
  std::string name;  // for messages
  std::string text;
};

struct Node {
  std::string id;  // "loki.write.default"; in a custom component "shop.a/loki.write.default"
  const component::Declaration* declaration = nullptr;
  const lang::BlockNode* block = nullptr;
  const lang::Source* source = nullptr;
  std::size_t scope = 0;  // place in Graph::scopes: what the names in its block mean
  std::vector<std::size_t>
      dependencies;  // indices of nodes that it refers to, ascending, each once

  lang::Span header() const { return source->span(block->header()); }
};

// What a custom component exports under a name, or what an argument of one is: an expression.
struct Member {
  std::string name;
  const lang::Expr* value = nullptr;  // null: the value null
  const lang::Source* source = nullptr;
  std::size_t scope = 0;  // where `value` is read
};

// What a name in a scope stands for: a node, or members.
struct Named {
  std::optional<std::size_t> node;
  std::vector<Member> members;
};

struct Scope {
  std::string path;                  // before the ids in it: "", or "shop.a/"
  std::string module_path;           // what `module_path` stands for
  std::optional<std::size_t> outer;  // where names are looked up that are not here (foreach)
  std::map<std::string, Named, std::less<>> names;            // "loki.write.default", "argument.x"
  std::map<std::string, lang::Value, std::less<>> variables;  // of foreach
  // Blocks that stand for nothing because of an error, or because their module is not known here:
  // what refers to them is not wrong in itself.
  std::set<std::string, std::less<>> refused;
};

// Blocks that configure the agent itself: logging, server, livedebugging ...
struct SettingsBlock {
  const lang::BlockNode* block = nullptr;
  const lang::Source* source = nullptr;
};

struct Graph {
  std::vector<std::unique_ptr<const lang::File>> files;  // own what everything else points to
  std::vector<Scope> scopes;                             // the first is the configuration's own
  std::vector<Node> nodes;  // dependencies before dependants, otherwise in source order
  std::vector<SettingsBlock> settings;
  // Ids of nodes whose exports decided what is in the graph (a foreach goes over them).
  std::set<std::string, std::less<>> structural;

  // What the beginning of `path` stands for in `scope`: the longest that is a name there.
  struct Found {
    const Named* named = nullptr;  // null for a variable
    const lang::Value* variable = nullptr;
    std::size_t parts = 0;  // of the path
  };
  std::optional<Found> find(std::size_t scope, std::span<const std::string_view> path) const;
  bool is_refused(std::size_t scope, std::span<const std::string_view> path) const;
  // The path of the module that `node` is in, as metrics tell it: "/" or "/shop.a".
  std::string module_of(const Node& node) const;
  // The files' text, in the order given, for rendering diagnostics.
  std::vector<std::shared_ptr<const lang::Source>> sources() const;
};

// Looks a configuration without errors over and warns. `bodies`: of each node, in their order.
using Review = std::function<void(const Graph& graph, const std::vector<const lang::Body*>& bodies,
                                  lang::Diagnostics& diagnostics)>;

// The exports of a node: its real ones, or placeholders of their types.
using ExportsOf = std::function<component::Exports(const Node& node)>;
component::Exports placeholder_exports(const Node& node);

// An import block, or remotecfg, and what it brings.
struct Import {
  std::string kind;  // "import.file", "remotecfg"
  std::string id;    // "import.file.shared", with the path of its module; "remotecfg"
  lang::Body arguments;
  std::string module_path;  // of the file that imports
};
struct ImportedModule {
  std::vector<SourceText> texts;
  std::string path;  // its folder, for `module_path`
};
// nullopt: not known here. Reports what is wrong with the arguments.
using Importer = std::function<Result<std::optional<ImportedModule>>(
    const Import& import, lang::Diagnostics& diagnostics)>;

// What building a graph needs beside the text.
struct Surroundings {
  const component::Registry& registry;
  const lang::Stdlib& stdlib;
  ExportsOf exports_of;
  Importer importer;          // empty: no module is known here
  bool open_unknown = false;  // a foreach over what is not known yet has one unknown item, not none
};

// Reports what is wrong with the structure: syntax, unknown components, missing labels, duplicates,
// cycles. With errors the graph is for looking at, not for running.
Graph build_graph(const std::vector<SourceText>& texts, const Surroundings& surroundings,
                  lang::Diagnostics& diagnostics);

}  // namespace agent::runtime
