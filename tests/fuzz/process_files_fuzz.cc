// Any bytes as the files that prometheus.exporter.process reads below /proc/<pid>; names that they
// give make a page that reads back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/exporter/process/group_names.h"
#include "agent/exporter/process/proc_files.h"
#include "agent/model/metric_family.h"
#include "agent/wire/exposition.h"
#include "agent/wire/exposition_families.h"

namespace {

using namespace agent::exporter::processes;  // NOLINT

bool within(std::string_view part, std::string_view text) {
  return part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size();
}

class Someone final : public Candidate {
 public:
  std::string username() override { return "someone"; }
  std::vector<std::string> cgroups() override { return {}; }
};

void name(std::string_view text) {
  static const agent::SystemClock clock;
  static GroupNames names =
      GroupNames::make({{"{{.ExeBase}} {{.Comm}} {{.Matches.x}}", {}, {}, {"(?P<x>\\S+)$"}},
                        {"{{.ExeFull}}", {}, {"init", "/sbin/init"}, {}},
                        {"", {"x"}, {}, {}}},
                       clock)
          .value();
  Someone someone;
  someone.arguments = parse_cmdline(text);
  for (const std::string_view one : someone.arguments)
    if (!within(one, text)) std::abort();
  someone.comm = text.substr(0, 15);
  someone.command_line = text;
  const auto group = names.name(someone);
  if (!group) std::abort();
  if (!*group) return;
  if ((*group)->size() > GroupNames::kMaxName) std::abort();
  agent::model::MetricFamily family{"a", "b", agent::model::MetricType::kGauge, {}};
  family.points.push_back({"", {{"groupname", **group}}, 1});
  const auto back = agent::wire::read_families(agent::wire::write_exposition({family}));
  if (!back || back->size() != 1 || back->front().points.size() != 1) std::abort();
  if (!(*group)->empty() && back->front().points.front().labels.front().value != **group)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      if (const auto stat = parse_stat(text); stat && !within(stat->comm, text)) std::abort();
      break;
    case 1:
      if (const auto status = parse_status(text); status && status->name.size() > text.size())
        std::abort();
      break;
    case 2:
      (void)parse_io(text);
      break;
    case 3:
      (void)parse_open_files_limit(text);
      break;
    case 4:
      (void)parse_smaps_rollup(text);
      break;
    case 5:
      for (const std::string_view path : parse_cgroups(text))
        if (!within(path, text)) std::abort();
      break;
    case 6:
      (void)parse_boot_time(text);
      break;
    default:
      name(text);
  }
  return 0;
}
