// Filters on sequences.
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "agent/base/strings.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

using Items = std::vector<Value>;

Value fold_case(const Value& v) { return v.is_string() ? Value::string(lower(v.as_string())) : v; }

// One path "a.b.0" into an item.
Outcome<Value> walk(Call& c, const Value& from, const Value& path, const Value* preset) {
  Value v = from;
  if (path.is_none()) return v;
  if (!path.is_string()) {
    TEMPLATE_TRY(next, c.in.item(v, path));
    return next.is_undefined() && preset != nullptr ? *preset : next;
  }
  for (const std::string_view part : agent::split(path.as_string(), '.')) {
    const bool number =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](char ch) { return ch >= '0' && ch <= '9'; });
    const Value key = number ? Value::integer_text(part) : Value::string(std::string(part));
    // Keys before methods here: `map(attribute='items')` means the key.
    const Value* direct = v.is_dict() ? v.as_dict().find(key) : nullptr;
    if (direct != nullptr) {
      Value next = *direct;
      v = std::move(next);
    } else {
      TEMPLATE_TRY(next, c.in.item(v, key));
      v = next;
    }
    if (v.is_undefined() && preset != nullptr) v = *preset;
  }
  return v;
}

// The sort keys of `items`: the attribute (several with commas, when `multi`), case folded unless
// asked not to.
Outcome<Items> keys_of(Call& c, const Items& items, const Value& attribute, bool case_sensitive,
                       bool multi, const Value* preset = nullptr) {
  Items keys;
  keys.reserve(items.size());
  for (const Value& item : items) {
    TEMPLATE_CHECK(c.in.step());
    if (multi && attribute.is_string() && attribute.as_string().find(',') != std::string::npos) {
      Items parts;
      for (const std::string_view each : agent::split(attribute.as_string(), ',')) {
        TEMPLATE_TRY(part, walk(c, item, Value::string(std::string(each)), preset));
        TEMPLATE_CHECK(c.in.require(part));
        parts.push_back(case_sensitive ? part : fold_case(part));
      }
      keys.push_back(Value::list(std::move(parts)));
      continue;
    }
    TEMPLATE_TRY(key, walk(c, item, attribute, preset));
    if (items.size() > 1) TEMPLATE_CHECK(c.in.require(key));  // a single one is not compared
    keys.push_back(case_sensitive ? key : fold_case(key));
  }
  return keys;
}

Outcome<Value> first(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  if (items.empty()) return undefined("", "No first item, sequence was empty.");
  return items.front();
}
Outcome<Value> last(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  if (items.empty()) return undefined("", "No last item, sequence was empty.");
  return items.back();
}
Outcome<Value> length(Call& c) {
  TEMPLATE_TRY(n, c.in.length_of(c.input));
  return Value::integer(static_cast<std::int64_t>(n));
}
Outcome<Value> list(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  return Value::list(std::move(items));
}

Outcome<Value> join(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(by, c.text(0, ""));
  std::string out;
  bool first_item = true;
  for (const Value& item : items) {
    Value shown = item;
    if (c.given(1)) {
      TEMPLATE_TRY(attribute, walk(c, item, *c.args[1], nullptr));
      shown = std::move(attribute);
    }
    TEMPLATE_TRY(text, c.in.text_of(shown));
    if (!first_item) out += by;
    first_item = false;
    out += text;
    if (out.size() > c.in.world().limits.output_bytes)
      return problem(ProblemKind::kLimit, "the joined text is too large");
  }
  return Value::string(std::move(out));
}

Outcome<Value> sort(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(keys, keys_of(c, items, c.get(2), c.flag(1, false), true));
  if (c.given(2)) {  // lists of attributes are compared, in which equal maps have no order to miss
    for (Value& key : keys) key = Value::list({key});
  }
  TEMPLATE_CHECK(sort_by(items, std::move(keys), c.flag(0, false)));
  return Value::list(std::move(items));
}

Outcome<Value> reverse(Call& c) {
  if (c.input.is_string()) {
    std::u32string points = value::decode_utf8(c.input.as_string());
    std::reverse(points.begin(), points.end());
    return Value::string(value::encode_utf8(points));
  }
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  std::reverse(items.begin(), items.end());
  return Value::list(std::move(items));
}

