#include "agent/io/http_fetch.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

namespace agent::io {
namespace {
constexpr std::size_t kMaxTold = 16U << 20;  // bytes of an answer that are made room for at once
}

HttpStreams::Id fetch(HttpStreams& streams, HttpRequest request,
                      std::function<void(Result<HttpResponse>)> done) {
  auto response = std::make_shared<HttpResponse>();
  auto too_long = std::make_shared<bool>(false);
  const std::size_t limit = request.max_body;
  HttpStreams::Callbacks callbacks;
  callbacks.on_headers = [response, limit](int status, const HttpHeaders& headers) {
    response->status = status;
    response->headers = headers;
    // What it says of itself may be a lie; memory that is not written to costs nothing.
    const std::string_view told = header_of(headers, "content-length");
    std::size_t size = 0;
    std::from_chars(told.data(), told.data() + told.size(), size);
    if (header_of(headers, "content-encoding").empty())
      response->body.reserve(std::min({size, limit, kMaxTold}));
    return true;
  };
  callbacks.on_data = [response, too_long, limit](std::string_view data) {
    std::string& body = response->body;
    const std::size_t needed = body.size() + data.size();
    *too_long = needed > limit;
    if (*too_long) return false;
    // Doubles, but not beyond what it may become.
    if (needed > body.capacity()) body.reserve(std::min(limit, std::max(needed, 2 * body.size())));
    body.append(data);
    return true;
  };
  callbacks.on_end = [response, too_long, limit, done = std::move(done)](Result<> end) {
    if (*too_long)
      return done(fail(ErrorCode::kExhausted,
                       "the answer is longer than " + std::to_string(limit) + " bytes"));
    if (!end) return done(fail(std::move(end.error())));
    done(std::move(*response));
  };
  return streams.add(std::move(request), std::move(callbacks));
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("-._~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4U];
      out += kDigits[static_cast<unsigned char>(c) & 15U];
    }
  }
  return out;
}

}  // namespace agent::io
