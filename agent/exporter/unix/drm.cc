// /sys/class/drm/card<n>/device of cards whose driver is amdgpu (kernel documentation, gpu/amdgpu).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Attribute {
  const char* file;
  const char* name;
  const char* help;
};
constexpr std::array<Attribute, 7> kAttributes = {{
    {"gpu_busy_percent", "node_drm_gpu_busy_percent", "How busy the GPU is."},
    {"mem_info_gtt_total", "node_drm_memory_gtt_size_bytes", "Size of the translation table."},
    {"mem_info_gtt_used", "node_drm_memory_gtt_used_bytes", "Used of the translation table."},
    {"mem_info_vis_vram_total", "node_drm_memory_vis_vram_size_bytes",
     "Size of the visible memory."},
    {"mem_info_vis_vram_used", "node_drm_memory_vis_vram_used_bytes",
     "Used of the visible memory."},
    {"mem_info_vram_total", "node_drm_memory_vram_size_bytes", "Size of the card's memory."},
    {"mem_info_vram_used", "node_drm_memory_vram_used_bytes", "Used of the card's memory."},
}};

bool is_card(std::string_view name) {
  return name.starts_with("card") && name.size() > 4 &&
         name.find_first_not_of("0123456789", 4) == std::string_view::npos;
}

}  // namespace

Result<Collect> make_drm(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/drm"](Families& out) -> Result<> {
    for (const std::filesystem::path& path : entries(folder)) {
      const std::string card = path.filename().string();
      const std::filesystem::path device = path / "device";
      if (!is_card(card) || read_word(device / "uevent").find("DRIVER=amdgpu") == std::string::npos)
        continue;
      out.gauge(
          "node_drm_card_info", "What is known of a card; the value is 1.", 1,
          {{"card", card},
           {"memory_vendor", read_word(device / "mem_info_vram_vendor")},
           {"power_performance_level", read_word(device / "power_dpm_force_performance_level")},
           {"unique_id", read_word(device / "unique_id")},
           {"vendor", "amd"}});
      for (const Attribute& one : kAttributes)
        if (const auto value = read_number(device / one.file))
          out.gauge(one.name, one.help, *value, {{"card", card}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
