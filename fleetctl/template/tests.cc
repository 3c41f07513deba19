// The tests behind `is`.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/regex.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Outcome<bool> defined(Call& c) { return !c.input.is_undefined(); }
Outcome<bool> undefined_test(Call& c) { return c.input.is_undefined(); }
Outcome<bool> none(Call& c) { return c.input.is_none(); }
Outcome<bool> boolean(Call& c) { return c.input.is_bool(); }
Outcome<bool> true_test(Call& c) { return c.input.is_bool() && c.input.as_bool(); }
Outcome<bool> false_test(Call& c) { return c.input.is_bool() && !c.input.as_bool(); }
Outcome<bool> integer(Call& c) {
  return c.input.is_number() && !c.input.is_float() && !c.input.is_bool();
}
Outcome<bool> float_test(Call& c) { return c.input.is_float(); }
Outcome<bool> number(Call& c) { return c.input.is_number(); }
Outcome<bool> string(Call& c) { return c.input.is_string(); }
Outcome<bool> mapping(Call& c) { return c.input.is_dict(); }
Outcome<bool> sequence(Call& c) {
  return c.input.is_string() || c.input.is_sequence() || c.input.is_dict();
}
Outcome<bool> iterable(Call& c) {
  const RuntimeObject* object = runtime_object(c.input);
  return c.input.is_string() || c.input.is_sequence() || c.input.is_dict() ||
         (object != nullptr && object->elements());
}
Outcome<bool> callable(Call& c) {
  if (c.input.is_undefined()) return true;  // calling it is what fails, in Python
  const RuntimeObject* object = runtime_object(c.input);
  return object != nullptr && object->callable();
}
// An undefined value has every attribute that Python's test asks for.
Outcome<bool> escaped(Call& c) { return c.input.is_undefined() || c.input.has(value::kMarkup); }

Outcome<bool> case_test(Call& c, std::string_view method) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(yes, call_method(c.in, Value::string(std::move(text)), method, {}));
  return value::truthy(yes);
}
Outcome<bool> lower_test(Call& c) { return case_test(c, "islower"); }
Outcome<bool> upper_test(Call& c) { return case_test(c, "isupper"); }

Outcome<bool> sameas(Call& c) {
  const Value other = c.get(0);
  if (c.input.is_string() || c.input.is_tuple())
    return value::equal(c.input, other) && c.input.kind() == other.kind();
  return c.input.same_object(other);
}

Outcome<bool> parity(Call& c, std::int64_t by, std::int64_t rest) {
  if (by == 0) return bad("integer division or modulo by zero");
  TEMPLATE_TRY(left, binary(c.in, Op::kMod, c.input, Value::integer(by)));
  return value::equal(left, Value::integer(rest));
}
Outcome<bool> odd(Call& c) { return parity(c, 2, 1); }
Outcome<bool> even(Call& c) { return parity(c, 2, 0); }
Outcome<bool> divisibleby(Call& c) {
  TEMPLATE_TRY(left, binary(c.in, Op::kMod, c.input, c.get(0)));
  return value::equal(left, Value::integer(0));
}

Outcome<bool> eq(Call& c) { return compare_op(c.in, Op::kEq, c.input, c.get(0)); }
Outcome<bool> ne(Call& c) { return compare_op(c.in, Op::kNe, c.input, c.get(0)); }
Outcome<bool> lt(Call& c) { return compare_op(c.in, Op::kLt, c.input, c.get(0)); }
Outcome<bool> le(Call& c) { return compare_op(c.in, Op::kLe, c.input, c.get(0)); }
Outcome<bool> gt(Call& c) { return compare_op(c.in, Op::kGt, c.input, c.get(0)); }
Outcome<bool> ge(Call& c) { return compare_op(c.in, Op::kGe, c.input, c.get(0)); }
Outcome<bool> in_test(Call& c) { return contains(c.in, c.get(0), c.input); }
Outcome<bool> contains_test(Call& c) { return contains(c.in, c.input, c.get(0)); }

