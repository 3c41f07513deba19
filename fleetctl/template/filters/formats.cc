// JSON, YAML and the like, both ways.
#include <algorithm>
#include <array>

#include "fleetctl/template/filters/yaml_writer.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Outcome<Value> json_text(Call& c, const value::JsonFormat& format) {
  TEMPLATE_CHECK(c.in.require_deep(c.input));
  auto text = value::to_json(c.input, format);
  if (!text) return bad(text.error().message);
  return Value::string(std::move(*text));
}

// The keywords of Python's json.dumps that change the text.
Outcome<value::JsonFormat> json_options(Call& c, value::JsonFormat format,
                                        std::array<std::string, 2>& separators) {
  bool separated = false;
  for (const auto& [key, v] : c.more) {
    if (key == "indent") {
      if (v.is_none()) {
        format.indent.reset();
      } else if (v.is_int() && v.as_int() >= -1 && v.as_int() <= 1000) {
        format.indent = static_cast<int>(v.as_int());
      } else {
        return bad("indent must be a number");
      }
    } else if (key == "sort_keys") {
      format.sort_keys = value::truthy(v);
    } else if (key == "ensure_ascii") {
      format.ascii = value::truthy(v);
    } else if (key == "separators" && v.is_sequence() && v.items().size() == 2) {
      separators = {value::str(v.items()[0]), value::str(v.items()[1])};
      separated = true;
    } else if (key != "vault_to_text" && key != "preprocess_unsafe" && key != "skipkeys" &&
               key != "allow_nan" && key != "check_circular") {
      return bad("got an unexpected keyword argument '" + key + "'");
    }
  }
  if (!separated && format.indent) separators[0] = ",";
  format.item_separator = separators[0];
  format.key_separator = separators[1];
  return format;
}

Outcome<Value> to_json(Call& c) {
  std::array<std::string, 2> separators{", ", ": "};
  TEMPLATE_TRY(format, json_options(c, {}, separators));
  return json_text(c, format);
}
Outcome<Value> to_nice_json(Call& c) {
  value::JsonFormat preset;
  TEMPLATE_TRY(indent, c.integer(0, 4));
  if (indent < -1 || indent > 1000) return bad("indent is out of range");
  preset.indent = static_cast<int>(indent);
  preset.sort_keys = c.flag(1, true);
  std::array<std::string, 2> separators{",", ": "};
  TEMPLATE_TRY(format, json_options(c, preset, separators));
  return json_text(c, format);
}
Outcome<Value> tojson(Call& c) {
  value::JsonFormat format;
  format.sort_keys = true;
  if (c.given(0)) {
    TEMPLATE_TRY(indent, c.integer(0, 0));
    if (indent < 0 || indent > 1000) return bad("indent is out of range");
    format.indent = static_cast<int>(indent);
    format.item_separator = ",";
  }
  TEMPLATE_TRY(json, json_text(c, format));
  std::string out;
  for (const char ch : json.as_string()) {
    switch (ch) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      case '\'':
        out += "\\u0027";
        break;
      default:
        out += ch;
    }
  }
  return Value::string(std::move(out), value::kMarkup);
}
Outcome<Value> from_json(Call& c) {
  if (!c.input.is_string()) {
    return bad("the JSON object must be str, bytes or bytearray, not " +
               std::string(value::type_name(c.input)));
  }
  auto v = value::parse_json(c.input.as_string());
  if (!v) return bad(v.error().message);
  return std::move(*v);
}

Outcome<Value> yaml_text(Call& c, YamlFormat format) {
  TEMPLATE_CHECK(c.in.require_deep(c.input));
  format.limit = c.in.world().limits.output_bytes;
  for (const auto& [key, v] : c.more) {
    if (key == "indent" || key == "width") {
      if (!v.is_int()) return bad(key + " must be a number");
      const auto n = static_cast<int>(std::clamp<std::int64_t>(v.as_int(), 0, 1 << 30));
      (key == "indent" ? format.indent : format.width) = n;
    } else if (key == "sort_keys") {
      format.sort_keys = value::truthy(v);
    } else if (key == "explicit_start") {
      format.explicit_start = value::truthy(v);
    } else if (key == "explicit_end") {
      format.explicit_end = value::truthy(v);
    } else if (key == "default_flow_style") {
      format.flow = v.is_none()        ? YamlFormat::Flow::kLeaves
                    : value::truthy(v) ? YamlFormat::Flow::kAlways
                                       : YamlFormat::Flow::kNever;
    } else {
      return bad("got an unexpected keyword argument '" + key + "'");
    }
  }
  TEMPLATE_TRY(text, write_yaml(c.input, format));
  return Value::string(std::move(text));
}
Outcome<Value> to_yaml(Call& c) { return yaml_text(c, {}); }
Outcome<Value> to_nice_yaml(Call& c) {
  YamlFormat format;
  format.flow = YamlFormat::Flow::kNever;
  TEMPLATE_TRY(indent, c.integer(0, 4));
  format.indent = static_cast<int>(std::clamp<std::int64_t>(indent, 0, 1000));
  return yaml_text(c, format);
}
Outcome<Value> from_yaml(Call& c) {
  if (!c.input.is_string()) return c.input;
  if (!c.in.world().read_yaml) return bad("from_yaml is not available here");
  auto v = c.in.world().read_yaml(c.input.as_string());
  if (!v) return bad(v.error().message);
  return std::move(*v);
}

