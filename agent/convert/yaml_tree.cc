#include "agent/convert/yaml_tree.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "agent/base/strings.h"

namespace agent::convert {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxScalars = std::size_t{4} << 20;

class Reader {
 public:
  Reader(const Environment& environment, Findings& findings)
      : environment_(environment), findings_(findings) {}

  // Nothing after a finding.
  std::optional<Node> read(const YAML::Node& from, int depth) {
    Node node;
    node.mark = place(from);
    if (depth > kMaxDepth) return refuse(node.mark, "this is nested too deep");
    if (++nodes_ > kMaxNodes)
      return refuse(node.mark, "there is too much of this, with what its aliases stand for");
    switch (from.Type()) {
      case YAML::NodeType::Scalar:
        return scalar(from, std::move(node));
      case YAML::NodeType::Sequence:
        node.kind = Node::Kind::kList;
        for (const YAML::Node& each : from) {
          auto item = read(each, depth + 1);
          if (!item) return std::nullopt;
          node.items.push_back(std::move(*item));
        }
        return node;
      case YAML::NodeType::Map:
        return map(from, std::move(node), depth);
      default:
        return node;
    }
  }

 private:
  Mark place(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    if (mark.is_null()) return {};
    return environment_.original({mark.line + 1, mark.column + 1});
  }
  std::nullopt_t refuse(Mark mark, std::string message) {
    findings_.add(Severity::kCritical, mark, std::move(message));
    return std::nullopt;
  }

  std::optional<Node> scalar(const YAML::Node& from, Node node) {
    const std::string& text = from.Scalar();
    scalars_ += text.size();
    if (scalars_ > kMaxScalars)
      return refuse(node.mark, "there is too much text, with what its aliases stand for");
    const bool plain = from.Tag() == "?";
    if (plain &&
        (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL"))
      return node;
    node.kind = Node::Kind::kText;
    node.text = text;
    return node;
  }

  std::optional<Node> map(const YAML::Node& from, Node node, int depth) {
    node.kind = Node::Kind::kMap;
    std::vector<Node> merged;
    std::set<std::string> own;
    for (const auto& pair : from) {
      if (!pair.first.IsScalar()) return refuse(place(pair.first), "a key must be a text");
      if (pair.first.Tag() == "?" && pair.first.Scalar() == "<<") {
        auto other = read(pair.second, depth + 1);
        if (!other) return std::nullopt;
        if (other->is_list()) {
          for (Node& each : other->items) merged.push_back(std::move(each));
        } else {
          merged.push_back(std::move(*other));
        }
        continue;
      }
      scalars_ += pair.first.Scalar().size();
      std::string key = environment_.value(pair.first.Scalar());
      if (!own.insert(key).second)
        return refuse(place(pair.first), "the key " + std::string(utf8_head(key, 100)) +
                                             " is written twice in this mapping");
      auto value = read(pair.second, depth + 1);
      if (!value) return std::nullopt;
      if (value->mark.line == 0) value->mark = place(pair.first);
      node.keys.emplace_back(std::move(key), place(pair.first));
      node.items.push_back(std::move(*value));
    }
    // A key of the mapping itself, then the first mapping that has it, counts.
    for (Node& other : merged) {
      if (!other.is_map()) return refuse(other.mark, "only mappings can be merged with <<");
      for (std::size_t i = 0; i < other.keys.size(); ++i) {
        if (!own.insert(other.keys[i].first).second) continue;
        node.keys.push_back(std::move(other.keys[i]));
        node.items.push_back(std::move(other.items[i]));
      }
    }
    return node;
  }

  const Environment& environment_;
  Findings& findings_;
  std::size_t nodes_ = 0;
  std::size_t scalars_ = 0;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  if (kind != Kind::kMap) return nullptr;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].first == key) return &items[i];
  return nullptr;
}

std::optional<Node> read_yaml_tree(const std::string& text, const Environment& environment,
                                   Findings& findings) {
  if (text.size() > kMaxYamlBytes) {
    findings.add(Severity::kCritical, {},
                 "it is longer than " + std::to_string(kMaxYamlBytes) + " bytes");
    return std::nullopt;
  }
  try {
    return Reader(environment, findings).read(YAML::Load(text), 0);
  } catch (const YAML::DeepRecursion&) {
    findings.add(Severity::kCritical, {}, "this is nested too deep");
  } catch (const YAML::Exception& e) {
    const Mark at = e.mark.is_null() ? Mark{} : Mark{e.mark.line + 1, e.mark.column + 1};
    findings.add(Severity::kCritical, environment.original(at), "invalid YAML: " + e.msg);
  } catch (const std::exception& e) {
    findings.add(Severity::kCritical, {}, std::string("invalid YAML: ") + e.what());
  }
  return std::nullopt;
}

}  // namespace agent::convert
