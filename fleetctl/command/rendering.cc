#include "fleetctl/command/rendering.h"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <set>
#include <system_error>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/report.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/template/engine.h"

namespace fleetctl::command {

namespace fs = std::filesystem;
using agent::Result;
using template_::Place;
using value::Value;

constexpr std::size_t kMaxTemplate = 16U << 20;
constexpr std::size_t kMaxProblemsPerHost = 50;

// Everything that a template may reach.
class Renderer::Surroundings {
 public:
  explicit Surroundings(Tree& tree, const fs::path& template_path = {})
      : folders_(search_path(tree, template_path)),
        loader_(folders_),
        lookups_({true,
                  {tree.play_folder().string(), tree.templates().string()},
                  [&tree](const std::string& path) { return text_of_file(tree, path); }}),
        engine_(world(tree)) {}
  const template_::Engine& engine() const { return engine_; }

  // Finds a file of a problem: a template as it was included, or a variable file.
  std::function<fs::path(const std::string& file)> locate() const {
    return [this](const std::string& file) -> fs::path {
      std::error_code error;
      if (fs::is_regular_file(file, error)) return file;
      for (const std::string& folder : folders_) {
        fs::path path = fs::path(folder) / file;
        if (fs::is_regular_file(path, error)) return path;
      }
      return {};
    };
  }

 private:
  static Result<Value> text_of_file(Tree& tree, const std::string& path) {
    auto text = tree.loader().text(path);
    if (!text) return agent::fail(text.error());
    return Value::string(std::move(text->bytes), text->decrypted ? value::kTainted : 0);
  }
  // Ansible's order: the playbook's templates, the playbook's folder, the template's own folder.
  static std::vector<std::string> search_path(const Tree& tree, const fs::path& template_path) {
    std::vector<std::string> folders = {tree.templates().string(), tree.play_folder().string()};
    if (!template_path.empty()) {
      folders.push_back((template_path.parent_path() / "templates").string());
      folders.push_back(template_path.parent_path().string());
    }
    return folders;
  }
  template_::World world(const Tree& tree) const {
    template_::World world;
    world.loader = &loader_;
    world.hosts = &tree;
    world.lookups = &lookups_;
    world.clock = &clock_;
    world.read_yaml = [](std::string_view text) {
      std::vector<std::string> ignored;
      return inventory::read_yaml(text, "from_yaml", ignored);
    };
    world.read_yaml_documents = [](std::string_view text) {
      return inventory::read_yaml_documents(text, "from_yaml_all");
    };
    world.sees_files = true;
    return world;
  }

  std::vector<std::string> folders_;
  template_::FolderLoader loader_;
  template_::BasicLookups lookups_;
  agent::SystemClock clock_;
  template_::Engine engine_;
};

namespace {

// Where the file of a problem lies; "" when nobody knows.
using Locate = std::function<fs::path(const std::string& file)>;

std::string shown_place(const Locate& locate, const Place& place) {
  const fs::path path = locate(place.file);
  std::string out = path.empty() ? place.file : inventory::shown_path(path);
  if (place.line > 0) out += ":" + std::to_string(place.line);
  return out;
}

// The line of a template or variable file; "" when it cannot be read any more.
std::string line_in(const fs::path& path, int line) {
  if (path.empty() || line <= 0) return {};
  const auto text = agent::read_file(path, kMaxTemplate);
  return text ? std::string(line_of(*text, line)) : std::string();
}

// Whether what stands between {{ and }} is a Go template, which stages of the agent take: `.Value`,
// `$x`, `ToUpper .Value`, `Replace .Value "a" "b" -1`, `x := 1`, `end`. Jinja2 has none of these.
bool is_go_expression(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.ends_with('-')) text.remove_suffix(1);
  text = agent::trim(text);
  if (text == "end" || text.starts_with("/*") || text.find(":=") != std::string_view::npos)
    return true;
  const auto is_word = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  char before = ' ';
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); before = text[i++]) {
    if (quote != 0) {
      if (text[i] == quote && before != '\\') quote = 0;
      continue;
    }
    const bool begins = before == ' ' || before == '(';
    const bool leads = i + 1 == text.size() || text[i + 1] == ' ' ||
                       (is_word(text[i + 1]) && (text[i + 1] < '0' || text[i + 1] > '9'));
    if (begins && leads && (text[i] == '.' || text[i] == '$')) return true;
    if (text[i] == '"' || text[i] == '\'' || text[i] == '`') quote = text[i];
  }
  // A function with a text beside it: no operator between them.
  const std::string_view rest = text.substr(0, text.find_first_of("\"`"));
  const std::string_view name = agent::trim(rest);
  return rest.size() < text.size() && rest.size() > name.size() && name != "not" && !name.empty() &&
         std::all_of(name.begin(), name.end(), is_word);
}

