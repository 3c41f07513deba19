// /proc/sys: values that the block names, "fs.file-nr" or, with a name for each of its numbers,
// "fs.file-nr:total,current,max" (sysctl(8)).
#include <algorithm>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Wanted {
  std::string name;
  std::vector<std::string> keys;
  bool info;  // a text
};

Wanted wanted(std::string_view text, bool info) {
  const std::size_t colon = text.find(':');
  Wanted out{std::string(text.substr(0, colon)), {}, info};
  if (colon != std::string_view::npos)
    for (const std::string_view key : split(text.substr(colon + 1), ','))
      out.keys.emplace_back(key);
  return out;
}

Result<> tell(const Wanted& one, std::string_view text, Families& out) {
  std::string line(trim(text));
  std::replace(line.begin(), line.end(), '\n', ' ');
  const auto values = words(line);
  if (values.empty()) return fail(ErrorCode::kInvalid, one.name + " has no value");
  if (!one.keys.empty() && (one.info || one.keys.size() != values.size()))
    return fail(ErrorCode::kInvalid, one.name + " has " + std::to_string(values.size()) +
                                         " values and " + std::to_string(one.keys.size()) +
                                         " names");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string index = std::to_string(i);
    if (one.info) {
      out.gauge("node_sysctl_info", "A value of /proc/sys; the value is 1.", 1,
                {{"name", one.name}, {"value", std::string(values[i])}, {"index", index}});
      continue;
    }
    const auto value = any_number(values[i]);
    if (!value) return fail(ErrorCode::kInvalid, one.name + " is not a number");
    const std::string name = "node_sysctl_" + collapse_name(one.name);
    if (!one.keys.empty()) {
      out.untyped(name + "_" + one.keys[i], "A value of /proc/sys.", *value);
    } else if (values.size() > 1) {
      out.untyped(name, "A value of /proc/sys.", *value, {{"index", index}});
    } else {
      out.untyped(name, "A value of /proc/sys.", *value);
    }
  }
  return {};
}

}  // namespace

Result<> parse_sysctl(std::string_view wanted_text, bool info, std::string_view text,
                      Families& out) {
  return tell(wanted(wanted_text, info), text, out);
}

Result<Collect> make_sysctl(const UnixArgs& args, const Roots& roots, Clock&) {
  std::vector<Wanted> all;
  for (const std::string& text : args.sysctl.include) all.push_back(wanted(text, false));
  for (const std::string& text : args.sysctl.include_info) all.push_back(wanted(text, true));
  return Collect([folder = roots.proc / "sys", all = std::move(all)](Families& out) -> Result<> {
    Result<> done;
    for (const Wanted& one : all) {
      std::string path = one.name;
      std::replace(path.begin(), path.end(), '.', '/');  // so that no ".." gets out of the folder
      const auto text = read_text(folder / std::filesystem::path(path).relative_path());
      auto told = text ? tell(one, *text, out) : Result<>(fail(text.error()));
      if (!told && done) done = std::move(told);
    }
    return done;
  });
}

}  // namespace agent::exporter::unix_host