Outcome<> name_input(Call& c) {
  if (c.input.is_string()) return {};
  return bad("key must be a string, got " + std::string(value::type_name(c.input)) + " instead");
}
Outcome<bool> filter_test(Call& c) {
  TEMPLATE_CHECK(name_input(c));
  return c.input.is_string() && c.in.registry().filter(c.input.as_string()) != nullptr;
}
Outcome<bool> test_test(Call& c) {
  TEMPLATE_CHECK(name_input(c));
  return c.input.is_string() && c.in.registry().test(c.input.as_string()) != nullptr;
}

// Ansible's.

Outcome<bool> any(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  for (const Value& v : items) {
    TEMPLATE_TRY(yes, c.in.truth_of(v));
    if (yes) return true;
  }
  return false;
}
Outcome<bool> all(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  for (const Value& v : items) {
    TEMPLATE_TRY(yes, c.in.truth_of(v));
    if (!yes) return false;
  }
  return true;
}

Outcome<bool> subset_of(Call& c, const Value& small, const Value& large) {
  TEMPLATE_TRY(few, c.in.elements_of(small));
  TEMPLATE_TRY(many, c.in.elements_of(large));
  for (const auto* items : {&few, &many}) {
    for (const Value& v : *items) {
      TEMPLATE_CHECK(c.in.require(v));
      if (!value::hashable(v))
        return bad("unhashable type: '" + std::string(value::type_name(v)) + "'");
    }
  }
  for (const Value& v : few) {
    TEMPLATE_CHECK(c.in.step());
    if (!std::any_of(many.begin(), many.end(),
                     [&v](const Value& each) { return value::equal(each, v); }))
      return false;
  }
  return true;
}
Outcome<bool> subset(Call& c) { return subset_of(c, c.input, c.get(0)); }
Outcome<bool> superset(Call& c) { return subset_of(c, c.get(0), c.input); }

Outcome<bool> matches(Call& c, bool anchored) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(pattern, c.text(0, ""));
  TEMPLATE_TRY(regex, Regex::compile(pattern, {c.flag(1, false), c.flag(2, false)}));
  TEMPLATE_TRY(match, regex.search(text, 0, anchored));
  return match.has_value();
}
Outcome<bool> match(Call& c) { return matches(c, true); }
Outcome<bool> search(Call& c) { return matches(c, false); }
Outcome<bool> regex(Call& c) {
  TEMPLATE_TRY(kind, c.text(3, "search"));
  if (kind != "fullmatch") return matches(c, kind == "match");
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(pattern, c.text(0, ""));
  TEMPLATE_TRY(whole,
               Regex::compile("(?:" + pattern + ")\\Z", {c.flag(1, false), c.flag(2, false)}));
  TEMPLATE_TRY(found, whole.search(text, 0, true));
  return found.has_value();
}

Outcome<bool> truthy_test(Call& c) {
  const Value& v = c.input;
  if (c.flag(0, false)) {
    const std::string word = v.is_string() ? lower(strip(v.as_string())) : "";
    for (const std::string_view yes : {"y", "yes", "on", "1", "true", "t"}) {
      if (word == yes) return true;
    }
    for (const std::string_view no : {"n", "no", "off", "0", "false", "f"}) {
      if (word == no) return false;
    }
  }
  return c.in.truth_of(v);
}
Outcome<bool> falsy_test(Call& c) {
  TEMPLATE_TRY(yes, truthy_test(c));
  return !yes;
}

// distutils' LooseVersion: runs of digits, runs of letters, other characters; "." separates.
std::vector<Value> loose_version(const std::string& text) {
  std::vector<Value> parts;
  const auto kind = [](char ch) {
    if (ch >= '0' && ch <= '9') return 1;
    if (ch >= 'a' && ch <= 'z') return 2;
    return ch == '.' ? 3 : 0;
  };
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at + 1;
    while (end < text.size() && kind(text[end]) == kind(text[at]) && kind(text[at]) != 3) ++end;
    const std::string part = text.substr(at, end - at);
    if (kind(part[0]) == 1) parts.push_back(Value::integer_text(part));
    if (kind(part[0]) == 2 || kind(part[0]) == 0) parts.push_back(Value::string(part));
    at = end;
  }
  return parts;
}

