#include "fleetctl/plan/diff.h"

#include <algorithm>
#include <array>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace fleetctl::plan {
namespace {

constexpr std::size_t kContext = 3;
constexpr std::size_t kShortest = 4;            // a shorter secret is masked in its own place only
constexpr std::size_t kTableLimit = 16U << 20;  // cells; beyond it the middle is shown as replaced

struct Edit {
  char sign;  // ' ', '-', '+'
  std::string_view line;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.empty()) return {};
  return agent::split(text, '\n');
}

// The edits of the part between the common beginning and end, by the longest common subsequence.
void middle(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b,
            std::vector<Edit>& out) {
  const std::size_t width = b.size() + 1;
  if ((a.size() + 1) * width > kTableLimit) {
    for (const auto line : a) out.push_back({'-', line});
    for (const auto line : b) out.push_back({'+', line});
    return;
  }
  std::vector<std::uint32_t> common((a.size() + 1) * width, 0);
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      common[i * width + j] =
          a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                       : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out.push_back({' ', a[i++]});
      ++j;
    } else if (i < a.size() &&
               (j == b.size() || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
}

// `before` ends with the name of an attribute, or of a member of an object.
bool names_a_secret(std::string_view before) {
  constexpr std::size_t kLongest = 256;  // with spaces around it
  before.remove_prefix(before.size() - std::min(before.size(), kLongest));
  std::string name;
  for (const char c : before.substr(before.find_last_of("{,\n") + 1)) {
    if (c != '"' && c != ' ' && c != '\t')
      name += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (name == "key") return true;
  if (name.ends_with("_file")) return false;
  constexpr std::array<std::string_view, 12> kWords{
      "password", "secret",     "token",       "api_key",       "apikey",     "access_key",
      "key_pem",  "credential", "private_key", "authorization", "passphrase", "header"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

std::string mask(std::string_view value, std::string_view run_key) {
  if (run_key.empty()) return "(secret)";
  return "(secret #" + agent::sha256_hex(std::string(run_key) + std::string(value)).substr(0, 4) +
         ")";
}

// The end of the quoted or raw string that begins at `at`: one past its closing quote.
std::size_t string_end(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      return i + 1;
    } else if (quote == '"' && text[i] == '\n') {
      return i;
    }
  }
  return text.size();
}

// scheme://user:password@host -> the password is masked.
std::string mask_urls(std::string_view text, std::string_view run_key) {
  std::string out;
  for (;;) {
    const auto scheme = text.find("://");
    if (scheme == std::string_view::npos) return out.append(text);
    const auto begin = scheme + 3;
    const auto end = std::min(text.find_first_of("/\"`' \n", begin), text.size());
    const std::string_view authority = text.substr(begin, end - begin);
    const auto at = authority.rfind('@');
    const auto colon = authority.find(':');
    out.append(text.substr(0, begin));
    if (at != std::string_view::npos && colon < at) {
      out.append(authority.substr(0, colon + 1))
          .append(mask(authority.substr(colon + 1, at - colon - 1), run_key));
      out.append(authority.substr(at));
    } else {
      out.append(authority);
    }
    text.remove_prefix(end);
  }
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after, std::string_view from,
                         std::string_view to) {
  std::vector<std::string_view> a = lines_of(before), b = lines_of(after);
  std::size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  if (head == a.size() && head == b.size()) return "";
  using Offset = std::vector<std::string_view>::difference_type;
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < head; ++i) edits.push_back({' ', a[i]});
  middle({a.begin() + static_cast<Offset>(head), a.end() - static_cast<Offset>(tail)},
         {b.begin() + static_cast<Offset>(head), b.end() - static_cast<Offset>(tail)}, edits);
  for (std::size_t i = a.size() - tail; i < a.size(); ++i) edits.push_back({' ', a[i]});

  std::string out = "--- " + std::string(from) + "\n+++ " + std::string(to) + "\n";
  std::size_t old_line = 1, new_line = 1;
  for (std::size_t i = 0; i < edits.size();) {
    if (edits[i].sign == ' ') {
      ++i, ++old_line, ++new_line;
      continue;
    }
    // A hunk: from here until more than two contexts without a change follow.
    const std::size_t lead = std::min(kContext, i);
    std::size_t last = i;
    for (std::size_t k = i; k < edits.size() && k <= last + 2 * kContext; ++k) {
      if (edits[k].sign != ' ') last = k;
    }
    const std::size_t end = std::min(last + 1 + kContext, edits.size());
    std::size_t old_count = 0, new_count = 0;
    std::string body;
    for (std::size_t k = i - lead; k < end; ++k) {
      old_count += edits[k].sign != '+' ? 1 : 0;
      new_count += edits[k].sign != '-' ? 1 : 0;
      body.append(1, edits[k].sign).append(edits[k].line).append("\n");
    }
    out += "@@ -" + std::to_string(old_count == 0 ? 0 : old_line - lead) + "," +
           std::to_string(old_count) + " +" + std::to_string(new_count == 0 ? 0 : new_line - lead) +
           "," + std::to_string(new_count) + " @@\n" + body;
    for (; i < end; ++i) {
      old_line += edits[i].sign != '+' ? 1 : 0;
      new_line += edits[i].sign != '-' ? 1 : 0;
    }
  }
  return out;
}

Secrets secrets_of(std::string_view text,
                   const std::vector<std::pair<std::size_t, std::size_t>>& ranges) {
  Secrets secrets;
  if (ranges.empty()) return secrets;
  auto range = ranges.begin();
  std::size_t at = 0;
  for (const std::string_view line : agent::split(text, '\n')) {
    const std::size_t end = at + line.size();
    while (range != ranges.end() && range->second <= at) ++range;
    std::size_t first = end, last = at;
    for (auto one = range; one != ranges.end() && one->first < end; ++one) {
      const std::size_t from = std::max(one->first, at), to = std::min(one->second, end);
      if (from >= to) continue;
      first = std::min(first, from);
      last = std::max(last, to);
      if (to - from >= kShortest) secrets.texts.emplace_back(text.substr(from, to - from));
    }
    Secrets::Frame frame{std::string(text.substr(at, std::min(first, end) - at)),
                         std::string(last > at ? text.substr(last, end - last) : "")};
    const bool tells = !agent::trim(frame.before).empty() || !agent::trim(frame.after).empty();
    secrets.fills_lines = secrets.fills_lines || (first < last && !tells);
    if (first < last && tells &&
        std::find(secrets.frames.begin(), secrets.frames.end(), frame) == secrets.frames.end())
      secrets.frames.push_back(std::move(frame));
    at = end + 1;
  }
  std::sort(secrets.texts.begin(), secrets.texts.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  secrets.texts.erase(std::unique(secrets.texts.begin(), secrets.texts.end()), secrets.texts.end());
  return secrets;
}

namespace {

// The same text without what `secrets` knows of.
std::string without(std::string_view text, std::string_view run_key, const Secrets& secrets) {
  if (secrets.texts.empty() && secrets.frames.empty()) return std::string(text);
  std::string out;
  bool first = true;
  for (const std::string_view raw : agent::split(text, '\n')) {
    std::string line(raw);
    for (const Secrets::Frame& frame : secrets.frames) {
      if (line.size() <= frame.before.size() + frame.after.size() ||
          !line.starts_with(frame.before) || !line.ends_with(frame.after))
        continue;
      const std::size_t size = line.size() - frame.before.size() - frame.after.size();
      line.replace(frame.before.size(), size,
                   mask(std::string_view(line).substr(frame.before.size(), size), run_key));
      break;
    }
    for (const std::string& secret : secrets.texts) {
      for (auto at = line.find(secret); at != std::string::npos;) {
        const std::string instead = mask(secret, run_key);
        line.replace(at, secret.size(), instead);
        at = line.find(secret, at + instead.size());
      }
    }
    out += (first ? "" : "\n") + line;
    first = false;
  }
  return out;
}

// A value goes on to the end of its line, or of the brackets that it opens; what is inside of it is
// as secret as it is, but for the names of members and of environment variables. Of a comment the
// inside is masked in the same way: quotes in it do not concern what follows.
std::string mask_text(std::string_view text, bool is_comment, std::string_view run_key) {
  std::string out;
  std::vector<bool> around;  // whether what the open brackets are part of is secret
  bool secret = false;
  char last = '\n';  // before this, spaces apart
  const auto outer = [&] { return !around.empty() && around.back(); };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::string_view two = text.substr(at, 2);
    if (!is_comment && (two == "//" || two == "/*")) {
      const std::size_t end = two == "//" ? std::min(text.find('\n', at), text.size())
                                          : std::min(text.find("*/", at), text.size() - 2) + 2;
      out.append(two).append(mask_text(text.substr(at + 2, end - at - 2), true, run_key));
      at = end;
      continue;
    }
    if (c == '"' || c == '`') {
      const std::size_t end = string_end(text, at);
      const std::size_t next = text.find_first_not_of(" \t", end);
      const bool is_name =
          next != std::string_view::npos && text[next] == '=' && text.substr(next, 2) != "==";
      if (secret && !is_name) {
        out += '"' + mask(text.substr(at, end - at), run_key) + '"';
      } else {
        out += mask_urls(text.substr(at, end - at), run_key);
      }
      at = end;
      last = c;
      continue;
    }
    if (c == '=' && two != "==" && std::string_view("=!<>").find(last) == std::string_view::npos) {
      secret = outer() || names_a_secret(text.substr(0, at));
    } else if (c == '(' || c == '[' || c == '{') {
      around.push_back(secret);
      secret = secret && !(c == '(' && text.substr(0, at).ends_with("env"));
    } else if ((c == ')' || c == ']' || c == '}') && !around.empty()) {
      secret = around.back();
      around.pop_back();
    } else if (c == ',' || (c == '\n' && last != '=')) {
      secret = outer();
    }
    if (c != ' ' && c != '\t' && c != '\n') last = c;
    out += c;
    ++at;
  }
  return out;
}

}  // namespace

std::string mask_secrets(std::string_view text, std::string_view run_key, const Secrets& secrets) {
  return mask_text(without(text, run_key, secrets), false, run_key);
}

bool is_text(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos && agent::to_valid_utf8(bytes) == bytes;
}

std::string mask_file(std::string_view text, std::string_view run_key, const Secrets& secrets) {
  const bool is_secret = secrets.fills_lines && secrets.texts.empty();
  if (is_secret || (!secrets.texts.empty() && !is_text(text))) return mask(text, run_key);
  if (!is_text(text)) return std::string(text);
  const std::string masked = mask_urls(mask_secrets(text, run_key, secrets), run_key);
  std::string out;
  bool first = true;
  for (const std::string_view raw : agent::split(masked, '\n')) {
    std::string line(raw);
    for (auto at = line.find_first_of("=:"); at != std::string::npos;
         at = line.find_first_of("=:", at + 1)) {
      if (!names_a_secret(std::string_view(line).substr(0, at))) continue;
      const auto value = line.find_first_not_of(" \t", at + 1);
      if (value != std::string::npos)
        line.replace(value, std::string::npos, mask(std::string_view(line).substr(value), run_key));
      break;
    }
    out += (first ? "" : "\n") + line;
    first = false;
  }
  return out;
}

std::string file_diff(std::string_view before, std::string_view after, std::string_view name,
                      std::string_view run_key, const Secrets& secrets) {
  constexpr std::string_view kPrivateKey = "PRIVATE KEY-----";
  const auto instead = [&](const char* why) { return std::string(name) + ": " + why + "\n"; };
  if (!is_text(before) || !is_text(after)) return instead("binary");
  if (secrets.fills_lines || before.find(kPrivateKey) != std::string_view::npos ||
      after.find(kPrivateKey) != std::string_view::npos)
    return instead("not shown, lines of it are secret");
  return unified_diff(mask_file(before, run_key, secrets), mask_file(after, run_key, secrets),
                      std::string(name) + " on the host", std::string(name) + " rendered");
}

}  // namespace fleetctl::plan
