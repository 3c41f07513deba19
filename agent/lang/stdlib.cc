#include "agent/lang/stdlib.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "agent/lang/functions.h"

namespace agent::lang {
namespace {

class SystemWorld final : public World {
 public:
  std::string environment(const std::string& name) const override {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? "" : value;
  }
  std::string hostname() const override {
    char name[HOST_NAME_MAX + 1] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
  }
};

using Call = Result<Value> (*)(const Arguments&);

struct Entry {
  std::string_view space;  // "string"; "" for a global function
  std::string_view name;   // "format"
  Call call = nullptr;
  std::string_view old_name;  // the deprecated global one
  bool experimental = false;
};

constexpr Entry kFunctions[] = {
    {"", "coalesce", coalesce, ""},
    {"", "json_path", json_path, ""},
    {"array", "combine_maps", array_combine_maps, "", true},
    {"array", "concat", array_concat, "concat"},
    {"array", "group_by", array_group_by, "", true},
    {"convert", "nonsensitive", convert_nonsensitive, "nonsensitive"},
    {"encoding", "from_URLbase64", encoding_from_url_base64, ""},
    {"encoding", "from_base64", encoding_from_base64, "base64_decode"},
    {"encoding", "from_json", encoding_from_json, "json_decode"},
    {"encoding", "from_yaml", encoding_from_yaml, "yaml_decode"},
    {"encoding", "to_URLbase64", encoding_to_url_base64, ""},
    {"encoding", "to_base64", encoding_to_base64, ""},
    {"encoding", "to_json", encoding_to_json, ""},
    {"encoding", "url_decode", encoding_url_decode, ""},
    {"encoding", "url_encode", encoding_url_encode, ""},
    {"file", "path_join", file_path_join, ""},
    {"string", "format", string_format, "format"},
    {"string", "join", string_join, "join"},
    {"string", "replace", string_replace, "replace"},
    {"string", "split", string_split, "split"},
    {"string", "to_lower", string_to_lower, "to_lower"},
    {"string", "to_upper", string_to_upper, "to_upper"},
    {"string", "trim", string_trim, "trim"},
    {"string", "trim_prefix", string_trim_prefix, "trim_prefix"},
    {"string", "trim_space", string_trim_space, "trim_space"},
    {"string", "trim_suffix", string_trim_suffix, "trim_suffix"},
};

// Go's name of the processor.
constexpr std::string_view architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__arm__)
  return "arm";
#elif defined(__riscv)
  return "riscv64";
#else
  return "unknown";
#endif
}

Value function(const Entry& entry, bool allowed) {
  if (entry.experimental && !allowed) {
    return Value(Function{entry.name, [](const Arguments&) -> Result<Value> {
                            return fail(ErrorCode::kInvalid,
                                        "experimental; it needs --stability.level=experimental");
                          }});
  }
  return Value(Function{entry.name, entry.call});
}

}  // namespace

std::unique_ptr<World> system_world() { return std::make_unique<SystemWorld>(); }

Stdlib::Stdlib(const World& world) : Stdlib(world, Options{}) {}

Stdlib::Stdlib(const World& world, Options options) {
  std::vector<std::pair<std::string_view, Value::Object>> spaces;
  const auto space = [&](std::string_view name) -> Value::Object& {
    for (auto& [known, members] : spaces)
      if (known == name) return members;
    return spaces.emplace_back(name, Value::Object{}).second;
  };
  for (const Entry& entry : kFunctions) {
    const Value value = function(entry, options.experimental);
    if (entry.space.empty()) {
      globals_.emplace_back(entry.name, value);
      names_.emplace_back(entry.name);
    } else {
      space(entry.space).emplace_back(entry.name, value);
      names_.push_back(std::string(entry.space) + "." + std::string(entry.name));
    }
    if (!entry.old_name.empty()) globals_.emplace_back(entry.old_name, value);
  }
  const Value environment(Function{"env", [&world](const Arguments& arguments) -> Result<Value> {
                                     auto counted = expect_count(arguments, 1);
                                     if (!counted) return fail(std::move(counted).error());
                                     auto name = text_argument(arguments, 0);
                                     if (!name) return fail(std::move(name).error());
                                     if (!world.known()) return Value(Placeholder{});
                                     return Value(world.environment(*name));
                                   }});
  space("sys").emplace_back("env", environment);
  globals_.emplace_back("env", environment);
  names_.emplace_back("sys.env");

  Value::Object& constants = space("constants");
  const bool known = world.known();
  constants.emplace_back("hostname", known ? Value(world.hostname()) : Value(Placeholder{}));
  constants.emplace_back("os", Value("linux"));
  constants.emplace_back("arch", known ? Value(architecture()) : Value(Placeholder{}));
  constants.emplace_back("version", Value(std::move(options.version)));
  for (const auto& [name, value] : constants) names_.push_back("constants." + name);

  for (auto& [name, members] : spaces) globals_.emplace_back(name, Value(std::move(members)));
  std::sort(globals_.begin(), globals_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

const Value* Stdlib::find(std::string_view name) const {
  const auto at =
      std::lower_bound(globals_.begin(), globals_.end(), name,
                       [](const auto& entry, std::string_view n) { return entry.first < n; });
  return at != globals_.end() && at->first == name ? &at->second : nullptr;
}

}  // namespace agent::lang
