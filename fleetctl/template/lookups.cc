// lookup() and query().
#include <algorithm>
#include <array>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/regex.h"
#include "fleetctl/template/restore.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

constexpr std::size_t kMostNumbers = 1'000'000;  // of one sequence

// One of the numbers of a sequence: decimal, 0x or with a leading 0 octal (or 0o, 0b).
Outcome<std::int64_t> sequence_number(const std::string& written) {
  const auto v = value::parse_literal(written);
  if (!v || !v->is_int()) return bad("can't parse " + written + " as integer");
  return v->as_int();
}

struct Sequence {
  std::int64_t start = 1;
  std::optional<std::int64_t> end;
  std::optional<std::int64_t> count;
  std::int64_t stride = 1;
  std::string format = "%d";
};

// [start-]end[/stride][:format], or words start= end= count= stride= format=
Outcome<Sequence> read_sequence(std::string term) {
  Sequence out;
  const auto digit = [](char ch) { return ch >= '0' && ch <= '9'; };
  if (!term.empty() && digit(term[0])) {
    if (const std::size_t colon = term.find(':'); colon != std::string::npos) {
      out.format = term.substr(colon + 1);
      term.resize(colon);
    }
    if (const std::size_t slash = term.find('/'); slash != std::string::npos) {
      TEMPLATE_TRY(stride, sequence_number(term.substr(slash + 1)));
      out.stride = stride;
      term.resize(slash);
    }
    if (const std::size_t dash = term.find('-'); dash != std::string::npos) {
      TEMPLATE_TRY(start, sequence_number(term.substr(0, dash)));
      out.start = start;
      term.erase(0, dash + 1);
    }
    TEMPLATE_TRY(end, sequence_number(term));
    out.end = end;
    return out;
  }
  for (std::size_t at = 0; at < term.size();) {
    const std::size_t end = std::min(term.find(' ', at), term.size());
    const std::string word = term.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string written = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "format") {
      out.format = written;
      continue;
    }
    if (name != "start" && name != "end" && name != "count" && name != "stride")
      return bad("unrecognized arguments to with_sequence: " + name);
    TEMPLATE_TRY(number, sequence_number(written));
    if (name == "start") out.start = number;
    if (name == "end") out.end = number;
    if (name == "count") out.count = number;
    if (name == "stride") out.stride = number;
  }
  return out;
}

Outcome<std::vector<Value>> sequence_of(Interpreter& in, const Value& term) {
  TEMPLATE_TRY(text, in.text_of(term));
  TEMPLATE_TRY(s, read_sequence(text));
  constexpr std::int64_t kFar = std::int64_t{1} << 40U;
  for (const std::int64_t number : {s.start, s.end.value_or(0), s.count.value_or(0), s.stride}) {
    if (number > kFar || number < -kFar) return bad("a number of the sequence is out of range");
  }
  std::vector<Value> out;
  if (s.end.has_value() == s.count.has_value())
    return bad(s.end ? "can't specify both count and end in with_sequence"
                     : "must specify count or end in with_sequence");
  if (s.count == 0) return out;
  if (s.count && (*s.count > kFar / 1024 || s.stride > 1024 || s.stride < -1024))
    return bad("a number of the sequence is out of range");
  const std::int64_t end = s.count ? s.start + *s.count * s.stride - 1 : *s.end;
  if (s.stride > 0 && end < s.start) return bad("to count backwards make stride negative");
  if (s.stride < 0 && end > s.start) return bad("to count forward don't make stride negative");
  if (std::count(s.format.begin(), s.format.end(), '%') != 1)
    return bad("bad formatting string: " + s.format);
  if (s.stride == 0) return out;
  for (std::int64_t i = s.start; s.stride > 0 ? i <= end : i >= end; i += s.stride) {
    TEMPLATE_CHECK(in.step());
    if (out.size() == kMostNumbers) return problem(ProblemKind::kLimit, "the sequence is too long");
    TEMPLATE_TRY(one, percent_format(in, s.format, Value::integer(i)));
    TEMPLATE_CHECK(in.charge(one.size()));
    out.push_back(Value::string(std::move(one)));
  }
  return out;
}

