#include "fleetctl/inventory/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <unordered_set>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/inventory/address.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;

constexpr std::size_t kMaxPattern = 4096;

struct Subscript {
  long start = 0;
  std::optional<long> end;  // -1: to the last
};

// "web[0:2]" -> "web" and its subscript.
std::optional<Subscript> take_subscript(std::string_view& pattern) {
  if (pattern.size() < 4 || pattern.back() != ']') return std::nullopt;
  const std::size_t open = pattern.rfind('[');
  if (open == std::string_view::npos || open == 0) return std::nullopt;
  const std::string_view inner = pattern.substr(open + 1, pattern.size() - open - 2);
  const auto number = [](std::string_view text) -> std::optional<long> {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  Subscript subscript;
  if (const auto index = number(inner)) {
    subscript.start = *index;
  } else {
    const std::size_t separator = inner.find_first_of(":-");
    if (separator == std::string_view::npos || separator == 0) return std::nullopt;
    const auto from = number(inner.substr(0, separator));
    const std::string_view rest = inner.substr(separator + 1);
    const auto to = rest.empty() ? std::optional<long>(-1) : number(rest);
    if (!from || !to || (!rest.empty() && *to < 0)) return std::nullopt;
    subscript.start = *from;
    subscript.end = *to;
  }
  pattern = pattern.substr(0, open);
  return subscript;
}

class Regex {
 public:
  static Result<Regex> compile(std::string_view pattern) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    Regex regex;
    regex.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &code, &offset,
                                    nullptr));
    if (!regex.code_) {
      char message[256] = {};
      pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof message);
      return fail(ErrorCode::kInvalid, "the expression '" + std::string(pattern) +
                                           "' is not valid: " + message + " (at character " +
                                           std::to_string(offset) + ")");
    }
    regex.match_.reset(pcre2_match_data_create_from_pattern(regex.code_.get(), nullptr));
    regex.context_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(regex.context_.get(), 200'000);
    pcre2_set_depth_limit(regex.context_.get(), 10'000);
    return regex;
  }
  bool matches(std::string_view text) const {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                       match_.get(), context_.get()) >= 0;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
  std::unique_ptr<pcre2_match_context, Free> context_;
};

// One [...] of a glob, starting behind its '['. Returns the length up to and with its ']', 0 when
// the bracket is never closed and so stands for itself.
std::size_t match_class(std::u32string_view rest, char32_t c, bool& matched) {
  std::size_t close = 0;
  if (close < rest.size() && rest[close] == U'!') ++close;
  if (close < rest.size() && rest[close] == U']') ++close;
  while (close < rest.size() && rest[close] != U']') ++close;
  if (close == rest.size()) return 0;
  std::u32string_view members = rest.substr(0, close);
  const bool negated = members.size() > 1 && members[0] == U'!';
  if (negated) members.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 2 < members.size() && members[i + 1] == U'-') {
      found = found || (members[i] <= c && c <= members[i + 2]);
      i += 2;
    } else {
      found = found || members[i] == c;
    }
  }
  matched = found != negated;
  return close + 1;
}

class Selector {
 public:
  Selector(const Inventory& inventory, Selection& selection)
      : inventory_(inventory), selection_(selection) {}

  Result<std::vector<const Host*>> evaluate(const std::vector<std::string>& parts) {
    std::vector<const Host*> hosts;
    std::unordered_set<const Host*> members;
    bool united = false;
    for (const char prefix : {' ', '&', '!'}) {
      for (const std::string& part : parts) {
        if (part.empty() || kind(part) != prefix) continue;
        auto matched = match(part);
        if (!matched) return fail(matched.error());
        if (prefix == ' ') {
          united = true;
          for (const Host* host : *matched)
            if (members.insert(host).second) hosts.push_back(host);
          continue;
        }
        const std::unordered_set<const Host*> wanted(matched->begin(), matched->end());
        std::erase_if(hosts, [&](const Host* h) { return wanted.contains(h) != (prefix == '&'); });
      }
      if (prefix == ' ' && !united) hosts = inventory_.hosts_of(inventory_.all());
    }
    return hosts;
  }

 private:
  static char kind(const std::string& part) {
    return part[0] == '&' || part[0] == '!' ? part[0] : ' ';
  }

