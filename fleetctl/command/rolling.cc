#include "fleetctl/command/rolling.h"

#include <algorithm>
#include <charconv>

#include "agent/base/strings.h"
#include "fleetctl/value/text.h"

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

Result<Rolling> rolling_of_play(const value::Value& serial,
                                const value::Value& max_fail_percentage) {
  Rolling rolling;
  const auto add = [&](const value::Value& size) -> Result<> {
    auto amount = parse_amount(value::str(size));
    if (!amount) return fail(std::move(amount.error()).within("serial"));
    const bool all = amount->number == 0 && !amount->percent;
    rolling.serial.push_back(all ? Amount{100, true} : *amount);
    return {};
  };
  if (serial.is_sequence()) {
    for (const value::Value& size : serial.items()) {
      if (auto added = add(size); !added) return fail(added.error());
    }
  } else if (!serial.is_none()) {
    if (auto added = add(serial); !added) return fail(added.error());
  }
  if (max_fail_percentage.is_none()) return rolling;
  const std::string text = value::str(max_fail_percentage);
  std::string_view number = agent::trim(text);
  if (!number.empty() && number.back() == '%') number.remove_suffix(1);
  double share = -1;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, share);
  if (error != std::errc() || stop != end || !(share >= 0 && share <= 100))
    return fail(ErrorCode::kInvalid,
                "max_fail_percentage: '" + text + "' is not a number from 0 to 100");
  rolling.max_fail_percentage = share;
  return rolling;
}

Result<Rolling> settled(Rolling said, const Result<Rolling>& playbook) {
  if (!said.serial.empty() && said.max_fail) return said;
  if (!playbook) return fail(playbook.error());
  if (said.serial.empty()) said.serial = playbook->serial;
  if (!said.max_fail) said.max_fail_percentage = playbook->max_fail_percentage;
  return said;
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

bool too_much(const Rolling& rolling, const Batch& batch, const Trouble& trouble) {
  if (batch.canary) return trouble.failures > 0;
  if (rolling.max_fail) return trouble.failures > rolling.max_fail->of(trouble.hosts);
  if (rolling.max_fail_percentage) {
    const auto failures = static_cast<double>(trouble.failures - trouble.before);
    return failures * 100 > *rolling.max_fail_percentage * static_cast<double>(batch.hosts.size());
  }
  return trouble.in_batches && trouble.failures > 0;
}

}  // namespace fleetctl::command
