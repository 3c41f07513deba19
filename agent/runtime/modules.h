// Where import blocks get their text from: a file or folder, a string, an HTTP answer, a Git
// repository. What changes there is noticed, and the configuration is built anew with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/runtime/graph.h"

namespace agent::runtime {

// The text of a file; or of all files of a folder (not of its folders) with one of the extensions,
// sorted by name. More than `most` are refused.
Result<std::vector<SourceText>> read_texts(const std::string& path,
                                           std::initializer_list<std::string_view> extensions,
                                           std::size_t most = SIZE_MAX);

// For checks: files and strings are read, what would need the network is not known.
Importer local_importer();

// For a running agent. Thread-safe. `clock` and what `changed` uses outlive it.
class Modules {
 public:
  // `changed` is called on a thread of this object's own when a module that was fetched has another
  // text; it may take its time. `folder`: for checkouts, and for copies that serve when a source is
  // away at the start.
  Modules(Clock& clock, Log log, std::filesystem::path folder, std::function<void()> changed);
  ~Modules();

  // The module's text now: files are read; what comes over the network is as it was last fetched,
  // and fetched when it never was.
  Result<std::optional<ImportedModule>> fetch(const Import& import, lang::Diagnostics& diagnostics);
  // What was not fetched since the last call is watched no longer.
  void forget_unused();
  // Ends what is under way; `changed` is not called any more.
  void stop();

 private:
  struct Watched;
  void watch(const std::stop_token& stop);

  Clock& clock_;
  const Log log_;
  const std::filesystem::path folder_;
  const std::function<void()> changed_;
  std::stop_source stop_;  // also of a fetch by load()
  Mutex mutex_;
  Condition wake_;
  std::map<std::string, std::shared_ptr<Watched>> watched_ GUARDED_BY(mutex_);  // by import's id
  std::uint64_t fetched_ GUARDED_BY(mutex_) = 0;
  std::jthread watcher_;
};

// The kinds of import block with their arguments, for the reference.
std::vector<component::Declaration> import_kinds();

}  // namespace agent::runtime
