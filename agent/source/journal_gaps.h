// How many entries of a journal were never seen, as the numbers in its cursors tell: journald
// numbers what it writes, in all files of a machine together. A lower bound. Pure.
//
// A cursor: "s=<id of the numbering>;i=<number, hexadecimal>;b=..." (sd_journal_get_cursor(3)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agent::source {

class JournalGaps {
 public:
  // Whether its number cannot be one that comes next. libsystemd would take every other entry for
  // older, and pass all of them over, for ever.
  bool is_damaged(std::string_view cursor) const;
  // Reading starts after the entry of this cursor; "": anywhere.
  void start(std::string_view cursor);
  // `entries` more were read, the last of which has this cursor: how many are missing among them.
  // What was read before, and is read again, is not counted again.
  std::uint64_t read(std::string_view cursor, std::uint64_t entries);

 private:
  struct Place {
    std::string numbering;
    std::uint64_t number = 0;
  };
  static std::optional<Place> place_of(std::string_view cursor);

  std::optional<Place> newest_;
};

}  // namespace agent::source
