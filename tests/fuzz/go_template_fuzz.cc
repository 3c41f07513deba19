// Any template, on any data: reading it ends, executing it ends within its bounds, and the next
// execution is as good as the first. input := template [ "\0" value of .Value [ "\0" value of
// .level ] ]
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/wire/go_template.h"

namespace {

using agent::wire::GoData;
using agent::wire::GoScratch;
using agent::wire::GoValue;

class StandingClock final : public agent::Clock {
 public:
  std::int64_t wall_ns() const override { return 1'700'000'000'000'000'000; }
  agent::Mono mono() const override { return {}; }
  bool wait(agent::MutexLock&, agent::Condition&, agent::Mono, const std::stop_token&,
            const std::function<bool()>&) override {
    return true;
  }
};

class Texts final : public GoData {
 public:
  std::string_view value;
  std::string_view level;
  GoValue find(std::string_view key, GoScratch&) override {
    if (key == "Value") return GoValue(value);
    return key == "level" ? GoValue(level) : GoValue();
  }
  void all(std::vector<Pair>& out, GoScratch&) override {
    out.emplace_back("Value", GoValue(value));
    out.emplace_back("level", GoValue(level));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::GoExecutor;
  using agent::wire::GoTemplate;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto part = [&] {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view out = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return out;
  };
  const std::string_view text = part();
  Texts root;
  root.value = part();
  root.level = part();
  const StandingClock clock;
  GoExecutor executor(clock, agent::wire::find_time_zone("UTC").value());
  for (const bool calls : {false, true}) {
    const auto program = GoTemplate::parse(text, {calls});
    if (!program) continue;
    const auto out = executor.execute(*program, root);
    if (out && out->size() > (4U << 20)) std::abort();
    const auto plain = executor.execute(*GoTemplate::parse("{{ .Value }}"), root);
    if (!plain || *plain != root.value) std::abort();
  }
  return 0;
}