// Keeps the first of equal items. Hashed where the items allow it.
Items without_repeats(const Items& items, const Items& keys) {
  Items out;
  value::Dict seen;
  Items unhashed;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (value::hashable(keys[i])) {
      if (seen.find(keys[i]) != nullptr) continue;
      seen.set(keys[i], Value());
    } else {
      const bool repeated = std::any_of(unhashed.begin(), unhashed.end(),
                                        [&](const Value& v) { return value::equal(v, keys[i]); });
      if (repeated) continue;
      unhashed.push_back(keys[i]);
    }
    out.push_back(items[i]);
  }
  return out;
}
Outcome<Value> unique(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(keys, keys_of(c, items, c.get(1), c.flag(0, false), false));
  const bool all_hashable = std::all_of(keys.begin(), keys.end(), value::hashable);
  if (!all_hashable && c.given(1)) return bad("the attribute's values must be hashable");
  // Ansible falls back to comparing the items as they are.
  return Value::list(without_repeats(items, all_hashable ? keys : items));
}

Outcome<Items> second(Call& c) {
  if (!c.has(0)) return bad("needs a second list");
  return c.in.elements_of(*c.args[0]);
}
bool holds(const Items& items, const Value& v) {
  return std::any_of(items.begin(), items.end(),
                     [&v](const Value& each) { return value::equal(each, v); });
}
class Set {
 public:
  explicit Set(const Items& items) {
    for (const Value& v : items) {
      if (value::hashable(v)) {
        hashed_.set(v, Value());
      } else {
        others_.push_back(v);
      }
    }
  }
  bool has(const Value& v) const {
    return value::hashable(v) ? hashed_.find(v) != nullptr : holds(others_, v);
  }

 private:
  value::Dict hashed_;
  Items others_;
};
// Elements that are looked up: none may be undefined.
Outcome<> require_each(Call& c, const Items& items) {
  for (const Value& v : items) TEMPLATE_CHECK(c.in.require(v));
  return {};
}
Outcome<Value> intersect(Call& c) {
  TEMPLATE_TRY(a, c.in.elements_of(c.input));
  TEMPLATE_TRY(b, second(c));
  TEMPLATE_CHECK(require_each(c, a));
  const Set set(b);
  Items out;
  for (const Value& v : a) {
    if (set.has(v)) out.push_back(v);
  }
  return Value::list(without_repeats(out, out));
}
Outcome<Value> difference(Call& c) {
  TEMPLATE_TRY(a, c.in.elements_of(c.input));
  TEMPLATE_TRY(b, second(c));
  TEMPLATE_CHECK(require_each(c, a));
  const Set set(b);
  Items out;
  for (const Value& v : a) {
    if (!set.has(v)) out.push_back(v);
  }
  return Value::list(without_repeats(out, out));
}
Outcome<> require_same_kind(Call& c) {
  if (!c.has(0) || (c.input.kind() == c.args[0]->kind() && !c.input.is_dict())) return {};
  return bad("cannot unite " + std::string(value::type_name(c.input)) + " and " +
             std::string(value::type_name(*c.args[0])));
}
Outcome<Value> unite(Call& c) {
  TEMPLATE_CHECK(require_same_kind(c));
  TEMPLATE_TRY(a, c.in.elements_of(c.input));
  TEMPLATE_TRY(b, second(c));
  a.insert(a.end(), b.begin(), b.end());
  return Value::list(without_repeats(a, a));
}
Outcome<Value> symmetric_difference(Call& c) {
  TEMPLATE_CHECK(require_same_kind(c));
  TEMPLATE_TRY(a, c.in.elements_of(c.input));
  TEMPLATE_TRY(b, second(c));
  TEMPLATE_CHECK(require_each(c, a));
  TEMPLATE_CHECK(require_each(c, b));
  const Set in_a(a);
  const Set in_b(b);
  Items out;
  for (const Value& v : a) {
    if (!in_b.has(v)) out.push_back(v);
  }
  for (const Value& v : b) {
    if (!in_a.has(v)) out.push_back(v);
  }
  return Value::list(without_repeats(out, out));
}

