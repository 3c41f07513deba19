// Template text to its syntax tree.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/settings.h"
#include "fleetctl/template/syntax.h"

namespace fleetctl::template_ {

// `name` is what error messages call the template. Expressions and statements may nest 100 deep
// each.
Outcome<std::shared_ptr<const Template>> parse(std::string_view source, std::string name,
                                               const Settings& settings);
// One expression without delimiters, as `when:` and `map` arguments write them.
Outcome<ExprPtr> parse_expression(std::string_view source, const Settings& settings);

}  // namespace fleetctl::template_
