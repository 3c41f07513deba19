// Signature Version 4 of Amazon Web Services (docs.aws.amazon.com, "AWS Signature Version 4 for API
// requests"): what shows a service who sends a request, and that nobody changed it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/secret.h"
#include "agent/io/http_client.h"

namespace agent::write {

struct AwsKeys {
  std::string access_key;
  Secret secret_key;
  Secret session_token;  // "": the keys of a user, which do not expire
};

// Adds the headers that sign `request`: its method, URL, Host, Content-Type, X-Amz-* and body, as
// of `wall_ns`. Nothing of these may change behind it.
void sign_for_aws(io::HttpRequest& request, const AwsKeys& keys, std::string_view region,
                  std::string_view service, std::int64_t wall_ns);

}  // namespace agent::write
