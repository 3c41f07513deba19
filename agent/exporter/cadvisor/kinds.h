// The kinds of metrics that enabled_metrics and disabled_metrics name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace agent::exporter::cadvisor {

enum class Kind : std::uint8_t {
  kAdvancedTcp,
  kApp,
  kCpu,
  kCpuLoad,
  kCpuTopology,
  kCpuset,
  kDisk,
  kDiskIo,
  kHugetlb,
  kMemory,
  kMemoryNuma,
  kNetwork,
  kOomEvent,
  kPerCpu,
  kPerfEvent,
  kPressure,
  kProcess,
  kReferencedMemory,
  kResctrl,
  kSched,
  kTcp,
  kUdp,
};

struct KindName {
  Kind kind;
  std::string_view name;  // as configurations write it
  bool by_default;
  std::string_view without;  // why this agent has no series of it; "" when it has
};
const std::vector<KindName>& kind_names();
const KindName* find_kind(std::string_view name);

class Kinds {
 public:
  // What is enabled, when `enabled` says so; else all but `disabled`; else the default. Names that
  // are not known are passed over.
  static Kinds chosen(const std::vector<std::string>& enabled,
                      const std::vector<std::string>& disabled);
  bool has(Kind kind) const { return (bits_ >> static_cast<unsigned>(kind) & 1U) != 0; }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace agent::exporter::cadvisor
