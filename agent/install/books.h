// What deploys remember on the host (below /var/lib/fleetctl): what was applied last, what was
// there before each change, and the change that is under way. Formats in books.cc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/install/system.h"

namespace agent::install {

// Which change made a state, by whom and when.
struct Origin {
  unsigned generation = 0;  // the number of the change; 0: none that is known
  std::string run;
  std::string who;
  std::int64_t time = 0;  // seconds since 1970; 0: unknown
};

// What the last successful apply put in place.
struct Applied {
  Origin origin;
  std::string release;
  std::map<std::string, std::string> files;  // path -> sha256
};

// One file as it was.
struct SavedFile {
  std::string path;
  bool present = false;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string bytes;
};

// Everything that a change may touch, as it was before the change with this number.
struct Generation {
  unsigned number = 0;
  Origin origin;        // of this state: an earlier change
  std::string release;  // "": there was none
  bool active = false;
  bool enabled = false;
  bool ready = false;
  std::vector<SavedFile> files;
};

// A change that began and has not ended.
struct Underway {
  std::string run;
  std::string who;
  unsigned generation = 0;  // the one to go back to
};

class Books {
 public:
  explicit Books(System& system) : system_(system) {}
  Result<> open();  // makes the folders

  std::optional<Applied> applied() const;  // none when there is none or it is damaged
  Result<> write_applied(const Applied& applied);

  std::optional<Underway> underway() const;
  Result<> begin(const Underway& underway);
  Result<> end();  // nothing is under way any more

  Result<SavedFile> save_file(std::string_view path) const;  // what is there now
  Result<> write_generation(const Generation& generation);
  Result<Generation> read_generation(unsigned number) const;
  std::vector<unsigned> generations() const;  // newest first
  // Removes all but the newest `keep` states and the releases that neither they nor `current` name.
  // A state that was saved more than once (a change was taken back) is one; what is not whole goes.
  void prune(unsigned keep, const std::string& current);

  // result.json, for the operator whose connection broke, and a line of history.jsonl.
  Result<> write_result(const std::string& json);

 private:
  Result<> fill_generation(const std::filesystem::path& folder, const Generation& generation);
  std::filesystem::path path(std::string_view name) const;
  System& system_;
};

}  // namespace agent::install