Outcome<Value> from_yaml_all(Call& c) {
  if (!c.input.is_string()) return c.input;
  if (!c.in.world().read_yaml_documents) return bad("from_yaml_all is not available here");
  auto documents = c.in.world().read_yaml_documents(c.input.as_string());
  if (!documents) return bad(documents.error().message);
  return Value::list(std::move(*documents));
}

// Python's pformat: what fits in 80 columns stays on one line, else one item per line; dicts by
// key.
Value key_sorted(const Value& v, int depth) {
  if (depth > 100) return v;
  if (v.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : v.items()) items.push_back(key_sorted(item, depth + 1));
    return v.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  }
  if (!v.is_dict()) return v;
  auto pairs = v.as_dict().items();
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
    const auto order = value::compare(a.first, b.first);
    return order ? *order < 0 : a.first.kind() < b.first.kind();
  });
  value::Dict dict;
  for (const auto& [key, item] : pairs) dict.set(key, key_sorted(item, depth + 1));
  return Value::dict(std::move(dict));
}
void print_wrapped(const Value& v, std::size_t indent, std::size_t after, std::size_t limit,
                   int depth, std::string& out) {
  const std::string flat = value::repr(v, limit);
  const bool small = value::count_code_points(flat) + indent + after <= 80;
  const bool empty = (v.is_sequence() && v.items().empty()) || (v.is_dict() && v.as_dict().empty());
  if (small || empty || depth > 100 || out.size() > limit || !(v.is_sequence() || v.is_dict())) {
    out += flat;
    return;
  }
  const std::string gap = ",\n" + std::string(indent + 1, ' ');
  out += v.is_dict() ? '{' : v.is_list() ? '[' : '(';
  if (v.is_dict()) {
    std::size_t left = v.as_dict().size();
    for (const auto& [key, item] : v.as_dict()) {
      const std::string name = value::repr(key, limit) + ": ";
      out += name;
      print_wrapped(item, indent + 1 + value::count_code_points(name), left == 1 ? after + 1 : 1,
                    limit, depth + 1, out);
      if (--left > 0) out += gap;
    }
  } else {
    std::size_t left = v.items().size();
    for (const Value& item : v.items()) {
      print_wrapped(item, indent + 1, left == 1 ? after + 1 : 1, limit, depth + 1, out);
      if (--left > 0) out += gap;
    }
    if (v.is_tuple() && v.items().size() == 1) out += ',';
  }
  out += v.is_dict() ? '}' : v.is_list() ? ']' : ')';
}
Outcome<Value> pprint(Call& c) {
  TEMPLATE_CHECK(c.in.require_deep(c.input));
  std::string out;
  print_wrapped(key_sorted(c.input, 0), 0, 0, c.in.world().limits.output_bytes, 0, out);
  return Value::string(std::move(out));
}

constexpr std::array kRows{
    FilterRow{"to_json", to_json, "**", kKeepsText | kTakesUndefined},
    FilterRow{"to_nice_json", to_nice_json, "indent sort_keys **", kKeepsText | kTakesUndefined},
    FilterRow{"tojson", tojson, "indent", kTakesUndefined},
    FilterRow{"from_json", from_json, ""},
    FilterRow{"to_yaml", to_yaml, "**", kKeepsText | kTakesUndefined},
    FilterRow{"to_nice_yaml", to_nice_yaml, "indent **", kKeepsText | kTakesUndefined},
    FilterRow{"from_yaml", from_yaml, ""},
    FilterRow{"from_yaml_all", from_yaml_all, ""},
    FilterRow{"pprint", pprint, "", kTakesUndefined},
};

}  // namespace

std::span<const FilterRow> format_filters() { return kRows; }

}  // namespace fleetctl::template_
