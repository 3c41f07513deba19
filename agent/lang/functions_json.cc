// JSON as Go's encoding/json reads and writes it, and json_path:
//   path    = [ "$" ] { "." name | "." "*" | ".." name | ".." "*" | "[" inner "]" }
//   inner   = "*" | selector { "," selector } | "?(" filter ")"
//   selector= integer | 'name' | "name" | [ integer ] ":" [ integer ] [ ":" integer ]
//   filter  = or   or = and { "||" and }   and = test { "&&" test }
//   test    = "!" test | "(" or ")" | operand [ ( == != < <= > >= ) operand ]
//   operand = "@" path | "$" path | number | 'text' | "text" | true | false | null
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/lang/documents.h"
#include "agent/lang/functions.h"
#include "agent/lang/operators.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;
using nlohmann::json;

// Builds values while the text is read, so that depth and size are bounded before anything is held.
class Builder final : public nlohmann::json_sax<json> {
 public:
  // encoding.from_json makes every number a float, json_path keeps whole ones whole.
  explicit Builder(bool whole_numbers) : whole_numbers_(whole_numbers) {}

  Value take() { return std::move(result_); }
  const std::string& error() const { return error_; }

  bool null() override { return add(Value()); }
  bool boolean(bool b) override { return add(Value(b)); }
  bool number_integer(std::int64_t i) override {
    return add(whole_numbers_ ? Value(i) : Value(static_cast<double>(i)));
  }
  bool number_unsigned(std::uint64_t u) override {
    if (whole_numbers_ && u <= INT64_MAX) return add(Value(static_cast<std::int64_t>(u)));
    return add(whole_numbers_ ? Value(u) : Value(static_cast<double>(u)));
  }
  bool number_float(double d, const std::string&) override { return add(Value(d)); }
  bool string(std::string& s) override { return add(Value(std::move(s))); }
  bool binary(json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(std::string& name) override {
    open_.back().keys.push_back(std::move(name));
    return true;
  }
  bool end_array() override {
    Value::List items = std::move(open_.back().items);
    open_.pop_back();
    return add(Value(std::move(items)));
  }
  bool end_object() override {
    Level level = std::move(open_.back());
    open_.pop_back();
    Value::Object members;
    members.reserve(level.items.size());
    for (std::size_t i = 0; i < level.items.size(); ++i)
      members.emplace_back(std::move(level.keys[i]), std::move(level.items[i]));
    return add(Value(std::move(members)));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_ = "invalid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  struct Level {
    bool object = false;
    std::vector<std::string> keys;
    Value::List items;
  };

  bool open(bool object) {
    if (open_.size() >= static_cast<std::size_t>(kMaxValueDepth)) {
      error_ = "nested more than " + std::to_string(kMaxValueDepth) + " deep";
      return false;
    }
    open_.push_back({object, {}, {}});
    return true;
  }
  bool add(Value value) {
    if (++count_ > kMaxListItems) {
      error_ = "more than " + std::to_string(kMaxListItems) + " values";
      return false;
    }
    if (open_.empty()) {
      result_ = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  const bool whole_numbers_;
  std::vector<Level> open_;
  Value result_;
  std::size_t count_ = 0;
  std::string error_;
};

Result<Value> parse_json(const std::string& text, bool whole_numbers) {
  Builder builder(whole_numbers);
  if (json::sax_parse(text, &builder)) return builder.take();
  return fail(ErrorCode::kInvalid, builder.error().empty() ? "invalid JSON" : builder.error());
}

// Go escapes what HTML and JavaScript would take for their own.
void write_string(std::string& out, std::string_view text) {
  out += '"';
  char code[8];
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const std::string_view bytes = text.substr(0, c.length);
    text.remove_prefix(c.length);
    switch (c.value) {
      case '"':
      case '\\':
        out += '\\';
        out += bytes;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (!c.valid) {
          out += "\\ufffd";
        } else if (c.value < 0x20 || c.value == '<' || c.value == '>' || c.value == '&' ||
                   c.value == 0x2028 || c.value == 0x2029) {
          std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c.value));
          out += code;
        } else {
          out += bytes;
        }
    }
  }
  out += '"';
}

