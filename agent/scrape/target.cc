#include "agent/scrape/target.h"

#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <string_view>

#include "agent/base/duration.h"
#include "agent/component/collector.h"
#include "agent/io/http_fetch.h"

namespace agent::scrape {
namespace {

// "1d12h": Prometheus' own durations, which know days but no fractions.
std::optional<Duration> interval_of(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr std::array<Unit, 7> kUnits = {{{"ms", 1},
                                           {"s", 1000},
                                           {"m", 60'000},
                                           {"h", 3'600'000},
                                           {"d", 86'400'000},
                                           {"w", 604'800'000},
                                           {"y", 31'536'000'000}}};
  std::int64_t total = 0;
  if (text.empty() || text.size() > 64) return std::nullopt;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || number > 1'000'000'000) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    const std::string_view name = text.substr(0, letters);
    text.remove_prefix(letters);
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits)
      if (one.name == name) unit = &one;
    if (unit == nullptr || number > 3'153'600'000'000 / unit->ms) return std::nullopt;  // 100 years
    total += number * unit->ms;
  }
  if (total > 3'153'600'000'000) return std::nullopt;
  return std::chrono::milliseconds(total);
}

void append_query(std::string& url, std::string_view name, std::string_view value) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += io::percent_encode(name) + "=" + io::percent_encode(value);
}

}  // namespace

Result<ScrapeTarget> scrape_target(const model::Target& found, const TargetDefaults& defaults) {
  const model::LabelBuilder labels(found);
  const auto or_else = [&](std::string_view name, const std::string& otherwise) {
    const std::string_view own = labels.get(name);
    return own.empty() ? otherwise : std::string(own);
  };
  const std::string address(labels.get("__address__"));
  if (address.empty()) return fail(ErrorCode::kInvalid, "the target has no __address__");
  if (address.find_first_of("/?#@ ") != std::string::npos)
    return fail(ErrorCode::kInvalid, "not an address: " + address);
  const std::string scheme = or_else("__scheme__", defaults.scheme);
  if (scheme != "http" && scheme != "https")
    return fail(ErrorCode::kInvalid, "target " + address + ": not a scheme: " + scheme);

  ScrapeTarget target;
  target.interval = defaults.interval;
  target.timeout = defaults.timeout;
  for (auto [name, value] : {std::pair{"__scrape_interval__", &target.interval},
                             std::pair{"__scrape_timeout__", &target.timeout}}) {
    const std::string_view own = labels.get(name);
    if (own.empty()) continue;
    const auto parsed = interval_of(own);
    if (!parsed || *parsed <= Duration::zero())
      return fail(ErrorCode::kInvalid, "target " + address + ": " + name + " is \"" +
                                           std::string(own) + "\", which is no duration");
    *value = *parsed;
  }
  if (target.timeout > target.interval)
    return fail(ErrorCode::kInvalid,
                "target " + address + ": its timeout " + format_duration(target.timeout) +
                    " is above its interval " + format_duration(target.interval));

  std::string path = or_else("__metrics_path__", defaults.metrics_path);
  if (path.front() != '/') path.insert(0, "/");
  target.url = scheme + "://" + address + path;
  // A __param_ label stands for the first value of its parameter.
  constexpr std::string_view kParam = "__param_";
  for (const auto& [name, values] : defaults.params) {
    const std::string_view own = labels.get(std::string(kParam) + name);
    for (std::size_t i = 0; i < values.size(); ++i)
      append_query(target.url, name, i == 0 && !own.empty() ? own : std::string_view(values[i]));
  }
  for (const model::Label& label : found) {
    if (!label.name.starts_with(kParam)) continue;
    const std::string name = label.name.substr(kParam.size());
    bool given = false;
    for (const auto& [key, values] : defaults.params) given |= key == name && !values.empty();
    if (!given) append_query(target.url, name, label.value);
  }

  model::LabelBuilder own{model::Labels(found)};
  if (own.get("job").empty()) own.set("job", defaults.job_name);
  if (own.get("instance").empty()) own.set("instance", address);
  own.remove_prefix("__");
  target.labels = std::move(own).take();
  if (address == component::kInProcessAddress) target.exporter = component::exporter_of_path(path);
  return target;
}

std::int64_t first_due_ns(const ScrapeTarget& target, std::string_view seed, std::int64_t now_ns) {
  std::string identity(seed);
  identity += '\0';
  identity += target.url;
  for (const model::Label& label : target.labels) {
    identity += '\0';
    identity += label.name;
    identity += '\0';
    identity += label.value;
  }
  const std::int64_t interval = target.interval.count();
  const auto place = static_cast<std::int64_t>(std::hash<std::string>()(identity) %
                                               static_cast<std::uint64_t>(interval));
  const std::int64_t start = now_ns - now_ns % interval + place;
  return start < now_ns ? start + interval : start;
}

}  // namespace agent::scrape