bool holds_go_template(std::string_view line) {
  for (std::size_t at = line.find("{{"); at != std::string_view::npos; at = line.find("{{", at)) {
    at += 2;
    const std::size_t end = line.find("}}", at);
    if (end == std::string_view::npos) return false;
    if (is_go_expression(line.substr(at, end - at))) return true;
    at = end;
  }
  return false;
}

std::string block(const Locate& locate, const template_::Problem& problem) {
  std::string message = problem.message;
  for (std::size_t i = 0; i < problem.nearest.size(); ++i)
    message += (i == 0 ? "; did you mean '" : "' or '") + problem.nearest[i];
  if (!problem.nearest.empty()) message += "'?";
  const fs::path path = locate(problem.place.file);
  const std::string line = line_in(path, problem.place.line);
  const bool go = holds_go_template(line);
  if (go)
    message +=
        "; Go templates, like {{ .Value }}, are for the agent: put them between {% raw %} and "
        "{% endraw %}";
  std::string out = source_block(path.empty() ? problem.place.file : inventory::shown_path(path),
                                 problem.place.line, problem.place.column, message, line);
  for (const Place& place : problem.through) out += "\n  used by " + shown_place(locate, place);
  if (!go && problem.kind == template_::ProblemKind::kUndefined && problem.nearest.empty() &&
      !problem.name.empty() && problem.name.find_first_of(".[") == std::string::npos)
    out += "\n  variables are defined in host_vars/ (one host) and group_vars/ (several)";
  return out;
}

// A place in the rendered text as a place in the template. The map knows lines; the column is the
// template's where both lines agree up to it.
struct Origin {
  fs::path path;
  int line = 0;
  int column = 0;
  std::string source;
};
Origin origin_of(const Locate& locate, const template_::Rendered& rendered, int line, int column) {
  Origin origin;
  if (line <= 0 || static_cast<std::size_t>(line) > rendered.lines.size()) return origin;
  const Place& place = rendered.lines[static_cast<std::size_t>(line) - 1];
  origin.path = locate(place.file);
  origin.line = place.line;
  origin.source = line_in(origin.path, place.line);
  const std::string_view text = line_of(rendered.text, line);
  const auto before = static_cast<std::size_t>(std::max(column - 1, 0));
  if (before <= text.size() && origin.source.substr(0, before) == text.substr(0, before))
    origin.column = column;
  return origin;
}

bool touches_secret(const template_::Rendered& rendered, int line) {
  const std::string_view text = line_of(rendered.text, line);
  if (text.empty()) return false;
  const auto from = static_cast<std::size_t>(text.data() - rendered.text.data());
  return std::any_of(rendered.tainted.begin(), rendered.tainted.end(), [&](const auto& range) {
    return range.first < from + text.size() && from < range.second;
  });
}

void report_check(Tree& tree, const Locate& locate, const template_::Rendered& rendered,
                  const std::string& shown, const agent::lang::Diagnostics& diagnostics,
                  std::vector<Problem>& problems) {
  std::size_t reported = 0;
  for (const agent::lang::Diagnostic& diagnostic : diagnostics.all()) {
    const auto& at = diagnostic.span.begin;
    const Origin origin = origin_of(locate, rendered, at.line, at.column);
    std::string message = diagnostic.message;
    if (!diagnostic.hint.empty()) message += "; " + diagnostic.hint;
    const std::string file = origin.path.empty() ? shown : inventory::shown_path(origin.path);
    if (diagnostic.severity == agent::lang::Severity::kWarning) {
      tree.warnings().push_back(
          source_block(file, origin.line, origin.column, message, origin.source));
      continue;
    }
    if (++reported > kMaxProblemsPerHost) return;
    std::string text = source_block(file, origin.line, origin.column, message, origin.source);
    const std::string_view line = line_of(rendered.text, at.line);
    if (line != origin.source && !line.empty())
      text +=
          "\n  rendered: " + (touches_secret(rendered, at.line) ? std::string("(holds a secret)")
                                                                : std::string(agent::trim(line)));
    problems.push_back({"", std::move(text)});
  }
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// Ansible's variables of one template.
void set_template_variables(const fs::path& path, const std::string& managed,
                            HostVariables& variables) {
  const std::string shown = inventory::shown_path(path);
  struct stat file {};
  struct utsname machine {};
  ::uname(&machine);
  const bool exists = ::stat(path.c_str(), &file) == 0;
  const passwd* owner = exists ? ::getpwuid(file.st_uid) : nullptr;  // one thread renders
  const std::string uid = owner != nullptr ? owner->pw_name : std::to_string(file.st_uid);
  std::string text = replaced(managed, "{file}", shown);
  text = replaced(replaced(text, "{host}", machine.nodename), "{uid}", uid);
  if (text.find('%') != std::string::npos) {
    struct tm local {};
    ::localtime_r(&file.st_mtime, &local);
    std::array<char, 4096> written{};
    text.assign(written.data(),
                std::strftime(written.data(), written.size(), text.c_str(), &local));
  }
  variables.set("ansible_managed", Value::string(std::move(text), value::kUnsafe));
  variables.set("template_host", Value::string(machine.nodename));
  variables.set("template_uid", Value::string(uid));
  variables.set("template_path", Value::string(shown));
  variables.set("template_fullpath", Value::string(path.string()));
  variables.set("template_destpath", Value::none());
}

// True when encrypted values could not be read: what else is said about them is a consequence.
bool report_failures(Tree& tree, std::vector<Problem>& problems) {
  const std::vector<std::string> failures = tree.take_failures();
  const std::set<std::string> once(failures.begin(), failures.end());
  for (const std::string& failure : once) problems.push_back({"", failure});
  return !failures.empty();
}

}  // namespace

