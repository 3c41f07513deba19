// Which group a process belongs to by itself: the matchers of prometheus.exporter.process and their
// name templates.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/exporter/process/process_args.h"
#include "agent/model/expression.h"
#include "agent/wire/go_template.h"

namespace agent::exporter::processes {

// A process as matchers and templates see it.
class Candidate {
 public:
  virtual ~Candidate() = default;
  int pid = 0;
  std::string_view comm;
  std::vector<std::string_view> arguments;
  std::string_view command_line;    // the arguments with blanks between them, valid UTF-8
  std::uint64_t start_seconds = 0;  // since 1970
  std::uint64_t start_nanoseconds = 0;
  // Asked for when a template does.
  virtual std::string username() = 0;
  virtual std::vector<std::string> cgroups() = 0;
};

// The last part of a path, as Go's filepath.Base has it: "." for "", "/" for "//".
std::string_view base_name(std::string_view path);

// One thread at a time.
class GroupNames {
 public:
  // Names are at most this long.
  static constexpr std::size_t kMaxName = 1024;

  // Without matchers each process that has arguments is in the group of its command. kInvalid
  // names the argument. `clock` outlives it.
  static Result<GroupNames> make(const std::vector<MatcherArgs>& matchers, const Clock& clock);

  // kInvalid: it is no template, or reads a field that there is none of.
  static Result<> check_template(const std::string& text);

  // The name that the first fitting matcher gives, valid UTF-8; none when there is no such matcher.
  // An error: its template cannot be executed.
  Result<std::optional<std::string>> name(Candidate& candidate);

 private:
  struct Matcher {
    MatcherArgs args;
    std::vector<model::Expression> cmdline;
    wire::GoTemplate name;
  };
  explicit GroupNames(const Clock& clock);
  // What the expressions' groups hold is put into `matches`.
  static bool fits(const Matcher& matcher, const Candidate& candidate,
                   std::vector<std::pair<std::string_view, std::string_view>>& matches);
  std::vector<Matcher> matchers_;
  std::shared_ptr<const wire::TimeZone> utc_;
  wire::GoExecutor executor_;
  std::vector<std::pair<std::string_view, std::string_view>> matches_;
};

}  // namespace agent::exporter::processes
