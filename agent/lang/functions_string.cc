#include <algorithm>
#include <optional>

#include "agent/base/unicode.h"
#include "agent/lang/functions.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

// The arguments as strings, or why they are none.
Result<std::vector<std::string>> texts(const Arguments& arguments, std::size_t count) {
  if (auto counted = expect_count(arguments, count); !counted)
    return fail(std::move(counted).error());
  std::vector<std::string> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto text = text_argument(arguments, i);
    if (!text) return fail(std::move(text).error());
    out.push_back(std::move(*text));
  }
  return out;
}

Result<Value> mapped(const Arguments& arguments, char32_t (*map)(char32_t)) {
  auto text = texts(arguments, 1);
  if (!text) return fail(std::move(text).error());
  return Value(map_code_points((*text)[0], map));
}

// Without the code points at both ends for which `drop` holds.
template <class Drop>
std::string_view trimmed(std::string_view text, Drop drop) {
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    if (!drop(c.value)) break;
    text.remove_prefix(c.length);
  }
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 &&
           (static_cast<unsigned char>(text[start]) & 0xC0U) == 0x80)
      --start;
    CodePoint c = decode_utf8(text.substr(start));
    if (!c.valid || start + c.length != text.size()) c = {0xFFFD, 1, false};
    if (!drop(c.value)) break;
    text.remove_suffix(c.length);
  }
  return text;
}

}  // namespace

Result<Value> string_join(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 2); !counted) return fail(std::move(counted).error());
  const auto list = list_argument(arguments, 0);
  const auto separator = text_argument(arguments, 1);
  if (!list) return fail(list.error());
  if (!separator) return fail(separator.error());
  std::string out;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto text = text_argument(**list, i);
    if (!text)
      return fail(ErrorCode::kInvalid, "item " + std::to_string(i) +
                                           " of argument 1 should be string, got " +
                                           std::string((**list)[i].kind_name()));
    if (i > 0) out += *separator;
    out += *text;
    if (out.size() > kMaxTextBytes) return too_large();
  }
  return Value(std::move(out));
}

Result<Value> string_replace(const Arguments& arguments) {
  const auto text = texts(arguments, 3);
  if (!text) return fail(text.error());
  const std::string_view in = (*text)[0];
  const std::string_view what = (*text)[1];
  const std::string_view by = (*text)[2];
  std::string out;
  if (what.empty()) {
    // Before every character and at the end.
    for (std::string_view rest = in;;) {
      out += by;
      if (out.size() > kMaxTextBytes) return too_large();
      if (rest.empty()) return Value(std::move(out));
      const std::size_t length = decode_utf8(rest).length;
      out += rest.substr(0, length);
      rest.remove_prefix(length);
    }
  }
  for (std::size_t at = 0;;) {
    const std::size_t hit = in.find(what, at);
    out += in.substr(at, hit == std::string_view::npos ? hit : hit - at);
    if (hit == std::string_view::npos) return Value(std::move(out));
    out += by;
    if (out.size() > kMaxTextBytes) return too_large();
    at = hit + what.size();
  }
}

Result<Value> string_split(const Arguments& arguments) {
  const auto text = texts(arguments, 2);
  if (!text) return fail(text.error());
  std::string_view rest = (*text)[0];
  const std::string_view separator = (*text)[1];
  Value::List out;
  if (separator.empty()) {
    while (!rest.empty()) {
      if (out.size() >= kMaxListItems) return too_large();
      const std::size_t length = decode_utf8(rest).length;
      out.emplace_back(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    return Value(std::move(out));
  }
  for (;;) {
    if (out.size() >= kMaxListItems) return too_large();
    const std::size_t hit = rest.find(separator);
    out.emplace_back(rest.substr(0, hit));
    if (hit == std::string_view::npos) return Value(std::move(out));
    rest.remove_prefix(hit + separator.size());
  }
}

Result<Value> string_to_lower(const Arguments& arguments) { return mapped(arguments, to_lower); }
Result<Value> string_to_upper(const Arguments& arguments) { return mapped(arguments, to_upper); }

Result<Value> string_trim(const Arguments& arguments) {
  const auto text = texts(arguments, 2);
  if (!text) return fail(text.error());
  std::u32string set;
  for (std::string_view rest = (*text)[1]; !rest.empty();) {
    const CodePoint c = decode_utf8(rest);
    set.push_back(c.value);
    rest.remove_prefix(c.length);
  }
  std::sort(set.begin(), set.end());
  return Value(trimmed((*text)[0],
                       [&](char32_t c) { return std::binary_search(set.begin(), set.end(), c); }));
}

Result<Value> string_trim_prefix(const Arguments& arguments) {
  const auto text = texts(arguments, 2);
  if (!text) return fail(text.error());
  std::string_view out = (*text)[0];
  if (out.starts_with((*text)[1])) out.remove_prefix((*text)[1].size());
  return Value(out);
}

Result<Value> string_trim_suffix(const Arguments& arguments) {
  const auto text = texts(arguments, 2);
  if (!text) return fail(text.error());
  std::string_view out = (*text)[0];
  if (out.ends_with((*text)[1])) out.remove_suffix((*text)[1].size());
  return Value(out);
}

Result<Value> string_trim_space(const Arguments& arguments) {
  const auto text = texts(arguments, 1);
  if (!text) return fail(text.error());
  return Value(trimmed((*text)[0], is_space));
}

// Go's filepath.Join on a Unix: the non-empty elements with slashes between them, shortened by its
// Clean.
Result<Value> file_path_join(const Arguments& arguments) {
  std::string path;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto text = text_argument(arguments, i);
    if (!text) return fail(text.error());
    if (text->empty()) continue;
    if (!path.empty()) path += '/';
    path += *text;
    if (path.size() > kMaxTextBytes) return too_large();
  }
  if (path.empty()) return Value("");
  const bool rooted = path[0] == '/';
  std::vector<std::string_view> parts;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty() && parts.back() != "..") {
        parts.pop_back();
        continue;
      }
      if (rooted) continue;
    }
    parts.push_back(part);
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return Value(out.empty() ? std::string(".") : std::move(out));
}

}  // namespace agent::lang
