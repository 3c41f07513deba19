// /proc/net/netstat, snmp and snmp6: counters of the network stack.
#include <re2/re2.h>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

void add(std::string_view key, std::string_view value, const re2::RE2& fields, Families& out) {
  if (!RE2::PartialMatch(re2::StringPiece(key.data(), key.size()), fields)) return;
  if (const auto parsed = number(value))
    out.untyped("node_netstat_" + std::string(key), "A counter of the network stack.", *parsed);
}

}  // namespace

Result<> parse_netstat(std::string_view text, const re2::RE2& fields, Families& out) {
  std::string_view names_line;
  bool wrong = false;
  for_each_line(text, [&](std::string_view line) {
    if (line.empty()) return;
    if (names_line.empty()) {
      names_line = line;
      return;
    }
    const auto names = words(names_line);
    const auto values = words(line);
    names_line = {};
    if (names.empty() || names.size() != values.size() || names[0] != values[0] ||
        !names[0].ends_with(':')) {
      wrong = true;
      return;
    }
    const std::string protocol(names[0].substr(0, names[0].size() - 1));
    for (std::size_t i = 1; i < names.size(); ++i)
      add(protocol + "_" + std::string(names[i]), values[i], fields, out);
  });
  if (wrong) return fail(ErrorCode::kInvalid, "netstat: names and values do not fit");
  return {};
}

Result<> parse_snmp6(std::string_view text, const re2::RE2& fields, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto parts = words(line);
    if (parts.size() != 2) return;
    // Ip6InReceives: the protocol's name ends with the 6.
    const std::size_t six = parts[0].find('6');
    if (six == std::string_view::npos) return;
    add(std::string(parts[0].substr(0, six + 1)) + "_" + std::string(parts[0].substr(six + 1)),
        parts[1], fields, out);
  });
  return {};
}

Result<Collect> make_netstat(const UnixArgs& args, const Roots& roots, Clock&) {
  auto fields = std::make_shared<const RE2>(args.netstat.fields, RE2::Quiet);
  if (!fields->ok()) return fail(ErrorCode::kInvalid, "netstat.fields: " + fields->error());
  return Collect([folder = roots.proc / "net", fields](Families& out) -> Result<> {
    for (const char* name : {"netstat", "snmp"}) {
      const auto text = read_text(folder / name);
      if (!text) return fail(text.error());
      if (auto parsed = parse_netstat(*text, *fields, out); !parsed) return parsed;
    }
    // Not there without IPv6.
    if (const auto text = read_text(folder / "snmp6")) return parse_snmp6(*text, *fields, out);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
