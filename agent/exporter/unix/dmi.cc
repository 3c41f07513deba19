// /sys/class/dmi/id: what the firmware says of the machine. Serial numbers are for root only.
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_dmi(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/dmi/id"](Families& out) -> Result<> {
    model::Labels labels;
    add_words(folder,
              std::array{"bios_date", "bios_release", "bios_vendor", "bios_version",
                         "board_asset_tag", "board_name", "board_serial", "board_vendor",
                         "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor",
                         "chassis_version", "product_family", "product_name", "product_serial",
                         "product_sku", "product_uuid", "product_version"},
              labels);
    if (auto vendor = read_attribute(folder / "sys_vendor"))
      labels.push_back({"system_vendor", std::move(*vendor)});
    if (labels.empty()) return fail(ErrorCode::kNotFound, "the firmware says nothing");
    out.add(model::MetricType::kGauge, "node_dmi_info",
            "What the firmware says of the machine; the value is 1.", 1, std::move(labels));
    return {};
  });
}

}  // namespace agent::exporter::unix_host
