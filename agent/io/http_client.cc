#include "agent/io/http_client.h"

#include <curl/curl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/base/file.h"
#include "agent/base/pulse.h"
#include "agent/base/strings.h"
#include "agent/io/http_transfer.h"

namespace agent::io {
namespace {

constexpr int kSlice = 1000;  // ms; a belt for the stop's wakeup

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += to_hex(std::string_view(&c, 1));
    }
  }
  return out;
}

// Differs when one of the files was replaced or rewritten.
std::string files_state(const TlsOptions& tls) {
  std::string out;
  for (const std::string* path : {&tls.ca_file, &tls.cert_file, &tls.key_file}) {
    struct stat info {};
    if (path->empty()) continue;
    if (::stat(path->c_str(), &info) != 0) {
      out += "-;";
      continue;
    }
    for (const auto part :
         {static_cast<std::int64_t>(info.st_ino), static_cast<std::int64_t>(info.st_size),
          static_cast<std::int64_t>(info.st_mtim.tv_sec),
          static_cast<std::int64_t>(info.st_mtim.tv_nsec)})
      out += std::to_string(part) + ";";
  }
  return out;
}

}  // namespace

std::string_view header_of(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

struct HttpClient::State {
  explicit State(HttpOptions o)
      : options(std::move(o)),
        tls_files(files_state(options.tls) + files_state(options.oauth2.tls)),
        multi(curl_multi_init()) {
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 4L);
  }
  ~State() { curl_multi_cleanup(multi); }

  Result<HttpResponse> exchange(const HttpOptions& with, const HttpRequest& request,
                                bool credentials, const std::optional<Secret>& bearer,
                                std::string& redirect, const std::stop_token& stop);
  Result<Secret> token(const std::stop_token& stop);

  CurlLibrary library;
  const HttpOptions options;
  const std::string tls_files;  // their state when the first connection was made
  CURLM* multi;
  HttpTransfer transfer;
  std::optional<Secret> bearer;  // of OAuth
  Mono bearer_until;
  SystemClock clock;  // a token's life is real time, as all of libcurl's limits
};

HttpClient::HttpClient(HttpOptions options) : state_(std::make_unique<State>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::State::exchange(const HttpOptions& with,
                                                 const HttpRequest& request, bool credentials,
                                                 const std::optional<Secret>& token_,
                                                 std::string& redirect,
                                                 const std::stop_token& stop) {
  HttpResponse response;
  bool too_large = false;
  transfer.on_headers = nullptr;
  transfer.on_data = [&](std::string_view data) {
    if (response.body.size() + data.size() > request.max_body) {
      too_large = true;
      return false;
    }
    response.body.append(data);
    return true;
  };
  if (auto r = transfer.prepare(with, request, credentials, token_); !r)
    return fail(std::move(r.error()));

  const std::string what = request.method + " " + url_for_people(request.url);
  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi); });
  auto* easy = static_cast<CURL*>(transfer.easy());
  curl_multi_add_handle(multi, easy);
  int running = 1;
  while (running != 0 && !stop.stop_requested()) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) break;
    if (running == 0) break;
    const Pulse::Wait waiting;
    curl_multi_poll(multi, nullptr, 0, kSlice, nullptr);
  }
  std::optional<CURLcode> code;
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi, easy);
  transfer.on_data = nullptr;
  if (!code) return fail(ErrorCode::kCancelled, what + ": stopped");
  if (too_large) {
    return fail(ErrorCode::kExhausted, what + ": the answer is larger than " +
                                           std::to_string(request.max_body) + " bytes");
  }
  if (auto r = transfer.outcome(*code); !r) return fail(std::move(r.error()));
  response.status = transfer.status();
  if (response.status >= 400) transfer.mask_credentials(response.body);
  redirect = transfer.redirect_url();
  response.headers = transfer.take_headers();
  return response;
}

