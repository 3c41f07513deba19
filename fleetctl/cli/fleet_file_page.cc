#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "agent/cli/command_line.h"
#include "fleetctl/cli/fleet_file.h"

namespace fleetctl::cli {

namespace {

using agent::cli::roff;

constexpr const char* kHead =
    R"(.SH NAME
fleet.yaml \- options of fleetctl that hold in every run, and rules of the tree
.SH SYNOPSIS
.I ./fleet.yaml
.SH DESCRIPTION
.BR fleetctl (1)
reads it in the folder that it is run from;
.B \-\-config
names another. In a folder that everybody may write to it is not read. It is a YAML map of options and rules.
.PP
An option stands there by its long name, for every command that has it, or below the name of one command for that one alone. What the
command line says wins, then what is said for the command. Flags are true or false, an option that may be repeated takes a list; paths are as on
the command line.
.PP
All of it is checked in each run. What is wrong is told with its line, and no host is touched.
.SH EXAMPLE
.nf
inventory: [inventory, more\-hosts]
forks: 32
deploy:
  serial: 1,30%,100%
  max\-fail: 2

select: "'observability' in group_names"
docker\-when: "docker_containers is defined"
files:
  \- {template: endpoints.json.j2, path: /etc/fleet\-agent/endpoints.json}
  \- {copy: ca.pem, path: /etc/fleet\-agent/ca.pem, mode: "0644", when: "'edge' in group_names"}
.fi
.SH RULES
An expression is Jinja's, without braces, of the host's variables, magic ones too. It has to be true or false.
.TP
\fBselect\fR: \fIexpression\fR
Which hosts get an agent. Without it, where any host has a variable \fIservices\fR, those whose list holds \fIalloy\fR; else, with
.BR \-\-playbook ,
those that its plays are for; else all.
.TP
\fBdocker\-when\fR: \fIexpression\fR
Which agents join the group docker, where a host has it. Without it, where any host has \fIservices\fR, those whose list holds
\fIdocker\fR; else those whose configuration names Docker's socket or has a prometheus.exporter.cadvisor.
.TP
\fBfiles\fR: \fIlist\fR
What lies beside the configuration, a map each:
.RS
.TP
\fBtemplate\fR or \fBcopy\fR
Its source below the folder of the templates: rendered with the host's variables, or byte by byte. The host's own folder goes first.
.TP
\fBpath\fR
Where it lies on the host: /etc/fleet\-agent/NAME, or a drop\-in of the unit, /etc/systemd/system/fleet\-agent.service.d/NAME.conf.
.TP
\fBmode\fR
In quotes; 0640 in /etc/fleet\-agent, 0644 for a drop\-in, where it is not said.
.TP
\fBwhen\fR
An expression; without it every host that gets an agent gets the file.
.RE
)";

struct Described {
  std::string names;  // "vault-password-file, vault-pass-file"
  std::string value;  // "true|false", "N", "DIR"
  std::string text;
  std::vector<std::string> commands;  // "deploy", "vault edit"
};

void collect(const CLI::App& app, const std::string& path,
             std::map<std::string, Described>& options) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty() || option->get_lnames().empty()) continue;
    const std::string& name = option->get_lnames().front();
    if (name == "help" || name == "config" || (path.empty() && name == "version")) continue;
    Described& described = options[name];
    if (described.commands.empty()) {
      const std::string type = option->get_type_name();
      described.value = option->get_expected_max() == 0 ? "true|false"
                                                        : type.substr(0, type.find_first_of(":{ "));
      described.text = option->get_description();
      for (const std::string& one : option->get_lnames())
        described.names += (described.names.empty() ? "" : ", ") + one;
    }
    described.commands.push_back(path.empty() ? "every command" : path);
  }
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); }))
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
            options);
}

}  // namespace

std::string fleet_file_page(const CLI::App& app, const std::string& version) {
  std::string out = ".TH FLEET.YAML 5 \"\" \"" + version + "\"\n" + kHead + ".SH OPTIONS\n";
  std::map<std::string, Described> options;
  collect(app, "", options);
  for (const auto& [name, option] : options) {
    std::string commands;
    for (const std::string& command : option.commands)
      commands += (commands.empty() ? "" : ", ") + command;
    out += ".TP\n\\fB" + roff(option.names) + "\\fR: \\fI" + roff(option.value) + "\\fR\n" +
           roff(option.text) + " (" + roff(commands) + ")\n";
  }
  return out + ".SH SEE ALSO\n\\fBfleetctl\\fR(1), \\fBansible\\fR(1)\n";
}

}  // namespace fleetctl::cli
