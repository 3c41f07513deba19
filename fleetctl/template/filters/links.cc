// urlize: addresses in a text become HTML links.
#include <algorithm>
#include <array>
#include <set>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/regex.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

// A web address: with a scheme or www, below a well-known top level, or a bare IP with a scheme.
constexpr std::string_view kWeb =
    R"((?i)\A(?:(?:https?://|www\.)(?:[\w%-]+\.)*(?:[a-z]{2,63}|xn--[\w%]{2,59}))"
    R"(|(?:[\w%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil))"
    R"(|https?://(?:\d{1,3}(?:\.\d{1,3}){3}|\[(?:[\da-f]{0,4}:){2}(?:[\da-f]{0,4}:?){1,6}\])))"
    R"((?::\d{1,5})?(?:[/?#]\S*)?\Z)";
constexpr std::string_view kMail = R"(\A\S+@\w[\w.-]*\.\w+\Z)";
constexpr std::string_view kScheme = R"(\A[\w.+-]{2,}:(?:/){0,2}\Z)";

struct Looks {
  Regex web;
  Regex mail;
  std::vector<std::string> schemes;
  std::string attributes;           // of a link to the web
  std::optional<std::size_t> most;  // code points that are shown
};

Outcome<bool> fits(const Regex& regex, std::string_view word) {
  TEMPLATE_TRY(match, regex.search(word, 0));
  return match.has_value();
}

std::string link(const std::string& href, const std::string& attributes, std::string shown) {
  return "<a href=\"" + href + "\"" + attributes + ">" + shown + "</a>";
}
std::string cut(const std::string& word, const std::optional<std::size_t>& most) {
  const std::u32string points = value::decode_utf8(word);
  if (!most || points.size() <= *most) return word;
  return value::encode_utf8(points.substr(0, *most)) + "...";
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size()))
    ++found;
  return found;
}

// Takes one of `parts` off the front or the back; false when there is none.
template <std::size_t N>
bool take(std::string& word, std::string& into, bool front,
          const std::array<std::string_view, N>& parts) {
  for (const std::string_view part : parts) {
    if (front && word.starts_with(part)) {
      into += part;
      word.erase(0, part.size());
      return true;
    }
    if (!front && word.ends_with(part)) {
      into.insert(0, part);
      word.resize(word.size() - part.size());
      return true;
    }
  }
  return false;
}

// `word` is escaped HTML without space.
Outcome<std::string> linked(const Looks& looks, std::string word) {
  static constexpr std::array<std::string_view, 3> kOpening{"(", "<", "&lt;"};
  static constexpr std::array<std::string_view, 5> kClosing{")", ">", ".", ",", "&gt;"};
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPairs{
      {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}}};
  std::string head;
  std::string tail;
  while (take(word, head, true, kOpening)) {
  }
  while (take(word, tail, false, kClosing)) {
  }
  // What the address opens, it closes.
  for (const auto& [open, close] : kPairs) {
    const std::size_t opened = count(word, open);
    if (opened <= count(word, close)) continue;
    for (std::size_t left = std::min(opened, count(tail, close)); left > 0; --left) {
      const std::size_t end = tail.find(close) + close.size();
      word += tail.substr(0, end);
      tail.erase(0, end);
    }
  }
  TEMPLATE_TRY(is_web, fits(looks.web, word));
  if (is_web) {
    const bool complete = word.starts_with("https://") || word.starts_with("http://");
    return head +
           link((complete ? "" : "https://") + word, looks.attributes, cut(word, looks.most)) +
           tail;
  }
  const std::string_view rest = std::string_view(word).substr(word.starts_with("mailto:") ? 7 : 0);
  TEMPLATE_TRY(is_mail, fits(looks.mail, rest));
  if (is_mail && rest.size() < word.size()) return head + link(word, "", std::string(rest)) + tail;
  if (is_mail && !word.starts_with("www.") && word.find(':') == std::string::npos)
    return head + link("mailto:" + word, "", word) + tail;
  for (const std::string& scheme : looks.schemes) {
    if (word != scheme && word.starts_with(scheme)) word = link(word, looks.attributes, word);
  }
  return head + word + tail;
}

Outcome<Value> urlize(Call& c) {
  TEMPLATE_TRY(escaped, c.in.call_filter("e", c.input, {}));
  TEMPLATE_TRY(web, Regex::compile(kWeb, {}));
  TEMPLATE_TRY(mail, Regex::compile(kMail, {}));
  Looks looks{std::move(web), std::move(mail), {}, {}, {}};
  if (c.given(0)) {
    TEMPLATE_TRY(most, c.integer(0, 0));
    looks.most = static_cast<std::size_t>(std::max<std::int64_t>(0, most));
  }
  std::set<std::string> relations{"noopener"};
  if (c.flag(1, false)) relations.insert("nofollow");
  if (c.given(3)) {
    TEMPLATE_TRY(given, c.text(3, ""));
    std::string word;
    for (const char ch : given + " ") {
      if (ch != ' ') {
        word += ch;
      } else if (!word.empty()) {
        relations.insert(std::exchange(word, {}));
      }
    }
  }
  std::string relation;
  for (const std::string& one : relations) relation += (relation.empty() ? "" : " ") + one;
  TEMPLATE_TRY(rel, c.in.call_filter("e", Value::string(relation), {}));
  looks.attributes = " rel=\"" + rel.as_string() + "\"";
  if (c.given(2)) {
    TEMPLATE_TRY(target, c.in.call_filter("e", *c.args[2], {}));
    if (!target.as_string().empty()) looks.attributes += " target=\"" + target.as_string() + "\"";
  }
  if (c.given(4)) {
    TEMPLATE_TRY(valid, Regex::compile(kScheme, {}));
    TEMPLATE_TRY(schemes, c.in.elements_of(*c.args[4]));
    for (const Value& scheme : schemes) {
      TEMPLATE_TRY(name, c.in.text_of(scheme));
      TEMPLATE_TRY(fine, fits(valid, name));
      if (!fine) return bad(value::repr(scheme) + " is not a valid URI scheme prefix.");
      looks.schemes.push_back(name);
    }
  }
  std::string out;
  std::string word;
  const auto flush = [&]() -> Outcome<> {
    if (word.empty()) return {};
    TEMPLATE_TRY(made, linked(looks, std::exchange(word, {})));
    out += made;
    return c.in.step();
  };
  for (const char32_t point : value::decode_utf8(escaped.as_string())) {
    if (is_space_point(point)) TEMPLATE_CHECK(flush());
    value::append_utf8(is_space_point(point) ? out : word, point);
    if (out.size() > c.in.world().limits.output_bytes)
      return problem(ProblemKind::kLimit, "the text is too large");
  }
  TEMPLATE_CHECK(flush());
  return Value::string(std::move(out));
}

constexpr std::array kRows{
    FilterRow{"urlize", urlize, "trim_url_limit nofollow target rel extra_schemes"},
};

}  // namespace

std::span<const FilterRow> link_filters() { return kRows; }

}  // namespace fleetctl::template_
