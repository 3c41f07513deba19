#include "agent/write/cloud_login.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/io/http_fetch.h"
#include "agent/wire/json.h"
#include "agent/wire/jwt.h"
#include "agent/write/cloud_answers.h"

namespace agent::write {
namespace {

constexpr std::size_t kMaxFile = 1U << 20;
constexpr std::int64_t kRoleSeconds = 3600;
// New keys of a machine or a container are there five minutes before the old ones end.
constexpr Duration kMachineKeys = std::chrono::minutes(4);
constexpr std::string_view kGoogleScope = "https://www.googleapis.com/auth/monitoring.write";

// Nobody sets these while the agent runs.
std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// The base of URLs: what the environment says, or `usual`.
std::string base_of(const char* name, std::string usual) {
  std::string base = env(name);
  if (base.empty()) base = std::move(usual);
  while (base.ends_with('/')) base.pop_back();
  return base;
}

std::string form(const std::vector<std::pair<std::string_view, std::string_view>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(io::percent_encode(value));
  }
  return out;
}

io::HttpRequest post(std::string url, std::string_view body) {
  io::HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = body;
  return request;
}

// `sdk` as one of the other ways, in the order of Azure's own libraries (DefaultAzureCredential).
// Their certificates, names with passwords and command line tools are not looked for.
Result<AzureAdArgs> found_by_sdk(AzureAdArgs args) {
  const AzureSdkArgs sdk = *std::exchange(args.sdk, {});
  const std::string client = env("AZURE_CLIENT_ID");
  const std::string tenant = env("AZURE_TENANT_ID");
  if (const std::string secret = env("AZURE_CLIENT_SECRET"); !secret.empty() && !client.empty()) {
    if (!is_azure_tenant(tenant))
      return fail(ErrorCode::kInvalid, "azuread: AZURE_TENANT_ID is no tenant's name");
    args.oauth = AzureOAuthArgs{client, tenant, Secret(secret)};
    return args;
  }
  if (!client.empty() && !tenant.empty() && !env("AZURE_CLIENT_CERTIFICATE_PATH").empty())
    return fail(ErrorCode::kInvalid,
                "azuread: AZURE_CLIENT_CERTIFICATE_PATH is not supported: AZURE_CLIENT_SECRET is");
  if (const std::string proof = env("AZURE_FEDERATED_TOKEN_FILE");
      !proof.empty() && !client.empty())
    args.workload_identity = AzureWorkloadIdentityArgs{client, sdk.tenant_id, proof};
  else
    args.managed_identity = AzureManagedIdentityArgs{client};
  return args;
}

}  // namespace

