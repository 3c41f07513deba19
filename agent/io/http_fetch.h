// A whole answer over HttpStreams, beside the streams that stay open.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/io/http_streams.h"

namespace agent::io {

// `done` gets the answer of any status, or kExhausted when its body is longer than
// request.max_body, or what went wrong; it runs inside poll(). cancel() with the returned id drops
// the request without a call.
HttpStreams::Id fetch(HttpStreams& streams, HttpRequest request,
                      std::function<void(Result<HttpResponse>)> done);

// `text` as the value of a query parameter: everything but letters, digits and -._~
// percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace agent::io
