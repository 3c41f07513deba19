// A configuration that runs without the world: sources, discoveries, exporters and writes are stood
// in for, and the clock stands still until it is moved.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/hand_clock.h"
#include "agent/component/component.h"
#include "agent/component/tap.h"
#include "agent/lang/stdlib.h"
#include "agent/lang/value.h"
#include "agent/runtime/runtime.h"
#include "agent/trial/stand_in.h"

namespace agent::trial {

// One thread.
class Rehearsal {
 public:
  static constexpr std::int64_t kStart = 1'704'067'200'000'000'000;  // 2024-01-01T00:00:00Z

  // `real` outlives it.
  Rehearsal(const component::Registry& real, std::unique_ptr<lang::World> world);
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // Runs a configuration in place of the one before. `said`: what there is to say of it, as
  // `validate` does. False when it is refused for that; a failure when it is accepted and does not
  // run all the same.
  Result<bool> load(std::vector<runtime::SourceText> texts, std::string& said);
  const runtime::Runtime* runtime() const { return runtime_.get(); }  // null before the first load

  // What the component takes; none when it is a source.
  std::optional<lang::Capsule> receiver_of(const std::string& id) const;
  // Gives entries to a component as others would, or to a source as it would have read them.
  // Nothing that would only wait does (stage.limit).
  Result<> put(const std::string& id, model::EntryBatch batch);

  HandClock clock{kStart};
  model::Interner labels;
  component::Metrics metrics;
  component::Taps taps;
  const std::shared_ptr<Ends> ends = std::make_shared<Ends>(clock, kStart);

 private:
  const component::Registry registry_;
  const std::unique_ptr<lang::World> world_;
  const lang::Stdlib stdlib_{*world_};
  std::filesystem::path folder_;  // for what components store; gone at the end
  std::unique_ptr<runtime::Runtime> runtime_;
};

// Calls `take` until it has had nothing, 20 times in a row, 5 ms apart: after the clock has moved,
// a component's own thread may have something to say.
void until_silent(const std::function<bool()>& take);

}  // namespace agent::trial
