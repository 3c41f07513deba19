// Asks the server that remotecfg { } names for configuration, again and again, and has it taken.
// What was taken last is kept on disk, for a start while the server is away.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/component/metrics.h"
#include "agent/lang/body.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {

// Thread-safe. One thread of its own.
class RemoteConfig {
 public:
  // Makes `text` run in place of what came before, or says why it cannot. After `abandoned` was
  // stopped it takes nothing. Called on this object's thread, without a lock of its own; it may
  // call follow().
  using Take = std::function<Result<>(const std::string& text, const std::stop_token& abandoned)>;

  // Copies are in `data_dir`/remotecfg, the id that was made in `data_dir`/alloy_seed.json.
  // `version` is told to the server; "": no server is asked. `clock` outlives it.
  RemoteConfig(Clock& clock, const Log& log, component::Metrics metrics,
               std::filesystem::path data_dir, std::string version, Take take);
  ~RemoteConfig();

  // From now on as `args` say, which `written` says in the configuration's words; without a URL
  // nobody is asked. The same words again change nothing. Never waits.
  void follow(const RemotecfgArgs& args, const lang::Body& written);
  // Why what the server sent last does not run; "" when it does.
  std::string problem() const;
  // Ends what is under way and asks nobody any more; stop() also waits for the thread.
  void request_stop();
  void stop();

 private:
  struct Meters;
  class Round;
  void work(const std::stop_token& stop);
  void report(const std::stop_token& abandoned, std::string problem);

  Clock& clock_;
  const Log log_;
  const component::Metrics metrics_;
  const std::filesystem::path data_dir_;
  const std::string version_;
  const Take take_;
  mutable Mutex mutex_;
  Condition wake_;
  lang::Body written_ GUARDED_BY(mutex_);
  std::unique_ptr<Round> next_ GUARDED_BY(mutex_);
  std::stop_source abandoned_ GUARDED_BY(mutex_);      // stopped when other arguments are followed
  std::shared_ptr<Meters> meters_ GUARDED_BY(mutex_);  // none while there is no URL
  std::string problem_ GUARDED_BY(mutex_);
  std::jthread worker_;
};

}  // namespace agent::runtime
