// Python's operators on values. All of them refuse undefined operands with the undefined's own
// message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/template/syntax.h"

namespace fleetctl::template_ {

Outcome<Value> binary(Interpreter& in, Op op, const Value& left, const Value& right);
Outcome<Value> unary(Op op, const Value& operand);
Outcome<bool> compare_op(Interpreter& in, Op op, const Value& left, const Value& right);
Outcome<bool> contains(Interpreter& in, const Value& container, const Value& item);
// object[start:stop:step] for strings, lists and tuples; None for what is left out.
Outcome<Value> slice_of(const Value& object, const Value& start, const Value& stop,
                        const Value& step);

// Methods of str, list, dict, ... in methods.cc.
bool has_method(const Value& object, std::string_view name);
Outcome<Value> call_method(Interpreter& in, Value object, std::string_view name, Args args);

// 'a %s' % (1,) and '{0:>5}'.format(...), in format.cc.
Outcome<std::string> percent_format(Interpreter& in, std::string_view format, const Value& args);
Outcome<std::string> percent_format(Interpreter& in, std::string_view format,
                                    const std::vector<Value>& positional, const value::Dict* named);
Outcome<std::string> brace_format(Interpreter& in, std::string_view format, const Args& args);
// format(value, spec)
Outcome<std::string> format_value(Interpreter& in, const Value& value, std::string_view spec);
// A double with a fixed number of digits after the point, rounded half to even as C does.
std::string fixed(double number, int digits);

// Sorts as Python's sorted(), failing on values without an order. `keys` are compared, `items`
// follow.
Outcome<> sort_by(std::vector<Value>& items, std::vector<Value> keys, bool reverse);

// str.replace, `most` < 0: all.
Outcome<Value> replace_text(Interpreter& in, std::string_view text, std::string_view from,
                            std::string_view to, std::int64_t most);
// Unicode case through the C.UTF-8 locale.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
bool is_space_point(char32_t c);
std::string_view strip(std::string_view text, bool left = true, bool right = true);

}  // namespace fleetctl::template_
