// The names that every expression may use: string.format, sys.env, constants.hostname ... and the
// old global ones (format, env ...). Built once; immutable afterwards, so any thread may evaluate
// with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/lang/value.h"

namespace agent::lang {

// What the library takes from outside. Asked at every call, from any thread.
class World {
 public:
  virtual ~World() = default;
  // "" when it is not set.
  virtual std::string environment(const std::string& name) const = 0;
  virtual std::string hostname() const = 0;
  // false: this is not the machine that the configuration is for. What depends on the machine is
  // then a placeholder.
  virtual bool known() const { return true; }
};
std::unique_ptr<World> system_world();

class Stdlib {
 public:
  struct Options {
    std::string version = "v0.0.0";  // constants.version
    bool experimental = false;       // array.combine_maps and array.group_by may be used
  };

  // `world` outlives the library and the functions taken from it.
  explicit Stdlib(const World& world);
  Stdlib(const World& world, Options options);

  // A function, or an object of functions and constants; nullptr when there is no such name.
  const Value* find(std::string_view name) const;
  // "coalesce", "string.format" ...: everything, for suggestions.
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::pair<std::string, Value>> globals_;  // sorted
  std::vector<std::string> names_;
};

// No function makes a text longer or a list larger than this; it fails instead.
inline constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxListItems = 1'000'000;
// Of values that json, yaml and json_path make.
inline constexpr int kMaxValueDepth = 256;

}  // namespace agent::lang
