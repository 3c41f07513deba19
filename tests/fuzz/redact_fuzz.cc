// What others get to see of a configuration and of any other text: no secret of at least four bytes
// that is known is in it, in clear or in base64, whatever stands around it. Input: parts divided by
// NUL; the first is the text, and a configuration if it is one, the others are secrets.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/secret.h"
#include "agent/base/strings.h"
#include "agent/lang/parser.h"
#include "agent/registration.h"
#include "agent/runtime/redact.h"

namespace {

constexpr std::size_t kMaxText = std::size_t{8} << 10U;
constexpr std::size_t kMaxSecrets = 8;
constexpr std::size_t kShortest = 4;

void require(bool holds) {
  if (!holds) std::abort();
}

// Not the encoder that scrub() uses.
std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 6) {
    std::size_t digit = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) {
      const std::size_t byte =
          i / 8 < bytes.size() ? static_cast<unsigned char>(bytes[i / 8]) : std::size_t{0};
      digit = digit * 2 + (byte >> (7 - i % 8)) % 2;
    }
    out += kDigits[digit];
  }
  return out.append((4 - out.size() % 4) % 4, '=');
}

// What is left of the text: "(secret)" neither begins with an end of itself nor the other way
// round, so that these are the parts between.
std::vector<std::string_view> parts_between(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0;;) {
    const std::size_t next = text.find(agent::kSecretText, at);
    out.push_back(text.substr(at, next - at));
    if (next == text.npos) return out;
    at = next + agent::kSecretText.size();
  }
}

void check_scrubbed(std::string_view text, const std::vector<std::string>& secrets) {
  const std::string clean = agent::runtime::scrub(text, secrets);
  require(clean.size() <= text.size() * 2);
  for (const std::string_view part : parts_between(clean)) {
    for (const std::string& secret : secrets) {
      if (secret.size() < kShortest) continue;
      require(part.find(secret) == part.npos);
      require(part.find(base64(secret)) == part.npos);
    }
  }
}

void check_configuration(std::string_view text) {
  static const agent::component::Registry* const registry = [] {
    auto* all = new agent::component::Registry;
    agent::register_components(*all);
    return all;
  }();
  agent::lang::Diagnostics diagnostics;
  const agent::lang::File file = agent::lang::parse(text, "x.alloy", diagnostics);
  if (diagnostics.has_errors()) return;
  std::vector<std::string> secrets;
  const std::string shown = agent::runtime::redact(file, *registry, secrets);
  require(shown.size() <= text.size() * 12);
  agent::lang::Diagnostics again;
  const agent::lang::File read = agent::lang::parse(shown, "x.alloy", again);
  require(!again.has_errors() && read.comments.empty());
  check_scrubbed(shown, secrets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxText) return 0;
  const auto parts =
      agent::split(std::string_view(reinterpret_cast<const char*>(data), size), '\0');
  const std::string_view text = parts[0];
  check_configuration(text);

  const std::string masked = agent::runtime::mask_userinfo(text);
  require(agent::runtime::mask_userinfo(masked) == masked);

  std::vector<std::string> secrets;
  for (std::size_t i = 1; i < parts.size() && secrets.size() < kMaxSecrets; ++i)
    secrets.emplace_back(parts[i]);
  check_scrubbed(text, secrets);
  // In clear, beside each other and in the base64 of a longer text.
  std::string all(text);
  for (const std::string& secret : secrets) all += secret;
  for (std::size_t before = 0; before < 3 && !secrets.empty(); ++before) {
    const std::string& secret = secrets.back();
    const std::string code = base64(std::string(before, 'u') + secret + "@h");
    check_scrubbed(all + code, secrets);
    if (secret.size() >= kShortest)
      require(agent::runtime::scrub(code, secrets).find(code) == code.npos);
  }
  return 0;
}
