// What clouds answer to who asks for keys and tokens, and the file of AWS' profiles. Pure; any
// bytes may come in, and nothing of them is in an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret.h"
#include "agent/wire/json.h"
#include "agent/write/aws_signature.h"

namespace agent::write {

// Member `name` of a JSON object, when it is a text; else "".
std::string text_of(const std::optional<wire::JsonNode>& object, std::string_view name);

// The keys of one profile of a shared credentials file (docs.aws.amazon.com: "Configuration and
// credential file settings"); none when the profile is not there or has none.
std::optional<AwsKeys> keys_of_profile(std::string_view file, std::string_view profile);
// Of an answer of STS, in XML; none unless all three are there, as keys of a role are.
std::optional<AwsKeys> keys_of_sts(std::string_view answer);
// Of an answer of an instance's or a container's metadata, in JSON.
std::optional<AwsKeys> keys_of_metadata(std::string_view answer);

struct CloudToken {
  Secret token;
  Duration life;  // at most a day
};
// The answer to a request for an OAuth token.
std::optional<CloudToken> token_of(std::string_view answer);

// The short name of what went wrong ("AccessDenied", "invalid_client"), which tells no secrets;
// descriptions are left out, as some repeat what they refuse. "": there is none.
std::string reason_of(std::string_view answer);

// Where a container gets its keys: at `relative` of ECS' address (AWS_CONTAINER_CREDENTIALS_
// RELATIVE_URI) when that is not empty, else at `full` (..._FULL_URI). kInvalid for a place that
// would get the container's token and must not: without TLS only this host and the addresses of
// ECS and EKS are trusted (docs.aws.amazon.com: "Container credential provider").
Result<std::string> container_keys_url(std::string_view relative, std::string_view full);

}  // namespace agent::write
