// Filters on the paths of the machine that renders. They tell what is there, never what it holds.
#include <glob.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

namespace fs = std::filesystem;

Outcome<std::string> path_of(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  if (!c.input.is_string())
    return bad("expected str, bytes or os.PathLike object, not " +
               std::string(value::type_name(c.input)));
  if (c.input.as_string().find('\0') != std::string::npos) return bad("embedded null byte");
  return c.input.as_string();
}

// An environment variable, as the lookup `env` gives it; "" too when there is none.
Outcome<std::string> environment(const Call& c, const std::string& name) {
  const Lookups* lookups = c.in.world().lookups;
  const auto found = lookups != nullptr ? lookups->run("env", {Value::string(name)}, {})
                                        : std::optional<agent::Result<std::vector<Value>>>();
  if (!found || !*found || (*found)->empty()) return bad("the environment is not available here");
  return value::str((*found)->front());
}

Outcome<Value> expanduser(Call& c) {
  TEMPLATE_TRY(path, path_of(c));
  if (!path.starts_with('~')) return Value::string(std::move(path));
  const std::size_t slash = std::min(path.find('/'), path.size());
  std::string home;
  if (slash == 1) {
    TEMPLATE_TRY(own, environment(c, "HOME"));
    home = own;
  } else {
    std::array<char, 4096> space{};
    passwd entry{};
    passwd* found = nullptr;
    getpwnam_r(path.substr(1, slash - 1).c_str(), &entry, space.data(), space.size(), &found);
    if (found != nullptr) home = found->pw_dir;
  }
  if (home.empty()) return Value::string(std::move(path));
  home.resize(home.find_last_not_of('/') + 1);
  home += path.substr(slash);
  return Value::string(home.empty() ? "/" : std::move(home));
}

// $NAME and ${NAME}; those that are not set stay as they are.
Outcome<Value> expandvars(Call& c) {
  TEMPLATE_TRY(path, path_of(c));
  std::string out;
  const auto in_name = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_';
  };
  for (std::size_t i = 0; i < path.size();) {
    std::size_t end = i + 1;
    std::string name;
    if (path[i] == '$' && end < path.size() && path[end] == '{') {
      end = path.find('}', i);
      if (end != std::string::npos) name = path.substr(i + 2, end++ - i - 2);
    } else if (path[i] == '$') {
      while (end < path.size() && in_name(path[end])) ++end;
      name = path.substr(i + 1, end - i - 1);
    }
    std::string found;
    if (!name.empty()) {
      TEMPLATE_TRY(value, environment(c, name));
      found = value;
    }
    if (!found.empty()) {
      out += found;
      i = end;
    } else {
      out += path[i++];
    }
  }
  return Value::string(std::move(out));
}

Outcome<Value> realpath(Call& c) {
  TEMPLATE_TRY(path, path_of(c));
  if (!c.in.world().sees_files) return bad("the file system is not available here");
  std::error_code error;
  fs::path real = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return bad(error.message());
  std::string out = real.string();
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return Value::string(std::move(out));
}

Outcome<Value> fileglob(Call& c) {
  TEMPLATE_TRY(pattern, path_of(c));
  if (!c.in.world().sees_files) return bad("the file system is not available here");
  std::vector<Value> out;
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
    std::error_code error;
    if (fs::is_regular_file(found.gl_pathv[i], error))
      out.push_back(Value::string(found.gl_pathv[i]));
  }
  ::globfree(&found);
  if (status == GLOB_NOSPACE) return problem(ProblemKind::kLimit, "too many files");
  // Python's order is the folder's, which differs from run to run of a deploy.
  std::sort(out.begin(), out.end(),
            [](const Value& a, const Value& b) { return a.as_string() < b.as_string(); });
  return Value::list(std::move(out));
}

constexpr std::array kRows{
    FilterRow{"expanduser", expanduser, ""},
    FilterRow{"expandvars", expandvars, ""},
    FilterRow{"realpath", realpath, ""},
    FilterRow{"fileglob", fileglob, ""},
};

}  // namespace

std::span<const FilterRow> file_filters() { return kRows; }

}  // namespace fleetctl::template_
