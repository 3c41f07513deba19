#include "agent/io/http_transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "agent/base/base64.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace agent::io {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64U << 10;
constexpr std::size_t kMaxSecretFile = 64U << 10;

long milliseconds(Duration d) {
  return static_cast<long>(
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(d).count()));
}

CURL* handle(void* easy) { return static_cast<CURL*>(easy); }

void append(void*& list, const std::string& text) {
  list = curl_slist_append(static_cast<curl_slist*>(list), text.c_str());
}

void free_list(void*& list) {
  curl_slist_free_all(static_cast<curl_slist*>(list));
  list = nullptr;
}

// A part of a URL, "" when absent.
std::string url_part(const std::string& url, CURLUPart part, unsigned flags = 0) {
  CURLU* parsed = curl_url();
  std::string out;
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
    char* text = nullptr;
    if (curl_url_get(parsed, part, &text, flags) == CURLUE_OK) out = text;
    curl_free(text);
  }
  curl_url_cleanup(parsed);
  return out;
}

Result<std::string> read_secret(const std::string& path) {
  auto text = read_file(path, kMaxSecretFile);
  if (!text) return fail(ErrorCode::kPermission, std::move(text.error().message));
  return std::string(trim(*text));
}

curl_blob blob_of(const std::string& text) {
  curl_blob blob{};
  blob.data = const_cast<char*>(text.data());  // CURL_BLOB_COPY: only read
  blob.len = text.size();
  blob.flags = CURL_BLOB_COPY;
  return blob;
}

Result<long> tls_version(const std::string& name) {
  if (name.empty() || name == "TLS12") return CURL_SSLVERSION_TLSv1_2;
  if (name == "TLS10") return CURL_SSLVERSION_TLSv1_0;
  if (name == "TLS11") return CURL_SSLVERSION_TLSv1_1;
  if (name == "TLS13") return CURL_SSLVERSION_TLSv1_3;
  return fail(ErrorCode::kInvalid,
              "unknown TLS version " + json_string(name) + "; known: TLS10, TLS11, TLS12, TLS13");
}

}  // namespace

CurlLibrary::CurlLibrary() { curl_global_init(CURL_GLOBAL_DEFAULT); }
CurlLibrary::~CurlLibrary() { curl_global_cleanup(); }

bool follows_redirect(int status, std::string_view method) {
  if (status == 303) return method == "GET" || method == "HEAD";
  return status == 301 || status == 302 || status == 307 || status == 308;
}

std::string origin_of(const std::string& url) {
  CURLU* parsed = curl_url();
  std::string out;
  if (curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    for (const auto part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
      char* text = nullptr;
      if (curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) out += text;
      out += '|';
      curl_free(text);
    }
  }
  curl_url_cleanup(parsed);
  return out;
}

HttpTransfer::HttpTransfer() : easy_(curl_easy_init()) {}

HttpTransfer::~HttpTransfer() {
  curl_easy_cleanup(handle(easy_));
  free_list(request_headers_);
  free_list(proxy_headers_);
  free_list(connect_to_);
}

Result<> HttpTransfer::add_header(std::string_view name, std::string_view value) {
  const auto bad = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  if (name.empty() || name.find(':') != std::string_view::npos ||
      std::any_of(name.begin(), name.end(), bad) || std::any_of(value.begin(), value.end(), bad)) {
    return fail(ErrorCode::kInvalid, what_ + ": header " + json_string(name) +
                                         " has a character that no header may have");
  }
  std::string line(name);
  // libcurl's way to send a header without a value.
  if (value.empty()) {
    line += ';';
  } else {
    line.append(": ").append(value);
  }
  append(request_headers_, line);
  return {};
}

Result<> HttpTransfer::set_authentication(const HttpOptions& options,
                                          const std::optional<Secret>& bearer) {
  CURL* easy = handle(easy_);
  if (bearer) {
    told_.push_back(bearer->reveal());
    return add_header("Authorization", "Bearer " + bearer->reveal());
  }
  std::string credentials = options.credentials.reveal();
  if (!options.credentials_file.empty()) {
    auto text = read_secret(options.credentials_file);
    if (!text) return fail(std::move(text.error()).within(what_));
    credentials = std::move(*text);
  }
  if (!credentials.empty()) {
    told_.push_back(credentials);
    return add_header("Authorization", options.authorization_type + " " + credentials);
  }
  std::string password = options.basic_password.reveal();
  if (!options.basic_password_file.empty()) {
    auto text = read_secret(options.basic_password_file);
    if (!text) return fail(std::move(text.error()).within(what_));
    password = std::move(*text);
  }
  if (!options.basic_user.empty() || !password.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, options.basic_user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, password.c_str());
    told_.push_back(to_base64(options.basic_user + ":" + password));
    told_.push_back(std::move(password));
  }
  return {};
}