// Every way to take one item of each list.
Outcome<std::vector<Value>> nested(Interpreter& in, const std::vector<Value>& lists) {
  if (lists.empty()) return bad("with_nested requires at least one element in the nested list");
  std::vector<std::vector<Value>> rows{{}};
  for (const Value& list : lists) {
    const std::vector<Value> items = list.is_sequence() ? list.items() : std::vector<Value>{list};
    std::vector<std::vector<Value>> longer;
    for (const auto& row : rows) {
      for (const Value& item : items) {
        TEMPLATE_CHECK(in.step(row.size() + 1));
        longer.push_back(row);
        longer.back().push_back(item);
      }
    }
    rows = std::move(longer);
  }
  std::vector<Value> out;
  for (auto& row : rows) out.push_back(Value::list(std::move(row)));
  return out;
}

// The first items of all lists, the second ones, ...; None where a list has ended.
Outcome<std::vector<Value>> together(Interpreter& in, const std::vector<Value>& lists) {
  if (lists.empty()) return bad("with_together requires at least one element in each list");
  std::vector<Value> out;
  for (std::size_t i = 0;; ++i) {
    std::vector<Value> row;
    bool any = false;
    for (const Value& list : lists) {
      const bool has = list.is_sequence() && i < list.items().size();
      any = any || has;
      row.push_back(has ? list.items()[i] : Value::none());
    }
    if (!any) return out;
    TEMPLATE_CHECK(in.step(row.size()));
    out.push_back(Value::list(std::move(row)));
  }
}

}  // namespace

