// JSON Web Tokens (RFC 7519) that an RSA key signs (RFC 7518: RS256).
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::wire {

// The token of `header` and `claims`, both JSON objects; `header` says RS256. `pem` is an RSA key
// without a pass phrase. kInvalid: it is none.
Result<Secret> rs256_jwt(std::string_view pem, std::string_view header, std::string_view claims);

}  // namespace agent::wire