Result<> HttpTransfer::set_tls(const TlsOptions& tls) {
  CURL* easy = handle(easy_);
  auto version = tls_version(tls.min_version);
  if (!version) return fail(std::move(version.error()).within(what_));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, *version);
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L);  // replaced authorities count soon
  if (tls.insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!tls.ca_pem.empty()) {
    curl_blob blob = blob_of(tls.ca_pem);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  } else if (!tls.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // these authorities and no others
  }
  if (!tls.cert_pem.empty()) {
    curl_blob blob = blob_of(tls.cert_pem);
    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
  } else if (!tls.cert_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.cert_file.c_str());
  }
  if (!tls.key_pem.empty()) {
    curl_blob blob = blob_of(tls.key_pem.reveal());
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
  } else if (!tls.key_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());
  }
  return {};
}

Result<> HttpTransfer::prepare(const HttpOptions& options, const HttpRequest& request,
                               bool credentials, const std::optional<Secret>& bearer) {
  CURL* easy = handle(easy_);
  if (easy == nullptr) return fail(ErrorCode::kExhausted, "libcurl: out of memory");
  curl_easy_reset(easy);
  free_list(request_headers_);
  free_list(proxy_headers_);
  free_list(connect_to_);
  headers_.clear();
  told_.clear();
  header_bytes_ = 0;
  told_headers_ = aborted_ = false;
  what_ = request.method + " " + url_for_people(request.url);
  error_.assign(CURL_ERROR_SIZE, '\0');

  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_.data());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // no waiting for a resolver that hangs
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &HttpTransfer::take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpTransfer::take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connect_timeout));
  if (request.timeout > Duration::zero())
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(request.timeout));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   options.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
  if (options.shuffle_addresses) curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, (options.user_agent + "/" AGENT_VERSION).c_str());
  if (request.accept_compressed) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  unix_socket_ = options.unix_socket;
  if (!options.unix_socket.empty())
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());

  if (!options.proxy.from_environment)
    curl_easy_setopt(easy, CURLOPT_PROXY, options.proxy.url.c_str());
  if (!options.proxy.no_proxy.empty())
    curl_easy_setopt(easy, CURLOPT_NOPROXY, options.proxy.no_proxy.c_str());
  for (const auto& [name, value] : options.proxy.connect_headers) {
    told_.push_back(value.reveal());
    append(proxy_headers_, name + ": " + value.reveal());
  }
  curl_easy_setopt(easy, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE);
  curl_easy_setopt(easy, CURLOPT_PROXYHEADER, proxy_headers_);

  std::string url = request.url;
  if (!options.tls.server_name.empty()) {
    // libcurl checks the certificate against the URL's host; so the URL gets the wanted name, and
    // the connection and the Host header the real one.
    const std::string host = url_part(url, CURLUPART_HOST);
    const std::string port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    if (url_part(url, CURLUPART_SCHEME) == "https" && host != options.tls.server_name) {
      append(connect_to_, options.tls.server_name + ":" + port + ":" + host + ":" + port);
      if (auto r = add_header("Host", port == "443" ? host : host + ":" + port); !r) return r;
      CURLU* parsed = curl_url();
      curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0);
      curl_url_set(parsed, CURLUPART_HOST, options.tls.server_name.c_str(), 0);
      char* text = nullptr;
      if (curl_url_get(parsed, CURLUPART_URL, &text, 0) == CURLUE_OK) url = text;
      curl_free(text);
      curl_url_cleanup(parsed);
      curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_);
    }
  }
  const std::string user = url_part(url, CURLUPART_USER, CURLU_URLDECODE);
  const std::string password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (!user.empty() || !password.empty()) {
    told_.push_back(to_base64(user + ":" + password));
    told_.push_back(password);
  }
  if (curl_easy_setopt(easy, CURLOPT_URL, url.c_str()) != CURLE_OK)
    return fail(ErrorCode::kInvalid, what_ + ": this URL cannot be used");

  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    append(request_headers_, "Expect:");  // no round trip before the body
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  for (const auto& [name, value] : request.headers) {
    if (name == "X-Amz-Security-Token") told_.push_back(value);
    if (auto r = add_header(name, value); !r) return r;
  }
  if (credentials) {
    for (const auto& [name, value] : options.headers) {
      told_.push_back(value.reveal());
      if (auto r = add_header(name, value.reveal()); !r) return r;
    }
    if (auto r = set_authentication(options, bearer); !r) return r;
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request_headers_);
  return set_tls(options.tls);
}

