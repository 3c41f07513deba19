#include "agent/wire/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <memory>

#include "agent/base/base64.h"

namespace agent::wire {
namespace {

struct Free {
  void operator()(BIO* one) const { BIO_free(one); }
  void operator()(EVP_PKEY* one) const { EVP_PKEY_free(one); }
  void operator()(EVP_MD_CTX* one) const { EVP_MD_CTX_free(one); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// Base64 for URLs, without padding (RFC 7515).
std::string url_base64(std::string_view bytes) {
  std::string out = to_base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

// A key behind a pass phrase is none of ours: nobody is there to be asked.
int no_pass_phrase(char* /*out*/, int /*size*/, int /*write*/, void* /*user*/) { return -1; }

}  // namespace

Result<Secret> rs256_jwt(std::string_view pem, std::string_view header, std::string_view claims) {
  const Owned<BIO> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<EVP_PKEY> key(
      text == nullptr ? nullptr
                      : PEM_read_bio_PrivateKey(text.get(), nullptr, no_pass_phrase, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA)
    return fail(ErrorCode::kInvalid, "key is not an RSA key in PEM without a pass phrase");
  const std::string said = url_base64(header) + "." + url_base64(claims);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(said.data());
  std::size_t size = 0;
  std::string signature;
  const bool good =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
      EVP_DigestSign(context.get(), nullptr, &size, bytes, said.size()) == 1 &&
      (signature.resize(size),
       EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                      bytes, said.size()) == 1);
  ERR_clear_error();
  if (!good) return fail(ErrorCode::kInvalid, "key cannot sign");
  signature.resize(size);
  return Secret(said + "." + url_base64(signature));
}

}  // namespace agent::wire