// What is empty or false has no items for map and select, whatever its type.
Outcome<Items> elements_if_true(Call& c) {
  TEMPLATE_TRY(any, c.in.truth_of(c.input));
  if (!any) return Items();
  return c.in.elements_of(c.input);
}

Outcome<Value> map(Call& c) {
  TEMPLATE_TRY(items, elements_if_true(c));
  Items out;
  out.reserve(items.size());
  Value attribute;
  const Value* preset = nullptr;
  for (const auto& [key, v] : c.more) {
    if (key == "attribute") attribute = v;
    if (key == "default" && !v.is_none()) preset = &v;
  }
  if (c.rest.empty()) {
    if (attribute.is_none()) return bad("map requires a filter argument");
    for (const auto& [key, v] : c.more) {
      if (key != "attribute" && key != "default")
        return bad("Unexpected keyword argument '" + key + "'");
    }
    for (const Value& item : items) {
      TEMPLATE_CHECK(c.in.step());
      TEMPLATE_TRY(v, walk(c, item, attribute, preset));
      out.push_back(std::move(v));
    }
    return Value::list(std::move(out));
  }
  TEMPLATE_TRY(name, c.in.text_of(c.rest[0]));
  for (const Value& item : items) {
    Args args;
    args.positional.assign(c.rest.begin() + 1, c.rest.end());
    args.named = c.more;
    TEMPLATE_TRY(v, c.in.call_filter(name, item, std::move(args)));
    out.push_back(std::move(v));
  }
  return Value::list(std::move(out));
}

// select, reject, selectattr, rejectattr.
Outcome<Value> choose(Call& c, bool want, bool by_attribute) {
  TEMPLATE_TRY(items, elements_if_true(c));
  if (by_attribute && c.rest.empty()) return bad("Missing parameter for attribute name");
  const std::size_t skip = by_attribute ? 1 : 0;
  Items out;
  for (const Value& item : items) {
    TEMPLATE_CHECK(c.in.step());
    Value tested = item;
    if (by_attribute) {
      TEMPLATE_TRY(attribute, walk(c, item, c.rest[0], nullptr));
      tested = std::move(attribute);
    }
    bool yes = false;
    if (c.rest.size() > skip) {
      TEMPLATE_TRY(name, c.in.text_of(c.rest[skip]));
      Args args;
      args.positional.assign(c.rest.begin() + static_cast<std::ptrdiff_t>(skip) + 1, c.rest.end());
      args.named = c.more;
      TEMPLATE_TRY(passed, c.in.call_test(name, tested, std::move(args)));
      yes = passed;
    } else {
      TEMPLATE_TRY(truth, c.in.truth_of(tested));
      yes = truth;
    }
    if (yes == want) out.push_back(item);
  }
  return Value::list(std::move(out));
}
Outcome<Value> select(Call& c) { return choose(c, true, false); }
Outcome<Value> reject(Call& c) { return choose(c, false, false); }
Outcome<Value> selectattr(Call& c) { return choose(c, true, true); }
Outcome<Value> rejectattr(Call& c) { return choose(c, false, true); }

Outcome<Value> groupby(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  if (!c.has(0)) return bad("needs an attribute");
  const Value* preset = c.given(1) ? &*c.args[1] : nullptr;
  const bool case_sensitive = c.flag(2, false);
  TEMPLATE_TRY(keys, keys_of(c, items, *c.args[0], case_sensitive, false, preset));
  Items pairs;
  for (std::size_t i = 0; i < items.size(); ++i) pairs.push_back(Value::tuple({keys[i], items[i]}));
  TEMPLATE_CHECK(sort_by(pairs, std::move(keys), false));
  Items out;
  std::size_t i = 0;
  while (i < pairs.size()) {
    Items group;
    const Value key = pairs[i].items()[0];
    while (i < pairs.size() && value::equal(pairs[i].items()[0], key))
      group.push_back(pairs[i++].items()[1]);
    TEMPLATE_TRY(shown, walk(c, group[0], *c.args[0], preset));
    out.push_back(Value::tuple({shown, Value::list(std::move(group))}));
  }
  return Value::list(std::move(out));
}

