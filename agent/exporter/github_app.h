// How a GitHub App shows who it is (docs.github.com/en/apps: "Generating a JSON Web Token (JWT) for
// a GitHub App", "Authenticating as a GitHub App installation"): by a token that its key signs, for
// which the API gives another one that its installation's requests carry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::exporter {

// A JSON Web Token, RS256, of the app with this number, good for ten minutes around `now_s`, in
// seconds since 1970. `pem` is the app's RSA key. kInvalid: it is none.
Result<Secret> github_app_jwt(std::string_view pem, std::int64_t app_id, std::int64_t now_s);

struct GithubToken {
  Secret token;
  std::int64_t expires_ns = 0;  // wall time
};
// An answer to POST /app/installations/<number>/access_tokens.
Result<GithubToken> parse_github_token(std::string_view text);

}  // namespace agent::exporter
