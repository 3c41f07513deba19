#include "agent/cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>
#include <vector>

namespace agent::cli {
namespace {

// What a shell offers as an option's value.
enum class Values { kNone, kFiles, kFolders, kChoices };
// What value there may be, by its placeholder: a command that prints words.
using Words = std::map<std::string, std::string>;

struct Option {
  std::vector<std::string> names;    // with their dashes; empty: positional
  std::string placeholder;           // FILE; "" for a flag
  std::string value;                 // the same; not "" for a flag that may have a value either
  std::string default_value;         // "" when there is none
  std::string text;                  // one line
  Values values = Values::kNone;     //
  std::vector<std::string> choices;  // of kChoices
  bool required = false;
  bool repeatable = false;

  bool positional() const { return names.empty(); }
  bool flag() const { return placeholder.empty(); }
};

struct Command {
  std::vector<std::string> path;  // {"fleetctl", "vault", "edit"}
  std::vector<std::string> aliases;
  std::string text;
  std::string footer;
  std::vector<Option> options;
  std::vector<std::string> children;  // names and aliases of its subcommands
};

std::string join(const std::vector<std::string>& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

std::string to_upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// "TEXT:{text,json}" -> text, json; a range has no choices.
std::vector<std::string> choices_of(const std::string& type) {
  const auto open = type.find('{');
  const auto close = type.find('}', open == std::string::npos ? 0 : open);
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (std::size_t begin = open + 1; begin < close;) {
    const std::size_t end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

Option describe(const CLI::Option& option) {
  Option described;
  for (const std::string& name : option.get_snames()) described.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) described.names.push_back("--" + name);
  described.text = option.get_description();
  described.default_value = option.get_default_str();
  described.required = option.get_required();
  described.repeatable = option.get_expected_max() > 1;
  if (option.get_expected_max() == 0) return described;
  const std::string type = option.get_type_name();
  described.value = type.substr(0, type.find_first_of(":{ "));
  const std::string alternatives = described.value;
  described.value.erase(std::min(alternatives.find('|'), alternatives.size()));
  if (option.get_expected_min() == 0) return described;  // as good as a flag
  described.choices = choices_of(type);
  described.placeholder = alternatives;
  if (described.positional()) described.value = described.placeholder = to_upper(option.get_name());
  if (!described.choices.empty()) {
    described.values = Values::kChoices;
    if (!described.positional()) described.placeholder = join(described.choices, "|");
  } else if (described.placeholder == "DIR") {
    described.values = Values::kFolders;
  } else if (described.placeholder == "FILE" || described.placeholder == "PATH") {
    described.values = Values::kFiles;
  }
  return described;
}

// The program first, then its subcommands in their order, each before its own.
void describe(const CLI::App& app, std::vector<std::string> path, std::vector<Command>& commands) {
  Command command;
  path.push_back(app.get_name());
  command.path = path;
  command.aliases = app.get_aliases();
  command.text = app.get_description();
  command.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) command.options.push_back(describe(*option));
  const auto children =
      app.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
  for (const CLI::App* child : children) {
    command.children.push_back(child->get_name());
    for (const std::string& alias : child->get_aliases()) command.children.push_back(alias);
  }
  commands.push_back(std::move(command));
  for (const CLI::App* child : children) describe(*child, path, commands);
}

std::vector<Command> describe(const CLI::App& app) {
  std::vector<Command> commands;
  describe(app, {}, commands);
  return commands;
}

// --- roff -------------------------------------------------------------------------------------

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

void write_options(const Command& command, std::string& out) {
  for (const Option& option : command.options) {
    std::string head;
    for (const std::string& name : option.names) head += (head.empty() ? "" : ", ") + bold(name);
    if (!option.flag()) head += (head.empty() ? "" : " ") + italic(option.placeholder);
    if (option.positional() && option.repeatable) head += "...";
    out += ".TP\n" + head + "\n" + roff(option.text);
    if (!option.default_value.empty() && option.text.find("default") == std::string::npos)
      out += " (default: " + roff(option.default_value) + ")";
    out += "\n";
  }
}

void write_synopsis(const Command& command, std::string& out) {
  out += ".B " + roff(join(command.path, " ")) + "\n";
  if (!command.options.empty()) out += "[" + italic("options") + "]\n";
  for (const Option& option : command.options) {
    if (!option.positional()) continue;
    const std::string name = italic(option.placeholder) + (option.repeatable ? "..." : "");
    out += (option.required ? name : "[" + name + "]") + "\n";
  }
}

// "Examples:\n  fleetctl plan\n" as lines that stay as they are.
void write_footer(const Command& command, std::string& out) {
  std::string_view rest = command.footer;
  if (rest.empty()) return;
  const auto line_end = rest.find('\n');
  out += ".PP\n" + roff(rest.substr(0, line_end)) + "\n";
  if (line_end == std::string_view::npos) return;
  out += ".PP\n.RS 4\n.nf\n" + roff(rest.substr(line_end + 1)) + "\n.fi\n.RE\n";
}

// --- shells -----------------------------------------------------------------------------------

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out + "'";
}

std::string words_of(const Command& command) {
  std::vector<std::string> words = command.children;
  for (const Option& option : command.options)
    words.insert(words.end(), option.names.begin(), option.names.end());
  return join(words, " ");
}

// The names by which shells' functions go: fleet_agent.
std::string identifier(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c == '-' || c == '.') c = '_';
  return out;
}

// What the words of a command before the cursor come to: the patterns of a case, aliases included.
std::string path_key(const Command& command) {
  return join({command.path.begin() + 1, command.path.end()}, " ");
}

// In bash what follows an option or stands alone is a list of words, files or folders.
std::string bash_values(const Option& option, const Words& words) {
  if (const auto asked = words.find(option.value); asked != words.end())
    return "head=${cur%\"${cur##*[,!&]}\"}; COMPREPLY=($(compgen -P \"$head\" -W \"$(" +
           asked->second + " 2>/dev/null)\" -- \"${cur#\"$head\"}\"))";  // of a list the last one
  switch (option.values) {
    case Values::kChoices:
      return "COMPREPLY=($(compgen -W " + single_quoted(join(option.choices, " ")) +
             " -- \"$cur\"))";
    case Values::kFolders:
      return "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))";
    case Values::kFiles:
      return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Values::kNone:
      return "COMPREPLY=()";
  }
  return {};
}

std::string bash(const std::vector<Command>& commands, const Words& given) {
  const std::string program = commands.front().path.front();
  const std::string function = "_" + identifier(program);
  std::string out = "# bash completion for " + program + ", made by `" + program +
                    " completion bash`.\n" + function +
                    "() {\n"
                    "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
                    "path= word head\n"
                    "  # bash takes the = of --option=value for a word\n"
                    "  if [[ $cur == = ]]; then cur=; "
                    "elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                    "  COMPREPLY=()\n"
                    "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                    "    case \"$path:$word\" in\n";
  for (const Command& command : commands) {
    if (command.path.size() < 2) continue;
    const std::string parent = join({command.path.begin() + 1, command.path.end() - 1}, " ");
    std::vector<std::string> patterns{"'" + parent + ":" + command.path.back() + "'"};
    for (const std::string& alias : command.aliases)
      patterns.push_back("'" + parent + ":" + alias + "'");
    out += "      " + join(patterns, "|") + ") path=" + single_quoted(path_key(command)) + " ;;\n";
  }
  out +=
      "    esac\n"
      "  done\n"
      "  case \"$path:$prev\" in\n";
  for (const Command& command : commands) {
    for (const Option& option : command.options) {
      if (option.positional() || (option.flag() && !given.contains(option.value))) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names)
        patterns.push_back("'" + path_key(command) + ":" + name + "'");
      out += "    " + join(patterns, "|") + ") " + bash_values(option, given) + "; return ;;\n";
    }
  }
  out +=
      "  esac\n"
      "  case \"$path\" in\n";
  for (const Command& command : commands) {
    out += "    '" + path_key(command) + "')\n      COMPREPLY=($(compgen -W " +
           single_quoted(words_of(command)) + " -- \"$cur\"))\n";
    for (const Option& option : command.options) {
      if (!option.positional()) continue;
      out += "      [[ $cur == -* ]] || { " + bash_values(option, given) + "; }\n";
      break;
    }
    out += "      ;;\n";
  }
  out += "  esac\n}\ncomplete -F " + function + " " + program + "\n";
  return out;
}

