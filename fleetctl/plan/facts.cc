#include "fleetctl/plan/facts.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

#include "agent/base/strings.h"
#include "fleetctl/plan/host_words.h"

namespace fleetctl::plan {
namespace {

using nlohmann::json;

constexpr std::size_t kMostFiles = 1000;
constexpr std::size_t kShownOfFact = 200;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? one_line(found->get<std::string>())
                                                     : std::string();
}

void read_applied(std::string_view text, Facts& facts) {
  const json document = json::parse(bounded_json(text), nullptr, false);
  if (!document.is_object()) return;
  const auto files = document.find("files");
  if (files == document.end() || !files->is_object()) return;
  for (const auto& [path, sha256] : files->items()) {
    if (sha256.is_string() && facts.applied.size() < kMostFiles)
      facts.applied[one_line(path)] = one_line(sha256.get<std::string>());
  }
}

void read_underway(std::string_view text, Facts& facts) {
  const json document = json::parse(bounded_json(text), nullptr, false);
  facts.interrupted = document.is_object()
                          ? text_of(document, "run") + " of " + text_of(document, "who")
                          : "an unknown run";
}

}  // namespace

agent::Result<> read_fact(std::string_view told, Facts& facts) {
  const std::size_t end_of_name = std::min(told.find(' '), told.size());
  const std::string_view first = told.substr(0, end_of_name);
  // JSON is cleaned when it is read.
  const std::string clean = first == "applied" || first == "underway" ? "" : one_line(told);
  const std::string_view line = clean.empty() ? told : clean;
  const auto cut = line.find(' ');
  const std::string_view name = line.substr(0, cut);
  const std::string_view rest =
      cut == std::string_view::npos ? "" : agent::trim(line.substr(cut + 1));
  const auto words = agent::split(rest, ' ');
  const auto bad = [&] {
    return agent::fail(agent::ErrorCode::kInvalid,
                       "unreadable fact: " + one_line(line, kShownOfFact));
  };
  if (name == "arch") {
    facts.architecture = rest;
  } else if (name == "os") {
    facts.os = rest;
  } else if (name == "libc") {
    facts.libc = rest;
  } else if (name == "systemd") {
    facts.systemd = true;
  } else if (name == "docker") {
    facts.docker = true;
  } else if (name == "alloy") {
    facts.alloy_runs = true;
  } else if (name == "user") {
    facts.user = true;
  } else if (name == "release") {
    facts.release_present = true;
  } else if (name == "current") {
    facts.current = rest;
  } else if (name == "free") {
    const auto [stop, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), facts.free_kib);
    if (error != std::errc() || stop != rest.data() + rest.size()) return bad();
  } else if (name == "unit") {
    if (words.size() != 2) return bad();
    facts.unit_active = words[0];
    facts.unit_enabled = words[1];
  } else if (name == "group") {
    if (words.size() != 2) return bad();
    facts.groups[std::string(words[0])] = words[1] == "member";
  } else if (name == "file") {
    if (words.size() != 5 || words[1].size() != 64) return bad();
    facts.files[std::string(words[0])] = InstalledFile{
        std::string(words[1]), std::string(words[2]), std::string(words[3]), std::string(words[4])};
  } else if (name == "nofile") {
    facts.no_files.emplace(rest);
  } else if (name == "applied") {
    read_applied(rest, facts);
  } else if (name == "underway") {
    read_underway(rest, facts);
  }
  return {};
}

}  // namespace fleetctl::plan