// Semantic versions: numbers, then a pre-release that sorts before the release; build data is
// ignored.
struct Semantic {
  std::vector<Value> numbers;
  std::vector<Value> pre;
};
Outcome<Semantic> semantic_version(std::string text) {
  text = text.substr(0, text.find('+'));
  Semantic out;
  const std::size_t dash = text.find('-');
  const auto read = [](std::string_view part, std::vector<Value>& into) {
    while (!part.empty()) {
      const std::size_t end = std::min(part.find('.'), part.size());
      const std::string_view one = part.substr(0, end);
      const bool number =
          !one.empty() && one.find_first_not_of("0123456789") == std::string_view::npos;
      into.push_back(number ? Value::integer_text(one) : Value::string(std::string(one)));
      part.remove_prefix(std::min(end + 1, part.size()));
    }
  };
  read(std::string_view(text).substr(0, dash), out.numbers);
  if (dash != std::string::npos) read(std::string_view(text).substr(dash + 1), out.pre);
  const bool good =
      out.numbers.size() == 3 && std::all_of(out.numbers.begin(), out.numbers.end(),
                                             [](const Value& v) { return v.is_number(); });
  if (!good) return bad("invalid semantic version '" + text + "'");
  return out;
}

// distutils' StrictVersion: two or three numbers, then a letter a or b with a number for what comes
// before the release.
Outcome<Semantic> strict_version(const std::string& text) {
  TEMPLATE_TRY(form, Regex::compile(R"(^(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?$)", {}));
  TEMPLATE_TRY(match, form.search(text, 0));
  if (!match) return bad("invalid version number " + value::repr_string(text));
  const auto part = [&](std::size_t group) -> std::optional<std::string> {
    if (!match->groups[group]) return std::nullopt;
    const auto [from, to] = *match->groups[group];
    return text.substr(from, to - from);
  };
  Semantic out;
  for (const std::size_t group : {std::size_t{1}, std::size_t{2}, std::size_t{3}})
    out.numbers.push_back(Value::integer_text(part(group).value_or("0")));
  if (part(4)) out.pre = {Value::string(*part(4)), Value::integer_text(*part(5))};
  return out;
}
int compare_semantic(const Semantic& a, const Semantic& b) {
  const auto sign = [](const std::vector<Value>& x, const std::vector<Value>& y) {
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (value::equal(x[i], y[i])) continue;
      if (x[i].is_number() != y[i].is_number()) return x[i].is_number() ? -1 : 1;
      return value::compare(x[i], y[i]) == std::partial_ordering::less ? -1 : 1;
    }
    return x.size() == y.size() ? 0 : x.size() < y.size() ? -1 : 1;
  };
  if (const int s = sign(a.numbers, b.numbers); s != 0) return s;
  if (a.pre.empty() != b.pre.empty()) return a.pre.empty() ? 1 : -1;
  return sign(a.pre, b.pre);
}

Outcome<bool> version(Call& c) {
  TEMPLATE_TRY(mine, c.in.text_of(c.input));
  TEMPLATE_TRY(other, c.text(0, ""));
  TEMPLATE_TRY(op, c.text(1, "eq"));
  TEMPLATE_TRY(kind, c.text(3, "loose"));
  const bool strict = c.flag(2, false);
  if (c.given(2) && c.given(3)) return bad("Cannot specify both 'strict' and 'version_type'");
  if (!value::truthy(c.input)) return bad("Input version value cannot be empty");
  if (other.empty()) return bad("Version parameter to compare against cannot be empty");
  int sign = 0;
  if (kind == "semver" || kind == "semantic" || kind == "strict") {
    TEMPLATE_TRY(a, semantic_version(mine));
    TEMPLATE_TRY(b, semantic_version(other));
    sign = compare_semantic(a, b);
  } else if (strict) {
    TEMPLATE_TRY(a, strict_version(mine));
    TEMPLATE_TRY(b, strict_version(other));
    sign = compare_semantic(a, b);
  } else if (kind == "loose") {
    const Value a = Value::list(loose_version(mine));
    const Value b = Value::list(loose_version(other));
    const auto order = value::compare(a, b);
    if (!order && !value::equal(a, b)) {
      return bad(
          "Version comparison failed: '<' not supported between instances of 'str' and 'int'");
    }
    sign = value::equal(a, b) ? 0 : order && *order < 0 ? -1 : 1;
  } else {
    return bad("Invalid version type (" + kind +
               "). Must be one of 'loose', 'strict', 'semver', 'semantic'");
  }
  if (op == "==" || op == "=" || op == "eq") return sign == 0;
  if (op == "!=" || op == "<>" || op == "ne") return sign != 0;
  if (op == "<" || op == "lt") return sign < 0;
  if (op == "<=" || op == "le") return sign <= 0;
  if (op == ">" || op == "gt") return sign > 0;
  if (op == ">=" || op == "ge") return sign >= 0;
  return bad("Invalid operator type (" + op + ")");
}

