// A YAML document as a tree whose every node knows its place. Scalars stay texts: what they mean is
// for the field that they stand in, as in Go's yaml.v2 with typed fields. Merge keys (<<) are
// merged.
//
// Bounded: 1 MiB of text; nested 64 deep; 100,000 nodes and 4 MiB of scalars, what an alias stands
// for counted at each use.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/convert/environment.h"
#include "agent/convert/findings.h"

namespace agent::convert {

struct Node {
  enum class Kind { kNull, kText, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;  // kText
  Mark mark;
  std::vector<Node> items;                         // kList; kMap: the values
  std::vector<std::pair<std::string, Mark>> keys;  // kMap, each once

  bool is_null() const { return kind == Kind::kNull; }
  bool is_text() const { return kind == Kind::kText; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // Null when there is no such key.
  const Node* find(std::string_view key) const;
};

inline constexpr std::size_t kMaxYamlBytes = std::size_t{1} << 20;

// The first document; nothing and a critical finding when it cannot be read. `environment` knows
// the places and, for keys, the values of what it marked in the text.
std::optional<Node> read_yaml_tree(const std::string& text, const Environment& environment,
                                   Findings& findings);

}  // namespace agent::convert
