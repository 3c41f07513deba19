// /sys/class/power_supply/<supply>: micro-units, temperatures in tenths of a degree (kernel
// documentation, ABI/testing/sysfs-class-power).
#include <array>
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Attribute {
  const char* file;
  const char* name;
};
constexpr std::array<Attribute, 10> kPlain = {{
    {"authentic", "authentic"},
    {"calibrate", "calibrate"},
    {"capacity", "capacity"},
    {"capacity_alert_max", "capacity_alert_max"},
    {"capacity_alert_min", "capacity_alert_min"},
    {"cycle_count", "cyclecount"},
    {"online", "online"},
    {"present", "present"},
    {"time_to_empty_now", "time_to_empty_seconds"},
    {"time_to_full_now", "time_to_full_seconds"},
}};
constexpr std::array<Attribute, 31> kMicro = {{
    {"current_boot", "current_boot"},
    {"current_max", "current_max"},
    {"current_now", "current_ampere"},
    {"energy_empty", "energy_empty"},
    {"energy_empty_design", "energy_empty_design"},
    {"energy_full", "energy_full"},
    {"energy_full_design", "energy_full_design"},
    {"energy_now", "energy_watthour"},
    {"voltage_boot", "voltage_boot"},
    {"voltage_max", "voltage_max"},
    {"voltage_max_design", "voltage_max_design"},
    {"voltage_min", "voltage_min"},
    {"voltage_min_design", "voltage_min_design"},
    {"voltage_now", "voltage_volt"},
    {"voltage_ocv", "voltage_ocv"},
    {"charge_control_limit", "charge_control_limit"},
    {"charge_control_limit_max", "charge_control_limit_max"},
    {"charge_counter", "charge_counter"},
    {"charge_empty", "charge_empty"},
    {"charge_empty_design", "charge_empty_design"},
    {"charge_full", "charge_full"},
    {"charge_full_design", "charge_full_design"},
    {"charge_now", "charge_ampere"},
    {"charge_term_current", "charge_term_current"},
    {"constant_charge_current", "constant_charge_current"},
    {"constant_charge_current_max", "constant_charge_current_max"},
    {"constant_charge_voltage", "constant_charge_voltage"},
    {"constant_charge_voltage_max", "constant_charge_voltage_max"},
    {"precharge_current", "precharge_current"},
    {"input_current_limit", "input_current_limit"},
    {"power_now", "power_watt"},
}};
constexpr std::array<Attribute, 8> kTenths = {{
    {"temp", "temp_celsius"},
    {"temp_alert_max", "temp_alert_max_celsius"},
    {"temp_alert_min", "temp_alert_min_celsius"},
    {"temp_ambient", "temp_ambient_celsius"},
    {"temp_ambient_max", "temp_ambient_max_celsius"},
    {"temp_ambient_min", "temp_ambient_min_celsius"},
    {"temp_max", "temp_max_celsius"},
    {"temp_min", "temp_min_celsius"},
}};

}  // namespace

Result<Collect> make_powersupplyclass(const UnixArgs& args, const Roots& roots, Clock&) {
  auto supplies = NameFilter::make("", args.powersupply.ignored_supplies);
  if (!supplies) return fail(std::move(supplies.error()).within("powersupply"));
  return Collect([folder = roots.sys / "class/power_supply",
                  supplies = *supplies](Families& out) -> Result<> {
    const auto names = names_in(folder);
    if (!names) return fail(names.error());
    for (const std::string& supply : *names) {
      if (!supplies.passes(supply)) continue;
      const Folder here(folder / supply);
      const auto add = [&](std::span<const Attribute> attributes, double divisor) {
        for (const Attribute& one : attributes)
          if (const auto value = here.number(one.file))
            out.gauge("node_power_supply_" + std::string(one.name), "A property of a power supply.",
                      *value / divisor, {{"power_supply", supply}});
      };
      add(kPlain, 1);
      add(kMicro, 1e6);
      add(kTenths, 10);
      model::Labels labels = {{"power_supply", supply}};
      add_words(folder / supply,
                std::array{"capacity_level", "charge_type", "health", "manufacturer", "model_name",
                           "serial_number", "status", "technology", "type", "usb_type", "scope"},
                labels);
      out.add(model::MetricType::kGauge, "node_power_supply_info",
              "What is known of a power supply; the value is 1.", 1, std::move(labels));
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