Result<> write_json(std::string& out, const Value& value, int depth) {
  if (depth > kMaxValueDepth || out.size() > kMaxTextBytes) return too_large();
  switch (value.kind()) {
    case Kind::kNull:
      out += "null";
      return {};
    case Kind::kBool:
      out += value.boolean() ? "true" : "false";
      return {};
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kFloat:
      if (value.kind() == Kind::kFloat && !std::isfinite(value.floating()))
        return fail(ErrorCode::kInvalid, "JSON has no " + number_text(value));
      out += value.kind() == Kind::kFloat ? json_number(value.floating()) : number_text(value);
      return {};
    case Kind::kString:
      write_string(out, value.string());
      return {};
    case Kind::kList: {
      out += '[';
      const char* separator = "";
      for (const Value& item : value.list()) {
        out += separator;
        separator = ",";
        if (auto written = write_json(out, item, depth + 1); !written) return written;
      }
      out += ']';
      return {};
    }
    case Kind::kObject: {
      std::map<std::string_view, const Value*> sorted;
      for (const auto& [key, member] : value.object()) sorted.emplace(key, &member);
      out += '{';
      const char* separator = "";
      for (const auto& [key, member] : sorted) {
        out += separator;
        separator = ",";
        write_string(out, key);
        out += ':';
        if (auto written = write_json(out, *member, depth + 1); !written) return written;
      }
      out += '}';
      return {};
    }
    default:
      return fail(ErrorCode::kInvalid, "a " + std::string(value.kind_name()) + " cannot be JSON");
  }
}

// ---- json_path
// ------------------------------------------------------------------------------------------------------

struct Test;

struct Selector {
  enum class Kind { kName, kIndex, kSlice, kAll, kFilter };
  Kind kind = Kind::kAll;
  std::string name;
  std::int64_t index = 0;
  std::optional<std::int64_t> from, to;
  std::int64_t step = 1;
  std::shared_ptr<const Test> filter;
};

struct Step {
  bool descend = false;  // ".."
  std::vector<Selector> selectors;
};

using Path = std::vector<Step>;

struct Operand {
  enum class Kind { kLiteral, kHere, kRoot };
  Kind kind = Kind::kLiteral;
  Value literal;
  Path path;
};