int HttpTransfer::status() const {
  long code = 0;
  curl_easy_getinfo(handle(easy_), CURLINFO_RESPONSE_CODE, &code);
  return static_cast<int>(code);
}

std::string HttpTransfer::redirect_url() const {
  char* url = nullptr;
  curl_easy_getinfo(handle(easy_), CURLINFO_REDIRECT_URL, &url);
  return url == nullptr ? std::string() : std::string(url);
}

bool HttpTransfer::headers_complete() {
  if (told_headers_) return true;
  told_headers_ = true;
  return !on_headers || on_headers();
}

std::size_t HttpTransfer::take_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  const std::size_t bytes = size * count;
  transfer.header_bytes_ += bytes;
  if (transfer.header_bytes_ > kMaxHeaderBytes) {
    std::string("the answer's headers are longer than 64 KiB").copy(transfer.error_.data(), 63);
    return 0;
  }
  const std::string_view line = trim(std::string_view(data, bytes));
  if (line.substr(0, 5) == "HTTP/") {
    transfer.headers_.clear();  // of an interim answer (100, a proxy's CONNECT)
    return bytes;
  }
  if (line.empty()) {
    if (transfer.status() < 200) return bytes;  // an interim answer
    if (!transfer.headers_complete()) {
      transfer.aborted_ = true;
      return 0;
    }
    return bytes;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    transfer.headers_.emplace_back(std::string(line.substr(0, colon)),
                                   std::string(trim(line.substr(colon + 1))));
  }
  return bytes;
}

std::size_t HttpTransfer::take_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  const std::size_t bytes = size * count;
  if (!transfer.on_data || transfer.on_data(std::string_view(data, bytes))) return bytes;
  transfer.aborted_ = true;
  return bytes == 0 ? 1 : 0;
}

void HttpTransfer::mask_credentials(std::string& text) const {
  constexpr std::size_t kShortest = 4;  // shorter ones are parts of ordinary words
  for (const std::string& secret : told_) {
    if (secret.size() < kShortest) continue;
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + kSecretText.size()))
      text.replace(at, secret.size(), kSecretText);
  }
}

Result<> HttpTransfer::outcome(int code) const {
  ErrorCode kind = ErrorCode::kUnavailable;
  switch (static_cast<CURLcode>(code)) {
    case CURLE_OK:
      return {};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
      kind = ErrorCode::kInvalid;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      kind = ErrorCode::kPermission;
      break;
    case CURLE_COULDNT_CONNECT: {
      // libcurl names the URL's host and port, which nobody dialled.
      if (unix_socket_.empty()) break;
      long number = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &number);
      return fail(kind, what_ + ": connect to " + unix_socket_ + ": " +
                            (number != 0 ? errno_text(static_cast<int>(number)) : "failed"));
    }
    case CURLE_OPERATION_TIMEDOUT:
      return fail(ErrorCode::kUnavailable, what_ + ": timed out: " + error_.c_str());
    default:
      break;
  }
  // The buffer is a C string that libcurl filled, or empty.
  const std::string detail = error_.c_str();
  return fail(kind, what_ + ": " +
                        (detail.empty() ? curl_easy_strerror(static_cast<CURLcode>(code))
                                        : detail.c_str()));
}

std::string url_for_people(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t start = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t end = url.find_first_of("/?#", start);
  const std::size_t at = url.substr(0, end).rfind('@');
  std::string out(url);
  if (at != std::string_view::npos && at >= start) out.erase(start, at + 1 - start);
  return out;
}

}  // namespace agent::io
