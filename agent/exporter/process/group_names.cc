#include "agent/exporter/process/group_names.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/wire/go_value.h"
#include "agent/wire/time_layout.h"

namespace agent::exporter::processes {
namespace {

using wire::GoScratch;
using wire::GoType;
using wire::GoValue;
using Matches = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::uint64_t kLastSecond = 253'402'300'799;  // of the year 9999

// The fields of a name template.
class NameData final : public wire::GoData {
 public:
  NameData(Candidate& candidate, const Matches& matches, const wire::TimeZone& zone)
      : candidate_(candidate), matches_(matches), zone_(zone) {}

  GoValue find(std::string_view key, GoScratch& scratch) override {
    const bool has_arguments = !candidate_.arguments.empty();
    const std::string_view command = has_arguments ? candidate_.arguments.front() : candidate_.comm;
    if (key == "Comm") return GoValue(candidate_.comm);
    if (key == "ExeBase") return GoValue(has_arguments ? base_name(command) : command);
    if (key == "ExeFull") return GoValue(command);
    if (key == "PID") return GoValue(static_cast<std::int64_t>(candidate_.pid));
    if (key == "Username") return GoValue(scratch.store(candidate_.username()));
    if (key == "StartTime")
      return GoValue(scratch.make(
          wire::GoTime{static_cast<std::int64_t>(std::min(candidate_.start_seconds, kLastSecond)),
                       static_cast<std::int32_t>(candidate_.start_nanoseconds), &zone_}));
    if (key == "Cgroups") {
      const std::vector<std::string> paths = candidate_.cgroups();
      GoValue* items = scratch.array<GoValue>(paths.size());
      for (std::size_t i = 0; i < paths.size(); ++i) items[i] = GoValue(scratch.store(paths[i]));
      return {scratch.make(wire::GoList{items, paths.size()}), GoType::kStringList};
    }
    if (key == "Matches") {
      auto* map = scratch.make(wire::GoMap());
      for (const auto& [name, text] : matches_) map->set(name, GoValue(text), scratch);
      return GoValue(map, GoType::kStringMap);
    }
    unknown_ = key;
    return {};
  }

  void all(std::vector<Pair>& out, GoScratch& scratch) override {
    for (const char* key :
         {"Cgroups", "Comm", "ExeBase", "ExeFull", "Username", "PID", "StartTime", "Matches"})
      out.emplace_back(key, find(key, scratch));
  }

  // A field that was read and does not exist.
  const std::string& unknown() const { return unknown_; }

 private:
  Candidate& candidate_;
  const Matches& matches_;
  const wire::TimeZone& zone_;
  std::string unknown_;
};

class Example final : public Candidate {
 public:
  Example() {
    pid = 1;
    comm = command_line = "init";
    arguments = {comm};
  }
  std::string username() override { return "root"; }
  std::vector<std::string> cgroups() override { return {"/"}; }
};

bool in(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

std::string_view base_name(std::string_view path) {
  if (path.empty()) return ".";
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

GroupNames::GroupNames(const Clock& clock)
    : utc_(wire::find_time_zone("UTC").value()), executor_(clock, utc_) {}

Result<> GroupNames::check_template(const std::string& text) {
  const auto parsed = wire::GoTemplate::parse(text);
  if (!parsed) return fail(parsed.error());
  const SystemClock clock;
  GroupNames names(clock);
  Example example;
  const Matches none;
  NameData data(example, none, *names.utc_);
  // What fails for this process may do for another; a field that there is none of never does.
  (void)names.executor_.execute(*parsed, data);
  if (data.unknown().empty()) return {};
  return fail(ErrorCode::kInvalid,
              "there is no field ." + data.unknown() +
                  "; there are .Comm, .ExeBase, .ExeFull, .Username, .PID, .StartTime, .Cgroups "
                  "and .Matches");
}

Result<GroupNames> GroupNames::make(const std::vector<MatcherArgs>& matchers, const Clock& clock) {
  GroupNames out(clock);
  std::vector<MatcherArgs> all = matchers;
  if (all.empty()) all.push_back({"{{.Comm}}", {}, {}, {".+"}});
  for (MatcherArgs& args : all) {
    if (args.name.empty()) args.name = MatcherArgs().name;
    auto name = wire::GoTemplate::parse(args.name);
    if (!name) return fail(std::move(name.error()).within("name"));
    Matcher matcher{std::move(args), {}, std::move(*name)};
    for (const std::string& one : matcher.args.cmdline) {
      auto expression = model::Expression::compile(one);
      if (!expression) return fail(std::move(expression.error()).within("cmdline"));
      matcher.cmdline.push_back(std::move(*expression));
    }
    out.matchers_.push_back(std::move(matcher));
  }
  return out;
}

bool GroupNames::fits(const Matcher& matcher, const Candidate& candidate, Matches& matches) {
  if (!matcher.args.comm.empty() && !in(matcher.args.comm, candidate.comm)) return false;
  if (!matcher.args.exe.empty()) {
    if (candidate.arguments.empty()) return false;
    const std::string_view command = candidate.arguments.front();
    const std::string_view base = base_name(command);
    const bool listed =
        std::any_of(matcher.args.exe.begin(), matcher.args.exe.end(), [&](const std::string& one) {
          return one == (one.find('/') == std::string::npos ? base : command);
        });
    if (!listed) return false;
  }
  matches.clear();
  std::vector<std::string_view> values;
  for (const model::Expression& one : matcher.cmdline) {
    if (!one.extract(candidate.command_line, values)) return false;
    for (std::size_t i = 0; i < values.size(); ++i) matches.emplace_back(one.names()[i], values[i]);
  }
  return true;
}

Result<std::optional<std::string>> GroupNames::name(Candidate& candidate) {
  for (const Matcher& matcher : matchers_) {
    if (!fits(matcher, candidate, matches_)) continue;
    NameData data(candidate, matches_, *utc_);
    const auto text = executor_.execute(matcher.name, data);
    if (!text) return fail(text.error());
    return std::string(utf8_head(to_valid_utf8(utf8_head(*text, kMaxName)), kMaxName));
  }
  return std::nullopt;
}

}  // namespace agent::exporter::processes
