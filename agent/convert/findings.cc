#include "agent/convert/findings.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace agent::convert {
namespace {

constexpr std::size_t kMostFindings = 500;
constexpr std::size_t kShortestSecret = 4;
constexpr std::size_t kMostSecrets = 1000;

constexpr std::array<std::string_view, 4> kNames = {"info", "warning", "error", "critical"};

// One line, whatever the text that is quoted in it holds.
void make_plain(std::string& message) {
  for (char& c : message)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
}

}  // namespace

std::string_view severity_name(Severity severity) {
  return kNames[static_cast<std::size_t>(severity)];
}

void Findings::add(Severity severity, Mark mark, std::string message) {
  make_plain(message);
  all_.push_back({severity, mark, std::move(message)});
}

void Findings::hide(std::string secret) {
  hides_ = hides_ || !secret.empty();
  if (secret.size() < kShortestSecret || secrets_.size() >= kMostSecrets) return;
  make_plain(secret);
  secrets_.push_back(std::move(secret));
}

std::vector<Finding> Findings::take() {
  // What has no place comes last.
  const auto place = [](const Finding& finding) {
    return std::tuple(finding.mark.line == 0, finding.mark.line, finding.mark.column);
  };
  std::stable_sort(all_.begin(), all_.end(),
                   [&](const Finding& a, const Finding& b) { return place(a) < place(b); });
  const auto same = [](const Finding& a, const Finding& b) {
    return a.mark.line == b.mark.line && a.mark.column == b.mark.column && a.message == b.message;
  };
  all_.erase(std::unique(all_.begin(), all_.end(), same), all_.end());
  if (all_.size() > kMostFindings) {
    const std::size_t more = all_.size() - kMostFindings;
    Severity worst = Severity::kInfo;
    for (std::size_t i = kMostFindings; i < all_.size(); ++i)
      worst = std::max(worst, all_[i].severity);
    all_.resize(kMostFindings);
    all_.push_back({worst, {}, "and " + std::to_string(more) + " more"});
  }
  // A secret that holds another one goes first.
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  for (Finding& finding : all_) {
    for (const std::string& secret : secrets_) {
      for (std::size_t at = 0; (at = finding.message.find(secret, at)) != std::string::npos;) {
        finding.message.replace(at, secret.size(), "(secret)");
        at += std::string_view("(secret)").size();
      }
    }
  }
  return std::move(all_);
}

std::string render(const std::vector<Finding>& findings, std::string_view file) {
  std::string out;
  std::array<std::size_t, kNames.size()> counts{};
  for (const Finding& finding : findings) {
    ++counts[static_cast<std::size_t>(finding.severity)];
    out += file;
    if (finding.mark.line > 0) {
      out += ":" + std::to_string(finding.mark.line);
      if (finding.mark.column > 0) out += ":" + std::to_string(finding.mark.column);
    }
    out += ": " + std::string(severity_name(finding.severity)) + ": " + finding.message + "\n";
  }
  out += std::string(file) + ": ";
  if (findings.empty()) return out + "everything was carried over\n";
  bool first = true;
  for (std::size_t i = kNames.size(); i-- > 0;) {
    if (counts[i] == 0) continue;
    if (!first) out += ", ";
    first = false;
    const bool several = counts[i] > 1 && (kNames[i] == "error" || kNames[i] == "warning");
    out += std::to_string(counts[i]) + " " + std::string(kNames[i]) + (several ? "s" : "");
  }
  return out + "\n";
}

}  // namespace agent::convert