Outcome<bool> vault_encrypted(Call& c) {
  return c.input.is_string() && c.input.as_string().compare(0, 14, "$ANSIBLE_VAULT") == 0;
}

Outcome<bool> nan(Call& c) { return c.input.is_number() && std::isnan(value::number_of(c.input)); }

Outcome<bool> abs_test(Call& c) {
  if (!c.input.is_string())
    return bad("expected a path, not " + std::string(value::type_name(c.input)));
  return c.input.as_string().starts_with('/');
}

// "scheme:..." as Python's urlparse finds the scheme, which is "" where there is none.
std::string_view scheme_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) return {};
  const std::string_view scheme = text.substr(0, colon);
  const auto letter = [](char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z'); };
  const bool valid =
      letter(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), [&](char ch) {
        return letter(ch) || (ch >= '0' && ch <= '9') || ch == '+' || ch == '-' || ch == '.';
      });
  return valid ? scheme : std::string_view();
}
std::string lower_scheme(const Value& input) {
  std::string scheme(scheme_of(input.as_string()));
  for (char& ch : scheme)
    if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch - 'A' + 'a');
  return scheme;
}
// Ansible's: any text is a URI unless schemes are given.
Outcome<bool> uri(Call& c) {
  // Python takes what is false for an empty text.
  if (!c.input.is_string())
    return !c.given(0) && !value::truthy(c.input) && !c.input.is_undefined();
  if (!c.given(0)) return true;
  TEMPLATE_TRY(schemes, c.in.elements_of(c.get(0)));
  const Value scheme = Value::string(lower_scheme(c.input));
  return schemes.empty() || std::any_of(schemes.begin(), schemes.end(), [&](const Value& each) {
           return value::equal(each, scheme);
         });
}
Outcome<bool> url(Call& c) {
  TEMPLATE_TRY(is_uri, uri(c));
  if (!is_uri || !c.input.is_string()) return false;
  const std::string scheme = lower_scheme(c.input);
  std::string_view rest = c.input.as_string();
  if (!scheme.empty()) rest.remove_prefix(scheme.size() + 1);
  const bool host = rest.starts_with("//") && rest.size() > 2 && rest.find_first_of("/?#", 2) != 2;
  return host || scheme == "file";
}
Outcome<bool> urn(Call& c) { return c.input.is_string() && lower_scheme(c.input) == "urn"; }

Outcome<std::filesystem::path> file_of(const Call& c, const Value& v) {
  TEMPLATE_CHECK(c.in.require(v));
  if (!c.in.world().sees_files) return bad("the file system is not available here");
  if (!v.is_string())
    return bad("expected str, bytes or os.PathLike object, not " +
               std::string(value::type_name(v)));
  return std::filesystem::path(v.as_string());
}
Outcome<bool> directory(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}
Outcome<bool> file(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}
Outcome<bool> link(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  std::error_code error;
  return std::filesystem::is_symlink(path, error);
}
Outcome<bool> exists(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  std::error_code error;
  return std::filesystem::exists(path, error);
}
Outcome<bool> link_exists(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}
Outcome<bool> same_file(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  TEMPLATE_TRY(other, file_of(c, c.get(0)));
  std::error_code error;
  const bool same = std::filesystem::equivalent(path, other, error);
  if (error) return bad(error.message());
  return same;
}
// A folder that lies on another device than the one above it, or is its own parent.
Outcome<bool> mount(Call& c) {
  TEMPLATE_TRY(path, file_of(c, c.input));
  struct stat own {};
  struct stat above {};
  if (::lstat(path.c_str(), &own) != 0 || S_ISLNK(own.st_mode)) return false;
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::canonical(path, error) / "..";
  if (error || ::lstat(parent.c_str(), &above) != 0) return false;
  return own.st_dev != above.st_dev || own.st_ino == above.st_ino;
}