Outcome<Value> batch(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(size, c.integer(0, 0));
  if (size < 1) return bad("the number of items must be positive");
  if (size > 1'000'000) return problem(ProblemKind::kLimit, "the batch is too large");
  Items out;
  Items row;
  for (Value& v : items) {
    if (static_cast<std::int64_t>(row.size()) == size) {
      out.push_back(Value::list(std::move(row)));
      row = {};
    }
    row.push_back(std::move(v));
  }
  if (!row.empty()) {
    if (c.given(1)) row.resize(static_cast<std::size_t>(size), *c.args[1]);
    out.push_back(Value::list(std::move(row)));
  }
  return Value::list(std::move(out));
}
Outcome<Value> slice(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(count, c.integer(0, 0));
  if (count < 1) return bad("the number of slices must be positive");
  if (count > 1'000'000) return problem(ProblemKind::kLimit, "too many slices");
  const auto slices = static_cast<std::size_t>(count);
  const std::size_t per = items.size() / slices;
  const std::size_t more = items.size() % slices;
  std::size_t at = 0;
  Items out;
  for (std::size_t i = 0; i < slices; ++i) {
    const std::size_t size = per + (i < more ? 1 : 0);
    Items part(items.begin() + static_cast<std::ptrdiff_t>(at),
               items.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
    if (c.given(1) && i >= more) part.push_back(*c.args[1]);
    out.push_back(Value::list(std::move(part)));
  }
  return Value::list(std::move(out));
}

Outcome<Value> flatten_into(Call& c, const Items& from, std::int64_t levels, bool skip_nulls,
                            Items& out, int depth) {
  if (depth > 200) return problem(ProblemKind::kLimit, "the list is too deeply nested");
  for (const Value& v : from) {
    TEMPLATE_CHECK(c.in.step());
    TEMPLATE_CHECK(c.in.require(v));
    const bool null =
        v.is_none() || (v.is_string() && (v.as_string() == "None" || v.as_string() == "null"));
    if (skip_nulls && null) continue;
    if (v.is_sequence() && levels != 0) {
      TEMPLATE_TRY(done, flatten_into(c, v.items(), levels - 1, skip_nulls, out, depth + 1));
      (void)done;
    } else {
      out.push_back(v);
    }
  }
  return Value();
}
Outcome<Value> flatten(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(levels, c.integer(0, -1));
  Items out;
  TEMPLATE_TRY(done, flatten_into(c, items, levels, c.flag(1, true), out, 0));
  (void)done;
  return Value::list(std::move(out));
}

Outcome<Value> zip_any(Call& c, bool longest) {
  std::vector<Items> columns;
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  columns.push_back(std::move(items));
  for (const Value& v : c.rest) {
    TEMPLATE_TRY(more, c.in.elements_of(v));
    columns.push_back(std::move(more));
  }
  std::size_t rows = columns[0].size();
  for (const Items& column : columns) {
    rows = longest ? std::max(rows, column.size()) : std::min(rows, column.size());
  }
  const Value fill = c.get(0);
  Items out;
  for (std::size_t i = 0; i < rows; ++i) {
    Items row;
    for (const Items& column : columns) row.push_back(i < column.size() ? column[i] : fill);
    out.push_back(Value::tuple(std::move(row)));
  }
  return Value::list(std::move(out));
}
Outcome<Value> zip(Call& c) { return zip_any(c, false); }
Outcome<Value> zip_longest(Call& c) {
  for (auto& [key, v] : c.more) {
    if (key != "fillvalue") return bad("got an unexpected keyword argument '" + key + "'");
    c.args = {v};
  }
  return zip_any(c, true);
}

Outcome<Value> product(Call& c) {
  std::vector<Items> columns;
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  columns.push_back(std::move(items));
  for (const Value& v : c.rest) {
    TEMPLATE_TRY(more, c.in.elements_of(v));
    columns.push_back(std::move(more));
  }
  Items rows{Value::tuple()};
  for (const Items& column : columns) {
    Items next;
    for (const Value& row : rows) {
      TEMPLATE_CHECK(c.in.step(column.size() + 1));
      TEMPLATE_CHECK(c.in.charge(column.size() * sizeof(Value) * (row.items().size() + 1)));
      for (const Value& v : column) {
        Items longer = row.items();
        longer.push_back(v);
        next.push_back(Value::tuple(std::move(longer)));
      }
    }
    rows = std::move(next);
  }
  return Value::list(std::move(rows));
}

// permutations (ordered) and combinations, in the order of positions.
Outcome<> arrange(Call& c, const Items& items, std::size_t size, bool ordered,
                  std::vector<std::size_t>& chosen, Items& out) {
  if (chosen.size() == size) {
    TEMPLATE_CHECK(c.in.charge(sizeof(Value) * (size + 1)));
    Items row;
    for (const std::size_t i : chosen) row.push_back(items[i]);
    out.push_back(Value::tuple(std::move(row)));
    return {};
  }
  for (std::size_t i = ordered || chosen.empty() ? 0 : chosen.back() + 1; i < items.size(); ++i) {
    TEMPLATE_CHECK(c.in.step());
    if (ordered && std::find(chosen.begin(), chosen.end(), i) != chosen.end()) continue;
    chosen.push_back(i);
    TEMPLATE_CHECK(arrange(c, items, size, ordered, chosen, out));
    chosen.pop_back();
  }
  return {};
}
Outcome<Value> arranged(Call& c, bool ordered) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  TEMPLATE_TRY(size, c.integer(0, static_cast<std::int64_t>(items.size())));
  if (size < 0) return bad("the size must not be negative");
  Items out;
  if (static_cast<std::size_t>(size) > items.size()) return Value::list();
  if (size > 100) return problem(ProblemKind::kLimit, "the list is too long for this");
  std::vector<std::size_t> chosen;
  TEMPLATE_CHECK(arrange(c, items, static_cast<std::size_t>(size), ordered, chosen, out));
  return Value::list(std::move(out));
}
Outcome<Value> permutations(Call& c) { return arranged(c, true); }
Outcome<Value> combinations(Call& c) {
  if (!c.has(0)) return bad("needs the number of items");
  return arranged(c, false);
}

