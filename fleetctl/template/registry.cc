#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {

Registry::Registry() {
  for (const auto rows :
       {string_filters(), list_filters(), number_filters(), format_filters(), regex_filters(),
        mapping_filters(), system_filters(), file_filters(), link_filters(), address_filters()}) {
    for (const FilterRow& row : rows) filters_.emplace(row.name, &row);
  }
  for (const TestRow& row : all_tests()) tests_.emplace(row.name, &row);
}

const FilterRow* Registry::filter(std::string_view name) const {
  const auto found = filters_.find(name);
  return found == filters_.end() ? nullptr : found->second;
}
const TestRow* Registry::test(std::string_view name) const {
  const auto found = tests_.find(name);
  return found == tests_.end() ? nullptr : found->second;
}
std::vector<std::string_view> Registry::filter_names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, row] : filters_) names.push_back(name);
  return names;
}
std::vector<std::string_view> Registry::test_names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, row] : tests_) names.push_back(name);
  return names;
}

Outcome<std::int64_t> Call::integer(std::size_t i, std::int64_t preset) const {
  if (!has(i)) return preset;
  const Value& v = *args[i];
  TEMPLATE_CHECK(in.require(v));
  if (v.is_int()) return v.as_int();
  if (v.is_bool()) return v.as_bool() ? 1 : 0;
  if (v.is_none()) return preset;
  return bad("'" + std::string(value::type_name(v)) +
             "' object cannot be interpreted as an integer");
}

Outcome<std::string> Call::text(std::size_t i, std::string_view preset) const {
  if (!has(i)) return std::string(preset);
  return in.text_of(*args[i]);
}

}  // namespace fleetctl::template_
