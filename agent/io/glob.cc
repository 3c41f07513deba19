#include "agent/io/glob.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "agent/base/strings.h"

namespace agent::io {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxPattern = 4096;
constexpr std::size_t kMaxAlternatives = 1024;
constexpr std::size_t kMaxDepth = 64;     // of folders below **
constexpr std::size_t kMaxTraced = 4096;  // folders
constexpr std::string_view kAnyLevels = "**";

bool has_meta(std::string_view level) {
  return level.find_first_of("*?[\\") != std::string_view::npos;
}

// The end of the set that opens at `begin` ('['), past its bracket; none when it is never closed.
std::optional<std::size_t> set_end(std::string_view pattern, std::size_t begin) {
  std::size_t i = begin + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  for (bool first = true; i < pattern.size(); first = false, ++i) {
    if (pattern[i] == ']' && !first) return i + 1;
    if (pattern[i] == '\\') ++i;
  }
  return std::nullopt;
}

bool set_contains(std::string_view set, char c) {
  std::size_t i = 1;
  const bool negated = set[i] == '!' || set[i] == '^';
  if (negated) ++i;
  const auto take = [&] {
    if (set[i] == '\\' && i + 2 < set.size()) ++i;
    return static_cast<unsigned char>(set[i++]);
  };
  bool found = false;
  const auto byte = static_cast<unsigned char>(c);
  while (i + 1 < set.size()) {
    const unsigned char low = take();
    unsigned char high = low;
    if (i + 2 < set.size() && set[i] == '-') {
      ++i;
      high = take();
    }
    if (byte >= low && byte <= high) found = true;
  }
  return found != negated;
}

// One level. Linear but for the sets: a later '*' never needs an earlier one to be tried again.
bool match_level(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    bool matched = false;
    std::size_t next = p + 1;
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      if (c == '?') {
        matched = true;
        // A whole UTF-8 character.
        while (t + 1 < text.size() && (static_cast<unsigned char>(text[t + 1]) & 0xC0U) == 0x80)
          ++t;
      } else if (c == '[') {
        const std::size_t end = set_end(pattern, p).value_or(pattern.size());
        matched = set_contains(pattern.substr(p, end - p), text[t]);
        next = end;
      } else {
        const bool escaped = c == '\\' && p + 1 < pattern.size();
        matched = text[t] == (escaped ? pattern[p + 1] : c);
        if (escaped) next = p + 2;
      }
    }
    if (matched) {
      p = next;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string unescape(std::string_view level) {
  std::string out;
  for (std::size_t i = 0; i < level.size(); ++i) {
    if (level[i] == '\\' && i + 1 < level.size()) ++i;
    out += level[i];
  }
  return out;
}

// Replaces the first brace group by each of its members, until none is left.
Result<std::vector<std::string>> expand_braces(std::string_view pattern) {
  std::vector<std::string> todo = {std::string(pattern)};
  std::vector<std::string> out;
  while (!todo.empty()) {
    const std::string text = std::move(todo.back());
    todo.pop_back();
    std::size_t open = std::string::npos;
    std::vector<std::size_t> cuts;  // the brace, the commas of its level, the closing brace
    int depth = 0;
    for (std::size_t i = 0; i < text.size() && (cuts.empty() || depth > 0); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '[' && set_end(text, i)) {
        i = *set_end(text, i) - 1;
      } else if (text[i] == '{') {
        if (depth++ == 0) cuts.push_back(open = i);
      } else if (text[i] == '}' && depth > 0) {
        if (--depth == 0) cuts.push_back(i);
      } else if (text[i] == ',' && depth == 1) {
        cuts.push_back(i);
      }
    }
    if (depth > 0) return fail(ErrorCode::kInvalid, "a { is not closed");
    if (cuts.empty()) {
      out.push_back(text);
    } else {
      for (std::size_t i = cuts.size() - 1; i > 0; --i)
        todo.push_back(text.substr(0, open) +
                       text.substr(cuts[i - 1] + 1, cuts[i] - cuts[i - 1] - 1) +
                       text.substr(cuts.back() + 1));
    }
    if (out.size() + todo.size() > kMaxAlternatives)
      return fail(ErrorCode::kInvalid, "the pattern has more than 1024 alternatives");
  }
  return out;
}

bool match_levels(const std::vector<std::string>& pattern, std::size_t p,
                  const std::vector<std::string_view>& path, std::size_t at) {
  // The furthest ** is the only one to come back to, as with '*' within a level.
  std::size_t star = std::string::npos;
  std::size_t star_at = 0;
  while (at < path.size()) {
    if (p < pattern.size() && pattern[p] == kAnyLevels) {
      star = p++;
      star_at = at;
    } else if (p < pattern.size() && match_level(pattern[p], path[at])) {
      ++p;
      ++at;
    } else if (star != std::string::npos) {
      p = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == kAnyLevels) ++p;
  return p == pattern.size();
}

class Search {
 public:
  Search(const std::vector<std::string>& levels, std::size_t limit, std::set<std::string>& found,
         GlobTrace* trace)
      : levels_(levels), limit_(limit), found_(found), trace_(trace) {}

  // `base` is what the levels before `p` matched; it ends with '/' or is empty.
  void run(std::size_t p, const std::string& base, std::size_t depth = 0) {
    if (found_.size() >= limit_ || depth > kMaxDepth) return;
    const std::string& level = levels_[p];
    const bool last = p + 1 == levels_.size();
    if (level == kAnyLevels) {
      if (!last) run(p + 1, base, depth);
      for (const auto& [name, kind] : entries(base)) {
        if (last && kind != fs::file_type::directory) take(base + name);
        if (kind == fs::file_type::directory) run(p, base + name + "/", depth + 1);
      }
    } else if (!has_meta(level) || level.empty()) {
      step(p, base + level, last);
    } else if (unescape(level).find_first_of("*?[") == std::string::npos &&
               level.find_first_of("*?[") == std::string::npos) {
      step(p, base + unescape(level), last);
    } else {
      for (const auto& [name, kind] : entries(base))
        if (match_level(level, name)) step(p, base + name, last);
    }
  }

 private:
  void step(std::size_t p, const std::string& path, bool last) {
    if (last) {
      // Of the folders on the way only this one matters: it is another one if they change.
      const std::size_t slash = path.rfind('/');
      note(slash == std::string::npos ? "." : path.substr(0, slash + 1));
      take(path);
    } else {
      run(p + 1, path + "/", 0);
    }
  }
  void take(const std::string& path) {
    struct stat info {};
    if (found_.size() >= limit_) return;
    if (::stat(path.c_str(), &info) != 0) {
      // A link may lead to something one day.
      if (trace_ != nullptr && ::lstat(path.c_str(), &info) == 0) trace_->complete = false;
    } else if (!S_ISDIR(info.st_mode)) {
      found_.insert(path);
    }
  }
  void note(const std::string& folder) {
    if (trace_ == nullptr) return;
    if (trace_->folders.size() < kMaxTraced) {
      trace_->folders.insert(folder);
    } else {
      trace_->complete = false;
    }
  }
  // The kinds do not follow links.
  std::vector<std::pair<std::string, fs::file_type>> entries(const std::string& folder) {
    note(folder.empty() ? "." : folder);
    std::vector<std::pair<std::string, fs::file_type>> out;
    std::error_code error;
    fs::directory_iterator it(folder.empty() ? "." : folder, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      std::error_code ignored;
      out.emplace_back(it->path().filename().string(), it->symlink_status(ignored).type());
    }
    return out;
  }

  const std::vector<std::string>& levels_;
  const std::size_t limit_;
  std::set<std::string>& found_;
  GlobTrace* const trace_;
};

}  // namespace

Result<Glob> Glob::compile(std::string_view pattern) {
  if (pattern.empty()) return fail(ErrorCode::kInvalid, "the pattern is empty");
  if (pattern.size() > kMaxPattern)
    return fail(ErrorCode::kInvalid, "the pattern is longer than 4096 bytes");
  auto expanded = expand_braces(pattern);
  if (!expanded) return fail(std::move(expanded.error()));
  Glob glob;
  for (const std::string& alternative : *expanded) {
    Levels levels;
    for (const std::string_view level : split(alternative, '/')) {
      for (std::size_t i = 0; i < level.size(); ++i) {
        if (level[i] == '\\') {
          if (++i == level.size()) return fail(ErrorCode::kInvalid, "it ends in a backslash");
        } else if (level[i] == '[') {
          const auto end = set_end(level, i);
          if (!end) return fail(ErrorCode::kInvalid, "a [ is not closed");
          i = *end - 1;
        }
      }
      // Two in a row are one.
      if (level == kAnyLevels && !levels.empty() && levels.back() == kAnyLevels) continue;
      levels.emplace_back(level);
    }
    glob.alternatives_.push_back(std::move(levels));
  }
  return glob;
}

bool Glob::matches(std::string_view path) const {
  const auto levels = split(path, '/');
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Levels& pattern) { return match_levels(pattern, 0, levels, 0); });
}

std::vector<std::string> Glob::find(std::size_t limit, GlobTrace* trace) const {
  std::set<std::string> found;
  for (const Levels& levels : alternatives_) Search(levels, limit, found, trace).run(0, "");
  return {found.begin(), found.end()};
}

}  // namespace agent::io
