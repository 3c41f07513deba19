// The parsed form of a template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

enum class Op : unsigned char {
  kNone,
  kNot,
  kNeg,
  kPos,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kIn,
  kNotIn,
};

enum class ExprKind : unsigned char {
  kConst,
  kName,
  kTuple,
  kList,
  kDict,     // kids: key, value, key, value ...
  kGetattr,  // kids[0].name
  kGetitem,  // kids[0][kids[1]]
  kSlice,    // kids: start, stop, step; each may be null
  kCall,     // kids[0](kids[1..], named, *star, **star_star)
  kFilter,   // kids[0] | name(kids[1..], ...); kids[0] is null at the start of a filter block
  kTest,     // kids[0] is name(kids[1..], ...)
  kUnary,
  kBinary,
  kConcat,
  kAnd,
  kOr,
  kCompare,    // kids[0] ops[0] kids[1] ops[1] kids[2] ...
  kCond,       // kids: test, then, else (may be null)
  kNamespace,  // an assignment target `name.attribute`; attribute is `constant`
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;
struct Expr {
  ExprKind kind = ExprKind::kConst;
  Op op = Op::kNone;
  int line = 0;
  int column = 0;
  int height = 1;  // levels below and with this one; the parser bounds it
  value::Value constant;
  std::string name;
  std::vector<ExprPtr> kids;
  std::vector<Op> ops;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;
  ExprPtr star_star;
};

enum class StmtKind : unsigned char {
  kData,
  kOutput,
  kFor,
  kIf,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kScope,  // autoescape: accepted, has no effect
  kBlock,
  kExtends,
  kInclude,
  kImport,
  kFromImport,
  kDo,
  kBreak,
  kContinue,
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;
struct Stmt {
  StmtKind kind = StmtKind::kData;
  int line = 0;
  int column = 0;
  std::string text;  // kData: the text; kMacro, kBlock: the name
  ExprPtr target;    // kFor, kSet, kSetBlock
  ExprPtr expr;  // what is printed, iterated, assigned, included, called; kSetBlock: the filters or
                 // null
  ExprPtr test;  // kFor: the `if` of the loop
  Body body;
  Body otherwise;
  std::vector<std::pair<ExprPtr, Body>> branches;  // kIf
  std::vector<std::pair<std::string, ExprPtr>>
      params;  // kMacro, kCallBlock: name and default; kWith: target names
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;  // kWith
  std::vector<std::pair<std::string, std::string>>
      names;  // kImport: {"", target}; kFromImport: {name, as}
  bool recursive = false;
  bool with_context = false;
  bool ignore_missing = false;
  bool scoped = false;
  bool required = false;
  // kMacro, kCallBlock: which of the special names the body uses
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

struct Template {
  std::string name;
  Body body;
  std::vector<std::pair<std::string, const Stmt*>> blocks;
  std::size_t trailing_newlines =
      0;  // of its text; Ansible puts those back that rendering took away
};

}  // namespace fleetctl::template_
