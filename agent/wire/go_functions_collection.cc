// Defaults, types, lists and dictionaries.
#include <algorithm>

#include "agent/wire/go_functions.h"

namespace agent::wire {
namespace {

constexpr int kMaxDepth = 64;

GoValue wrong_type(GoRun& run, const GoValue& value) {
  return run.fail("a " + std::string(go_type_name(value.type())) + " is no list");
}
bool same(GoRun& run, const GoValue& a, const GoValue& b) {
  std::size_t work = 0;
  const bool equal = go_equal(a, b, run.scratch(), work);
  run.charge(work / 8 + 1);
  return equal;
}

// ---- defaults, types ----

GoValue default_to(GoRun& run, GoArguments a) {
  return a.size() < 2 || go_empty(run, a[1]) ? a[0] : a[1];
}
GoValue empty(GoRun& run, GoArguments a) { return GoValue(go_empty(run, a[0])); }
GoValue coalesce(GoRun& run, GoArguments arguments) {
  for (const GoValue& value : arguments)
    if (!go_empty(run, value)) return value;
  return {};
}
GoValue all(GoRun& run, GoArguments arguments) {
  return GoValue(std::none_of(arguments.begin(), arguments.end(),
                              [&](const GoValue& value) { return go_empty(run, value); }));
}
GoValue any(GoRun& run, GoArguments arguments) {
  return GoValue(!std::all_of(arguments.begin(), arguments.end(),
                              [&](const GoValue& value) { return go_empty(run, value); }));
}
GoValue ternary(GoRun&, GoArguments a) { return a[2].boolean() ? a[0] : a[1]; }
GoValue type_of(GoRun&, GoArguments a) { return GoValue(go_type_name(a[0].type())); }
GoValue kind_of(GoRun&, GoArguments a) { return GoValue(go_kind_name(a[0].type())); }
GoValue type_is(GoRun&, GoArguments a) {
  return GoValue(a[0].string() == go_type_name(a[1].type()));
}
GoValue type_is_like(GoRun&, GoArguments a) {
  const std::string_view name = go_type_name(a[1].type());
  return GoValue(a[0].string() == name ||
                 (name.starts_with('*') && a[0].string() == name.substr(1)));
}
GoValue kind_is(GoRun&, GoArguments a) {
  return GoValue(a[0].string() == go_kind_name(a[1].type()));
}
GoValue deep_equal(GoRun& run, GoArguments a) { return GoValue(same(run, a[0], a[1])); }

GoValue copied(GoRun& run, const GoValue& value, int depth) {
  if (depth > kMaxDepth) return run.fail("the value nests too deep");
  if (value.is_list()) {
    GoValue* const items = run.array(value.list().size());
    if (items == nullptr) return {};
    for (std::size_t i = 0; i < value.list().size() && !run.failed(); ++i)
      items[i] = copied(run, value.list()[i], depth + 1);
    return run.list(items, value.list().size(), value.type());
  }
  if (value.is_map()) {
    const GoValue out = run.map(value.type());
    for (const GoMap::Pair& pair : value.map().pairs(run.scratch())) {
      if (run.failed()) break;
      run.set(out.map(), pair.key, copied(run, pair.value, depth + 1));
    }
    return out;
  }
  return value;
}
GoValue deep_copy(GoRun& run, GoArguments a) {
  if (a[0].is_nil()) return run.fail("nil cannot be copied");
  return copied(run, a[0], 0);
}

// ---- lists ----

GoValue list(GoRun& run, GoArguments arguments) {
  GoValue* const items = run.array(arguments.size());
  if (items == nullptr) return {};
  std::copy(arguments.begin(), arguments.end(), items);
  return run.list(items, arguments.size());
}
// A list of the items between, with one more at an end.
GoValue sublist(GoRun& run, std::span<const GoValue> items, const GoValue* before,
                const GoValue* behind) {
  const std::size_t size = items.size() + (before != nullptr ? 1 : 0) + (behind != nullptr ? 1 : 0);
  GoValue* const out = run.array(size);
  if (out == nullptr) return {};
  std::size_t n = 0;
  if (before != nullptr) out[n++] = *before;
  for (const GoValue& item : items) out[n++] = item;
  if (behind != nullptr) out[n++] = *behind;
  return run.list(out, size);
}
GoValue append(GoRun& run, GoArguments a) {
  return a[0].is_list() ? sublist(run, a[0].list(), nullptr, &a[1]) : wrong_type(run, a[0]);
}
GoValue prepend(GoRun& run, GoArguments a) {
  return a[0].is_list() ? sublist(run, a[0].list(), &a[1], nullptr) : wrong_type(run, a[0]);
}
GoValue first(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return wrong_type(run, a[0]);
  return a[0].list().empty() ? GoValue() : a[0].list().front();
}
GoValue last(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return wrong_type(run, a[0]);
  return a[0].list().empty() ? GoValue() : a[0].list().back();
}
GoValue rest(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return wrong_type(run, a[0]);
  const auto items = a[0].list();
  return items.empty() ? run.list(nullptr, 0) : sublist(run, items.subspan(1), nullptr, nullptr);
}
GoValue initial(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return wrong_type(run, a[0]);
  const auto items = a[0].list();
  return items.empty() ? run.list(nullptr, 0)
                       : sublist(run, items.first(items.size() - 1), nullptr, nullptr);
}
GoValue reverse(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return wrong_type(run, a[0]);
  GoValue* const out = run.array(a[0].list().size());
  if (out == nullptr) return {};
  std::reverse_copy(a[0].list().begin(), a[0].list().end(), out);
  return run.list(out, a[0].list().size());
}
template <class Keeps>
GoValue kept(GoRun& run, const GoValue& from, Keeps keeps) {
  if (!from.is_list()) return wrong_type(run, from);
  GoValue* const out = run.array(from.list().size());
  if (out == nullptr) return {};
  std::size_t size = 0;
  for (const GoValue& item : from.list()) {
    if (run.failed()) return {};
    if (keeps(item, std::span<const GoValue>(out, size))) out[size++] = item;
  }
  return run.list(out, size);
}
bool among(GoRun& run, std::span<const GoValue> items, const GoValue& wanted) {
  for (const GoValue& item : items) {
    if (run.failed()) return false;
    if (same(run, wanted, item)) return true;
  }
  return false;
}
GoValue compact(GoRun& run, GoArguments a) {
  return kept(run, a[0], [&](const GoValue& item, auto) { return !go_empty(run, item); });
}
GoValue uniq(GoRun& run, GoArguments a) {
  return kept(run, a[0], [&](const GoValue& item, auto out) { return !among(run, out, item); });
}
GoValue without(GoRun& run, GoArguments a) {
  return kept(run, a[0],
              [&](const GoValue& item, auto) { return !among(run, a.subspan(1), item); });
}
GoValue has(GoRun& run, GoArguments a) {
  if (a[1].is_nil()) return GoValue(false);
  if (!a[1].is_list()) return wrong_type(run, a[1]);
  return GoValue(among(run, a[1].list(), a[0]));
}
// Of a list as sprig's, of a text as Go's own.
GoValue slice(GoRun& run, GoArguments a) {
  const bool text = a[0].is_string();
  if (!text && !a[0].is_list()) return wrong_type(run, a[0]);
  const std::size_t size = text ? a[0].string().size() : a[0].list().size();
  if (size == 0 && !text) return {};
  const std::int64_t start = a.size() > 1 ? go_to_int(a[1]) : 0;
  const std::int64_t end = a.size() > 2 ? go_to_int(a[2]) : static_cast<std::int64_t>(size);
  if (start < 0 || end < start || static_cast<std::uint64_t>(end) > size)
    return run.fail("the range lies outside");
  const auto from = static_cast<std::size_t>(start);
  const std::size_t count = static_cast<std::size_t>(end) - from;
  if (text) return GoValue(a[0].string().substr(from, count));
  return run.list(a[0].list().data() + from, count, a[0].type());
}
GoValue concat(GoRun& run, GoArguments arguments) {
  std::size_t size = 0;
  for (const GoValue& value : arguments) {
    if (!value.is_list()) return wrong_type(run, value);
    size += value.list().size();
  }
  if (size == 0) return run.list(nullptr, 0);
  GoValue* out = run.array(size);
  if (out == nullptr) return {};
  GoValue* const first_item = out;
  for (const GoValue& value : arguments)
    out = std::copy(value.list().begin(), value.list().end(), out);
  return run.list(first_item, size);
}
GoValue chunk(GoRun& run, GoArguments a) {
  if (!a[1].is_list()) return wrong_type(run, a[1]);
  if (a[0].integer() < 1) return run.fail("the size must be positive");
  const auto items = a[1].list();
  const std::size_t size = std::min(static_cast<std::size_t>(a[0].integer()), items.size() + 1);
  const std::size_t count = (items.size() + size - 1) / size;
  GoValue* const out = run.array(count);
  if (out == nullptr) return {};
  for (std::size_t i = 0; i < count; ++i)
    out[i] = run.list(items.data() + i * size, std::min(size, items.size() - i * size));
  return run.list(out, count, GoType::kListList);
}

// ---- dictionaries ----

GoValue dict(GoRun& run, GoArguments arguments) {
  const GoValue out = run.map();
  for (std::size_t i = 0; i < arguments.size() && !run.failed(); i += 2)
    run.set(out.map(), go_to_string(run, arguments[i]),
            i + 1 < arguments.size() ? arguments[i + 1] : GoValue(std::string_view()));
  return out;
}
const GoValue* member(GoRun& run, const GoValue& map, std::string_view key) {
  return map.is_nil() ? nullptr : map.map().find(key, run.scratch());
}
GoValue get(GoRun& run, GoArguments a) {
  const GoValue* const found = member(run, a[0], a[1].string());
  return found == nullptr ? GoValue(std::string_view()) : *found;
}
GoValue set(GoRun& run, GoArguments a) {
  if (a[0].is_nil()) return run.fail("there is no dictionary to set in");
  run.set(a[0].map(), a[1].string(), a[2]);
  return a[0];
}
GoValue unset(GoRun& run, GoArguments a) {
  if (a[0].is_nil()) return run.map();
  if (run.charge(a[0].map().pairs(run.scratch()).size() / 64 + 1))
    a[0].map().erase(a[1].string(), run.scratch());
  return a[0];
}
GoValue has_key(GoRun& run, GoArguments a) {
  return GoValue(member(run, a[0], a[1].string()) != nullptr);
}
GoValue pluck(GoRun& run, GoArguments arguments) {
  GoValue* const out = run.array(arguments.size());
  if (out == nullptr) return {};
  std::size_t size = 0;
  for (const GoValue& map : arguments.subspan(1))
    if (const GoValue* const found = member(run, map, arguments[0].string())) out[size++] = *found;
  return run.list(out, size);
}
GoValue keys(GoRun& run, GoArguments arguments) {
  std::vector<std::string_view> out;
  for (const GoValue& map : arguments) {
    if (map.is_nil()) continue;
    for (const GoMap::Pair& pair : map.map().pairs(run.scratch())) out.push_back(pair.key);
    if (!run.charge(out.size() / 8 + 1)) return {};
  }
  return run.list(out);
}
GoValue values(GoRun& run, GoArguments a) {
  if (a[0].is_nil()) return sublist(run, {}, nullptr, nullptr);
  const auto pairs = a[0].map().pairs(run.scratch());
  GoValue* const out = run.array(pairs.size());
  if (out == nullptr) return {};
  for (std::size_t i = 0; i < pairs.size(); ++i) out[i] = pairs[i].value;
  return run.list(out, pairs.size());
}
GoValue pick(GoRun& run, GoArguments a) {
  const GoValue out = run.map();
  for (const GoValue& key : a.subspan(1))
    if (const GoValue* const found = member(run, a[0], key.string()))
      run.set(out.map(), key.string(), *found);
  return out;
}
GoValue omit(GoRun& run, GoArguments a) {
  const GoValue out = run.map();
  if (a[0].is_nil()) return out;
  for (const GoMap::Pair& pair : a[0].map().pairs(run.scratch())) {
    if (!run.charge(a.size())) return {};
    const auto left_out = std::any_of(a.begin() + 1, a.end(),
                                      [&](const GoValue& key) { return key.string() == pair.key; });
    if (!left_out) run.set(out.map(), pair.key, pair.value);
  }
  return out;
}

void merge_into(GoRun& run, GoMap& target, GoMap& source, bool overwrites, int depth) {
  if (depth > kMaxDepth || &target == &source) return;
  // Setting may move the pairs of `target`, never those of `source`.
  for (const GoMap::Pair& pair : source.pairs(run.scratch())) {
    if (run.failed()) return;
    const GoValue* const old = target.find(pair.key, run.scratch());
    const bool fills = old == nullptr || go_empty(run, *old);
    if (!fills && old->type() == GoType::kMap && pair.value.type() == GoType::kMap) {
      merge_into(run, old->map(), pair.value.map(), overwrites, depth + 1);
    } else if (overwrites || (!pair.value.is_nil() && (old == nullptr || go_empty(run, *old)))) {
      run.set(target, pair.key, pair.value);
    }
  }
}
GoValue merged(GoRun& run, GoArguments arguments, bool overwrites) {
  const GoValue target = arguments[0].is_nil() ? run.map() : arguments[0];
  for (const GoValue& source : arguments.subspan(1))
    if (!source.is_nil()) merge_into(run, target.map(), source.map(), overwrites, 0);
  return target;
}
GoValue merge(GoRun& run, GoArguments arguments) { return merged(run, arguments, false); }
GoValue merge_overwrite(GoRun& run, GoArguments arguments) { return merged(run, arguments, true); }

GoValue dig(GoRun& run, GoArguments arguments) {
  if (arguments.size() < 3) return run.fail("dig takes at least three arguments");
  GoValue value = arguments.back();
  for (const GoValue& key : arguments.first(arguments.size() - 2)) {
    if (!key.is_string()) return run.fail("a key must be a string");
    if (value.type() != GoType::kMap) return run.fail("a value on the way is no dictionary");
    const GoValue* const found = member(run, value, key.string());
    if (found == nullptr) return arguments[arguments.size() - 2];
    value = *found;
  }
  return value;
}

constexpr GoFunction kFunctions[] = {
    {"all", "a*", all},
    {"any", "a*", any},
    {"coalesce", "a*", coalesce},
    {"deepCopy", "a", deep_copy},
    {"deepEqual", "aa", deep_equal},
    {"default", "aa*", default_to},
    {"empty", "a", empty},
    {"kindIs", "sa", kind_is},
    {"kindOf", "a", kind_of},
    {"mustDeepCopy", "a", deep_copy},
    {"ternary", "aab", ternary},
    {"typeIs", "sa", type_is},
    {"typeIsLike", "sa", type_is_like},
    {"typeOf", "a", type_of},

    {"append", "aa", append},
    {"chunk", "ia", chunk},
    {"compact", "a", compact},
    {"concat", "a*", concat},
    {"first", "a", first},
    {"has", "aa", has},
    {"initial", "a", initial},
    {"last", "a", last},
    {"list", "a*", list},
    {"prepend", "aa", prepend},
    {"push", "aa", append},
    {"rest", "a", rest},
    {"reverse", "a", reverse},
    {"slice", "aa*", slice},
    {"tuple", "a*", list},
    {"uniq", "a", uniq},
    {"without", "aa*", without},
    {"mustAppend", "aa", append},
    {"mustChunk", "ia", chunk},
    {"mustCompact", "a", compact},
    {"mustFirst", "a", first},
    {"mustHas", "aa", has},
    {"mustInitial", "a", initial},
    {"mustLast", "a", last},
    {"mustPrepend", "aa", prepend},
    {"mustPush", "aa", append},
    {"mustRest", "a", rest},
    {"mustReverse", "a", reverse},
    {"mustSlice", "aa*", slice},
    {"mustUniq", "a", uniq},
    {"mustWithout", "aa*", without},

    {"dict", "a*", dict},
    {"dig", "a*", dig},
    {"get", "ms", get},
    {"hasKey", "ms", has_key},
    {"keys", "m*", keys},
    {"merge", "mm*", merge},
    {"mergeOverwrite", "mm*", merge_overwrite},
    {"mustMerge", "mm*", merge},
    {"mustMergeOverwrite", "mm*", merge_overwrite},
    {"omit", "ms*", omit},
    {"pick", "ms*", pick},
    {"pluck", "sm*", pluck},
    {"set", "msa", set},
    {"unset", "ms", unset},
    {"values", "m", values},
};

}  // namespace

std::span<const GoFunction> go_collection_functions() { return kFunctions; }

}  // namespace agent::wire
