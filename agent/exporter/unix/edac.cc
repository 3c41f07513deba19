// Errors of memory: /sys/devices/system/edac/mc/mc<N> and its csrow<N> (kernel documentation,
// admin-guide/ras).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

constexpr const char* kCorrected = "Errors of memory that were corrected.";
constexpr const char* kUncorrected = "Errors of memory that could not be corrected.";
constexpr std::array<NumberFile, 2> kController = {{
    {"ce_count", "node_edac_correctable_errors_total", kCorrected, true},
    {"ue_count", "node_edac_uncorrectable_errors_total", kUncorrected, true},
}};
constexpr std::array<NumberFile, 2> kUnknownRow = {{
    {"ce_noinfo_count", "node_edac_csrow_correctable_errors_total", kCorrected, true},
    {"ue_noinfo_count", "node_edac_csrow_uncorrectable_errors_total", kUncorrected, true},
}};
constexpr std::array<NumberFile, 2> kRow = {{
    {"ce_count", "node_edac_csrow_correctable_errors_total", kCorrected, true},
    {"ue_count", "node_edac_csrow_uncorrectable_errors_total", kUncorrected, true},
}};

}  // namespace

Result<Collect> make_edac(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "devices/system/edac/mc"](Families& out) -> Result<> {
    for (const std::string& name : numbered_in(folder, "mc")) {
      const auto here = folder / name;
      const std::string controller = name.substr(2);
      add_numbers(here, kController, {{"controller", controller}}, out);
      add_numbers(here, kUnknownRow, {{"controller", controller}, {"csrow", "unknown"}}, out);
      for (const std::string& row : numbered_in(here, "csrow"))
        add_numbers(here / row, kRow, {{"controller", controller}, {"csrow", row.substr(5)}}, out);
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
