// What a TLS server of http_server.h may use. GnuTLS.
#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "agent/base/file.h"
#include "agent/io/http_server.h"

namespace agent::io {
namespace {

constexpr std::size_t kLargestPem = 1U << 20;

struct FreeCredentials {
  void operator()(gnutls_certificate_credentials_t it) const {
    gnutls_certificate_free_credentials(it);
  }
};
using Credentials = std::unique_ptr<gnutls_certificate_credentials_st, FreeCredentials>;
struct FreePriorities {
  void operator()(gnutls_priority_t it) const { gnutls_priority_deinit(it); }
};
using Priorities = std::unique_ptr<gnutls_priority_st, FreePriorities>;

Result<Priorities> parse_priorities(const std::string& text) {
  gnutls_priority_t made = nullptr;
  const int code = gnutls_priority_init(&made, text.c_str(), nullptr);
  if (code != GNUTLS_E_SUCCESS)
    return fail(ErrorCode::kInvalid, std::string("TLS: ") + gnutls_strerror(code));
  return Priorities(made);
}

gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(std::min(text.size(), kLargestPem))};
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kVersions{{
    {"TLS10", "VERS-TLS1.0"},
    {"TLS11", "VERS-TLS1.1"},
    {"TLS12", "VERS-TLS1.2"},
    {"TLS13", "VERS-TLS1.3"},
}};
constexpr std::size_t kTls12 = 2, kTls13 = 3;

// Go's names and GnuTLS' words. https://pkg.go.dev/crypto/tls, `gnutls-cli --list`.
struct Suite {
  std::string_view name, exchange, cipher, mac, gnutls;
};
constexpr Suite kSuites[] = {
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "RSA", "AES-128-CBC", "SHA1", "RSA_AES_128_CBC_SHA1"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "RSA", "AES-256-CBC", "SHA1", "RSA_AES_256_CBC_SHA1"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "RSA", "AES-128-GCM", "AEAD", "RSA_AES_128_GCM_SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "RSA", "AES-256-GCM", "AEAD", "RSA_AES_256_GCM_SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA", "AES-128-CBC", "SHA1",
     "ECDHE_ECDSA_AES_128_CBC_SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA", "AES-256-CBC", "SHA1",
     "ECDHE_ECDSA_AES_256_CBC_SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA", "AES-128-CBC", "SHA1",
     "ECDHE_RSA_AES_128_CBC_SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA", "AES-256-CBC", "SHA1",
     "ECDHE_RSA_AES_256_CBC_SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA", "AES-128-GCM", "AEAD",
     "ECDHE_ECDSA_AES_128_GCM_SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA", "AES-256-GCM", "AEAD",
     "ECDHE_ECDSA_AES_256_GCM_SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA", "AES-128-GCM", "AEAD",
     "ECDHE_RSA_AES_128_GCM_SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA", "AES-256-GCM", "AEAD",
     "ECDHE_RSA_AES_256_GCM_SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA", "CHACHA20-POLY1305", "AEAD",
     "ECDHE_RSA_CHACHA20_POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA", "CHACHA20-POLY1305", "AEAD",
     "ECDHE_ECDSA_CHACHA20_POLY1305"},
};
// Of TLS 1.3: the cipher, and nothing to choose beside it.
constexpr Suite kSuites13[] = {
    {"TLS_AES_128_GCM_SHA256", "", "AES-128-GCM", "AEAD", "AES_128_GCM_SHA256"},
    {"TLS_AES_256_GCM_SHA384", "", "AES-256-GCM", "AEAD", "AES_256_GCM_SHA384"},
    {"TLS_CHACHA20_POLY1305_SHA256", "", "CHACHA20-POLY1305", "AEAD", "CHACHA20_POLY1305_SHA256"},
};
constexpr std::pair<std::string_view, std::string_view> kCurves[] = {
    {"CurveP256", "GROUP-SECP256R1"},
    {"CurveP384", "GROUP-SECP384R1"},
    {"CurveP521", "GROUP-SECP521R1"},
    {"X25519", "GROUP-X25519"}};

const Suite* find_suite(std::string_view name) {
  for (const Suite& suite : kSuites)
    if (suite.name == name) return &suite;
  for (const Suite& suite : kSuites13)
    if (suite.name == name) return &suite;
  return nullptr;
}

// Go's name of one of GnuTLS' below TLS 1.3 ("TLS_ECDHE_RSA_AES_128_GCM_SHA256"); "" for others.
std::string_view go_name(std::string_view gnutls) {
  for (const Suite& suite : kSuites)
    if (gnutls == "TLS_" + std::string(suite.gnutls)) return suite.name;
  return {};
}

// What `text` lets in beside `wanted`, below TLS 1.3.
Result<std::string> besides(const std::string& text, const std::set<std::string_view>& wanted) {
  auto made = parse_priorities(text);
  if (!made) return fail(std::move(made.error()));
  std::string out;
  for (unsigned i = 0;; ++i) {
    unsigned index = 0;
    const int code = gnutls_priority_get_cipher_suite_index(made->get(), i, &index);
    if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return out;
    if (code != GNUTLS_E_SUCCESS) continue;  // one that the library does not have
    gnutls_protocol_t version = GNUTLS_VERSION_UNKNOWN;
    const char* name =
        gnutls_cipher_suite_info(index, nullptr, nullptr, nullptr, nullptr, &version);
    if (name == nullptr || version == GNUTLS_TLS1_3) continue;
    const std::string_view go = go_name(name);
    if (wanted.contains(go)) continue;
    out += (out.empty() ? "" : ", ") + (go.empty() ? std::string(name) : std::string(go));
  }
}

}  // namespace

