// Sessions of logind, asked for on the system bus (org.freedesktop.login1(5)).
#include <algorithm>
#include <array>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/io/system_bus.h"

namespace agent::exporter::unix_host {
namespace {

using io::SystemBus;

constexpr char kService[] = "org.freedesktop.login1";
constexpr std::size_t kMaxSessions = 65536;
constexpr Duration kPatience = std::chrono::seconds(2);

constexpr std::array<const char*, 7> kTypes = {"other",   "unspecified", "tty", "x11",
                                               "wayland", "mir",         "web"};
constexpr std::array<const char*, 5> kClasses = {"other", "user", "greeter", "lock-screen",
                                                 "background"};

std::string text_of(const SystemBus::Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? std::string() : *text;
}

template <std::size_t N>
std::string known(const std::string& value, const std::array<const char*, N>& values) {
  return std::find(values.begin(), values.end(), value) == values.end() ? "other" : value;
}

}  // namespace

Result<Collect> make_logind(const UnixArgs&, const Roots&, Clock&) {
  return Collect([](Families& out, const std::stop_token& stop) -> Result<> {
    auto bus = SystemBus::open(kPatience, stop);
    if (!bus) return fail(std::move(bus.error()));
    const SystemBus::Object manager{kService, "/org/freedesktop/login1",
                                    "org.freedesktop.login1.Manager"};
    const auto seats = bus->table(manager, "ListSeats", kMaxSessions);
    if (!seats) return fail(seats.error());
    const auto sessions = bus->table(manager, "ListSessions", kMaxSessions);
    if (!sessions) return fail(sessions.error());

    std::vector<SystemBus::Property> wanted;
    std::vector<std::string> seat_of;  // of each session
    for (const SystemBus::Row& row : *sessions) {
      if (row.size() < 5) continue;  // id, user's id, user, seat, path
      seat_of.push_back(text_of(row[3]));
      for (const char* name : {"Remote", "Type", "Class"})
        wanted.push_back({{kService, text_of(row[4]), "org.freedesktop.login1.Session"}, name});
    }
    const auto values = bus->properties(wanted);
    if (!values) return fail(values.error());

    std::map<std::array<std::string, 4>, double> counts;  // seat, remote, type, class
    for (std::size_t i = 0; i < seat_of.size(); ++i) {
      const auto& remote = (*values)[3 * i];
      const auto& type = (*values)[3 * i + 1];
      const auto& kind = (*values)[3 * i + 2];
      if (!remote || !type || !kind) continue;  // it ended
      counts[{seat_of[i], *remote == SystemBus::Value(std::uint64_t{0}) ? "false" : "true",
              known(text_of(*type), kTypes), known(text_of(*kind), kClasses)}] += 1;
    }
    std::vector<std::string> names = {""};  // sessions over the network have no seat
    for (const SystemBus::Row& row : *seats)
      if (!row.empty()) names.push_back(text_of(row[0]));
    for (const std::string& seat : names)
      for (const char* remote : {"true", "false"})
        for (const char* type : kTypes)
          for (const char* kind : kClasses) {
            const auto found = counts.find({seat, remote, type, kind});
            out.gauge("node_logind_sessions", "Sessions.",
                      found == counts.end() ? 0 : found->second,
                      {{"seat", seat}, {"remote", remote}, {"type", type}, {"class", kind}});
          }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
