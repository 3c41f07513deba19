#include "agent/exporter/process/process_args.h"

#include "agent/exporter/process/group_names.h"

namespace agent::exporter::processes {

using component::Schema;

Schema<MatcherArgs> MatcherArgs::schema() {
  return Schema<MatcherArgs>()
      .optional("name", &MatcherArgs::name,
                "Template of Go's that writes the group's name: .Comm .ExeBase .ExeFull .Username "
                ".PID .StartTime .Cgroups .Matches.")
      .optional("comm", &MatcherArgs::comm,
                "The command is one of these: the kernel's name, of at most 15 bytes.")
      .optional("exe", &MatcherArgs::exe,
                "The first argument is one of these; without a slash its last part is.")
      .optional("cmdline", &MatcherArgs::cmdline,
                "Expressions that are all found in the arguments with blanks between them; their "
                "named groups are .Matches.");
}

void MatcherArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (comm.empty() && exe.empty() && cmdline.empty())
    diagnostics.error(body.span, "a matcher needs comm, exe or cmdline");
  for (const std::string& one : cmdline)
    if (const auto expression = model::Expression::compile(one); !expression)
      diagnostics.error(body.span_of("cmdline"), "cmdline: " + expression.error().message);
  if (const auto good = GroupNames::check_template(name); !good)
    diagnostics.error(body.span_of("name"), "name: " + good.error().message);
}

Schema<ProcessArgs> ProcessArgs::schema() {
  return Schema<ProcessArgs>()
      .optional("procfs_path", &ProcessArgs::procfs_path, "Where the host's /proc is.")
      .optional("track_children", &ProcessArgs::track_children,
                "A process that no matcher takes belongs to the group of its parent.")
      .optional("track_threads", &ProcessArgs::track_threads,
                "Adds metrics by the names of threads, for processes that have several.")
      .optional("gather_smaps", &ProcessArgs::gather_smaps,
                "Adds proportional memory, which is slow to read.")
      .optional("recheck_on_scrape", &ProcessArgs::recheck_on_scrape,
                "Asks the matchers about every process at each scrape instead of once.")
      .optional("remove_empty_groups", &ProcessArgs::remove_empty_groups,
                "Forgets groups whose processes have ended, instead of showing 0 processes.")
      .block("matcher", &ProcessArgs::matchers,
             "Takes processes into a group. The first that fits counts; without any, each command "
             "is a group.");
}

}  // namespace agent::exporter::processes
