// Any bytes as what clouds answer, as a file of profiles, and as the places that the environment
// names for a container's keys: "<profile or path>\n", and the rest.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/write/cloud_answers.h"

namespace {

using namespace agent;         // NOLINT
using namespace agent::write;  // NOLINT

void check(bool good) {
  if (!good) std::abort();
}

// A key that stands in the text as it is.
void check_in(std::string_view text, const std::string& key) {
  check(text.find(key) != std::string_view::npos && trim(key) == key);
}

void check_all_in(std::string_view text, const AwsKeys& keys) {
  check(!keys.access_key.empty() && !keys.secret_key.empty());
  check_in(text, keys.access_key);
  check_in(text, keys.secret_key.reveal());
  check_in(text, keys.session_token.reveal());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(all.find('\n'), all.size());
  const std::string_view first = all.substr(0, end);
  const std::string_view rest = all.substr(std::min(end + 1, all.size()));

  if (const auto keys = keys_of_profile(rest, first)) check_all_in(rest, *keys);
  if (const auto keys = keys_of_sts(rest)) {
    check_all_in(rest, *keys);
    check(!keys->session_token.empty());
  }
  if (const auto keys = keys_of_metadata(rest))
    check(!keys->access_key.empty() && !keys->secret_key.empty());
  if (const auto token = token_of(rest))
    check(!token->token.empty() && token->life >= Duration::zero() &&
          token->life <= std::chrono::hours(24));
  check(reason_of(rest).size() <= 40);

  if (const auto url = container_keys_url("", first)) {
    check(*url == first);
    // What is no TLS goes to no name but this host's.
    const std::string_view host = std::string_view(*url).substr(7);
    check(url->starts_with("https://") ||
          (url->starts_with("http://") &&
           (host.starts_with("127.") || host.starts_with("localhost") || host.starts_with('[') ||
            host.starts_with("169.254.170.2"))));
  }
  if (const auto url = container_keys_url(first, rest); url && !first.empty())
    check(url->starts_with("http://169.254.170.2/"));
  return 0;
}
