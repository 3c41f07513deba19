#include "fleetctl/command/rolling.h"

#include <algorithm>
#include <charconv>

#include "agent/base/strings.h"

namespace fleetctl::command {

using agent::ErrorCode;
using agent::fail;
using agent::Result;

std::size_t Amount::of(std::size_t hosts) const { return percent ? hosts * number / 100 : number; }

Result<Amount> parse_amount(std::string_view text) {
  const std::string_view whole = agent::trim(text);
  Amount amount;
  const char* end = whole.data() + whole.size();
  const auto [stop, error] = std::from_chars(whole.data(), end, amount.number);
  amount.percent = stop + 1 == end && *stop == '%';
  if (whole.empty() || error != std::errc() || (stop != end && !amount.percent) ||
      (amount.percent && amount.number > 100)) {
    return fail(ErrorCode::kInvalid,
                "'" + std::string(text) + "' is neither a number of hosts nor a share like 30%");
  }
  return amount;
}

Result<std::vector<Amount>> parse_batches(std::string_view text) {
  std::vector<Amount> sizes;
  for (const std::string_view part : agent::split(text, ',')) {
    auto amount = parse_amount(part);
    if (!amount) return fail(amount.error());
    if (amount->number == 0) return fail(ErrorCode::kInvalid, "a batch of no hosts");
    sizes.push_back(*amount);
  }
  return sizes;
}

std::vector<Batch> batches_of(std::size_t hosts, std::vector<std::size_t> first,
                              const Rolling& rolling) {
  std::vector<Batch> batches;
  if (first.empty() && rolling.canary && hosts > 0) {
    const std::size_t size = std::clamp<std::size_t>(rolling.canary->of(hosts), 1, hosts);
    for (std::size_t i = 0; i < size; ++i) first.push_back(i);
  }
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < hosts; ++i) {
    if (std::find(first.begin(), first.end(), i) == first.end()) rest.push_back(i);
  }
  if (!first.empty()) batches.push_back({std::move(first), true});
  std::size_t step = 0;
  for (auto at = rest.begin(); at != rest.end(); ++step) {
    const auto left = static_cast<std::size_t>(rest.end() - at);
    std::size_t size = left;
    if (!rolling.serial.empty()) {
      const Amount& amount = rolling.serial[std::min(step, rolling.serial.size() - 1)];
      size = std::clamp<std::size_t>(amount.of(hosts), 1, left);
    }
    const auto end = at + static_cast<std::ptrdiff_t>(size);
    batches.push_back({{at, end}, false});
    at = end;
  }
  return batches;
}

std::optional<std::size_t> tolerated(const Rolling& rolling, std::size_t hosts, bool in_batches) {
  if (rolling.max_fail) return rolling.max_fail->of(hosts);
  if (in_batches) return 0;
  return std::nullopt;
}

}  // namespace fleetctl::command