struct Test {
  enum class Kind { kOr, kAnd, kNot, kCompare, kExists };
  Kind kind = Kind::kExists;
  std::vector<std::shared_ptr<const Test>> parts;
  std::string op;
  Operand left, right;
};

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  Result<Path> run() {
    if (peek() == '$' || peek() == '@') ++at_;
    Path path = steps(true);
    if (at_ < text_.size()) wrong();
    if (bad_)
      return fail(ErrorCode::kInvalid, "invalid JSONPath at byte " + std::to_string(bad_at_) +
                                           ": " + std::string(text_));
    return path;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void blanks() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  bool take(std::string_view what) {
    if (!text_.substr(std::min(at_, text_.size())).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  void wrong() {
    if (!bad_) bad_at_ = at_;
    bad_ = true;
    at_ = text_.size();
  }

  static bool ends_name(char c) {
    return c == '\0' || std::string_view(".[]()*,?:=!<>&|'\" \t").find(c) != std::string_view::npos;
  }
  std::string name() {
    const std::size_t begin = at_;
    while (!ends_name(peek())) ++at_;
    if (at_ == begin) wrong();
    return std::string(text_.substr(begin, bad_ ? 0 : at_ - begin));
  }

  // `bare_start`: the path may begin with a name that has no dot before it.
  Path steps(bool bare_start) {
    Path path;
    if (bare_start && at_ == 0 && !ends_name(peek())) {
      path.push_back({false, {Selector{Selector::Kind::kName, name(), 0, {}, {}, 1, nullptr}}});
    }
    while (!bad_) {
      Step step;
      if (peek() == '.') {
        ++at_;
        if (peek() == '.') {
          ++at_;
          step.descend = true;
        }
        if (take("*")) {
          step.selectors.push_back({});
        } else if (step.descend && peek() == '[') {
          bracket(step);
        } else {
          step.selectors.push_back({Selector::Kind::kName, name(), 0, {}, {}, 1, nullptr});
        }
      } else if (peek() == '[') {
        bracket(step);
      } else if (bare_start && path.empty() && take("*")) {
        step.selectors.push_back({});
      } else {
        break;
      }
      path.push_back(std::move(step));
    }
    return path;
  }

  void bracket(Step& step) {
    ++at_;
    blanks();
    if (take("*")) {
      step.selectors.push_back({});
    } else if (take("?")) {
      blanks();
      Selector selector;
      selector.kind = Selector::Kind::kFilter;
      selector.filter = either(0);
      step.selectors.push_back(std::move(selector));
    } else {
      do {
        blanks();
        step.selectors.push_back(selector());
        blanks();
      } while (take(","));
    }
    blanks();
    if (!take("]")) wrong();
  }

  Selector selector() {
    Selector out;
    if (peek() == '\'' || peek() == '"') {
      out.kind = Selector::Kind::kName;
      out.name = quoted();
      return out;
    }
    const std::optional<std::int64_t> first = integer();
    if (peek() != ':') {
      if (!first) wrong();
      out.kind = Selector::Kind::kIndex;
      out.index = first.value_or(0);
      return out;
    }
    ++at_;
    out.kind = Selector::Kind::kSlice;
    out.from = first;
    out.to = integer();
    if (take(":")) out.step = integer().value_or(1);
    if (out.step == 0) wrong();
    return out;
  }

  std::optional<std::int64_t> integer() {
    std::int64_t value = 0;
    const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (read.ec != std::errc()) return std::nullopt;
    at_ = static_cast<std::size_t>(read.ptr - text_.data());
    return value;
  }

  std::string quoted() {
    const char mark = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    if (at_ >= text_.size()) {
      wrong();
    } else {
      ++at_;
    }
    return out;
  }

  std::shared_ptr<const Test> either(int depth) { return joined(Test::Kind::kOr, "||", depth); }
  std::shared_ptr<const Test> joined(Test::Kind kind, std::string_view op, int depth) {
    auto test = std::make_shared<Test>();
    test->kind = kind;
    if (depth > 64) wrong();
    do {
      blanks();
      if (bad_) break;
      test->parts.push_back(kind == Test::Kind::kOr ? joined(Test::Kind::kAnd, "&&", depth)
                                                    : single(depth));
      blanks();
    } while (take(op));
    return test;
  }
  std::shared_ptr<const Test> single(int depth) {
    auto test = std::make_shared<Test>();
    if (peek() == '!' && peek(1) != '=') {
      ++at_;
      blanks();
      test->kind = Test::Kind::kNot;
      if (depth > 64) wrong();
      if (!bad_) test->parts.push_back(single(depth + 1));
      return test;
    }
    if (take("(")) {
      auto inner = either(depth + 1);
      blanks();
      if (!take(")")) wrong();
      return inner;
    }
    test->left = operand();
    blanks();
    for (const char* op : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!take(op)) continue;
      test->kind = Test::Kind::kCompare;
      test->op = op;
      blanks();
      test->right = operand();
      break;
    }
    return test;
  }
  Operand operand() {
    Operand out;
    if (peek() == '@' || peek() == '$') {
      out.kind = peek() == '@' ? Operand::Kind::kHere : Operand::Kind::kRoot;
      ++at_;
      out.path = steps(false);
      return out;
    }
    if (peek() == '\'' || peek() == '"') {
      out.literal = Value(quoted());
    } else if (take("true")) {
      out.literal = Value(true);
    } else if (take("false")) {
      out.literal = Value(false);
    } else if (!take("null")) {
      double number = 0;
      const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
      if (read.ec != std::errc()) wrong();
      if (!bad_) at_ = static_cast<std::size_t>(read.ptr - text_.data());
      out.literal = Value(number);
    }
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t bad_at_ = 0;
  bool bad_ = false;
};

class PathWalker {
 public:
  explicit PathWalker(const Value& root) : root_(root) {}
  bool exhausted() const { return work_ > kMaxListItems; }

  std::vector<Value> walk(const Path& path, const Value& start) {
    std::vector<Value> now{start};
    for (const Step& step : path) {
      std::vector<Value> next;
      for (const Value& value : now) {
        if (step.descend) {
          descend(step, value, next);
        } else {
          select(step, value, next);
        }
        if (exhausted()) return {};
      }
      now = std::move(next);
    }
    return now;
  }

 private:
  void descend(const Step& step, const Value& value, std::vector<Value>& out) {
    if (exhausted()) return;
    select(step, value, out);
    if (value.kind() == Kind::kList)
      for (const Value& item : value.list()) descend(step, item, out);
    if (value.kind() == Kind::kObject)
      for (const auto& [key, member] : value.object()) descend(step, member, out);
  }

  void add(std::vector<Value>& out, const Value& value) {
    if (++work_ <= kMaxListItems) out.push_back(value);
  }

  void select(const Step& step, const Value& value, std::vector<Value>& out) {
    ++work_;
    const bool list = value.kind() == Kind::kList;
    const bool object = value.kind() == Kind::kObject;
    for (const Selector& s : step.selectors) {
      switch (s.kind) {
        case Selector::Kind::kName:
          if (object)
            if (const Value* member = value.find(s.name)) add(out, *member);
          break;
        case Selector::Kind::kIndex:
          if (list) {
            const auto size = static_cast<std::int64_t>(value.list().size());
            const std::int64_t at = s.index < 0 ? s.index + size : s.index;
            if (at >= 0 && at < size) add(out, value.list()[static_cast<std::size_t>(at)]);
          }
          break;
        case Selector::Kind::kSlice:
          if (list) slice(s, value.list(), out);
          break;
        case Selector::Kind::kAll:
        case Selector::Kind::kFilter: {
          const auto keep = [&](const Value& item) {
            if (s.kind == Selector::Kind::kAll || holds(*s.filter, item)) add(out, item);
          };
          if (list) std::for_each(value.list().begin(), value.list().end(), keep);
          if (object)
            for (const auto& [key, member] : value.object()) keep(member);
          break;
        }
      }
    }
  }

  void slice(const Selector& s, const Value::List& items, std::vector<Value>& out) {
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t step = std::clamp<std::int64_t>(s.step, -size - 1, size + 1);
    const auto place = [&](std::optional<std::int64_t> at, std::int64_t otherwise) {
      if (!at) return otherwise;
      const std::int64_t absolute = *at < 0 ? std::max<std::int64_t>(*at, -size - 1) + size : *at;
      return std::clamp<std::int64_t>(absolute, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
    };
    const std::int64_t from = place(s.from, step > 0 ? 0 : size - 1);
    const std::int64_t to = place(s.to, step > 0 ? size : -1);
    for (std::int64_t i = from; step > 0 ? i < to : i > to; i += step)
      add(out, items[static_cast<std::size_t>(i)]);
  }

  bool holds(const Test& test, const Value& here) {
    if (exhausted()) return false;
    const auto part = [&](const auto& inner) { return holds(*inner, here); };
    switch (test.kind) {
      case Test::Kind::kOr:
        return std::any_of(test.parts.begin(), test.parts.end(), part);
      case Test::Kind::kAnd:
        return std::all_of(test.parts.begin(), test.parts.end(), part);
      case Test::Kind::kNot:
        return !part(test.parts[0]);
      case Test::Kind::kExists:
        if (test.left.kind == Operand::Kind::kLiteral) return test.left.literal == Value(true);
        return operand(test.left, here).has_value();
      case Test::Kind::kCompare: {
        const std::optional<Value> left = operand(test.left, here);
        const std::optional<Value> right = operand(test.right, here);
        if (!left || !right) return false;
        if (test.op == "==") return *left == *right;
        if (test.op == "!=") return !(*left == *right);
        const TokenKind op = test.op == "<"    ? TokenKind::kLess
                             : test.op == "<=" ? TokenKind::kLessEqual
                             : test.op == ">"  ? TokenKind::kGreater
                                               : TokenKind::kGreaterEqual;
        const auto result = apply(op, *left, *right);
        return result && result->boolean();
      }
    }
    return false;
  }

  std::optional<Value> operand(const Operand& operand, const Value& here) {
    if (operand.kind == Operand::Kind::kLiteral) return operand.literal;
    std::vector<Value> found =
        walk(operand.path, operand.kind == Operand::Kind::kHere ? here : root_);
    if (found.empty()) return std::nullopt;
    return std::move(found[0]);
  }

  const Value& root_;
  std::size_t work_ = 0;
};

}  // namespace

Result<Value> value_of_json(const std::string& text) { return parse_json(text, false); }

Result<Value> encoding_from_json(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 1); !counted) return fail(std::move(counted).error());
  const auto text = text_argument(arguments, 0);
  if (!text) return fail(text.error());
  return value_of_json(*text);
}

Result<Value> encoding_to_json(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 1); !counted) return fail(std::move(counted).error());
  if (arguments[0].kind() != Kind::kObject) return wrong_argument(0, "object", arguments[0]);
  std::string out;
  if (auto written = write_json(out, arguments[0], 0); !written)
    return fail(std::move(written).error());
  return Value(std::move(out));
}

Result<Value> json_path(const Arguments& arguments) {
  if (auto counted = expect_count(arguments, 2); !counted) return fail(std::move(counted).error());
  const auto text = text_argument(arguments, 0);
  if (!text) return fail(text.error());
  const auto expression = text_argument(arguments, 1);
  if (!expression) return fail(expression.error());
  const auto path = PathParser(*expression).run();
  if (!path) return fail(path.error());
  const auto document = parse_json(*text, true);
  if (!document) return fail(document.error());
  PathWalker walker(*document);
  Value::List found = walker.walk(*path, *document);
  if (walker.exhausted()) return too_large();
  return Value(std::move(found));
}

}  // namespace agent::lang