Outcome<Value> extreme(Call& c, bool largest) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  if (items.empty()) return undefined("", "No aggregated item, sequence was empty.");
  TEMPLATE_TRY(keys, keys_of(c, items, c.get(1), c.flag(0, false), false));
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    TEMPLATE_TRY(better, compare_op(c.in, largest ? Op::kGt : Op::kLt, keys[i], keys[best]));
    if (better) best = i;
  }
  return items[best];
}
Outcome<Value> max(Call& c) { return extreme(c, true); }
Outcome<Value> min(Call& c) { return extreme(c, false); }

Outcome<Value> sum(Call& c) {
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  Value total = c.has(1) ? *c.args[1] : Value::integer(0);
  for (const Value& item : items) {
    TEMPLATE_CHECK(c.in.step());
    TEMPLATE_TRY(v, walk(c, item, c.get(0), nullptr));
    TEMPLATE_TRY(next, binary(c.in, Op::kAdd, total, v));
    TEMPLATE_CHECK(c.in.charge(next));
    total = std::move(next);
  }
  return total;
}

Outcome<Value> subelements(Call& c) {
  Items elements;
  if (c.input.is_dict()) {
    for (const auto& [key, v] : c.input.as_dict()) elements.push_back(v);
  } else if (c.input.is_list()) {
    elements = c.input.items();
  } else {
    return bad("obj must be a list of dicts or a nested dict");
  }
  Items path;
  const Value wanted = c.get(0);
  if (wanted.is_sequence()) {
    path = wanted.items();
  } else {
    TEMPLATE_TRY(text, c.text(0, ""));
    for (const std::string_view part : agent::split(text, '.'))
      path.push_back(Value::string(std::string(part)));
  }
  Items out;
  for (const Value& element : elements) {
    Value v = element;
    bool missing = false;
    for (const Value& key : path) {
      if (!v.is_dict())
        return bad("the key " + value::str(key, 200) + " should point to a dictionary");
      const Value* next = v.as_dict().find(key);
      if (next == nullptr) {
        if (!c.flag(1, false))
          return bad("could not find " + value::repr(key, 200) + " key in iterated item");
        missing = true;
        break;
      }
      Value copy = *next;
      v = std::move(copy);
    }
    if (missing) continue;
    if (!v.is_list()) return bad("the key should point to a list");
    for (const Value& each : v.items()) out.push_back(Value::tuple({element, each}));
  }
  return Value::list(std::move(out));
}

