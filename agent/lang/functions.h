// The functions of the standard library, one file per family; stdlib.cc gives them their names.
// Each takes the evaluated arguments, none of which is or holds a placeholder, and its error says
// what is wrong without the function's name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/lang/value.h"

namespace agent::lang {

using Arguments = std::vector<Value>;

// Fails unless there are `least` to `most` arguments.
Result<> expect_count(const Arguments& arguments, std::size_t least, std::size_t most);
inline Result<> expect_count(const Arguments& arguments, std::size_t count) {
  return expect_count(arguments, count, count);
}
// As a parameter takes it: null is its zero value, a number becomes a string, a secret does not.
Result<std::string> text_argument(const Arguments& arguments, std::size_t index);
Result<bool> bool_argument(const Arguments& arguments, std::size_t index);
Result<const Value::List*> list_argument(const Arguments& arguments, std::size_t index);
// "argument 2 should be list, got string".
tl::unexpected<Error> wrong_argument(std::size_t index, std::string_view expected,
                                     const Value& got);
tl::unexpected<Error> too_large();

// functions_string.cc
Result<Value> string_join(const Arguments& arguments);
Result<Value> string_replace(const Arguments& arguments);
Result<Value> string_split(const Arguments& arguments);
Result<Value> string_to_lower(const Arguments& arguments);
Result<Value> string_to_upper(const Arguments& arguments);
Result<Value> string_trim(const Arguments& arguments);
Result<Value> string_trim_prefix(const Arguments& arguments);
Result<Value> string_trim_suffix(const Arguments& arguments);
Result<Value> string_trim_space(const Arguments& arguments);
Result<Value> file_path_join(const Arguments& arguments);

// functions_format.cc
Result<Value> string_format(const Arguments& arguments);

// functions_array.cc
Result<Value> array_concat(const Arguments& arguments);
Result<Value> array_combine_maps(const Arguments& arguments);
Result<Value> array_group_by(const Arguments& arguments);
Result<Value> coalesce(const Arguments& arguments);

// functions_encoding.cc
Result<Value> encoding_from_base64(const Arguments& arguments);
Result<Value> encoding_from_url_base64(const Arguments& arguments);
Result<Value> encoding_to_base64(const Arguments& arguments);
Result<Value> encoding_to_url_base64(const Arguments& arguments);
Result<Value> encoding_url_encode(const Arguments& arguments);
Result<Value> encoding_url_decode(const Arguments& arguments);
Result<Value> convert_nonsensitive(const Arguments& arguments);

// functions_json.cc
Result<Value> encoding_from_json(const Arguments& arguments);
Result<Value> encoding_to_json(const Arguments& arguments);
Result<Value> json_path(const Arguments& arguments);

// functions_yaml.cc
Result<Value> encoding_from_yaml(const Arguments& arguments);

}  // namespace agent::lang
