#include "agent/wire/go_regex.h"

#include <re2/re2.h>

#include <algorithm>

#include "agent/base/unicode.h"

namespace agent::wire {

GoMatches::GoMatches(const re2::RE2& regex, std::size_t groups)
    : regex_(regex),
      groups_(std::min(groups, static_cast<std::size_t>(regex.NumberOfCapturingGroups()))),
      found_(std::make_unique<re2::StringPiece[]>(groups_ + 1)) {}
GoMatches::~GoMatches() = default;

void GoMatches::start(std::string_view text) {
  // An empty text too has a place, by which its empty match is told from a group without one.
  text_ = text.data() == nullptr ? std::string_view("") : text;
  position_ = 0;
  any_ = false;
}

bool GoMatches::next() {
  const re2::StringPiece text(text_.data(), text_.size());
  while (position_ <= text_.size()) {
    if (!regex_.Match(text, position_, text_.size(), RE2::UNANCHORED, found_.get(),
                      static_cast<int>(groups_ + 1)))
      break;
    const auto begin = static_cast<std::size_t>(found_[0].data() - text_.data());
    const std::size_t end = begin + found_[0].size();
    const bool counts = end > begin || !any_ || begin != end_;
    if (end > position_) {
      position_ = end;
    } else {
      position_ += position_ < text_.size() ? decode_utf8(text_.substr(position_)).length : 1;
    }
    begin_ = begin;
    end_ = end;
    any_ = true;
    if (counts) return true;
  }
  position_ = text_.size() + 1;
  return false;
}

std::string_view GoMatches::group(std::size_t i) const {
  return {found_[i].data(), found_[i].size()};
}

}  // namespace agent::wire
