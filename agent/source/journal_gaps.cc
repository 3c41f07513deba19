#include "agent/source/journal_gaps.h"

#include <charconv>
#include <utility>

namespace agent::source {
namespace {

// A journal never has so many entries, and never loses so many.
constexpr std::uint64_t kMostEntries = 1'000'000'000'000;
constexpr std::uint64_t kMostMissing = 1'000'000'000;

}  // namespace

std::optional<JournalGaps::Place> JournalGaps::place_of(std::string_view cursor) {
  const std::size_t end = cursor.find(";i=");
  if (cursor.substr(0, 2) != "s=" || end == std::string_view::npos) return std::nullopt;
  Place out;
  out.numbering = cursor.substr(2, end - 2);
  const char* const digits = cursor.data() + end + 3;
  const auto parsed =
      std::from_chars(digits, cursor.data() + cursor.size(), out.number, /*base=*/16);
  if (parsed.ec != std::errc() || parsed.ptr == digits) return std::nullopt;
  return out;
}

bool JournalGaps::is_damaged(std::string_view cursor) const {
  const auto place = place_of(cursor);
  if (!place) return false;
  if (place->number > kMostEntries) return true;
  return newest_ && newest_->numbering == place->numbering && place->number > newest_->number &&
         place->number - newest_->number > kMostMissing;
}

void JournalGaps::start(std::string_view cursor) {
  auto place = place_of(cursor);
  const bool again =
      newest_ && place && newest_->numbering == place->numbering && newest_->number > place->number;
  if (!again) newest_ = std::move(place);
}

std::uint64_t JournalGaps::read(std::string_view cursor, std::uint64_t entries) {
  auto place = place_of(cursor);
  if (!place) return 0;
  if (!newest_ || newest_->numbering != place->numbering) {
    newest_ = std::move(place);
    return 0;
  }
  if (place->number <= newest_->number) return 0;
  const std::uint64_t span = place->number - newest_->number;
  if (span > kMostMissing) return 0;
  newest_->number = place->number;
  return span > entries ? span - entries : 0;
}

}  // namespace agent::source
