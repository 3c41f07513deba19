// Linux software RAID. /proc/mdstat (kernel documentation, admin-guide/md) has for each array
//   md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]
//         195310144 blocks [2/1] [U_]
//         [=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
// or resync=PENDING; /sys/block/md<N>/md the number of disks and of those that are missing.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

double count(std::string_view text, std::string_view part) {
  double out = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) out += 1;
  return out;
}

// The two numbers of "<open>5/7<close>".
std::optional<std::pair<double, double>> fraction(std::string_view text, char open, char close) {
  for (std::size_t at = 0; (at = text.find(open, at)) != std::string_view::npos; ++at) {
    const std::string_view inside = text.substr(at + 1, text.find(close, at) - at - 1);
    const std::size_t slash = inside.find('/');
    if (slash == std::string_view::npos) continue;
    const auto first = number(inside.substr(0, slash));
    const auto second = number(inside.substr(slash + 1));
    if (first && second) return std::pair{*first, *second};
  }
  return std::nullopt;
}

struct Array {
  std::string name, state;
  bool striped = false;  // raid0 and linear: all disks are needed, and none is told of
  double listed = 0, failed = 0, spare = 0;
  double required = 0, active = 0;
  std::optional<double> blocks;
  double synced = 0;
};

void add(const Array& array, Families& out) {
  if (!array.blocks) return;
  const auto gauge = [&](const char* name, const char* help, double value, const char* state = "") {
    out.gauge(name, help, value, {{"device", array.name}, {"state", state}});
  };
  for (const auto& [state, value] :
       {std::pair{"active", array.active}, {"failed", array.failed}, {"spare", array.spare}})
    gauge("node_md_disks", "Disks of an array.", value, state);
  gauge("node_md_disks_required", "Disks that an array needs.", array.required);
  for (const char* state : {"active", "inactive", "recovering", "resync", "check"})
    gauge("node_md_state", "1 of the state of an array.", array.state == state ? 1 : 0, state);
  gauge("node_md_blocks", "Blocks of an array.", *array.blocks);
  gauge("node_md_blocks_synced", "Blocks that are in step.", array.synced);
}

}  // namespace

Result<> parse_mdstat(std::string_view text, Families& out) {
  Array array;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    if (line[0] != ' ' && line[0] != '\t') {
      add(array, out);
      array = Array();
      if (fields.size() < 3 || fields[1] != ":" || line.starts_with("Personalities")) return;
      array.name = fields[0];
      array.state = fields[2];
      array.failed = count(line, "(F)");
      array.spare = count(line, "(S)");
      array.listed = count(line, "[");
      for (const std::string_view field : fields)
        array.striped |= field == "raid0" || field == "linear";
      return;
    }
    if (array.name.empty()) return;
    if (!array.blocks) {
      if (fields.size() < 2 || fields[1] != "blocks") return;
      array.blocks = number(fields[0]);
      array.synced = array.blocks.value_or(0);
      if (array.striped) {
        array.required = array.active = array.listed;
      } else if (const auto disks = fraction(line, '[', ']'); disks && array.state != "inactive") {
        array.required = disks->first;
        array.active = disks->second;
      }
      return;
    }
    const auto has = [&](std::string_view word) {
      return line.find(word) != std::string_view::npos;
    };
    const char* state = has("recovery") ? "recovering"
                        : has("resync") ? "resync"
                        : has("check")  ? "check"
                                        : nullptr;
    if (state == nullptr) return;
    array.state = state;
    const auto done = fraction(line, '(', ')');
    array.synced = done ? done->first : 0;
  });
  add(array, out);
  return {};
}

Result<Collect> make_mdadm(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([roots](Families& out) -> Result<> {
    const auto text = read_text(roots.proc / "mdstat");
    if (!text) return fail(text.error());
    if (auto parsed = parse_mdstat(*text, out); !parsed) return parsed;
    for (const std::string& name :
         names_in(roots.sys / "block").value_or(std::vector<std::string>())) {
      if (!name.starts_with("md")) continue;
      const auto folder = roots.sys / "block" / name / "md";
      const auto disks = read_number(folder / "raid_disks");
      if (!disks) continue;
      out.gauge("node_md_raid_disks", "Disks of a whole array.", *disks, {{"device", name}});
      // Not there where no disk may be missing.
      out.gauge("node_md_degraded", "Disks that are missing.",
                read_number(folder / "degraded").value_or(0), {{"device", name}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