// lookup('name', terms..., wantlist=, default=, errors=). The result is text joined by commas
// unless a list is wanted.
Outcome<Value> Interpreter::lookup(Args args, bool want_list) {
  if (args.positional.empty()) return bad("lookup needs the name of a lookup plugin");
  TEMPLATE_CHECK(require(args.positional[0]));
  TEMPLATE_TRY(full_name, text_of(args.positional[0]));
  const std::string name(strip_collection(full_name));
  std::vector<Value> terms(args.positional.begin() + 1, args.positional.end());
  for (const Value& term : terms) TEMPLATE_CHECK(require(term));
  Lookups::Named options;
  std::string errors = "strict";
  std::optional<Value> preset;
  for (const auto& [key, v] : args.named) {
    TEMPLATE_CHECK(require(v));
    if (key == "wantlist") {
      want_list = value::truthy(v);
    } else if (key == "errors") {
      errors = value::str(v);
    } else if (key == "default") {
      preset = v;
    } else if (key != "allow_unsafe") {
      options.emplace_back(key, v);
    }
  }
  std::vector<Value> found;
  if (name == "vars") {
    for (const Value& term : terms) {
      TEMPLATE_TRY(v, variable(*variables_, value::str(term)));
      if (v) {
        TEMPLATE_CHECK(require(*v));
        found.push_back(std::move(*v));
      } else if (preset) {
        found.push_back(*preset);
      } else {
        return problem(ProblemKind::kUndefined,
                       "No variable found with this name: " + value::str(term));
      }
    }
  } else if (name == "template") {
    for (const Value& term : terms) {
      TEMPLATE_CHECK(enter("lookup template"));
      TEMPLATE_TRY(tmpl, load(value::str(term)));
      Output captured;
      Unit unit;
      unit.scope = std::make_shared<Scope>();
      const bool convert = std::none_of(options.begin(), options.end(), [](const auto& option) {
        return option.first == "convert_data" && !value::truthy(option.second);
      });
      const Restore<int> counted(depth_, depth_ + 1);
      const Restore<ScopePtr> scope(scope_, unit.scope);
      const Restore<Unit*> units(unit_, &unit);
      const Restore<Output*> output(out_, &captured);
      const Restore<bool> literal(literal_concat_, convert);
      TEMPLATE_CHECK(run_root(tmpl));
      const std::size_t kept = captured.text.find_last_not_of('\n');
      std::size_t have = captured.text.size() - (kept == std::string::npos ? 0 : kept + 1);
      Value made = finish(captured);
      if (made.is_string()) {
        std::string restored = made.as_string();
        for (; have < tmpl->trailing_newlines; ++have) restored += '\n';
        made = Value::string(std::move(restored), made.flags());
      }
      found.push_back(std::move(made));
    }
  } else if (name == "dict") {
    for (const Value& term : terms) {
      if (!term.is_dict()) return bad("the `dict` lookup expects dicts");
      for (const auto& [key, v] : term.as_dict()) {
        value::Dict pair;
        pair.set("key", key);
        pair.set("value", v);
        found.push_back(Value::dict(std::move(pair)));
      }
    }
  } else if (name == "items" || name == "list" || name == "indexed_items") {
    for (const Value& term : terms) {
      if (term.is_sequence() && name != "list") {
        for (const Value& v : term.items()) found.push_back(v);
      } else {
        found.push_back(term);
      }
    }
    if (name == "indexed_items") {
      for (std::size_t i = 0; i < found.size(); ++i) {
        found[i] = Value::tuple({Value::integer(static_cast<std::int64_t>(i)), found[i]});
      }
    }
  } else if (name == "sequence") {
    for (const Value& term : terms) {
      TEMPLATE_TRY(numbers, sequence_of(*this, term));
      found.insert(found.end(), numbers.begin(), numbers.end());
    }
  } else if (name == "nested" || name == "cartesian") {
    TEMPLATE_TRY(rows, nested(*this, terms));
    found = std::move(rows);
  } else if (name == "together") {
    TEMPLATE_TRY(rows, together(*this, terms));
    found = std::move(rows);
  } else if (name == "subelements") {
    Args rest;
    rest.positional.assign(terms.begin() + (terms.empty() ? 0 : 1), terms.end());
    if (terms.empty()) return bad("the `subelements` lookup expects a list and a key");
    TEMPLATE_TRY(pairs, call_filter("subelements", terms[0], std::move(rest)));
    found = pairs.items();
    // The filter leaves the list in its item; the lookup takes it out.
    for (Value& pair : found) {
      value::Dict item = pair.items()[0].as_dict();
      if (terms.size() > 1) item.erase(terms[1]);
      pair = Value::tuple({Value::dict(std::move(item)), pair.items()[1]});
    }
  } else if (name == "varnames") {
    const std::vector<std::string> names = variables_->names();
    for (const Value& term : terms) {
      TEMPLATE_TRY(regex, Regex::compile(value::str(term), {}));
      for (const std::string& each : names) {
        TEMPLATE_TRY(match, regex.search(each, 0));
        if (match) found.push_back(Value::string(each));
      }
    }
  } else {
    auto ran = world_.lookups != nullptr ? world_.lookups->run(name, terms, options)
                                         : std::optional<agent::Result<std::vector<Value>>>();
    if (!ran) {
      return bad("lookup '" + name + "' is not allowed here, or does not exist");
    }
    if (!*ran) {
      if (errors == "strict") return bad("lookup '" + name + "': " + ran->error().message);
      return want_list ? Value::list() : Value::none();
    }
    found = std::move(**ran);
    for (Value& v : found) value::set_flag_deep(v, value::kUnsafe);
  }
  if (want_list || found.empty()) return Value::list(std::move(found));
  const bool texts =
      std::all_of(found.begin(), found.end(), [](const Value& v) { return v.is_string(); });
  if (!texts) return found.size() == 1 ? std::move(found[0]) : Value::list(std::move(found));
  std::string joined;
  std::uint8_t flags = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0) joined += ',';
    joined += found[i].as_string();
    flags =
        static_cast<std::uint8_t>(flags | (found[i].flags() & (value::kTainted | value::kUnsafe)));
  }
  return Value::string(std::move(joined), flags);
}

}  // namespace fleetctl::template_