// The function that offers the words of such a value; _arguments cannot read a command with colons.
std::string zsh_function(const std::string& program, const std::string& value) {
  return "_" + identifier(program) + "__" + value;
}

// _arguments' specification of what an option takes: ":what:action".
std::string zsh_values(const std::string& program, const Option& option, const Words& words) {
  const auto asked = words.find(option.value);
  if (option.flag() && asked == words.end()) return "";
  // After two colons it may be left out.
  std::string out = (option.flag() ? "::" : ":") + option.value + ":";
  if (option.values == Values::kChoices) out = ":value:(" + join(option.choices, " ") + ")";
  if (option.values == Values::kFiles) out += "_files";
  if (option.values == Values::kFolders) out += "_files -/";
  if (asked != words.end()) out += zsh_function(program, option.value);
  return out;
}

// Within [ ] of a specification.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string zsh(const std::vector<Command>& commands, const Words& given) {
  const std::string program = commands.front().path.front();
  std::string out = "#compdef " + program + "\n# zsh completion for " + program + ", made by `" +
                    program + " completion zsh`.\n";
  for (const auto& [value, command] : given)  // of a list the last one
    out += zsh_function(program, value) +
           "() {\n  compset -P '*[,!&]'\n  compadd \"$@\" -- ${(f)\"$(" + command +
           " 2>/dev/null)\"}\n}\n";
  for (const Command& command : commands) {
    const std::string function = "_" + identifier(join(command.path, "_"));
    out += function + "() {\n  local curcontext=$curcontext state line\n  local -a words_here\n";
    out += "  _arguments -C";
    for (const Option& option : command.options) {
      if (option.positional()) continue;
      for (const std::string& name : option.names)
        out += " \\\n    " +
               single_quoted((option.repeatable ? "*" : "") + name + "[" + zsh_text(option.text) +
                             "]" + zsh_values(program, option, given));
    }
    if (!command.children.empty()) {
      out += " \\\n    '1:command:->command' '*::argument:->argument'\n";
      out += "  case $state in\n    command)\n      words_here=(";
      for (const Command& child : commands)
        if (child.path.size() == command.path.size() + 1 &&
            std::equal(command.path.begin(), command.path.end(), child.path.begin()))
          out += "\n        " + single_quoted(child.path.back() + ":" + zsh_text(child.text));
      out += ")\n      _describe command words_here ;;\n    argument)\n      case $words[1] in\n";
      for (const Command& child : commands) {
        if (child.path.size() != command.path.size() + 1 ||
            !std::equal(command.path.begin(), command.path.end(), child.path.begin()))
          continue;
        std::vector<std::string> names{child.path.back()};
        names.insert(names.end(), child.aliases.begin(), child.aliases.end());
        out += "        " + join(names, "|") + ") _" + identifier(join(child.path, "_")) + " ;;\n";
      }
      out += "      esac ;;\n  esac\n";
    } else {
      for (const Option& option : command.options)
        if (option.positional())
          out += " \\\n    " +
                 single_quoted((option.repeatable ? "*" : "") + zsh_values(program, option, given));
      out += "\n";
    }
    out += "}\n";
  }
  const std::string main_function = "_" + identifier(program);
  // Sourced it registers itself; found in fpath it is called.
  out += "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then " + main_function +
         " \"$@\"; else compdef " + main_function + " " + program + "; fi\n";
  return out;
}