Result<HttpServerTls> HttpServerTls::with_files_read() const {
  HttpServerTls out = *this;
  const auto read = [](std::string& file, const char* what) -> Result<std::string> {
    auto found = read_file(file, kLargestPem);
    file.clear();
    if (!found) return fail(std::move(found.error()).within(std::string("TLS ") + what));
    return found;
  };
  if (!out.cert_file.empty()) {
    auto text = read(out.cert_file, "certificate");
    if (!text) return fail(std::move(text.error()));
    out.cert_pem = std::move(*text);
  }
  if (!out.key_file.empty()) {
    auto text = read(out.key_file, "key");
    if (!text) return fail(std::move(text.error()));
    out.key_pem = Secret(std::move(*text));
  }
  if (!out.client_ca_file.empty()) {
    auto text = read(out.client_ca_file, "authorities of clients");
    if (!text) return fail(std::move(text.error()));
    out.client_ca_pem = std::move(*text);
  }
  return out;
}

Result<> HttpServerTls::check() const {
  const auto read = with_files_read();
  if (!read) return fail(read.error());
  gnutls_certificate_credentials_t made = nullptr;
  if (gnutls_certificate_allocate_credentials(&made) != GNUTLS_E_SUCCESS)
    return fail(ErrorCode::kExhausted, "TLS: no memory");
  const Credentials credentials(made);
  const gnutls_datum_t cert = datum(read->cert_pem);
  const gnutls_datum_t key = datum(read->key_pem.reveal());
  int code = gnutls_certificate_set_x509_key_mem(made, &cert, &key, GNUTLS_X509_FMT_PEM);
  if (code < 0)
    return fail(
        ErrorCode::kInvalid,
        std::string("TLS: the certificate and its key cannot be used: ") + gnutls_strerror(code));
  if (!read->client_ca_pem.empty()) {
    const gnutls_datum_t authorities = datum(read->client_ca_pem);
    code = gnutls_certificate_set_x509_trust_mem(made, &authorities, GNUTLS_X509_FMT_PEM);
    if (code <= 0)
      return fail(ErrorCode::kInvalid,
                  std::string("TLS: the authorities of clients cannot be used: ") +
                      (code == 0 ? "there is no certificate" : gnutls_strerror(code)));
  }
  if (priorities.empty()) return {};
  auto parsed = parse_priorities(priorities);
  if (!parsed) return fail(std::move(parsed.error()));
  return {};
}

Result<std::string> tls_priorities(const TlsChoice& choice) {
  const auto version = [](const std::string& name, std::size_t fallback) -> std::size_t {
    for (std::size_t i = 0; i < kVersions.size(); ++i)
      if (kVersions[i].first == name) return i;
    return name.empty() ? fallback : kVersions.size();
  };
  const auto unknown = [](const char* what, const std::string& name) {
    return fail(ErrorCode::kInvalid, std::string("unknown ") + what + " \"" + name + "\"");
  };
  const std::size_t most = version(choice.max_version, kTls13);
  const std::size_t least = version(choice.min_version, std::min(kTls12, most));
  if (most == kVersions.size()) return unknown("TLS version", choice.max_version);
  if (least == kVersions.size()) return unknown("TLS version", choice.min_version);
  if (least > most) return fail(ErrorCode::kInvalid, "min_version is above max_version");
  std::string out = "NORMAL:-VERS-ALL";
  for (std::size_t i = least; i <= most; ++i) out += ":+" + std::string(kVersions[i].second);
  if (!choice.curves.empty()) {
    out += ":-GROUP-ALL";
    for (const std::string& name : choice.curves) {
      const auto* curve = std::find_if(std::begin(kCurves), std::end(kCurves),
                                       [&](const auto& row) { return row.first == name; });
      if (curve == std::end(kCurves)) return unknown("curve", name);
      out += ":+" + std::string(curve->second);
    }
  }
  if (choice.cipher_suites.empty()) return out;

  std::set<std::string_view> wanted;
  std::string exchanges, ciphers, macs;
  const auto add = [](std::string& list, std::string_view word) {
    if (!word.empty() && (list + ":").find(":+" + std::string(word) + ":") == std::string::npos)
      list += ":+" + std::string(word);
  };
  for (const std::string& name : choice.cipher_suites) {
    const Suite* suite = find_suite(name);
    if (suite == nullptr) return unknown("cipher suite", name);
    wanted.insert(suite->name);
    add(exchanges, suite->exchange);
    add(ciphers, suite->cipher);
    add(macs, suite->mac);
  }
  out += ":-KX-ALL" + exchanges + ":-CIPHER-ALL" + ciphers + ":-MAC-ALL" + macs;
  auto more = besides(out, wanted);
  if (!more) return fail(std::move(more.error()));
  if (!more->empty())
    return fail(ErrorCode::kInvalid,
                "these cipher suites cannot be had without others of the same parts: " + *more);
  return out;
}

}  // namespace agent::io
