// Sensors: /sys/class/hwmon/hwmon<N> and its device, files <type><number>_<property> in thousandths
// (volts, amperes, degrees), millionths (watts, joules) or as they are (kernel documentation,
// hwmon/sysfs-interface).
#include <algorithm>
#include <array>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 14> kTypes = {
    "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan",       "pwm",
    "temp", "curr",        "power",           "energy", "humidity", "intrusion", "freq"};

std::string clean_name(std::string_view name) {
  std::string out;
  for (const char c : trim(name)) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool fine = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ||
                      lower == ':' || lower == '_';
    out += fine ? lower : '_';
  }
  const std::size_t first = out.find_first_not_of('_');
  if (first == std::string::npos) return {};
  return out.substr(first, out.find_last_not_of('_') - first + 1);
}

// Where a chip is; its number depends on the order in which modules were loaded.
std::string chip_name(const fs::path& folder) {
  std::error_code error;
  if (const fs::path device = fs::canonical(folder / "device", error); !error) {
    const std::string name = clean_name(device.filename().string());
    const std::string parent = clean_name(device.parent_path().filename().string());
    if (!name.empty()) return parent.empty() ? name : parent + "_" + name;
  }
  if (std::string name = clean_name(read_word(folder / "name")); !name.empty()) return name;
  const fs::path real = fs::canonical(folder, error);
  return error ? std::string() : clean_name(real.filename().string());
}

struct Unit {
  const char* suffix;
  double factor = 1;
  double divisor = 1;
  bool counter = false;
};
// What is appended to the name of a property's series, and what its number is times.
Unit unit_of(std::string_view type, std::string_view property) {
  if (property == "fault" || property == "alarm") return {""};
  if (property == "beep") return {"_enabled"};
  if (type == "in" || type == "cpu") return {"_volts", .001};
  if (type == "temp" && property != "type") return {"_celsius", .001};
  if (type == "curr") return {"_amps", .001};
  if (type == "energy") return {"_joule_total", 1, 1e6, true};
  if (type == "power" && property == "accuracy") return {"", 1, 1e6};
  if (type == "power" && property.starts_with("average_interval")) return {"_seconds", .001};
  if (type == "power") return {"_watt", 1, 1e6};
  if (type == "humidity") return {"", 1, 1e6};
  if (type == "fan" &&
      (property == "input" || property == "min" || property == "max" || property == "target"))
    return {"_rpm"};
  return {""};
}

}  // namespace

std::optional<SensorFile> parse_sensor_file(std::string_view name) {
  const std::size_t digits = std::min(name.find_first_of("0123456789"), name.size());
  const std::size_t end = std::min(name.find_first_not_of("0123456789", digits), name.size());
  SensorFile out;
  out.type = name.substr(0, digits);
  if (std::find(kTypes.begin(), kTypes.end(), out.type) == kTypes.end()) return std::nullopt;
  if (end < name.size() && (name[end] != '_' || end + 1 == name.size())) return std::nullopt;
  const auto number = unix_host::number(digits == end ? "0" : name.substr(digits, end - digits));
  if (!number || *number > 1e6) return std::nullopt;
  out.sensor = out.type + std::to_string(static_cast<int>(*number));
  if (end < name.size()) out.property = name.substr(end + 1);
  return out;
}

void add_sensor(const std::string& chip, const std::string& sensor, const std::string& type,
                const std::map<std::string, std::string>& properties, Families& out) {
  const Families::Labels labels = {{"chip", chip}, {"sensor", sensor}};
  const auto found = properties.find("label");
  if (found != properties.end())
    out.gauge("node_hwmon_sensor_label", "The label of a sensor; the value is 1.", 1,
              {{"chip", chip}, {"sensor", sensor}, {"label", found->second}});
  for (const auto& [property, text] : properties) {
    if (property == "label") continue;
    const auto value = number(text);
    if (type == "beep_enable") {
      if (property.empty())
        out.gauge("node_hwmon_beep_enabled", "1 when it may beep.", text == "1" ? 1 : 0, labels);
      continue;
    }
    if (!value) continue;
    if (type == "vrm" || type == "update_interval") {
      if (!property.empty()) continue;
      if (type == "vrm") {
        out.gauge("node_hwmon_voltage_regulator_version", "Version of the voltage regulator.",
                  *value, labels);
      } else {
        out.gauge("node_hwmon_update_interval_seconds", "Seconds between two readings.",
                  *value * .001, labels);
      }
      continue;
    }
    std::string name = "node_hwmon_" + type;
    if (property != "input" || properties.contains(""))
      if (!property.empty()) name += "_" + clean_name(property);
    if (type == "freq" && property == "input") {
      if (found != properties.end())
        out.gauge(name + "_freq_mhz", "Frequency in MHz.", *value / 1e6,
                  {{"chip", chip}, {"sensor", clean_name(found->second)}});
      continue;
    }
    const Unit unit = unit_of(type, property);
    const double told = *value * unit.factor / unit.divisor;
    if (unit.counter) {
      out.counter(name + unit.suffix, "What a sensor tells.", told, labels);
    } else {
      out.gauge(name + unit.suffix, "What a sensor tells.", told, labels);
    }
  }
}

Result<Collect> make_hwmon(const UnixArgs& args, const Roots& roots, Clock&) {
  auto chips = NameFilter::make(args.hwmon.chip_include, args.hwmon.chip_exclude);
  if (!chips) return fail(std::move(chips.error()).within("hwmon"));
  return Collect([folder = roots.sys / "class/hwmon", chips = *chips](Families& out) -> Result<> {
    const auto names = names_in(folder);
    if (!names) return fail(names.error());
    for (const std::string& name : *names) {
      const fs::path here = folder / name;
      const std::string chip = chip_name(here);
      if (chip.empty() || !chips.passes(chip)) continue;
      if (const std::string readable = clean_name(read_word(here / "name")); !readable.empty())
        out.gauge("node_hwmon_chip_names", "The name of a chip; the value is 1.", 1,
                  {{"chip", chip}, {"chip_name", readable}});
      struct Sensor {
        std::string type;
        std::map<std::string, std::string> properties;
      };
      std::map<std::string, Sensor> sensors;
      for (const fs::path& place : {here, here / "device"}) {
        for (const std::string& file : names_in(place).value_or(std::vector<std::string>())) {
          const auto parsed = parse_sensor_file(file);
          auto text = parsed ? read_attribute(place / file) : std::nullopt;
          if (!text) continue;
          Sensor& sensor = sensors[parsed->sensor];
          sensor.type = parsed->type;
          sensor.properties[parsed->property] = std::move(*text);
        }
      }
      for (const auto& [sensor, what] : sensors)
        add_sensor(chip, sensor, what.type, what.properties, out);
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