Result<Secret> HttpClient::State::token(const std::stop_token& stop) {
  if (bearer && clock.mono() < bearer_until) return *bearer;
  const OAuth2Options& oauth = options.oauth2;
  std::string secret = oauth.client_secret.reveal();
  if (!oauth.client_secret_file.empty()) {
    auto text = read_file(oauth.client_secret_file, 64U << 10);
    if (!text) return fail(ErrorCode::kPermission, "OAuth: " + text.error().message);
    secret = std::string(trim(*text));
  }
  std::string body = "grant_type=client_credentials";
  std::string scopes;
  for (const std::string& scope : oauth.scopes) {
    if (!scopes.empty()) scopes += ' ';
    scopes += scope;
  }
  if (!scopes.empty()) body += "&scope=" + percent_encoded(scopes);
  for (const auto& [name, value] : oauth.endpoint_params)
    body += "&" + percent_encoded(name) + "=" + percent_encoded(value);

  HttpOptions with;
  with.tls = oauth.tls;
  with.proxy = oauth.proxy;
  with.user_agent = options.user_agent;
  with.connect_timeout = options.connect_timeout;
  // RFC 6749, 2.3.1: form-encoded before they go into basic authentication.
  with.basic_user = percent_encoded(oauth.client_id);
  with.basic_password = Secret(percent_encoded(secret));
  HttpRequest request;
  request.method = "POST";
  request.url = oauth.token_url;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  std::string redirect;
  for (const bool in_body : {false, true}) {
    // Some servers know only the other way of RFC 6749, 2.3.1: the credentials in the body.
    if (in_body) {
      body += "&client_id=" + percent_encoded(oauth.client_id) +
              "&client_secret=" + percent_encoded(secret);
    }
    request.body = body;
    auto response = exchange(with, request, !in_body, std::nullopt, redirect, stop);
    if (!response) return fail(std::move(response.error()).within("OAuth"));
    if (response->status != 200) {
      if (!in_body && (response->status == 400 || response->status == 401)) continue;
      return fail(ErrorCode::kUnavailable, "OAuth: " + url_for_people(oauth.token_url) +
                                               " answers " + std::to_string(response->status));
    }
    const auto json = nlohmann::json::parse(response->body, nullptr, false);
    if (!json.is_object() || !json.contains("access_token") || !json["access_token"].is_string()) {
      return fail(
          ErrorCode::kUnavailable,
          "OAuth: the answer of " + url_for_people(oauth.token_url) + " holds no access_token");
    }
    bearer = Secret(json["access_token"].get<std::string>());
    std::int64_t seconds = 300;
    if (json.contains("expires_in") && json["expires_in"].is_number())
      seconds = std::clamp<std::int64_t>(json["expires_in"].get<std::int64_t>(), 0, 86400);
    // Renewed a little early, so that it does not expire on its way.
    bearer_until = clock.mono() + std::chrono::seconds(seconds - seconds / 10);
    return *bearer;
  }
  return fail(ErrorCode::kUnavailable, "OAuth: no token");
}

Result<std::optional<Secret>> HttpClient::token(const std::stop_token& stop) {
  if (state_->options.oauth2.token_url.empty()) return std::optional<Secret>();
  auto token = state_->token(stop);
  if (!token) return fail(std::move(token.error()));
  return std::optional<Secret>(std::move(*token));
}

void HttpClient::forget_token() { state_->bearer.reset(); }

Result<HttpResponse> HttpClient::send(const HttpRequest& request, const std::stop_token& stop) {
  // Kept connections, sessions and authorities are those of the files as they were.
  const HttpOptions& options = state_->options;
  if (files_state(options.tls) + files_state(options.oauth2.tls) != state_->tls_files)
    state_ = std::make_unique<State>(options);
  auto bearer = token(stop);
  if (!bearer) return fail(std::move(bearer.error()));
  HttpRequest now = request;
  const std::string home = origin_of(request.url);
  for (int hop = 0;; ++hop) {
    std::string redirect;
    auto response =
        state_->exchange(state_->options, now, origin_of(now.url) == home, *bearer, redirect, stop);
    if (!response) return response;
    if (response->status == 401) forget_token();
    const bool follow = state_->options.follow_redirects &&
                        follows_redirect(response->status, now.method) && !redirect.empty();
    if (!follow) return response;
    if (hop == kMaxRedirects) {
      return fail(ErrorCode::kUnavailable,
                  request.method + " " + url_for_people(request.url) + ": more than 10 redirects");
    }
    now.url = std::move(redirect);
  }
}

Result<HttpOrigin> parse_origin(std::string_view text) {
  const auto starts = [&](std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
  };
  HttpOrigin out;
  if (starts("unix://")) {
    out.base_url = "http://localhost";
    out.unix_socket = text.substr(7);
    if (out.unix_socket.empty() || out.unix_socket.front() != '/' || out.unix_socket.size() > 107)
      return fail(ErrorCode::kInvalid, json_string(text) + " does not name a unix socket");
    return out;
  }
  if (starts("tcp://")) {
    out.base_url = "http://" + std::string(text.substr(6));
  } else if (starts("http://") || starts("https://")) {
    out.base_url = text;
  } else {
    return fail(
        ErrorCode::kInvalid,
        json_string(text) + " is not an address: expected unix://, tcp://, http:// or https://");
  }
  while (out.base_url.back() == '/') out.base_url.pop_back();
  if (origin_of(out.base_url).empty())
    return fail(ErrorCode::kInvalid, json_string(text) + " is not an address");
  return out;
}

}  // namespace agent::io
