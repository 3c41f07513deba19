// /sys/bus/pci/devices: links to folders "pci0000:00/0000:00:02.5/0000:04:00.0" (kernel
// documentation, ABI/testing/sysfs-bus-pci).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

std::string hex(double value, int digits) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%0*llx", digits, static_cast<unsigned long long>(value));
  return text.data();
}

// "0000:00:02.5" -> segment, bus, device, function; none when it is no such name.
std::optional<std::array<std::string, 4>> location(const std::string& name) {
  const auto parts = split(name, ':');
  if (parts.size() != 3) return std::nullopt;
  const std::size_t dot = parts[2].find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::array<std::string, 4> out;
  const std::array<std::string_view, 4> texts = {parts[0], parts[1], parts[2].substr(0, dot),
                                                 parts[2].substr(dot + 1)};
  constexpr std::array<int, 4> kDigits = {4, 2, 2, 1};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto value = number(texts[i], 16);
    if (!value || *value > 0xffffffff) return std::nullopt;
    out[i] = hex(*value, kDigits[i]);
  }
  return out;
}

// "8.0 GT/s PCIe" -> transfers each second; -1 for what is not known.
double link_speed(const std::string& text) {
  const auto fields = words(text);
  if (fields.size() != 3 || fields[1] != "GT/s" || fields[2] != "PCIe") return -1;
  const auto value = number(fields[0]);
  return value ? *value * 1e9 : -1;
}

Result<> tell(const std::filesystem::path& path, Families& out) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::read_symlink(path, error);
  if (error) return fail(ErrorCode::kIo, path.string() + ": " + error.message());
  const auto here = location(target.filename().string());
  if (!here) return fail(ErrorCode::kInvalid, path.string() + ": not a place of PCI");
  const std::string above = target.parent_path().filename().string();
  const auto parent = location(above).value_or(std::array<std::string, 4>{"*", "*", "*", "*"});
  const Families::Labels labels = {{"segment", (*here)[0]},
                                   {"bus", (*here)[1]},
                                   {"device", (*here)[2]},
                                   {"function", (*here)[3]}};
  const auto with = [&](Families::Labels more) {
    model::Labels all(labels);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  std::array<std::string, 6> ids;
  constexpr std::array<std::pair<const char*, int>, 6> kIds = {{{"class", 6},
                                                                {"vendor", 4},
                                                                {"device", 4},
                                                                {"subsystem_vendor", 4},
                                                                {"subsystem_device", 4},
                                                                {"revision", 2}}};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto value = any_number(read_word(path / kIds[i].first));
    if (!value || *value < 0 || *value > 0xffffffff)
      return fail(ErrorCode::kInvalid, path.string() + ": no " + kIds[i].first);
    ids[i] = "0x" + hex(*value, kIds[i].second);
  }
  out.add(model::MetricType::kGauge, "node_pcidevice_info",
          "What is known of a device; the value is 1.", 1,
          with({{"parent_segment", parent[0]},
                {"parent_bus", parent[1]},
                {"parent_device", parent[2]},
                {"parent_function", parent[3]},
                {"class_id", ids[0]},
                {"vendor_id", ids[1]},
                {"device_id", ids[2]},
                {"subsystem_vendor_id", ids[3]},
                {"subsystem_device_id", ids[4]},
                {"revision", ids[5]}}));
  const auto or_else = [&](const char* file, double otherwise) {
    return number(read_word(path / file)).value_or(otherwise);
  };
  const auto flag = [&](const char* file) { return or_else(file, 0) != 0 ? 1.0 : 0.0; };
  out.gauge("node_pcidevice_max_link_transfers_per_second", "Fastest speed of the link.",
            link_speed(read_word(path / "max_link_speed")), labels);
  out.gauge("node_pcidevice_max_link_width", "Most lanes of the link.",
            or_else("max_link_width", -1), labels);
  out.gauge("node_pcidevice_current_link_transfers_per_second", "Speed of the link.",
            link_speed(read_word(path / "current_link_speed")), labels);
  out.gauge("node_pcidevice_current_link_width", "Lanes of the link.",
            or_else("current_link_width", -1), labels);
  out.gauge("node_pcidevice_d3cold_allowed", "1 when the device may be without power.",
            flag("d3cold_allowed"), labels);
  out.gauge("node_pcidevice_sriov_drivers_autoprobe", "1 when virtual functions get a driver.",
            flag("sriov_drivers_autoprobe"), labels);
  out.gauge("node_pcidevice_sriov_numvfs", "Virtual functions.", or_else("sriov_numvfs", 0),
            labels);
  out.gauge("node_pcidevice_sriov_totalvfs", "Most virtual functions.",
            or_else("sriov_totalvfs", 0), labels);
  out.gauge("node_pcidevice_sriov_vf_total_msix", "Interrupts of all virtual functions.",
            or_else("sriov_vf_total_msix", 0), labels);
  if (const std::string power = read_word(path / "power_state"); !power.empty())
    for (const char* state : {"D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"})
      out.add(model::MetricType::kGauge, "node_pcidevice_power_state",
              "1 for the state of power that the device is in.", power == state ? 1 : 0,
              with({{"state", state}}));
  if (const double node = or_else("numa_node", -1); node != -1)
    out.gauge("node_pcidevice_numa_node", "Node of memory that the device is near to.", node,
              labels);
  return {};
}

}  // namespace

Result<Collect> make_pcidevice(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "bus/pci/devices"](Families& out) -> Result<> {
    Result<> done;
    for (const std::filesystem::path& path : entries(folder))
      if (auto told = tell(path, out); !told && done) done = std::move(told);
    if (done && out.empty()) return fail(ErrorCode::kNotFound, "no device on PCI");
    return done;
  });
}

}  // namespace agent::exporter::unix_host
