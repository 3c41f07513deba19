// Python's `re` through PCRE2: the same syntax, save rarities; matching has a step limit, so no
// pattern can hang.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/template/outcome.h"

namespace fleetctl::template_ {

class Regex {
 public:
  struct Options {
    bool ignore_case = false;
    bool multiline = false;
  };
  struct Match {
    std::vector<std::optional<std::pair<std::size_t, std::size_t>>>
        groups;  // [from, to) bytes; 0 is the whole
  };

  static Outcome<Regex> compile(std::string_view pattern, Options options);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // The first match at or behind `from`. `anchored`: only at `from`. `not_empty_at_start`: no empty
  // match at `from`.
  Outcome<std::optional<Match>> search(std::string_view text, std::size_t from,
                                       bool anchored = false,
                                       bool not_empty_at_start = false) const;
  // Matches from left to right as Python's finditer.
  Outcome<std::vector<Match>> all(std::string_view text) const;
  std::size_t group_count() const;
  // The number of a named group; nullopt: there is none.
  std::optional<std::size_t> group_number(const std::string& name) const;
  // re.sub with Python's replacement syntax (\1, \g<1>, \g<name>, \n, \\).
  Outcome<std::string> replace(std::string_view text, std::string_view replacement,
                               std::size_t limit) const;

 private:
  Regex();
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace fleetctl::template_
