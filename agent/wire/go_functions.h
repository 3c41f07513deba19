// The functions of templates: how one is declared, and what it may use while it runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/wire/go_format.h"
#include "agent/wire/go_value.h"
#include "agent/wire/time_layout.h"

namespace re2 {
class RE2;
}

namespace agent::wire {

// One execution: its memory, its bounds, its first error. After fail() every result is void.
class GoRun {
 public:
  // Without `local` the machine's zone, looked up when it is first needed.
  GoRun(const Clock& clock, std::shared_ptr<const TimeZone> local);
  ~GoRun();

  // nil, for `return run.fail("...")`. The first error counts.
  GoValue fail(std::string message);
  bool failed() const { return failed_; }
  // Counts work: one step, or one for each 64 bytes that are looked at. False when it was too much.
  bool charge(std::size_t steps) {
    steps_ += std::min(steps, kMaxSteps);
    return (steps_ <= kMaxSteps && !scratch_.exhausted()) || too_much();
  }
  bool charge_bytes(std::size_t bytes) { return charge(bytes / 64 + 1); }

  // A text to write a result into, empty; one at a time.
  GoText& text();
  // What was written there.
  GoValue finish_text();
  GoValue string(std::string_view text);  // a copy
  // Null, and failed, when there is no room.
  GoValue* array(std::size_t size);
  // Without `items` it is Go's nil slice: empty, and null in JSON.
  GoValue list(const GoValue* items, std::size_t size, GoType type = GoType::kList);
  GoValue list(const std::vector<std::string_view>& texts);  // of texts that stay
  GoValue map(GoType type = GoType::kMap);
  GoValue time(std::int64_t seconds, std::int32_t nanoseconds, const TimeZone* zone = nullptr);
  void set(GoMap& map, std::string_view key, GoValue value);

  GoScratch& scratch() { return scratch_; }
  const Clock& clock() const { return clock_; }
  const TimeZone& local();
  // Unknown names give UTC. Valid as long as this object.
  const TimeZone& zone(const std::string& name);
  // Null when the pattern is wrong; then failed too if it `must` be right. Valid for one call.
  const re2::RE2* regex(std::string_view pattern, bool must = true);
  void reset(bool keeps_steps);

  bool exhausted() const { return exhausted_; }
  const std::string& message() const { return message_; }

 private:
  static constexpr std::size_t kMaxSteps = 1'000'000;
  bool too_much();

  GoScratch scratch_;
  const Clock& clock_;
  std::shared_ptr<const TimeZone> local_;
  std::string buffer_;
  GoText text_;
  std::size_t steps_ = 0;
  bool failed_ = false;
  bool exhausted_ = false;
  std::string message_;
  std::map<std::string, std::shared_ptr<const TimeZone>, std::less<>> zones_;
  std::map<std::string, std::unique_ptr<re2::RE2>, std::less<>> regexes_;
};

using GoArguments = std::span<const GoValue>;

struct GoFunction {
  std::string_view name;
  // A letter each: s string, i int, f float64, b bool, m map[string]interface{}, t time.Time,
  // a anything; * behind the last one: any number of them, also none.
  std::string_view parameters;
  GoValue (*call)(GoRun& run, GoArguments arguments) = nullptr;
  std::string_view refused = {};  // why there is none, although Alloy has it
};

// Null when there is none of that name.
const GoFunction* find_go_function(std::string_view name);
std::span<const GoFunction> go_core_functions();
std::span<const GoFunction> go_text_functions();
std::span<const GoFunction> go_number_functions();
std::span<const GoFunction> go_collection_functions();
std::span<const GoFunction> go_encoding_functions();
std::span<const GoFunction> go_time_functions();

// Whether the underscores in a number stand between digits or behind a base's prefix.
bool go_underscores_fit(std::string_view text);
// sprig's conversions, which turn what does not fit into zero.
std::int64_t go_to_int(const GoValue& value);
double go_to_float(const GoValue& value);
// As sprig's toString.
std::string_view go_to_string(GoRun& run, const GoValue& value);
bool go_empty(GoRun& run, const GoValue& value);

}  // namespace agent::wire