Result<std::string> region_of(const SigV4Args& args) {
  std::string region = args.region;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (region.empty()) region = env(name);
  const bool plain = std::all_of(region.begin(), region.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (region.empty() || !plain)
    return fail(ErrorCode::kInvalid,
                "sigv4 needs a region: neither the block names one nor AWS_REGION");
  return region;
}

Result<std::optional<Secret>> CloudLogin::token(const std::stop_token& stop) {
  if (used() && clock_.mono() >= until_) {
    bearer_.reset();
    if (auto r = get(stop); !r) return fail(std::move(r.error()));
  }
  return bearer_;
}

Result<> CloudLogin::get(const std::stop_token& stop) {
  if (args_.azuread) return azure(stop);
  if (args_.google_iam) return google(stop);
  const SigV4Args& sigv4 = *args_.sigv4;
  auto region = region_of(sigv4);
  if (!region) return fail(std::move(region.error()));
  region_ = std::move(*region);
  until_ = {};  // keys of files and of the environment are read each time
  auto keys = aws_keys(stop);
  if (!keys) return fail(std::move(keys.error()).within("sigv4"));
  if (!sigv4.role_arn.empty()) {
    std::string body = form({{"RoleArn", sigv4.role_arn},
                             {"RoleSessionName", "fleet-agent"},
                             {"DurationSeconds", std::to_string(kRoleSeconds)}});
    if (!sigv4.external_id.empty()) body += "&" + form({{"ExternalId", sigv4.external_id}});
    keys = ask_sts("Action=AssumeRole&Version=2011-06-15&" + body, &*keys, stop);
    if (!keys) return fail(std::move(keys.error()).within("sigv4"));
  }
  keys_ = std::move(*keys);
  return {};
}

void CloudLogin::sign(io::HttpRequest& request) const {
  if (!args_.sigv4) return;
  const std::string& service = args_.sigv4->service_name;
  sign_for_aws(request, keys_, region_, service.empty() ? "aps" : service, clock_.wall_ns());
}

Result<AwsKeys> CloudLogin::aws_keys(const std::stop_token& stop) {
  const SigV4Args& sigv4 = *args_.sigv4;
  if (!sigv4.access_key.empty()) return AwsKeys{sigv4.access_key, sigv4.secret_key, {}};
  if (sigv4.profile.empty()) {
    AwsKeys keys{env("AWS_ACCESS_KEY_ID"), Secret(env("AWS_SECRET_ACCESS_KEY")),
                 Secret(env("AWS_SESSION_TOKEN"))};
    if (!keys.access_key.empty() && !keys.secret_key.empty()) return keys;
    const std::string token_file = env("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (const std::string role = env("AWS_ROLE_ARN"); !token_file.empty() && !role.empty()) {
      const auto token = read_file(token_file, kMaxFile);
      if (!token) return fail(ErrorCode::kPermission, token.error().message);
      const std::string session = env("AWS_ROLE_SESSION_NAME");
      return ask_sts("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&" +
                         form({{"RoleArn", role},
                               {"RoleSessionName", session.empty() ? "fleet-agent" : session},
                               {"DurationSeconds", std::to_string(kRoleSeconds)},
                               {"WebIdentityToken", trim(*token)}}),
                     nullptr, stop);
    }
  }
  std::string path = env("AWS_SHARED_CREDENTIALS_FILE");
  if (path.empty() && !env("HOME").empty()) path = env("HOME") + "/.aws/credentials";
  std::string profile = sigv4.profile;
  if (profile.empty()) profile = env("AWS_PROFILE");
  const bool named = !profile.empty();
  if (!named) profile = "default";
  const auto file = path.empty() ? Result<std::string>(std::string()) : read_file(path, kMaxFile);
  if (file) {
    if (auto keys = keys_of_profile(*file, profile)) return *keys;
  }
  if (named) {
    return fail(ErrorCode::kPermission,
                file ? json_string(path) + " holds no keys of the profile " + json_string(profile)
                     : file.error().message);
  }
  const std::string relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative.empty() && full.empty()) return aws_machine_keys(stop);
  const auto url = container_keys_url(relative, full);
  return url ? aws_container_keys(*url, stop) : fail(url.error());
}

// docs.aws.amazon.com: "Container credential provider" (tasks of ECS, pods of EKS).
Result<AwsKeys> CloudLogin::aws_container_keys(const std::string& url,
                                               const std::stop_token& stop) {
  std::string token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  // Replaced now and then.
  if (const std::string path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    const auto file = read_file(path, kMaxFile);
    if (!file) return fail(ErrorCode::kPermission, file.error().message);
    token = trim(*file);
  }
  io::HttpRequest request;
  request.url = url;
  if (!token.empty()) request.headers = {{"Authorization", token}};
  const bool local = url.starts_with("http://");
  const auto answer = ask(std::move(request), local, "the container's keys", stop);
  if (!answer) return fail(answer.error());
  auto keys = keys_of_metadata(*answer);
  if (!keys) return fail(ErrorCode::kUnavailable, "the container's keys: the answer holds none");
  until_ = clock_.mono() + kMachineKeys;
  return std::move(*keys);
}

// docs.aws.amazon.com: "Use the Instance Metadata Service to access instance metadata", version 2.
Result<AwsKeys> CloudLogin::aws_machine_keys(const std::stop_token& stop) {
  constexpr std::string_view kWho =
      "no keys in the configuration, the environment or a file, and none of the machine";
  const std::string base =
      base_of("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254") + "/latest/";
  io::HttpRequest request;
  request.method = "PUT";
  request.url = base + "api/token";
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}};
  const auto session = ask(request, true, kWho, stop);
  if (!session) return fail(session.error());
  request.method = "GET";
  request.url = base + "meta-data/iam/security-credentials/";
  request.headers = {{"X-aws-ec2-metadata-token", std::string(trim(*session))}};
  const auto roles = ask(request, true, kWho, stop);
  if (!roles) return fail(roles.error());
  request.url += io::percent_encode(trim(roles->substr(0, roles->find('\n'))));
  const auto answer = ask(request, true, kWho, stop);
  if (!answer) return fail(answer.error());
  auto keys = keys_of_metadata(*answer);
  if (!keys) return fail(ErrorCode::kUnavailable, std::string(kWho) + ": its answer holds no keys");
  until_ = clock_.mono() + kMachineKeys;
  return std::move(*keys);
}

