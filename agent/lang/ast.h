// The tree of a parsed configuration. Every node knows its bytes in the Source; names point into
// the Source's text, so a File (which owns it) must outlive all use of its nodes. Immutable after
// parsing, hence readable from any thread.
//
// The height of every expression is bounded by the parser, so recursion over a tree is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/lexer.h"
#include "agent/lang/source.h"
#include "agent/lang/value.h"

namespace agent::lang {

struct Expr {
  enum class Kind : std::uint8_t {
    kLiteral,     // value
    kIdentifier,  // name
    kList,        // children
    kObject,      // keys[i] = children[i]
    kAccess,      // children[0] . name
    kIndex,       // children[0] [ children[1] ]
    kCall,        // children[0] ( children[1]... )
    kUnary,       // op children[0]
    kBinary,      // children[0] op children[1]
    kParen,       // ( children[0] )
  };
  struct Key {
    Range range;            // as written, with the quotes of a string
    std::string_view name;  // without them; its escapes are not processed
  };

  Kind kind = Kind::kLiteral;
  TokenKind op = TokenKind::kEnd;
  bool is_name = false;  // nothing but a.b.c
  std::uint16_t height = 1;
  Range range;  // the whole expression
  Range mark;   // the operator; the name of kAccess; the bracket that opens an index or a call
  std::string_view name;  // kIdentifier, kAccess
  Value value;            // kLiteral
  std::vector<std::unique_ptr<Expr>> children;
  std::vector<Key> keys;
};

struct BlockNode;

// Either `name = value` (value set) or a block (block set).
struct Statement {
  Range range;
  std::string_view name;  // of an attribute
  Range name_range;
  std::unique_ptr<Expr> value;
  std::unique_ptr<BlockNode> block;
};

struct BlockNode {
  std::string name;   // dotted, without the blanks it may have been written with
  std::string label;  // "" when it has none
  Range name_range;
  Range label_range;  // with its quotes; empty when there is none
  Range open;         // the braces
  Range close;
  std::vector<Statement> body;

  // From the name to the label: what a message about the whole block points at.
  Range header() const {
    return {name_range.begin, label_range.end ? label_range.end : name_range.end};
  }
};

struct File {
  std::shared_ptr<const Source> source;
  std::vector<Statement> body;
  std::vector<Comment> comments;
};

}  // namespace agent::lang
