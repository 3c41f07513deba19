// Filters on dicts, and those that decide: default, ternary, mandatory.
#include <algorithm>
#include <array>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Outcome<Value> default_filter(Call& c) {
  const Value preset = c.has(0) ? *c.args[0] : Value::string("");
  if (c.input.is_undefined()) return preset;
  if (!c.flag(1, false)) return c.input;
  TEMPLATE_TRY(truth, c.in.truth_of(c.input));
  return truth ? c.input : preset;
}

Outcome<Value> ternary(Call& c) {
  if (!c.has(0) || !c.has(1)) return bad("needs the values for true and false");
  if (c.input.is_none() && c.given(2)) return *c.args[2];
  TEMPLATE_TRY(truth, c.in.truth_of(c.input));
  return truth ? *c.args[0] : *c.args[1];
}

Outcome<Value> mandatory(Call& c) {
  if (!c.input.is_undefined()) return c.input;
  if (c.given(0)) {
    TEMPLATE_TRY(message, c.text(0, ""));
    return problem(ProblemKind::kUndefined, message);
  }
  const auto* why = dynamic_cast<const Undefined*>(c.input.as_object().get());
  auto p = std::make_shared<Problem>();
  p->kind = ProblemKind::kUndefined;
  p->name = why != nullptr ? why->name : "";
  p->message = "Mandatory variable " + (p->name.empty() ? "" : value::repr_string(p->name) + " ") +
               "not defined.";
  return pass_on(std::move(p));
}