std::uint64_t random_number() {
  std::uint64_t n = 0;
  if (getrandom(&n, sizeof n, 0) != static_cast<ssize_t>(sizeof n)) n = 0;
  return n;
}
Outcome<Value> random(Call& c) {
  if (c.given(2)) return bad("a seed would not give the numbers that Ansible gives");
  if (c.input.is_int()) {
    TEMPLATE_TRY(start, c.integer(0, 0));
    TEMPLATE_TRY(step, c.integer(1, 1));
    const std::int64_t end = c.input.as_int();
    if (step == 0 || (step > 0 ? start >= end : start <= end)) return bad("empty range for random");
    std::int64_t span = 0;
    if (__builtin_sub_overflow(end, start, &span)) return bad("the range is too large");
    const std::int64_t count = (span + step + (step > 0 ? -1 : 1)) / step;
    if (count <= 0) return bad("empty range for random");
    return Value::integer(start + step * static_cast<std::int64_t>(
                                             random_number() % static_cast<std::uint64_t>(count)));
  }
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  if (items.empty()) return undefined("", "No random item, sequence was empty.");
  return items[random_number() % items.size()];
}
Outcome<Value> shuffle(Call& c) {
  if (c.given(0)) return bad("a seed would not give the order that Ansible gives");
  TEMPLATE_TRY(items, c.in.elements_of(c.input));
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[random_number() % i]);
  return Value::list(std::move(items));
}

Outcome<Value> extract(Call& c) {
  Items keys{c.input};
  if (c.given(1)) {
    if (c.args[1]->is_list()) {
      keys.insert(keys.end(), c.args[1]->items().begin(), c.args[1]->items().end());
    } else {
      keys.push_back(*c.args[1]);
    }
  }
  Value v = c.get(0);
  for (const Value& key : keys) {
    TEMPLATE_TRY(next, c.in.item(v, key));
    v = next;
  }
  return v;
}

constexpr std::array kRows{
    FilterRow{"first", first, "", kSelects},
    FilterRow{"last", last, "", kSelects},
    FilterRow{"length", length, ""},
    FilterRow{"count", length, ""},
    FilterRow{"list", list, ""},
    FilterRow{"join", join, "d attribute"},
    FilterRow{"sort", sort, "reverse case_sensitive attribute"},
    FilterRow{"reverse", reverse, ""},
    FilterRow{"unique", unique, "case_sensitive attribute"},
    FilterRow{"intersect", intersect, "b"},
    FilterRow{"difference", difference, "b"},
    FilterRow{"union", unite, "b"},
    FilterRow{"symmetric_difference", symmetric_difference, "b"},
    FilterRow{"map", map, "* **", kLazyArguments},
    FilterRow{"select", select, "* **"},
    FilterRow{"reject", reject, "* **"},
    FilterRow{"selectattr", selectattr, "* **"},
    FilterRow{"rejectattr", rejectattr, "* **"},
    FilterRow{"groupby", groupby, "attribute default case_sensitive"},
    FilterRow{"batch", batch, "linecount fill_with"},
    FilterRow{"slice", slice, "slices fill_with"},
    FilterRow{"flatten", flatten, "levels skip_nulls"},
    FilterRow{"zip", zip, "*"},
    FilterRow{"zip_longest", zip_longest, "* **"},
    FilterRow{"product", product, "*"},
    FilterRow{"permutations", permutations, "r"},
    FilterRow{"combinations", combinations, "r"},
    FilterRow{"max", max, "case_sensitive attribute", kSelects},
    FilterRow{"min", min, "case_sensitive attribute", kSelects},
    FilterRow{"sum", sum, "attribute start"},
    FilterRow{"subelements", subelements, "subelements skip_missing"},
    FilterRow{"random", random, "start step seed", kSelects},
    FilterRow{"shuffle", shuffle, "seed"},
    FilterRow{"extract", extract, "container morekeys", kSelects},
};

}  // namespace

std::span<const FilterRow> list_filters() { return kRows; }

}  // namespace fleetctl::template_
