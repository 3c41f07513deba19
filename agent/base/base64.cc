#include "agent/base/base64.h"

#include <openssl/evp.h>

namespace agent {

std::string to_base64(std::string_view bytes) {
  // One more: it ends what it writes with a NUL.
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace agent
