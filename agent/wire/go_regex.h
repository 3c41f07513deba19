// Finds matches as Go's package regexp does: leftmost first, one behind the other, and an empty
// match right behind another one does not count.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace re2 {
class RE2;
class StringPiece;
}  // namespace re2

namespace agent::wire {

// The matches of one regular expression, text after text. One thread at a time.
class GoMatches {
 public:
  // `regex` outlives it. `groups`: how many groups are asked for beside the whole match, at most.
  GoMatches(const re2::RE2& regex, std::size_t groups);
  ~GoMatches();

  // `text` outlives the matches.
  void start(std::string_view text);
  // Finds the next one; false when there is none.
  bool next();
  // Of the match: 0 is all of it. A group that took no part has no data().
  std::string_view group(std::size_t i) const;
  std::size_t groups() const { return groups_; }
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return end_; }
  // Bytes that the next search may look at.
  std::size_t left() const {
    return text_.size() - (position_ < text_.size() ? position_ : text_.size());
  }

 private:
  const re2::RE2& regex_;
  std::size_t groups_;
  std::unique_ptr<re2::StringPiece[]> found_;
  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool any_ = false;
};

}  // namespace agent::wire
