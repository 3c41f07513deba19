#include "agent/io/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>
#include <vector>

#include "agent/base/file.h"

namespace agent::io {
namespace {

// The text of the oldest error in OpenSSL's queue, which is empty afterwards.
std::string openssl_error(std::string fallback) {
  const unsigned long code = ERR_get_error();
  if (code != 0) {
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    fallback = text;
    // A certificate that is refused: the reason is worth more than where it was found.
    if (const char* reason = ERR_reason_error_string(code)) fallback = reason;
  }
  ERR_clear_error();
  return fallback;
}

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

Bio memory(const std::string& text) {
  return Bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX))));
}

std::vector<Certificate> read_certificates(const std::string& pem) {
  std::vector<Certificate> out;
  const Bio bio = memory(pem);
  while (X509* found = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    out.emplace_back(found);
  ERR_clear_error();  // the end is an error, too
  return out;
}

Result<std::string> pem_of(const std::string& text, const std::string& file) {
  if (file.empty()) return text;
  return read_file(file, 1U << 20);
}

// A key with a pass phrase cannot be read: nobody is there to be asked.
int no_pass_phrase(char*, int, int, void*) { return 0; }

}  // namespace

struct TlsServer::Context {
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> ssl;
};

TlsServer::TlsServer(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsServer::~TlsServer() = default;

Result<std::shared_ptr<const TlsServer>> TlsServer::create(const TlsServerOptions& options) {
  auto context = std::make_unique<Context>();
  context->ssl.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ssl = context->ssl.get();
  if (ssl == nullptr) return fail(ErrorCode::kExhausted, "TLS: " + openssl_error("no memory"));
  const auto wrong = [](const std::string& what) {
    return fail(ErrorCode::kInvalid, "TLS: " + what);
  };
  int version = TLS1_2_VERSION;
  if (options.min_version == "TLS10") version = TLS1_VERSION;
  if (options.min_version == "TLS11") version = TLS1_1_VERSION;
  if (options.min_version == "TLS13") version = TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(ssl, version);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  // An idle stream keeps no buffers.
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);

  auto cert = pem_of(options.cert_pem, options.cert_file);
  if (!cert) return fail(std::move(cert.error()).within("TLS certificate"));
  const std::vector<Certificate> chain = read_certificates(*cert);
  if (chain.empty()) return wrong("the certificate is not PEM");
  if (SSL_CTX_use_certificate(ssl, chain.front().get()) != 1)
    return wrong("the certificate: " + openssl_error("unusable"));
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ssl, chain[i].get()) != 1)
      return wrong("the certificate's chain: " + openssl_error("unusable"));
  }

  auto key_text = pem_of(options.key_pem.reveal(), options.key_file);
  if (!key_text) return fail(std::move(key_text.error()).within("TLS key"));
  const Bio key_bio = memory(*key_text);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_pass_phrase, nullptr));
  if (key == nullptr) {
    ERR_clear_error();
    return wrong("the key is not PEM, or has a pass phrase");
  }
  if (SSL_CTX_use_PrivateKey(ssl, key.get()) != 1 || SSL_CTX_check_private_key(ssl) != 1)
    return wrong("the key: " + openssl_error("it does not fit the certificate"));

  if (!options.ca_pem.empty() || !options.ca_file.empty()) {
    auto ca = pem_of(options.ca_pem, options.ca_file);
    if (!ca) return fail(std::move(ca.error()).within("TLS authorities"));
    const std::vector<Certificate> authorities = read_certificates(*ca);
    if (authorities.empty()) return wrong("the authorities of clients are not PEM");
    for (const Certificate& authority : authorities) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), authority.get());
      SSL_CTX_add_client_CA(ssl, authority.get());
    }
    ERR_clear_error();  // one that is there twice is no failure
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return std::shared_ptr<const TlsServer>(new TlsServer(std::move(context)));
}

struct TlsStream::State {
  std::shared_ptr<const TlsServer> server;
  std::unique_ptr<SSL, Free<SSL_free>> ssl;
  std::string error;

  Outcome outcome(int result) {
    const int system = errno;
    switch (SSL_get_error(ssl.get(), result)) {
      case SSL_ERROR_NONE:
        return Outcome::kDone;
      case SSL_ERROR_WANT_READ:
        return Outcome::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Outcome::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Outcome::kClosed;
      case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        if (system == 0) return Outcome::kClosed;
        error = errno_text(system);
        return Outcome::kFailed;
      default: {
        const long refusal = SSL_get_verify_result(ssl.get());
        error = openssl_error("TLS failure");
        if (refusal != X509_V_OK)
          error += std::string(": ") + X509_verify_cert_error_string(refusal);
        return Outcome::kFailed;
      }
    }
  }
};

TlsStream::TlsStream(std::shared_ptr<const TlsServer> server, int fd)
    : state_(std::make_unique<State>()) {
  state_->ssl.reset(SSL_new(server->context_->ssl.get()));
  if (state_->ssl != nullptr) {
    SSL_set_fd(state_->ssl.get(), fd);
    SSL_set_accept_state(state_->ssl.get());
  }
  state_->server = std::move(server);
}
TlsStream::~TlsStream() = default;
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;

const std::string& TlsStream::error() const { return state_->error; }

TlsStream::Outcome TlsStream::handshake() {
  if (state_->ssl == nullptr) {
    state_->error = "no memory";
    return Outcome::kFailed;
  }
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(state_->ssl.get());
  return result == 1 ? Outcome::kDone : state_->outcome(result);
}

TlsStream::Outcome TlsStream::read(char* to, std::size_t size, std::size_t& got) {
  got = 0;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(state_->ssl.get(), to, size, &got);
  return result == 1 ? Outcome::kDone : state_->outcome(result);
}

}  // namespace agent::io
