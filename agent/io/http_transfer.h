// One libcurl transfer set up from our options: what HttpClient and HttpStreams have in common.
// Private to agent/io.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/io/http_client.h"

namespace agent::io {

// Holds libcurl's process-wide state while it lives (counted, thread-safe).
class CurlLibrary {
 public:
  CurlLibrary();
  ~CurlLibrary();
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
};

inline constexpr int kMaxRedirects = 10;
// An answer of this status to this method is followed when it says where to.
bool follows_redirect(int status, std::string_view method);
// "https|host|443|", for comparing; "" when it is no URL.
std::string origin_of(const std::string& url);

class HttpTransfer {
 public:
  HttpTransfer();
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // Called from inside libcurl; false aborts the transfer.
  std::function<bool()> on_headers;  // status() and headers are complete
  std::function<bool(std::string_view)> on_data;

  // Sets everything anew. `request`'s body must live until the transfer is done. Without
  // `credentials` neither authentication nor options.headers are sent. `bearer` replaces the
  // configured authentication.
  Result<> prepare(const HttpOptions& options, const HttpRequest& request, bool credentials,
                   const std::optional<Secret>& bearer = std::nullopt);

  void* easy() const { return easy_; }  // CURL*
  int status() const;
  HttpHeaders take_headers() { return std::move(headers_); }
  const HttpHeaders& headers() const { return headers_; }
  std::string redirect_url() const;  // absolute; "" when the answer is no redirect
  // Of a transfer that ended with CURLcode `code`: "GET <url>: <cause>".
  Result<> outcome(int code) const;
  bool aborted() const { return aborted_; }
  // `text`, which the other side sent, with (secret) for each of the credentials that prepare()
  // gave it: some repeat what they refuse, and it is shown to people.
  void mask_credentials(std::string& text) const;

 private:
  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self);
  Result<> set_authentication(const HttpOptions& options, const std::optional<Secret>& bearer);
  Result<> set_tls(const TlsOptions& tls);
  Result<> add_header(std::string_view name, std::string_view value);
  bool headers_complete();

  CurlLibrary library_;
  void* easy_ = nullptr;
  void* request_headers_ = nullptr;  // curl_slist*
  void* proxy_headers_ = nullptr;
  void* connect_to_ = nullptr;
  std::string what_;               // "GET <url>"
  std::vector<std::string> told_;  // credentials
  std::string unix_socket_;
  std::string error_;
  HttpHeaders headers_;
  std::size_t header_bytes_ = 0;
  bool told_headers_ = false;
  bool aborted_ = false;
};

}  // namespace agent::io
