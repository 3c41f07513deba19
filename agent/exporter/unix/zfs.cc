// OpenZFS: /proc/spl/kstat/zfs. Files of "name type data" lines below a line of just these words,
// types 3 and 4 being 64-bit integers; for each pool io (a line of names, a line of numbers; gone
// since 2.1), objset-* (one a data set) and state.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct File {
  const char* file;
  const char* prefix;
};
constexpr std::array<File, 11> kFiles = {{
    {"abdstats", "node_zfs_abd_"},
    {"arcstats", "node_zfs_arc_"},
    {"dbufstats", "node_zfs_dbuf_"},
    {"dmu_tx", "node_zfs_dmu_tx_"},
    {"dnodestats", "node_zfs_dnode_"},
    {"fm", "node_zfs_fm_"},
    {"vdev_cache_stats", "node_zfs_vdev_cache_"},
    {"vdev_mirror_stats", "node_zfs_vdev_mirror_"},
    {"xuio_stats", "node_zfs_xuio_"},
    {"zfetchstats", "node_zfs_zfetch_"},
    {"zil", "node_zfs_zil_"},
}};

// Calls use(name, type, data) for each line of data.
template <class Use>
Result<> for_each_kstat(std::string_view text, Use use) {
  bool data = false;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 3) return;
    if (data) {
      use(fields[0], fields[1], fields[2]);
    } else {
      data =
          fields.size() == 3 && fields[0] == "name" && fields[1] == "type" && fields[2] == "data";
    }
  });
  if (!data) return fail(ErrorCode::kInvalid, "kstat: no line of names");
  return {};
}

}  // namespace

Result<> parse_zfs_kstat(const std::string& prefix, std::string_view text, Families& out) {
  return for_each_kstat(text, [&](auto name, auto type, auto data) {
    const auto value = type == "3" || type == "4" ? number(data) : std::nullopt;
    if (value) out.untyped(prefix + std::string(name), "A counter of ZFS.", *value);
  });
}

Result<> parse_zfs_objset(const std::string& pool, std::string_view text, Families& out) {
  std::string dataset;
  return for_each_kstat(text, [&](auto name, auto type, auto data) {
    if (name == "dataset_name") dataset = data;
    const auto value = type == "4" ? number(data) : std::nullopt;
    if (value)
      out.untyped("node_zfs_zpool_dataset_" + std::string(name), "A counter of a data set.", *value,
                  {{"zpool", pool}, {"dataset", dataset}});
  });
}

Result<> parse_zfs_io(const std::string& pool, std::string_view text, Families& out) {
  std::vector<std::string_view> names;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (names.empty() && fields.size() >= 12 && fields[0] == "nread") {
      names = fields;
      return;
    }
    for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i)
      if (const auto value = number(fields[i]))
        out.untyped("node_zfs_zpool_" + std::string(names[i]), "A counter of a pool.", *value,
                    {{"zpool", pool}});
  });
  return {};
}

Result<Collect> make_zfs(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "spl/kstat/zfs"](Families& out) -> Result<> {
    const auto names = names_in(folder);
    if (!names) return fail(names.error());
    Result<> done;
    const auto note = [&](Result<> one) {
      if (!one && done) done = std::move(one);
    };
    // Files come and go with versions of ZFS.
    for (const File& one : kFiles)
      if (const auto text = read_text(folder / one.file))
        note(parse_zfs_kstat(one.prefix, *text, out));
    for (const std::string& pool : *names) {
      const auto files = names_in(folder / pool);
      if (!files) continue;  // not a pool
      for (const std::string& file : *files) {
        const auto text = read_text(folder / pool / file);
        if (!text) continue;
        if (file == "io") note(parse_zfs_io(pool, *text, out));
        if (file.starts_with("objset-")) note(parse_zfs_objset(pool, *text, out));
        if (file != "state") continue;
        const std::string_view now = trim(*text);
        for (const auto& [state, told] : {std::pair{"online", "ONLINE"},
                                          {"degraded", "DEGRADED"},
                                          {"faulted", "FAULTED"},
                                          {"offline", "OFFLINE"},
                                          {"removed", "REMOVED"},
                                          {"unavail", "UNAVAIL"},
                                          {"suspended", "SUSPENDED"}})
          out.gauge("node_zfs_zpool_state", "1 of the state of a pool.", now == told ? 1 : 0,
                    {{"zpool", pool}, {"state", state}});
      }
    }
    return done;
  });
}

}  // namespace agent::exporter::unix_host
