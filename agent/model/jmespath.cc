#include "agent/model/jmespath.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/model/jmespath_node.h"

namespace agent::model {
namespace {

using Node = JmesPath::Node;
using Kind = Node::Kind;

constexpr std::size_t kMaxText = 4 << 20;

// The steps of a node that is nothing but names and indices; false for any other.
bool collect_path(const Node& node, JmesPath::Path& out) {
  switch (node.kind) {
    case Kind::kField:
      out.emplace_back(node.name);
      return true;
    case Kind::kIndex:
      out.emplace_back(*node.from);
      return true;
    case Kind::kThen:
      return collect_path(node.children[0], out) && collect_path(node.children[1], out);
    default:
      return false;
  }
}

Json at(const Json& value, std::int64_t index) {
  if (value.kind() != Json::Kind::kArray) return {};
  const auto size = static_cast<std::int64_t>(value.array().size());
  if (index < 0) index += size;
  return index >= 0 && index < size ? value.array()[static_cast<std::size_t>(index)] : Json();
}

// The places that a slice takes from `size` elements.
std::vector<std::size_t> places(const Node& node, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  const std::int64_t lowest = node.step < 0 ? -1 : 0;
  const std::int64_t highest = node.step < 0 ? count - 1 : count;
  const auto bound = [&](const std::optional<std::int64_t>& given, std::int64_t otherwise) {
    if (!given) return otherwise;
    // A number near the ends of 64 bits must not overflow.
    const std::int64_t from_start =
        *given < 0 ? std::max(*given, -count - 1) + count : std::min(*given, count);
    return std::clamp(from_start, lowest, highest);
  };
  const std::int64_t from = bound(node.from, node.step < 0 ? highest : lowest);
  const std::int64_t to = bound(node.to, node.step < 0 ? lowest : highest);
  // As long a step as there are elements is as good as any longer one.
  const std::int64_t step = std::clamp(node.step, -count - 1, count + 1);
  std::vector<std::size_t> out;
  for (std::int64_t i = from; step > 0 ? i < to : i > to; i += step)
    out.push_back(static_cast<std::size_t>(i));
  return out;
}

}  // namespace

JmesPath::JmesPath(std::shared_ptr<const Node> root) : root_(std::move(root)) {
  Path path;
  if (collect_path(*root_, path)) path_ = std::make_shared<const Path>(std::move(path));
}

Result<JmesPath> JmesPath::compile(std::string_view expression) {
  auto root = parse_jmespath(expression);
  if (!root) return fail(std::move(root.error()).within("expression " + json_string(expression)));
  return JmesPath(std::make_shared<const Node>(std::move(*root)));
}

Result<Json> JmesPath::search(const Json& document) const {
  return JmesEvaluation(document).run(*root_, document);
}

Result<> JmesEvaluation::spend(std::size_t steps) {
  if (steps > left_) return fail(ErrorCode::kExhausted, "the expression takes too long");
  left_ -= steps;
  return {};
}

Result<std::string> JmesEvaluation::text(const Json& value) {
  if (value.kind() == Json::Kind::kString) return value.string();
  std::string out;
  if (!value.append_text(out, kMaxText))
    return fail(ErrorCode::kExhausted, "the expression makes too long a text");
  if (auto ok = spend(out.size() / 16); !ok) return fail(ok.error());
  return out;
}

Result<bool> JmesEvaluation::equal(const Json& a, const Json& b) {
  if (auto ok = spend(1); !ok) return fail(ok.error());
  if (a.is_number() && b.is_number()) {
    if (a.kind() == Json::Kind::kInt && b.kind() == Json::Kind::kInt)
      return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Json::Kind::kBool:
      return a.boolean() == b.boolean();
    case Json::Kind::kString:
      if (auto ok = spend(a.string().size() / 64); !ok) return fail(ok.error());
      return a.string() == b.string();
    case Json::Kind::kArray: {
      if (a.array().size() != b.array().size()) return false;
      for (std::size_t i = 0; i < a.array().size(); ++i) {
        auto same = equal(a.array()[i], b.array()[i]);
        if (!same || !*same) return same;
      }
      return true;
    }
    case Json::Kind::kObject: {
      if (a.object().size() != b.object().size()) return false;
      for (const auto& [name, member] : a.object()) {
        if (auto ok = spend(b.object().size() / 16); !ok) return fail(ok.error());
        const Json* other = b.find(name);
        if (other == nullptr) return false;
        auto same = equal(member, *other);
        if (!same || !*same) return same;
      }
      return true;
    }
    default:
      return true;
  }
}

Result<Json> JmesEvaluation::run(const Node& node, const Json& value) {
  if (auto ok = spend(1); !ok) return fail(ok.error());
  switch (node.kind) {
    case Kind::kCurrent:
      return value;
    case Kind::kRoot:
      return document_;
    case Kind::kLiteral:
      return node.literal;
    case Kind::kField: {
      if (value.kind() != Json::Kind::kObject) return Json();
      if (auto ok = spend(value.object().size() / 16); !ok) return fail(ok.error());
      const Json* member = value.find(node.name);
      return member == nullptr ? Json() : *member;
    }
    case Kind::kIndex:
      return at(value, *node.from);
    case Kind::kSlice:
      return slice(node, value);
    case Kind::kThen: {
      auto left = run(node.children[0], value);
      if (!left) return left;
      return run(node.children[1], *left);
    }
    case Kind::kFlatten: {
      auto left = run(node.children[0], value);
      if (!left) return left;
      if (left->kind() != Json::Kind::kArray) return Json();
      Json::Array flat;
      for (const Json& item : left->array()) {
        if (item.kind() == Json::Kind::kArray) {
          if (auto ok = spend(item.array().size()); !ok) return fail(ok.error());
          flat.insert(flat.end(), item.array().begin(), item.array().end());
        } else {
          flat.push_back(item);
        }
      }
      if (auto ok = spend(left->array().size()); !ok) return fail(ok.error());
      return Json(std::move(flat));
    }
    case Kind::kListProjection: {
      auto left = run(node.children[0], value);
      if (!left) return left;
      if (left->kind() == Json::Kind::kString && node.of_slice) return run(node.children[1], *left);
      if (left->kind() != Json::Kind::kArray) return Json();
      return project(node, left->array());
    }
    case Kind::kValueProjection: {
      auto left = run(node.children[0], value);
      if (!left) return left;
      if (left->kind() != Json::Kind::kObject) return Json();
      Json::Array values;
      for (const auto& [name, member] : left->object()) values.push_back(member);
      return project(node, values);
    }
    case Kind::kFilter: {
      auto left = run(node.children[0], value);
      if (!left) return left;
      if (left->kind() != Json::Kind::kArray) return Json();
      Json::Array kept;
      for (const Json& item : left->array()) {
        auto holds = run(node.children[2], item);
        if (!holds) return holds;
        if (jmes_is_true(*holds)) kept.push_back(item);
      }
      return project(node, kept);
    }
    case Kind::kList: {
      if (value.is_null()) return Json();
      Json::Array items;
      for (const Node& child : node.children) {
        auto item = run(child, value);
        if (!item) return item;
        items.push_back(std::move(*item));
      }
      return Json(std::move(items));
    }
    case Kind::kHash: {
      if (value.is_null()) return Json();
      Json::Object members;
      for (std::size_t i = 0; i < node.children.size(); ++i) {
        auto member = run(node.children[i], value);
        if (!member) return member;
        const auto same = std::find_if(members.begin(), members.end(),
                                       [&](const auto& m) { return m.first == node.names[i]; });
        if (same != members.end()) {
          same->second = std::move(*member);
        } else {
          members.emplace_back(node.names[i], std::move(*member));
        }
      }
      return Json(std::move(members));
    }
    case Kind::kOr:
    case Kind::kAnd: {
      auto left = run(node.children[0], value);
      if (!left || jmes_is_true(*left) == (node.kind == Kind::kOr)) return left;
      return run(node.children[1], value);
    }
    case Kind::kNot: {
      auto inner = run(node.children[0], value);
      if (!inner) return inner;
      return Json(!jmes_is_true(*inner));
    }
    case Kind::kCall:
      return call(node, value);
    case Kind::kExpression:  // only ever looked at by call()
      return Json();
    default:
      return compare(node, value);
  }
}

Result<Json> JmesEvaluation::project(const Node& node, const Json::Array& items) {
  Json::Array out;
  for (const Json& item : items) {
    auto made = run(node.children[1], item);
    if (!made) return made;
    if (!made->is_null()) out.push_back(std::move(*made));
  }
  return Json(std::move(out));
}

Result<Json> JmesEvaluation::slice(const Node& node, const Json& value) {
  if (value.kind() == Json::Kind::kArray) {
    Json::Array out;
    for (const std::size_t place : places(node, value.array().size()))
      out.push_back(value.array()[place]);
    if (auto ok = spend(out.size()); !ok) return fail(ok.error());
    return Json(std::move(out));
  }
  if (value.kind() != Json::Kind::kString) return Json();
  const std::vector<std::string_view> characters = utf8_characters(value.string());
  if (auto ok = spend(characters.size() / 16); !ok) return fail(ok.error());
  std::string out;
  for (const std::size_t place : places(node, characters.size())) out += characters[place];
  return Json(std::move(out));
}

Result<Json> JmesEvaluation::compare(const Node& node, const Json& value) {
  auto left = run(node.children[0], value);
  if (!left) return left;
  auto right = run(node.children[1], value);
  if (!right) return right;
  if (node.kind == Kind::kEqual || node.kind == Kind::kNotEqual) {
    auto same = equal(*left, *right);
    if (!same) return fail(same.error());
    return Json(*same == (node.kind == Kind::kEqual));
  }
  if (!left->is_number() || !right->is_number()) return Json();
  const double a = left->number();
  const double b = right->number();
  switch (node.kind) {
    case Kind::kLess:
      return Json(a < b);
    case Kind::kLessOrEqual:
      return Json(a <= b);
    case Kind::kGreater:
      return Json(a > b);
    default:
      return Json(a >= b);
  }
}

Result<Json> JmesEvaluation::call(const Node& node, const Json& value) {
  const JmesFunction& function = *node.function;
  std::vector<JmesArgument> arguments;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    if (child.kind == Kind::kExpression) {
      arguments.push_back({Json(), &child.children[0]});
      continue;
    }
    auto argument = run(child, value);
    if (!argument) return argument;
    if (argument->kind() == Json::Kind::kArray)
      if (auto ok = spend(argument->array().size()); !ok) return fail(ok.error());
    const unsigned allowed =
        function.types[i < function.types.size() && function.types[i] != 0 ? i : 0];
    if ((allowed & jmes_types_of(*argument)) == 0)
      return fail(ErrorCode::kInvalid, std::string(function.name) + "() does not take " +
                                           jmes_type_name(*argument) + " as argument " +
                                           std::to_string(i + 1));
    arguments.push_back({std::move(*argument), nullptr});
  }
  return function.call(*this, arguments);
}

}  // namespace agent::model