std::string fish(const std::vector<Command>& commands, const Words& given) {
  const std::string program = commands.front().path.front();
  std::string out = "# fish completion for " + program + ", made by `" + program +
                    " completion fish`.\ncomplete -c " + program + " -f\n";
  for (const Command& command : commands) {
    // The command is the one at hand: its words have been seen, none of its own subcommands'.
    std::vector<std::string> conditions;
    for (std::size_t i = 1; i < command.path.size(); ++i) {
      std::string names = command.path[i];
      if (i + 1 == command.path.size())
        for (const std::string& alias : command.aliases) names += " " + alias;
      conditions.push_back("__fish_seen_subcommand_from " + names);
    }
    if (!command.children.empty())
      conditions.push_back("not __fish_seen_subcommand_from " + join(command.children, " "));
    const std::string head =
        "complete -c " + program +
        (conditions.empty() ? "" : " -n " + single_quoted(join(conditions, "; and ")));
    for (const Command& child : commands)
      if (child.path.size() == command.path.size() + 1 &&
          std::equal(command.path.begin(), command.path.end(), child.path.begin()))
        out += head + " -a " + single_quoted(child.path.back()) + " -d " +
               single_quoted(child.text) + "\n";
    for (const Option& option : command.options) {
      std::string line = head;
      for (const std::string& name : option.names)
        line += name.compare(0, 2, "--") == 0 ? " -l " + single_quoted(name.substr(2))
                                              : " -s " + single_quoted(name.substr(1));
      if (!option.positional() && !option.flag())
        line += option.values == Values::kFiles ? " -r" : " -x";
      if (option.values == Values::kChoices)
        line += " -a " + single_quoted(join(option.choices, " "));
      if (option.values == Values::kFiles) line += " -F";
      if (option.values == Values::kFolders) line += " -a '(__fish_complete_directories)'";
      if (const auto asked = given.find(option.value); asked != given.end())
        line += " -a " + single_quoted("(__fish_append , (" + asked->second + " 2>/dev/null))");
      out += line + " -d " + single_quoted(option.text) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string man_page(const CLI::App& app, const ManPage& page) {
  const std::vector<Command> commands = describe(app);
  const Command& program = commands.front();
  const std::string& name = program.path.front();
  std::string out = ".TH " + to_upper(name) + " " + std::to_string(page.section) + " \"\" \"" +
                    page.version + "\"\n.SH NAME\n" + roff(name) + " \\- " + roff(program.text) +
                    "\n.SH SYNOPSIS\n.B " + roff(name) + "\n" + italic("COMMAND") + " [" +
                    italic("options") + "]\n.SH OPTIONS\n";
  write_options(program, out);
  out += ".SH COMMANDS\n";
  for (std::size_t i = 1; i < commands.size(); ++i) {
    const Command& command = commands[i];
    if (!command.children.empty()) continue;
    out += ".SS " + roff(join({command.path.begin() + 1, command.path.end()}, " ")) + "\n";
    write_synopsis(command, out);
    out += ".PP\n" + roff(command.text) + "\n";
    if (!command.aliases.empty()) out += "Also called " + bold(join(command.aliases, ", ")) + ".\n";
    write_options(command, out);
    write_footer(command, out);
  }
  if (!page.environment.empty()) out += ".SH ENVIRONMENT\n" + page.environment + "\n";
  if (!page.files.empty()) out += ".SH FILES\n" + page.files + "\n";
  if (!page.see_also.empty()) out += ".SH SEE ALSO\n" + page.see_also + "\n";
  return out;
}

Result<std::string> completion(const CLI::App& app, std::string_view shell, const Words& words) {
  const std::vector<Command> commands = describe(app);
  if (shell == "bash") return bash(commands, words);
  if (shell == "zsh") return zsh(commands, words);
  if (shell == "fish") return fish(commands, words);
  return fail(ErrorCode::kInvalid,
              "no completion for " + std::string(shell) + ": bash, zsh or fish");
}

}  // namespace agent::cli