Result<AwsKeys> CloudLogin::ask_sts(std::string body, const AwsKeys* keys,
                                    const std::stop_token& stop) {
  const std::string usual = std::string("https://sts") +
                            (args_.sigv4->use_fips_sts_endpoint ? "-fips." : ".") + region_ +
                            ".amazonaws.com" + (region_.starts_with("cn-") ? ".cn" : "");
  io::HttpRequest request = post(base_of("AWS_ENDPOINT_URL_STS", usual) + "/", body);
  if (keys != nullptr) sign_for_aws(request, *keys, region_, "sts", clock_.wall_ns());
  const auto answer = ask(std::move(request), false, "STS", stop);
  if (!answer) return fail(answer.error());
  auto role = keys_of_sts(*answer);
  if (!role) return fail(ErrorCode::kUnavailable, "STS: the answer holds no keys");
  keep_for(std::chrono::seconds(kRoleSeconds));
  return std::move(*role);
}

// learn.microsoft.com: "OAuth 2.0 client credentials flow on the Microsoft identity platform", "How
// to use managed identities for Azure resources on an Azure VM to acquire an access token".
Result<> CloudLogin::azure(const std::stop_token& stop) {
  const Result<AzureAdArgs> found =
      args_.azuread->sdk ? found_by_sdk(*args_.azuread) : *args_.azuread;
  if (!found) return fail(found.error());
  const AzureAdArgs& azuread = *found;
  std::string host = "https://login.microsoftonline.com";
  std::string scope = "https://monitor.azure.com//.default";
  if (azuread.cloud == "AzureChina") {
    host = "https://login.chinacloudapi.cn";
    scope = "https://monitor.azure.cn//.default";
  } else if (azuread.cloud == "AzureGovernment") {
    host = "https://login.microsoftonline.us";
    scope = "https://monitor.azure.us//.default";
  }
  if (!azuread.scope.empty()) scope = azuread.scope;
  const auto got = [&](const Result<std::string>& answer) -> Result<> {
    return answer ? take_token(*answer, "azuread") : fail(answer.error());
  };
  if (azuread.managed_identity) {
    constexpr std::string_view kSuffix = "/.default";
    if (scope.ends_with(kSuffix)) scope.resize(scope.size() - kSuffix.size());
    io::HttpRequest request;
    request.url = base_of("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254") +
                  "/metadata/identity/oauth2/token?" +
                  form({{"api-version", "2018-02-01"}, {"resource", scope}});
    if (const std::string& client = azuread.managed_identity->client_id; !client.empty())
      request.url += "&" + form({{"client_id", client}});
    request.headers = {{"Metadata", "true"}};
    return got(ask(std::move(request), true, "azuread", stop));
  }
  host = base_of("AZURE_AUTHORITY_HOST", host);
  const auto url = [&](const std::string& tenant) {
    return host + "/" + tenant + "/oauth2/v2.0/token";
  };
  if (azuread.oauth) {
    const AzureOAuthArgs& oauth = *azuread.oauth;
    const std::string body = form({{"grant_type", "client_credentials"},
                                   {"client_id", oauth.client_id},
                                   {"client_secret", oauth.client_secret.reveal()},
                                   {"scope", scope}});
    return got(ask(post(url(oauth.tenant_id), body), false, "azuread", stop));
  }
  const AzureWorkloadIdentityArgs& workload = *azuread.workload_identity;
  const auto proof = read_file(workload.token_file_path.empty()
                                   ? "/var/run/secrets/azure/tokens/azure-identity-token"
                                   : workload.token_file_path,
                               kMaxFile);
  if (!proof) return fail(ErrorCode::kPermission, "azuread: " + proof.error().message);
  const std::string body =
      form({{"grant_type", "client_credentials"},
            {"client_id", workload.client_id},
            {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
            {"client_assertion", trim(*proof)},
            {"scope", scope}});
  return got(ask(post(url(workload.tenant_id), body), false, "azuread", stop));
}

// developers.google.com: "Using OAuth 2.0 for Server to Server Applications"; cloud.google.com:
// "How Application Default Credentials works".
Result<> CloudLogin::google(const std::stop_token& stop) {
  const auto got = [&](const Result<std::string>& answer) -> Result<> {
    return answer ? take_token(*answer, "google_iam") : fail(answer.error());
  };
  std::string path = args_.google_iam->credentials_file;
  if (path.empty()) path = env("GOOGLE_APPLICATION_CREDENTIALS");
  if (path.empty() && !env("HOME").empty()) {
    path = env("HOME") + "/.config/gcloud/application_default_credentials.json";
    std::error_code none;
    if (!std::filesystem::exists(path, none)) path.clear();
  }
  if (path.empty()) {
    std::string host = env("GCE_METADATA_HOST");
    if (host.empty()) host = "metadata.google.internal";
    io::HttpRequest request;
    request.url = "http://" + host +
                  "/computeMetadata/v1/instance/service-accounts/default/token?" +
                  form({{"scopes", kGoogleScope}});
    request.headers = {{"Metadata-Flavor", "Google"}};
    return got(ask(std::move(request), true, "google_iam", stop));
  }
  const auto text = read_file(path, kMaxFile);
  if (!text) return fail(ErrorCode::kPermission, "google_iam: " + text.error().message);
  wire::JsonDocument document;
  const auto root = document.parse(*text);
  const std::string type = text_of(root, "type");
  const std::string uri = text_of(root, "token_uri");
  const std::string place = uri.empty() ? "https://oauth2.googleapis.com/token" : uri;
  if (type == "authorized_user") {
    const std::string body = form({{"grant_type", "refresh_token"},
                                   {"client_id", text_of(root, "client_id")},
                                   {"client_secret", text_of(root, "client_secret")},
                                   {"refresh_token", text_of(root, "refresh_token")}});
    return got(ask(post(place, body), false, "google_iam", stop));
  }
  if (type != "service_account")
    return fail(ErrorCode::kInvalid,
                "google_iam: " + json_string(path) +
                    " is neither the key of a service account nor a user's credentials");
  const std::int64_t now = clock_.wall_ns() / 1'000'000'000;
  const auto proof = wire::rs256_jwt(
      text_of(root, "private_key"),
      R"({"alg":"RS256","typ":"JWT","kid":)" + json_string(text_of(root, "private_key_id")) + "}",
      R"({"iss":)" + json_string(text_of(root, "client_email")) + R"(,"scope":)" +
          json_string(kGoogleScope) + R"(,"aud":)" + json_string(place) +
          ",\"iat\":" + std::to_string(now) + ",\"exp\":" + std::to_string(now + 3600) + "}");
  if (!proof)
    return fail(proof.error().code,
                "google_iam: " + json_string(path) + ": its " + proof.error().message);
  const std::string body = form({{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                                 {"assertion", proof->reveal()}});
  return got(ask(post(place, body), false, "google_iam", stop));
}

// A `local` place is reached without a proxy. Redirects are not followed: bodies hold secrets.
Result<std::string> CloudLogin::ask(io::HttpRequest request, bool local, std::string_view who,
                                    const std::stop_token& stop) const {
  io::HttpOptions options;
  options.follow_redirects = false;
  options.proxy.from_environment = !local;
  if (local) options.connect_timeout = std::chrono::seconds(2);
  io::HttpClient client(std::move(options));
  auto response = client.send(request, stop);
  if (!response) return fail(std::move(response.error()).within(who));
  if (response->status == 200) return std::move(response->body);
  const std::string reason = reason_of(response->body);
  return fail(ErrorCode::kUnavailable, std::string(who) + ": " + request.method + " " +
                                           io::url_for_people(request.url) + " answers " +
                                           std::to_string(response->status) +
                                           (reason.empty() ? "" : " (" + reason + ")"));
}

Result<> CloudLogin::take_token(std::string_view answer, std::string_view who) {
  auto token = token_of(answer);
  if (!token)
    return fail(ErrorCode::kUnavailable, std::string(who) + ": the answer holds no access_token");
  bearer_ = std::move(token->token);
  keep_for(token->life);
  return {};
}

// Renewed a little early, so that it does not expire on its way.
void CloudLogin::keep_for(Duration life) { until_ = clock_.mono() + life - life / 10; }

}  // namespace agent::write