constexpr std::array kRows{
    TestRow{"defined", defined, "", kTakesUndefined},
    TestRow{"undefined", undefined_test, "", kTakesUndefined},
    TestRow{"none", none, "", kTakesUndefined},
    TestRow{"boolean", boolean, "", kTakesUndefined},
    TestRow{"true", true_test, "", kTakesUndefined},
    TestRow{"false", false_test, "", kTakesUndefined},
    TestRow{"integer", integer, "", kTakesUndefined},
    TestRow{"float", float_test, "", kTakesUndefined},
    TestRow{"number", number, "", kTakesUndefined},
    TestRow{"string", string, "", kTakesUndefined},
    TestRow{"mapping", mapping, "", kTakesUndefined},
    TestRow{"sequence", sequence, ""},
    TestRow{"iterable", iterable, ""},
    TestRow{"callable", callable, "", kTakesUndefined},
    TestRow{"escaped", escaped, "", kTakesUndefined},
    TestRow{"lower", lower_test, ""},
    TestRow{"upper", upper_test, ""},
    TestRow{"sameas", sameas, "other", kTakesUndefined},
    TestRow{"odd", odd, ""},
    TestRow{"even", even, ""},
    TestRow{"divisibleby", divisibleby, "num"},
    TestRow{"eq", eq, "other"},
    TestRow{"equalto", eq, "other"},
    TestRow{"==", eq, "other"},
    TestRow{"ne", ne, "other"},
    TestRow{"!=", ne, "other"},
    TestRow{"lt", lt, "other"},
    TestRow{"lessthan", lt, "other"},
    TestRow{"<", lt, "other"},
    TestRow{"le", le, "other"},
    TestRow{"<=", le, "other"},
    TestRow{"gt", gt, "other"},
    TestRow{"greaterthan", gt, "other"},
    TestRow{">", gt, "other"},
    TestRow{"ge", ge, "other"},
    TestRow{">=", ge, "other"},
    TestRow{"in", in_test, "seq"},
    TestRow{"contains", contains_test, "value"},
    TestRow{"filter", filter_test, ""},
    TestRow{"test", test_test, ""},
    TestRow{"any", any, ""},
    TestRow{"all", all, ""},
    TestRow{"subset", subset, "b"},
    TestRow{"issubset", subset, "b"},
    TestRow{"superset", superset, "b"},
    TestRow{"issuperset", superset, "b"},
    TestRow{"match", match, "pattern ignorecase multiline"},
    TestRow{"search", search, "pattern ignorecase multiline"},
    TestRow{"regex", regex, "pattern ignorecase multiline match_type"},
    TestRow{"truthy", truthy_test, "convert_bool"},
    TestRow{"falsy", falsy_test, "convert_bool"},
    TestRow{"version", version, "version operator strict version_type"},
    TestRow{"version_compare", version, "version operator strict version_type"},
    TestRow{"vault_encrypted", vault_encrypted, ""},
    TestRow{"nan", nan, ""},
    TestRow{"uri", uri, "schemes", kTakesUndefined},
    TestRow{"url", url, "schemes", kTakesUndefined},
    TestRow{"urn", urn, "", kTakesUndefined},
    TestRow{"abs", abs_test, ""},
    TestRow{"is_abs", abs_test, ""},
    TestRow{"isnan", nan, ""},
    TestRow{"directory", directory, ""},
    TestRow{"is_dir", directory, ""},
    TestRow{"file", file, ""},
    TestRow{"is_file", file, ""},
    TestRow{"link", link, ""},
    TestRow{"is_link", link, ""},
    TestRow{"exists", exists, ""},
    TestRow{"link_exists", link_exists, ""},
    TestRow{"same_file", same_file, "path"},
    TestRow{"is_same_file", same_file, "path"},
    TestRow{"mount", mount, ""},
    TestRow{"is_mount", mount, ""},
};

}  // namespace

std::span<const TestRow> all_tests() { return kRows; }

}  // namespace fleetctl::template_