  Result<std::vector<const Host*>> match(std::string_view part) {
    if (const Host* host = inventory_.host(part)) {
      selection_.named.push_back(host->name);
      return std::vector<const Host*>{host};
    }
    std::string_view pattern = part;
    if (pattern[0] == '&' || pattern[0] == '!') pattern.remove_prefix(1);
    if (pattern.empty())
      return fail(ErrorCode::kInvalid, "limit: nothing follows '" + std::string(part) + "'");
    if (pattern.size() > kMaxPattern) return fail(ErrorCode::kInvalid, "limit: a part is too long");
    const std::string_view whole = pattern;
    std::optional<Subscript> subscript;
    if (pattern[0] != '~') subscript = take_subscript(pattern);
    auto hosts = enumerate(pattern, whole);
    if (!hosts || !subscript || hosts->empty()) return hosts;
    return apply(*subscript, std::move(*hosts), whole);
  }

  Result<std::vector<const Host*>> apply(const Subscript& subscript, std::vector<const Host*> hosts,
                                         std::string_view whole) {
    const long size = static_cast<long>(hosts.size());
    if (subscript.end && *subscript.end != 0) {
      const long end = *subscript.end == -1 ? size - 1 : std::min(*subscript.end, size - 1);
      if (subscript.start > end) return std::vector<const Host*>{};
      return std::vector<const Host*>(hosts.begin() + subscript.start, hosts.begin() + end + 1);
    }
    const long index = subscript.start < 0 ? size + subscript.start : subscript.start;
    if (index < 0 || index >= size)
      return fail(ErrorCode::kNotFound, "limit: '" + std::string(whole) + "' counts beyond its " +
                                            std::to_string(size) + " hosts");
    return std::vector<const Host*>{hosts[static_cast<std::size_t>(index)]};
  }

  Result<std::vector<const Host*>> enumerate(std::string_view pattern, std::string_view whole) {
    std::optional<Regex> regex;
    if (pattern[0] == '~') {
      auto compiled = Regex::compile(pattern.substr(1));
      if (!compiled) return fail(std::move(compiled.error()).within("limit"));
      regex = std::move(*compiled);
    }
    const auto matches = [&](const std::string& name) {
      return regex ? regex->matches(name) : glob_matches(pattern, name);
    };
    std::vector<const Host*> result;
    bool group_matched = false;
    for (const auto& group : inventory_.groups()) {
      if (!matches(group->name)) continue;
      group_matched = true;
      const auto hosts = inventory_.hosts_of(*group);
      result.insert(result.end(), hosts.begin(), hosts.end());
    }
    const bool special = regex || pattern.find_first_of(".?*[") != std::string_view::npos;
    if (!group_matched || special) {
      for (const auto& host : inventory_.hosts()) {
        if (!matches(host->name)) continue;
        result.push_back(host.get());
        if (host->name == pattern) selection_.named.push_back(host->name);
      }
    }
    if (result.empty() && !group_matched) {
      const bool wild = regex || pattern.find_first_of("?*[") != std::string_view::npos;
      if (!wild) return by_short_name(pattern, pattern.size() != whole.size());
      selection_.warnings.push_back("limit: '" + std::string(whole) + "' matches no host");
    }
    return result;
  }

  Result<std::vector<const Host*>> by_short_name(std::string_view name, bool subscripted) {
    std::vector<const Host*> hosts;
    for (const auto& host : inventory_.hosts())
      if (short_of(host->name) == name) hosts.push_back(host.get());
    if (hosts.empty()) return unknown(name, subscripted);
    if (hosts.size() > 1)
      return fail(ErrorCode::kInvalid, "limit: '" + std::string(name) + "' may be '" +
                                           hosts[0]->name + "' or '" + hosts[1]->name + "'");
    selection_.named.push_back(hosts[0]->name);
    return hosts;
  }

  static std::string_view short_of(std::string_view name) {
    return is_ip_address(name) ? name : name.substr(0, name.find('.'));
  }

  tl::unexpected<agent::Error> unknown(std::string_view name, bool subscripted) const {
    std::vector<std::string_view> names;
    for (const auto& host : inventory_.hosts()) {
      names.push_back(host->name);
      names.push_back(short_of(host->name));
    }
    for (const auto& group : inventory_.groups()) names.push_back(group->name);
    std::string message =
        "limit: no host and no group of the inventory is named '" + std::string(name) + "'";
    if (subscripted) message += " (what stands in [ ] at the end of a part counts its hosts)";
    const std::string_view near = agent::nearest(name, names);
    if (!near.empty()) message += "; did you mean '" + std::string(near) + "'?";
    return fail(ErrorCode::kNotFound, std::move(message));
  }

