// Units of systemd, asked for on the system bus (org.freedesktop.systemd1(5)).
#include <re2/re2.h>

#include <array>
#include <limits>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/io/system_bus.h"

namespace agent::exporter::unix_host {
namespace {

using io::SystemBus;

constexpr char kService[] = "org.freedesktop.systemd1";
constexpr std::size_t kMaxUnits = 65536;
constexpr Duration kPatience = std::chrono::seconds(3);

std::string text_of(const std::optional<SystemBus::Value>& value) {
  const auto* text = value ? std::get_if<std::string>(&*value) : nullptr;
  return text == nullptr ? std::string() : *text;
}
std::optional<double> number_of(const std::optional<SystemBus::Value>& value) {
  const auto* number = value ? std::get_if<std::uint64_t>(&*value) : nullptr;
  // All ones is systemd's "not known".
  if (number == nullptr || *number == std::numeric_limits<std::uint64_t>::max())
    return std::nullopt;
  return static_cast<double>(*number);
}

struct Unit {
  std::string name, state, path;
};

// What is wanted to know of a unit, and what is done with the answer.
struct Question {
  SystemBus::Property property;
  std::function<void(const std::optional<SystemBus::Value>&)> use;
};

constexpr std::array<const char*, 5> kStates = {"active", "activating", "deactivating", "inactive",
                                                "failed"};

void tell_states(const Unit& unit, const std::string& type, Families& out) {
  for (const char* state : kStates)
    out.gauge("node_systemd_unit_state", "1 for the state that a unit is in.",
              unit.state == state ? 1 : 0, {{"name", unit.name}, {"state", state}, {"type", type}});
}

class Reader {
 public:
  Reader(const SystemdArgs& args, Families& out) : args_(args), out_(out) {}

  void ask_of_manager() {
    const auto ask = [&](const char* name, auto use) {
      questions_.push_back(
          {{{kService, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"}, name},
           use});
    };
    ask("Version", [this](const auto& value) {
      // "252.39-1~deb12u1" is 252.39.
      const std::string version = text_of(value);
      const std::size_t start = version.find_first_of("0123456789");
      const std::string_view digits =
          std::string_view(version).substr(std::min(start, version.size()));
      const auto parsed = number(digits.substr(0, digits.find_first_not_of("0123456789.")));
      out_.gauge("node_systemd_version", "Version of systemd.", parsed.value_or(0),
                 {{"version", parsed ? version : std::string()}});
    });
    ask("Virtualization", [this](const auto& value) {
      const std::string kind = text_of(value);
      out_.gauge("node_systemd_virtualization_info", "What the host runs in; the value is 1.", 1,
                 {{"virtualization_type", !value         ? std::string("unknown")
                                          : kind.empty() ? std::string("none")
                                                         : kind}});
    });
    ask("SystemState", [this](const auto& value) {
      if (value)
        out_.gauge("node_systemd_system_running",
                   "1 when all is well (systemctl is-system-running).",
                   text_of(value) == "running" ? 1 : 0);
    });
  }

  void ask_of_unit(const Unit& unit) {
    const auto ask = [&](const char* interface, const char* name, auto use) {
      questions_.push_back(
          {{{kService, unit.path, std::string("org.freedesktop.systemd1.") + interface}, name},
           use});
    };
    // The number, as it is, divided by `divisor`.
    const auto tell = [this, unit](bool counter, const char* name, const char* help,
                                   double divisor) {
      return [this, unit, counter, name, help, divisor](const auto& value) {
        if (const auto number = number_of(value))
          out_.add(counter ? model::MetricType::kCounter : model::MetricType::kGauge, name, help,
                   *number / divisor, {{"name", unit.name}});
      };
    };
    const bool service = unit.name.ends_with(".service");
    if (service || unit.name.ends_with(".mount")) {
      ask(service ? "Service" : "Mount", "Type",
          [this, unit](const auto& value) { tell_states(unit, text_of(value), out_); });
    } else {
      tell_states(unit, "", out_);
    }
    if (service && args_.enable_restarts)
      ask("Service", "NRestarts",
          tell(true, "node_systemd_service_restart_total", "Times it was started again.", 1));
    if (service && args_.task_metrics) {
      ask("Service", "TasksCurrent",
          tell(false, "node_systemd_unit_tasks_current", "Tasks of a unit.", 1));
      ask("Service", "TasksMax",
          tell(false, "node_systemd_unit_tasks_max", "Most tasks of a unit.", 1));
    }
    if (args_.start_time) {
      if (unit.state == "active") {
        ask("Unit", "ActiveEnterTimestamp",
            tell(false, "node_systemd_unit_start_time_seconds", "When a unit was started.", 1e6));
      } else {
        out_.gauge("node_systemd_unit_start_time_seconds", "When a unit was started.", 0,
                   {{"name", unit.name}});
      }
    }
    if (unit.name.ends_with(".timer"))
      ask("Timer", "LastTriggerUSec",
          tell(false, "node_systemd_timer_last_trigger_seconds", "When a timer elapsed last.",
               1e6));
    if (unit.name.ends_with(".socket")) {
      ask("Socket", "NAccepted",
          tell(true, "node_systemd_socket_accepted_connections_total", "Connections accepted.", 1));
      ask("Socket", "NConnections",
          tell(false, "node_systemd_socket_current_connections", "Connections.", 1));
      ask("Socket", "NRefused",
          tell(false, "node_systemd_socket_refused_connections_total", "Connections refused.", 1));
    }
  }

  Result<> answer(SystemBus& bus) {
    std::vector<SystemBus::Property> wanted;
    wanted.reserve(questions_.size());
    for (const Question& one : questions_) wanted.push_back(one.property);
    const auto values = bus.properties(wanted);
    if (!values) return fail(values.error());
    for (std::size_t i = 0; i < questions_.size(); ++i) questions_[i].use((*values)[i]);
    return {};
  }

 private:
  const SystemdArgs& args_;
  Families& out_;
  std::vector<Question> questions_;
};

}  // namespace

Result<Collect> make_systemd(const UnixArgs& args, const Roots&, Clock&) {
  const auto include = std::make_shared<const RE2>(args.systemd.unit_include, RE2::Quiet);
  const auto exclude = std::make_shared<const RE2>(args.systemd.unit_exclude, RE2::Quiet);
  for (const auto& one : {include, exclude})
    if (!one->ok()) return fail(ErrorCode::kInvalid, "systemd: expression: " + one->error());
  return Collect([args = args.systemd, include, exclude](Families& out,
                                                         const std::stop_token& stop) -> Result<> {
    auto bus = SystemBus::open(kPatience, stop);
    if (!bus) return fail(std::move(bus.error()));
    const auto rows =
        bus->table({kService, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"},
                   "ListUnits", kMaxUnits);
    if (!rows) return fail(rows.error());
    Reader reader(args, out);
    reader.ask_of_manager();
    std::map<std::string, double> states;
    for (const char* state : kStates) states[state] = 0;
    for (const SystemBus::Row& row : *rows) {
      // name, description, load state, active state, sub state, followed, path, ..
      if (row.size() < 7) continue;
      const Unit unit{text_of(row[0]), text_of(row[3]), text_of(row[6])};
      states[unit.state] += 1;
      if (text_of(row[2]) == "loaded" && RE2::FullMatch(unit.name, *include) &&
          !RE2::FullMatch(unit.name, *exclude))
        reader.ask_of_unit(unit);
    }
    for (const auto& [state, count] : states)
      out.gauge("node_systemd_units", "Units in a state.", count, {{"state", state}});
    return reader.answer(*bus);
  });
}

}  // namespace agent::exporter::unix_host