Renderer::Renderer(Tree& tree)
    : tree_(tree), for_variables_(std::make_unique<const Surroundings>(tree)) {}
Renderer::~Renderer() = default;

Result<std::optional<Value>> Renderer::resolve(const HostVariables& variables,
                                               std::string_view name,
                                               const Value* otherwise) const {
  const Value* raw = variables.find(name);
  if (raw == nullptr) raw = otherwise;
  std::optional<Value> result;
  std::string error;
  if (raw != nullptr) {
    auto value = for_variables_->engine().resolve(*raw, variables);
    if (value) {
      result = std::move(*value);
    } else {
      error = block(for_variables_->locate(), *value.error());
    }
  }
  if (const auto failures = tree_.take_failures(); !failures.empty())
    return agent::fail(agent::ErrorCode::kPermission, failures.front());
  if (!error.empty()) return agent::fail(agent::ErrorCode::kInvalid, std::move(error));
  return result;
}

Result<bool> Renderer::holds(const HostVariables& variables, const Rule& rule) const {
  const auto value = for_variables_->engine().evaluate(rule.expression, variables);
  const std::string before = rule.place + ": " + rule.name + ": ";
  const auto bad = [&](const std::string& why) {
    return agent::fail(agent::ErrorCode::kInvalid, before + why);
  };
  if (const auto failures = tree_.take_failures(); !failures.empty()) return bad(failures.front());
  if (!value) return bad(value.error()->text());
  if (!value->is_bool())
    return bad("it is to be true or false for a host, this is a " +
               std::string(value::type_name(*value)));
  return value->as_bool();
}

std::string Renderer::render(HostVariables& variables, const fs::path& path,
                             const ConfigurationCheck& check, std::vector<Problem>& problems,
                             plan::Secrets& secrets) const {
  const std::string shown = inventory::shown_path(path);
  auto source = tree_.loader().text(path);
  if (!source) {
    problems.push_back({"", source.error().message});
    return {};
  }
  set_template_variables(path, tree_.managed(), variables);
  const Surroundings around(tree_, path);
  const Locate locate = around.locate();
  const template_::Engine& engine = around.engine();
  auto rendered = engine.render(source->bytes, shown, variables);
  if (report_failures(tree_, problems)) return {};
  if (!rendered) {
    if (rendered.error()->kind != template_::ProblemKind::kUndefined) {
      problems.push_back({"", block(locate, *rendered.error())});
      return {};
    }
    // One undefined name seldom comes alone.
    std::vector<template_::Problem> all = engine.undefined_names(source->bytes, shown, variables);
    tree_.take_failures();
    if (all.empty()) all.push_back(std::move(*rendered.error()));
    if (all.size() > kMaxProblemsPerHost) all.resize(kMaxProblemsPerHost);
    for (const template_::Problem& problem : all) problems.push_back({"", block(locate, problem)});
    return {};
  }
  if (check) report_check(tree_, locate, *rendered, shown, check(rendered->text, shown), problems);
  secrets = plan::secrets_of(rendered->text, rendered->tainted);
  return std::move(rendered->text);
}

}  // namespace fleetctl::command