  const Inventory& inventory_;
  Selection& selection_;
};

Result<> add_file(std::string_view path, std::vector<std::string>& parts) {
  auto text = agent::read_file(std::string(path), 16U << 20);
  if (!text) return fail(std::move(text.error()).within("limit"));
  const std::size_t before = parts.size();
  for (const std::string_view raw : agent::split(*text, '\n')) {
    const std::string_view line = agent::trim(raw);
    if (!line.empty() && line[0] != '#') parts.emplace_back(line);
  }
  // Ansible takes all hosts then: what a list that came out empty least of all means.
  if (parts.size() == before)
    return fail(ErrorCode::kInvalid, "limit: " + std::string(path) + " names no host");
  return {};
}

}  // namespace

bool glob_matches(std::string_view glob_utf8, std::string_view text_utf8) {
  const std::u32string glob = value::decode_utf8(glob_utf8);
  const std::u32string text = value::decode_utf8(text_utf8);
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::u32string::npos;  // the last *, and what it has swallowed so far
  std::size_t star_text = 0;
  for (;;) {
    bool step = false;
    std::size_t length = 1;
    if (g < glob.size() && glob[g] == U'*') {
      star = g++;
      star_text = t;
      continue;
    }
    if (g == glob.size() && t == text.size()) return true;
    if (g < glob.size() && t < text.size()) {
      if (glob[g] == U'?') {
        step = true;
      } else if (glob[g] == U'[') {
        const std::size_t n = match_class(std::u32string_view(glob).substr(g + 1), text[t], step);
        length = n + 1;
        if (n == 0) step = text[t] == U'[';
      } else {
        step = glob[g] == text[t];
      }
    }
    if (step) {
      g += length;
      ++t;
    } else {
      if (star == std::u32string::npos || star_text >= text.size()) return false;
      g = star + 1;
      t = ++star_text;
    }
  }
}

std::vector<std::string> split_limit(std::string_view limit) {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view part) {
    part = agent::trim(part);
    if (!part.empty()) parts.emplace_back(part);
  };
  if (limit.find(',') != std::string_view::npos) {
    for (const std::string_view part : agent::split(limit, ',')) add(part);
  } else if (parse_address(limit, true)) {
    add(limit);
  } else {
    // Runs of characters that are neither white space nor ':' nor brackets, or complete brackets.
    std::size_t start = 0;
    std::size_t i = 0;
    const auto flush = [&] { add(limit.substr(start, i - start)); };
    while (i < limit.size()) {
      const char c = limit[i];
      const std::size_t close = c == '[' ? limit.find(']', i) : std::string_view::npos;
      if (close != std::string_view::npos) {
        i = close + 1;
      } else if (c == ':' || c == '[' || c == ']' || c == ' ' || (c >= '\t' && c <= '\r')) {
        flush();
        start = ++i;
      } else {
        ++i;
      }
    }
    flush();
  }
  return parts;
}

Result<Selection> select_hosts(const Inventory& inventory, const std::vector<std::string>& limits) {
  Selection selection;
  selection.hosts = inventory.hosts_of(inventory.all());
  if (limits.empty()) return selection;
  std::vector<std::string> parts;
  for (const std::string& limit : limits) {
    for (std::string& part : split_limit(limit)) {
      if (part[0] != '@') {
        parts.push_back(std::move(part));
      } else if (auto done = add_file(std::string_view(part).substr(1), parts); !done) {
        return fail(done.error());
      }
    }
  }
  auto hosts = Selector(inventory, selection).evaluate(parts);
  if (!hosts) return fail(hosts.error());
  const std::unordered_set<const Host*> chosen(hosts->begin(), hosts->end());
  std::erase_if(selection.hosts, [&](const Host* h) { return !chosen.contains(h); });
  if (selection.hosts.empty()) {
    std::string text;
    for (const std::string& limit : limits) text += (text.empty() ? "" : " ") + limit;
    return fail(ErrorCode::kNotFound, "limit: '" + text + "' selects no host");
  }
  return selection;
}

}  // namespace fleetctl::inventory