Outcome<Value> dictsort(Call& c) {
  if (!c.input.is_dict())
    return bad("'" + std::string(value::type_name(c.input)) + "' is not a dict");
  const bool case_sensitive = c.flag(0, false);
  TEMPLATE_TRY(by, c.text(1, "key"));
  if (by != "key" && by != "value") return bad("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> items;
  std::vector<Value> keys;
  for (const auto& [key, v] : c.input.as_dict()) {
    items.push_back(Value::tuple({key, v}));
    const Value& chosen = by == "key" ? key : v;
    TEMPLATE_CHECK(c.in.require(chosen));
    keys.push_back(!case_sensitive && chosen.is_string() ? Value::string(lower(chosen.as_string()))
                                                         : chosen);
  }
  TEMPLATE_CHECK(sort_by(items, std::move(keys), c.flag(2, false)));
  return Value::list(std::move(items));
}

Outcome<Value> items(Call& c) {
  std::vector<Value> out;
  if (c.input.is_undefined()) return Value::list();
  if (!c.input.is_dict()) return bad("Can only get item pairs from a mapping.");
  for (const auto& [key, v] : c.input.as_dict()) out.push_back(Value::tuple({key, v}));
  return Value::list(std::move(out));
}

Outcome<Value> dict2items(Call& c) {
  if (!c.input.is_dict()) {
    return bad("dict2items requires a dictionary, got " + std::string(value::type_name(c.input)) +
               " instead.");
  }
  const Value key_name = c.has(0) ? *c.args[0] : Value::string("key");
  const Value value_name = c.has(1) ? *c.args[1] : Value::string("value");
  if (!value::hashable(key_name) || !value::hashable(value_name))
    return bad("the names must be texts");
  std::vector<Value> out;
  for (const auto& [key, v] : c.input.as_dict()) {
    value::Dict pair;
    pair.set(key_name, key);
    pair.set(value_name, v);
    out.push_back(Value::dict(std::move(pair)));
  }
  return Value::list(std::move(out));
}

Outcome<Value> items2dict(Call& c) {
  if (!c.input.is_sequence()) {
    return bad("items2dict requires a list, got " + std::string(value::type_name(c.input)) +
               " instead.");
  }
  const Value key_name = c.has(0) ? *c.args[0] : Value::string("key");
  const Value value_name = c.has(1) ? *c.args[1] : Value::string("value");
  value::Dict out;
  for (const Value& pair : c.input.items()) {
    if (!pair.is_dict() && !pair.is_sequence())
      return bad("items2dict requires a list of dictionaries");
    TEMPLATE_TRY(key, c.in.item(pair, key_name));
    TEMPLATE_TRY(v, c.in.item(pair, value_name));
    if (key.is_undefined() || v.is_undefined()) {
      return bad("items2dict requires each dictionary in the list to contain the keys '" +
                 value::str(key_name) + "' and '" + value::str(value_name) + "'");
    }
    if (!value::hashable(key))
      return bad("unhashable type: '" + std::string(value::type_name(key)) + "'");
    out.set(key, v);
  }
  return Value::dict(std::move(out));
}

bool has(const std::vector<Value>& items, const Value& v) {
  return std::any_of(items.begin(), items.end(),
                     [&v](const Value& each) { return value::equal(each, v); });
}

// `y` has precedence over `x`.
Outcome<Value> merge(const Value& x, const Value& y, bool recursive, const std::string& lists,
                     int depth) {
  if (depth > 100) return problem(ProblemKind::kLimit, "the dicts are too deeply nested");
  if (!x.is_dict() || !y.is_dict()) {
    const Value& wrong = x.is_dict() ? y : x;
    return bad("failed to combine variables, expected dicts but got a '" +
               std::string(value::type_name(wrong)) + "'");
  }
  if (x.as_dict().empty() || value::equal(x, y)) return Value::dict(y.as_dict());
  value::Dict out = x.as_dict();
  for (const auto& [key, high] : y.as_dict()) {
    const Value* low = out.find(key);
    if (low == nullptr) {
      out.set(key, high);
    } else if (low->is_dict() && high.is_dict()) {
      if (recursive) {
        TEMPLATE_TRY(merged, merge(*low, high, recursive, lists, depth + 1));
        out.set(key, std::move(merged));
      } else {
        out.set(key, high);
      }
    } else if (low->is_list() && high.is_list() && lists != "replace") {
      const std::vector<Value> a = low->items();
      const std::vector<Value>& b = high.items();
      std::vector<Value> made;
      if (lists == "keep") continue;
      if (lists == "append" || lists == "append_rp") {
        for (const Value& v : a) {
          if (lists == "append" || !has(b, v)) made.push_back(v);
        }
        made.insert(made.end(), b.begin(), b.end());
      } else {
        made = b;
        for (const Value& v : a) {
          if (lists == "prepend" || !has(b, v)) made.push_back(v);
        }
      }
      out.set(key, Value::list(std::move(made)));
    } else {
      out.set(key, high);
    }
  }
  return Value::dict(std::move(out));
}

Outcome<Value> combine(Call& c) {
  bool recursive = false;
  std::string lists = "replace";
  for (const auto& [key, v] : c.more) {
    if (key == "recursive") {
      recursive = value::truthy(v);
    } else if (key == "list_merge") {
      lists = value::str(v);
    } else {
      return bad("'recursive' and 'list_merge' are the only valid keyword arguments");
    }
  }
  static constexpr std::array<std::string_view, 6> kWays{"replace", "keep",      "append",
                                                         "prepend", "append_rp", "prepend_rp"};
  if (std::find(kWays.begin(), kWays.end(), lists) == kWays.end()) {
    return bad(
        "'list_merge' argument can only be equal to 'replace', 'keep', 'append', 'prepend', "
        "'append_rp' or 'prepend_rp'");
  }
  std::vector<Value> dicts;
  const auto one = [&dicts](const Value& v) {
    const bool null =
        v.is_none() || (v.is_string() && (v.as_string() == "None" || v.as_string() == "null"));
    if (!null) dicts.push_back(v);
  };
  const auto add = [&one](const Value& v) {
    if (!v.is_sequence()) return one(v);
    for (const Value& each : v.items()) one(each);
  };
  add(c.input);
  for (const Value& v : c.rest) add(v);
  for (const Value& v : dicts) TEMPLATE_CHECK(c.in.require_deep(v));
  if (dicts.empty()) return Value::dict();
  Value result = dicts.back();
  for (std::size_t i = dicts.size() - 1; i-- > 0;) {
    TEMPLATE_TRY(merged, merge(dicts[i], result, recursive, lists, 0));
    result = std::move(merged);
  }
  return result;
}

Outcome<Value> rekey_on_member(Call& c) {
  std::vector<Value> from;
  if (c.input.is_dict()) {
    for (const auto& [key, v] : c.input.as_dict()) from.push_back(v);
  } else if (c.input.is_sequence()) {
    from = c.input.items();
  } else {
    return bad("Type is not a valid list, set, or dict");
  }
  TEMPLATE_TRY(duplicates, c.text(1, "error"));
  if (duplicates != "error" && duplicates != "overwrite")
    return bad("duplicates parameter to rekey_on_member has unknown value: " + duplicates);
  value::Dict out;
  for (const Value& item : from) {
    if (!item.is_dict()) return bad("List item is not a valid dict");
    const Value* key = item.as_dict().find(c.get(0));
    if (key == nullptr) return bad("Key " + value::str(c.get(0)) + " was not found");
    if (!value::hashable(*key))
      return bad("unhashable type: '" + std::string(value::type_name(*key)) + "'");
    if (duplicates == "error" && out.find(*key) != nullptr) {
      return bad("Key " + value::str(*key) + " is not unique, cannot correctly turn into dict");
    }
    out.set(*key, item);
  }
  return Value::dict(std::move(out));
}

Outcome<Value> attr(Call& c) {
  TEMPLATE_TRY(name, c.text(0, ""));
  if (has_method(c.input, name)) return c.in.attribute(c.input, name);
  if (c.input.is_dict()) return undefined_attribute(c.input, Value::string(name));
  return c.in.attribute(c.input, name);
}

Outcome<Value> type_debug(Call& c) {
  return Value::string(c.input.is_undefined() ? "AnsibleUndefined"
                                              : std::string(value::type_name(c.input)));
}

constexpr std::array kRows{
    FilterRow{"default", default_filter, "default_value boolean",
              kTakesUndefined | kLazyArguments | kSelects},
    FilterRow{"d", default_filter, "default_value boolean",
              kTakesUndefined | kLazyArguments | kSelects},
    FilterRow{"ternary", ternary, "true_val false_val none_val", kLazyArguments | kSelects},
    FilterRow{"mandatory", mandatory, "msg", kTakesUndefined | kSelects},
    FilterRow{"dictsort", dictsort, "case_sensitive by reverse"},
    FilterRow{"items", items, "", kTakesUndefined},
    FilterRow{"dict2items", dict2items, "key_name value_name"},
    FilterRow{"items2dict", items2dict, "key_name value_name"},
    FilterRow{"combine", combine, "* **", kTakesUndefined | kLazyArguments},
    FilterRow{"rekey_on_member", rekey_on_member, "key duplicates"},
    FilterRow{"attr", attr, "name", kSelects},
    FilterRow{"type_debug", type_debug, "", kTakesUndefined},
};

}  // namespace

std::span<const FilterRow> mapping_filters() { return kRows; }

}  // namespace fleetctl::template_
