// Configuration texts for the eyes of others: what is secret in them is masked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/component/component.h"
#include "agent/lang/ast.h"
#include "agent/lang/body.h"

namespace agent::runtime {

// The text of `file` without its comments, with (secret) in place of
// - each literal in an argument that the schemas call secret, or headers; but not a variable's name
//   for sys.env;
// - each literal in an argument that no schema knows, as those of custom components;
// - the user and password of a URL in any literal.
// What was masked is added to `secrets`. `file` parsed without errors.
std::string redact(const lang::File& file, const component::Registry& registry,
                   std::vector<std::string>& secrets);

// The strings of arguments that the schema calls secret, and of secret values elsewhere in `body`,
// are added to `secrets`; so are the users' names and passwords of URLs.
void collect_secrets(const lang::Body& body, const std::vector<component::FieldInfo>& fields,
                     std::vector<std::string>& secrets);
void collect_secrets(const component::Exports& exports, std::vector<std::string>& secrets);

// `text` with (secret) in place of each of `secrets` that has at least 4 bytes, as it is, as JSON
// or a URL would have it and within base64, and of the long lines of those that have several. The
// last net: what writes the text should not have known them.
std::string scrub(std::string_view text, const std::vector<std::string>& secrets);

// `text` with "(secret)@" for each user:password@ behind ://.
std::string mask_userinfo(std::string_view text);

}  // namespace agent::runtime
