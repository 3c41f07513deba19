#include "agent/write/cloud_login.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <map>

#include "agent/base/program_output.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/write/cloud_answers.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace agent::write {
component::Declaration prometheus_remote_write();
namespace {

using lang::Value;
using Server = ScriptedServer;

constexpr char kClient[] = "01234567-89ab-cdef-0123-456789abcdef";
constexpr char kSecret[] = "hush/+Secret";

// The environment of a test: what the host of the test has is out of the way, and comes back.
class Environment {
 public:
  Environment() {
    for (const char* name : {"HOME",
                             "http_proxy",
                             "https_proxy",
                             "HTTPS_PROXY",
                             "all_proxy",
                             "ALL_PROXY",
                             "AWS_REGION",
                             "AWS_DEFAULT_REGION",
                             "AWS_ACCESS_KEY_ID",
                             "AWS_SECRET_ACCESS_KEY",
                             "AWS_SESSION_TOKEN",
                             "AWS_PROFILE",
                             "AWS_SHARED_CREDENTIALS_FILE",
                             "AWS_WEB_IDENTITY_TOKEN_FILE",
                             "AWS_ROLE_ARN",
                             "AWS_ROLE_SESSION_NAME",
                             "AWS_ENDPOINT_URL_STS",
                             "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                             "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                             "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                             "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                             "AZURE_CLIENT_ID",
                             "AZURE_TENANT_ID",
                             "AZURE_CLIENT_SECRET",
                             "AZURE_CLIENT_CERTIFICATE_PATH",
                             "AZURE_FEDERATED_TOKEN_FILE",
                             "AZURE_AUTHORITY_HOST",
                             "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                             "GCE_METADATA_HOST",
                             "GOOGLE_APPLICATION_CREDENTIALS"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    REQUIRE(before_.contains(name));
    ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

Server::Answer answer(std::string body, int status = 200) {
  Server::Answer out;
  out.status = status;
  out.body = std::move(body);
  return out;
}

std::string written(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
  return path.string();
}

std::string judge(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"/usr/bin/python3",
                                   SOURCE_DIR "/tests/agent/write/cloud_judge.py"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto out = program_output(argv, 1U << 20);
  return out ? *out : "failed: " + out.error().message;
}

// For the judge.
std::string told(const std::string& method, const std::string& url,
                 const std::vector<std::pair<std::string, std::string>>& headers,
                 std::string_view body, const AwsKeys& keys, const std::string& region,
                 const std::string& service) {
  std::string all;
  for (const auto& [name, value] : headers)
    all += (all.empty() ? "" : ",") + json_string(name) + ":" + json_string(value);
  return R"({"method":)" + json_string(method) + R"(,"url":)" + json_string(url) +
         R"(,"headers":{)" + all + R"(},"body":")" + to_hex(body) + R"(","access_key":)" +
         json_string(keys.access_key) + R"(,"secret_key":)" +
         json_string(keys.secret_key.reveal()) + R"(,"token":)" +
         json_string(keys.session_token.reveal()) + R"(,"region":)" + json_string(region) +
         R"(,"service":)" + json_string(service) + "}";
}

// A request as it arrived.
std::string told(const Server& server, const Server::Request& request, const AwsKeys& keys,
                 const std::string& region, const std::string& service) {
  std::string base = server.url("/");
  base.pop_back();
  return told(request.method, base + request.target,
              {request.headers.begin(), request.headers.end()}, request.body, keys, region,
              service);
}

std::string sts_answer(const std::string& number) {
  return "<AssumeRoleResponse><AssumeRoleResult><Credentials>\n<AccessKeyId>ASIA" + number +
         "</AccessKeyId><SecretAccessKey>role/+" + number +
         "</SecretAccessKey><SessionToken>session==" + number +
         "</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
         "</Credentials></AssumeRoleResult></AssumeRoleResponse>";
}

std::string bearer_of(const Result<std::optional<Secret>>& token) {
  if (!token) return "failed: " + token.error().message;
  return *token ? (*token)->reveal() : "none";
}

CloudArgs aws(SigV4Args sigv4) {
  CloudArgs args;
  if (sigv4.region.empty()) sigv4.region = "eu-west-1";
  args.sigv4 = std::move(sigv4);
  return args;
}

// The access key that requests are signed with.
std::string signer(CloudLogin& login) {
  if (auto r = login.token({}); !r) return "failed: " + r.error().message;
  io::HttpRequest request;
  request.method = "POST";
  request.url = "http://h/";
  login.sign(request);
  const std::string_view header = io::header_of(request.headers, "authorization");
  const std::size_t from = header.find("Credential=") + 11;
  return std::string(header.substr(from, header.find('/') - from)) + " " +
         std::string(io::header_of(request.headers, "x-amz-security-token"));
}

// A component that delivers one sample to `server`, its endpoint with this block.
struct Sending {
  FakeClock clock;
  ComponentBox box{"prometheus.remote_write.x", clock};
  const component::Declaration declaration = prometheus_remote_write();
  RunningComponent running{box, declaration};
  std::string configure(const std::string& url, const std::string& name, lang::Body block) {
    return running.configure(body_of(
        {}, {{"endpoint",
              body_of({{"url", Value(url)}},
                      {{name, std::move(block)},
                       {"queue_config", body_of({{"batch_send_deadline", Value("50ms")}})}})}}));
  }
  void send() {
    model::SampleBatch batch;
    batch.samples.push_back(
        {box.labels.intern({{"__name__", "x"}}), clock.wall_ns() / 1'000'000, 1});
    REQUIRE(box.metrics_receiver()->consume(std::move(batch), {}));
  }
  bool until(const std::function<bool()>& done) {
    return clock.advance_until(done, std::chrono::milliseconds(20));
  }
  bool delivered(double count) {
    return until(
        [&] { return box.metric("prometheus_remote_storage_samples_total", {}) == count; });
  }
};

}  // namespace

TEST_CASE("cloud login: signatures for AWS are those of its own library") {
  const TempDir folder;
  const AwsKeys user{"AKIDEXAMPLE", Secret(kSecret), {}};
  const AwsKeys role{"ASIAEXAMPLE", Secret("other"), Secret("IQoJ//token==")};
  std::vector<std::string> arguments = {"aws"};
  std::string ours;
  const std::string every_byte = [] {
    std::string out;
    for (int i = 0; i < 256; ++i) out += static_cast<char>(i);
    return out;
  }();
  std::int64_t second = 1'440'938'160;
  for (const char* url :
       {"https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
        "http://127.0.0.1:9090/", "http://h:80", "https://h:443/a/", "https://h:80/a?b",
        "https://h/a%20b/c+d/~e,f:g;h=(i)*j@k", "https://h//a/./b/../c//",
        "https://h/?b=2&a=1&a=0&c", "https://user:word@h:8443/x?q=%2F%20z&Action=ListUsers",
        "https://[::1]:9009/api?"}) {
    for (const AwsKeys& keys : {user, role}) {
      io::HttpRequest request;
      request.method = "POST";
      request.url = url;
      request.headers = {{"Content-Type", " application/x-protobuf;  proto=x "},
                         {"Retry-Attempt", "1"}};
      request.body = every_byte;
      second += 86'399;
      sign_for_aws(request, keys, "eu-west-1", "aps", second * 1'000'000'000);
      ours += std::string(io::header_of(request.headers, "Authorization")) + "\n";
      arguments.push_back(
          written(folder / std::to_string(arguments.size()),
                  told("POST", url, request.headers, every_byte, keys, "eu-west-1", "aps")));
    }
  }
  CHECK(judge(arguments) == ours);
}

TEST_CASE("prometheus.remote_write: sigv4 signs each request as it goes out") {
  Environment environment;
  Server server(
      [](const Server::Request&, std::size_t n) { return answer("", n == 0 ? 500 : 204); });
  Sending sending;
  REQUIRE(sending
              .configure(server.url("/workspaces/ws-1/api/v1/remote_write?a=b"), "sigv4",
                         body_of({{"region", Value("us-east-2")},
                                  {"access_key", Value("AKIDEXAMPLE")},
                                  {"secret_key", Value(kSecret)}}))
              .empty());
  sending.running.start();
  sending.send();
  REQUIRE(sending.delivered(1));
  const TempDir folder;
  std::vector<std::string> arguments = {"aws"};
  std::string came;
  for (const auto& request : server.requests()) {
    came += request.headers.at("authorization") + "\n";
    arguments.push_back(
        written(folder / std::to_string(arguments.size()),
                told(server, request, {"AKIDEXAMPLE", Secret(kSecret), {}}, "us-east-2", "aps")));
    CHECK(request.headers.at("content-encoding") == "snappy");
  }
  REQUIRE(arguments.size() == 3);
  CHECK(judge(arguments) == came);
}

TEST_CASE("prometheus.remote_write: sigv4 assumes a role, and a new one when it is refused") {
  Environment environment;
  Server sts([](const Server::Request&, std::size_t n) {
    return n == 0 ? answer("<ErrorResponse><Error><Code>AccessDenied</Code><Message>" +
                               std::string(kSecret) + "</Message></Error></ErrorResponse>",
                           403)
                  : answer(sts_answer(std::to_string(n)));
  });
  environment.set("AWS_ENDPOINT_URL_STS", sts.url("/"));
  Server server([](const Server::Request& request, std::size_t n) {
    if (n == 0) return answer("refused: " + request.headers.at("x-amz-security-token"), 403);
    return answer("", 204);
  });
  Sending sending;
  REQUIRE(sending
              .configure(server.url("/w"), "sigv4",
                         body_of({{"region", Value("eu-west-1")},
                                  {"access_key", Value("AKIDEXAMPLE")},
                                  {"secret_key", Value(kSecret)},
                                  {"role_arn", Value("arn:aws:iam::1:role/w")},
                                  {"external_id", Value("a b&c")},
                                  {"service_name", Value("other")}}))
              .empty());
  sending.running.start();
  sending.send();
  REQUIRE(sending.delivered(1));
  const auto asked = sts.requests();
  REQUIRE(asked.size() == 3);
  CHECK(asked[1].body ==
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fw&"
        "RoleSessionName=fleet-agent&DurationSeconds=3600&ExternalId=a%20b%26c");
  const auto came = server.requests();
  REQUIRE(came.size() == 2);
  CHECK(came[1].headers.at("x-amz-security-token") == "session==2");
  const TempDir folder;
  const AwsKeys role{"ASIA2", Secret("role/+2"), Secret("session==2")};
  CHECK(judge({"aws",
               written(folder / "sts", told(sts, asked[1], {"AKIDEXAMPLE", Secret(kSecret), {}},
                                            "eu-west-1", "sts")),
               written(folder / "write", told(server, came[1], role, "eu-west-1", "other"))}) ==
        asked[1].headers.at("authorization") + "\n" + came[1].headers.at("authorization") + "\n");
  const std::string log = sending.box.logged();
  CHECK(log.find("answers 403 (AccessDenied)") != std::string::npos);
  CHECK(log.find(kSecret) == std::string::npos);
  CHECK(log.find("session==1") == std::string::npos);
}

TEST_CASE("cloud login: a role's keys are renewed before they end") {
  Environment environment;
  Server sts(
      [](const Server::Request&, std::size_t n) { return answer(sts_answer(std::to_string(n))); });
  environment.set("AWS_ENDPOINT_URL_STS", sts.url("/"));
  FakeClock clock;
  SigV4Args sigv4;
  sigv4.access_key = "AKID";
  sigv4.secret_key = Secret(kSecret);
  sigv4.role_arn = "arn:aws:iam::1:role/w";
  CloudLogin login(aws(sigv4), clock);
  CHECK(signer(login) == "ASIA0 session==0");
  clock.advance(std::chrono::minutes(53));
  CHECK(signer(login) == "ASIA0 session==0");
  clock.advance(std::chrono::minutes(2));
  CHECK(signer(login) == "ASIA1 session==1");
  login.forget();
  CHECK(signer(login) == "ASIA2 session==2");
}

TEST_CASE("cloud login: AWS keys come from the first place that has them") {
  Environment environment;
  const TempDir folder;
  FakeClock clock;
  Server machine([](const Server::Request& request, std::size_t) {
    if (request.method == "PUT") return answer("session-of-imds");
    if (request.headers.at("x-aws-ec2-metadata-token") != "session-of-imds") return answer("", 401);
    if (request.target == "/latest/meta-data/iam/security-credentials/") return answer("the-role");
    if (request.target == "/latest/meta-data/iam/security-credentials/the-role")
      return answer(R"({"AccessKeyId":"MACHINE","SecretAccessKey":"s","Token":"t"})");
    return answer("", 404);
  });
  environment.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url("/"));
  environment.set("HOME", folder.path().string());
  CloudLogin usual(aws({}), clock);
  CHECK(signer(usual) == "MACHINE t");
  CHECK(signer(usual) == "MACHINE t");
  CHECK(machine.requests().size() == 3);
  usual.forget();

  std::filesystem::create_directory(folder / ".aws");
  written(folder / ".aws/credentials",
          "# keys\r\n[default]\r\naws_access_key_id = FILE\r\naws_secret_access_key=a=b\r\n"
          "[ other ]\naws_access_key_id=OTHER\naws_secret_access_key=s\naws_session_token = u\n"
          "[broken]\naws_access_key_id\naws_secret_access_key=s\n");
  CHECK(signer(usual) == "FILE ");
  SigV4Args named;
  named.profile = "other";
  CloudLogin other(aws(named), clock);
  CHECK(signer(other) == "OTHER u");
  named.profile = "broken";
  CloudLogin broken(aws(named), clock);
  CHECK(signer(broken) == "failed: sigv4: " + json_string((folder / ".aws/credentials").string()) +
                              " holds no keys of the profile \"broken\"");

  Server sts([](const Server::Request&, std::size_t) { return answer(sts_answer("W")); });
  environment.set("AWS_ENDPOINT_URL_STS", sts.url("/"));
  environment.set("AWS_WEB_IDENTITY_TOKEN_FILE", written(folder / "token", "proof\n"));
  environment.set("AWS_ROLE_ARN", "r");
  CHECK(signer(usual) == "ASIAW session==W");
  CHECK(sts.requests()[0].body ==
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=fleet-agent&"
        "DurationSeconds=3600&WebIdentityToken=proof");
  CHECK(!sts.requests()[0].headers.contains("authorization"));
  usual.forget();
  environment.set("AWS_ACCESS_KEY_ID", "ENV");
  environment.set("AWS_SECRET_ACCESS_KEY", "s");
  CHECK(signer(usual) == "ENV ");
  CHECK(signer(other) == "OTHER u");
}

TEST_CASE("cloud login: a container's keys come from where its environment says, with its token") {
  Environment environment;
  const TempDir folder;
  FakeClock clock;
  Server container([](const Server::Request& request, std::size_t n) {
    const auto token = request.headers.find("authorization");
    if (token == request.headers.end() || token->second == "refused")
      return answer(R"({"code":"AccessDenied","message":"no refused"})", 403);
    if (n == 1) return answer(R"({"AccessKeyId":"LESS"})");
    return answer(R"({"AccessKeyId":"TASK)" + std::to_string(n) +
                  R"(","SecretAccessKey":"s","Token":")" + token->second +
                  R"(","RoleArn":"r","Expiration":"2030-01-01T00:00:00Z"})");
  });
  environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url("/v1/credentials"));
  CloudLogin login(aws({}), clock);
  CHECK(signer(login) == "failed: sigv4: the container's keys: GET " +
                             container.url("/v1/credentials") + " answers 403 (AccessDenied)");
  environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "plain");
  CHECK(signer(login) == "failed: sigv4: the container's keys: the answer holds none");
  CHECK(signer(login) == "TASK2 plain");
  CHECK(signer(login) == "TASK2 plain");
  clock.advance(std::chrono::minutes(5));
  environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", written(folder / "token", "one\n"));
  CHECK(signer(login) == "TASK3 one");
  written(folder / "token", "two");
  login.forget();
  CHECK(signer(login) == "TASK4 two");
  CHECK(container.requests().back().target == "/v1/credentials");

  login.forget();
  written(folder / "token", "two\nthree");
  CHECK(signer(login).find("has a character that no header may have") != std::string::npos);
  CHECK(signer(login).find("three") == std::string::npos);
  environment.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", (folder / "none").string());
  CHECK(signer(login).starts_with("failed: sigv4: "));
  environment.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://elsewhere.example/");
  CHECK(signer(login).starts_with("failed: sigv4: AWS_CONTAINER_CREDENTIALS_FULL_URI must be "));
  CHECK(container.requests().size() == 5);
  // Keys that somebody named are used before.
  environment.set("AWS_ACCESS_KEY_ID", "ENV");
  environment.set("AWS_SECRET_ACCESS_KEY", "s");
  CHECK(signer(login) == "ENV ");
}

TEST_CASE("cloud login: a container's token goes to no place that is not its own") {
  const auto url = [](std::string_view relative, std::string_view full) {
    const auto got = container_keys_url(relative, full);
    return got ? *got : "refused";
  };
  CHECK(url("/v2/credentials/id?a=b", "http://evil/") ==
        "http://169.254.170.2/v2/credentials/id?a=b");
  for (const char* relative : {"v2", "@evil/", ".evil/", "/a b", "/a\nb", "\\evil"})
    CHECK(url(relative, "") == "refused");
  for (const char* good :
       {"https://keys.example/x", "http://127.0.0.1:8080/x", "http://127.9.9.9/",
        "http://localhost", "http://localhost:1?q", "http://[::1]/x", "http://[::1]:80/x",
        "http://169.254.170.2/x", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]:80/v1/credentials", "http://[fd00:ec2:0:0::23]/"})
    CHECK(url("", good) == good);
  for (const char* bad : {"",
                          "ftp://127.0.0.1/",
                          "HTTP://evil/",
                          "http://",
                          "http:///",
                          "http://evil/",
                          "http://evil",
                          "http://127.0.0.1@evil/",
                          "http://u:p@127.0.0.1/",
                          "http://127.0.0.1.evil/",
                          "http://127.1/",
                          "http://0x7f.0.0.1/",
                          "http://2130706433/",
                          "http://localhost.evil/",
                          "http://127.0.0.1:80:80/",
                          "http://127.0.0.1:99999/",
                          "http://127.0.0.1:/",
                          "http://evil\\@127.0.0.1/",
                          "http://127.0.0.1\\@evil/",
                          "http://[::1]evil/",
                          "http://[::ffff:1.2.3.4]/",
                          "http://[::2]/",
                          "http://[fd00:ec2::254]/",
                          "http://169.254.169.254/",
                          "http://127.0.0.1/\r\nx",
                          "https://a b/",
                          "http://evil#@127.0.0.1/"})
    CHECK(url("", bad) == "refused");
}

TEST_CASE("cloud login: azuread gets tokens from the tenant's login, and renews them") {
  Environment environment;
  Server login_host([](const Server::Request&, std::size_t n) {
    return n == 1 ? answer(R"({"error":"invalid_client","error_description":"hush/+Secret"})", 401)
                  : answer(R"({"access_token":"token)" + std::to_string(n) +
                           R"(","token_type":"Bearer","expires_in":3600})");
  });
  environment.set("AZURE_AUTHORITY_HOST", login_host.url("/"));
  FakeClock clock;
  CloudArgs args;
  args.azuread.emplace();
  args.azuread->cloud = "AzureGovernment";
  args.azuread->oauth = AzureOAuthArgs{kClient, "my.tenant", Secret(kSecret)};
  CloudLogin login(args, clock);
  CHECK(bearer_of(login.token({})) == "token0");
  clock.advance(std::chrono::minutes(53));
  CHECK(bearer_of(login.token({})) == "token0");
  clock.advance(std::chrono::minutes(2));
  CHECK(bearer_of(login.token({})) == "failed: azuread: POST " +
                                          login_host.url("/my.tenant/oauth2/v2.0/token") +
                                          " answers 401 (invalid_client)");
  CHECK(bearer_of(login.token({})) == "token2");
  const auto asked = login_host.requests();
  CHECK(asked[0].target == "/my.tenant/oauth2/v2.0/token");
  CHECK(asked[0].headers.at("content-type") == "application/x-www-form-urlencoded");
  CHECK(asked[0].body == "grant_type=client_credentials&client_id=" + std::string(kClient) +
                             "&client_secret=hush%2F%2BSecret&scope="
                             "https%3A%2F%2Fmonitor.azure.us%2F%2F.default");

  const TempDir folder;
  args.azuread->oauth.reset();
  args.azuread->scope = "s/.default";
  args.azuread->workload_identity =
      AzureWorkloadIdentityArgs{kClient, "t", written(folder / "proof", "a.b.c\n")};
  CloudLogin workload(args, clock);
  CHECK(bearer_of(workload.token({})) == "token3");
  CHECK(login_host.requests().back().body ==
        "grant_type=client_credentials&client_id=" + std::string(kClient) +
            "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
            "jwt-bearer&client_assertion=a.b.c&scope=s%2F.default");
}

TEST_CASE("cloud login: azuread asks the machine for the token of its identity") {
  Environment environment;
  Server machine([](const Server::Request&, std::size_t n) {
    return n == 0 ? answer(R"({"access_token":"m","expires_in":"100"})") : answer("{}");
  });
  environment.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url("/"));
  FakeClock clock;
  CloudArgs args;
  args.azuread.emplace();
  args.azuread->managed_identity = AzureManagedIdentityArgs{kClient};
  CloudLogin login(args, clock);
  CHECK(bearer_of(login.token({})) == "m");
  clock.advance(std::chrono::seconds(91));
  CHECK(bearer_of(login.token({})) == "failed: azuread: the answer holds no access_token");
  const auto asked = machine.requests();
  CHECK(asked[0].headers.at("metadata") == "true");
  CHECK(asked[0].target ==
        "/metadata/identity/oauth2/token?api-version=2018-02-01&"
        "resource=https%3A%2F%2Fmonitor.azure.com%2F&client_id=" +
            std::string(kClient));
}

TEST_CASE("cloud login: azuread finds what Azure's libraries would find") {
  Environment environment;
  const TempDir folder;
  Server server([](const Server::Request&, std::size_t n) {
    return answer(R"({"access_token":"t)" + std::to_string(n) + R"(","expires_in":3600})");
  });
  environment.set("AZURE_AUTHORITY_HOST", server.url("/"));
  environment.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url("/"));
  FakeClock clock;
  CloudArgs args;
  args.azuread.emplace();
  args.azuread->sdk = AzureSdkArgs{"mine"};
  const auto token = [&] { return bearer_of(CloudLogin(args, clock).token({})); };
  CHECK(token() == "t0");  // nothing is named: the machine's own
  environment.set("AZURE_CLIENT_ID", kClient);
  CHECK(token() == "t1");
  environment.set("AZURE_FEDERATED_TOKEN_FILE", written(folder / "proof", "a.b.c"));
  CHECK(token() == "t2");
  environment.set("AZURE_TENANT_ID", "theirs");
  environment.set("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem");
  CHECK(token().starts_with("failed: azuread: AZURE_CLIENT_CERTIFICATE_PATH is not supported"));
  environment.set("AZURE_CLIENT_SECRET", kSecret);
  CHECK(token() == "t3");
  environment.set("AZURE_TENANT_ID", "../x");
  CHECK(token() == "failed: azuread: AZURE_TENANT_ID is no tenant's name");
  const auto asked = server.requests();
  REQUIRE(asked.size() == 4);
  CHECK(asked[0].target.ends_with("resource=https%3A%2F%2Fmonitor.azure.com%2F"));
  CHECK(asked[1].target.ends_with("&client_id=" + std::string(kClient)));
  CHECK(asked[2].target == "/mine/oauth2/v2.0/token");
  CHECK(asked[2].body.find("client_assertion=a.b.c") != std::string::npos);
  CHECK(asked[3].target == "/theirs/oauth2/v2.0/token");
  CHECK(asked[3].body.find("client_secret=hush%2F%2BSecret") != std::string::npos);
}

TEST_CASE("cloud login: google_iam gets tokens for a service account, a user and a machine") {
  Environment environment;
  const TempDir folder;
  Server server([](const Server::Request&, std::size_t n) {
    return answer(R"({"access_token":"g)" + std::to_string(n) + R"(","expires_in":3599})");
  });
  FakeClock clock;
  environment.set("GCE_METADATA_HOST", server.url("").substr(7));
  CloudArgs args;
  args.google_iam.emplace();
  CloudLogin machine(args, clock);
  CHECK(bearer_of(machine.token({})) == "g0");
  CHECK(server.requests()[0].headers.at("metadata-flavor") == "Google");
  CHECK(server.requests()[0].target ==
        "/computeMetadata/v1/instance/service-accounts/default/token?"
        "scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fmonitoring.write");

  const std::string inside = "cd " + folder.path().string() + " && ";
  const auto made = program_output(
      {"/bin/sh", "-c",
       inside + "openssl genrsa -out key.pem 2048 2>/dev/null && "
                "openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null && cat key.pem"},
      1U << 16);
  REQUIRE(made);
  args.google_iam->credentials_file = written(
      folder / "account.json",
      R"({"type":"service_account","client_email":"me@p.iam","private_key":)" + json_string(*made) +
          R"(,"private_key_id":"kid1","token_uri":)" + json_string(server.url("/token")) + "}");
  CloudLogin account(args, clock);
  CHECK(bearer_of(account.token({})) == "g1");
  const std::string said = server.requests()[1].body;
  const std::string start =
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  REQUIRE(said.starts_with(start));
  const std::string now = std::to_string(clock.wall_ns() / 1'000'000'000);
  CHECK(judge({"jwt", written(folder / "jwt", said.substr(start.size())),
               (folder / "public.pem").string(), server.url("/token")}) ==
        R"([{"alg": "RS256", "kid": "kid1", "typ": "JWT"}, {"aud": ")" + server.url("/token") +
            R"(", "exp": )" + std::to_string(clock.wall_ns() / 1'000'000'000 + 3600) +
            R"(, "iat": )" + now +
            R"(, "iss": "me@p.iam", "scope": "https://www.googleapis.com/auth/monitoring.write"}])"
            "\n");

  environment.set("GOOGLE_APPLICATION_CREDENTIALS",
                  written(folder / "user.json",
                          R"({"type":"authorized_user","client_id":"c","client_secret":"s",)"
                          R"("refresh_token":"r/","token_uri":)" +
                              json_string(server.url("/token")) + "}"));
  args.google_iam->credentials_file.clear();
  CloudLogin user(args, clock);
  CHECK(bearer_of(user.token({})) == "g2");
  CHECK(server.requests()[2].body ==
        "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r%2F");

  for (const char* text : {"", "[]", R"({"type":"external_account"})",
                           R"({"type":"service_account","private_key":"-----BEGIN"})"}) {
    args.google_iam->credentials_file = written(folder / "wrong.json", text);
    CloudLogin wrong(args, clock);
    CHECK(bearer_of(wrong.token({})).starts_with("failed: google_iam: \"/"));
  }
  CHECK(server.requests().size() == 3);
}

TEST_CASE(
    "prometheus.remote_write: a cloud's token goes with the requests, a new one after a 401") {
  Environment environment;
  Server machine([](const Server::Request&, std::size_t n) {
    return answer(R"({"access_token":"google)" + std::to_string(n) + R"(","expires_in":3599})");
  });
  environment.set("GCE_METADATA_HOST", machine.url("").substr(7));
  Server server([](const Server::Request& request, std::size_t n) {
    return n == 1 ? answer("no " + request.headers.at("authorization"), 401) : answer("", 204);
  });
  Sending sending;
  REQUIRE(sending.configure(server.url("/w"), "google_iam", body_of({})).empty());
  sending.running.start();
  sending.send();
  REQUIRE(sending.delivered(1));
  sending.send();
  REQUIRE(sending.delivered(2));
  const auto came = server.requests();
  REQUIRE(came.size() == 3);
  CHECK(came[0].headers.at("authorization") == "Bearer google0");
  CHECK(came[1].headers.at("authorization") == "Bearer google0");
  CHECK(came[2].headers.at("authorization") == "Bearer google1");
  CHECK(sending.box.logged().find("no Bearer (secret)") != std::string::npos);
  CHECK(sending.box.logged().find("google0") == std::string::npos);
}

TEST_CASE("prometheus.remote_write: clouds that cannot be logged in to are refused") {
  Environment environment;
  Sending sending;
  const auto refused = [&](const std::string& name, lang::Body body) {
    return sending.configure("http://h/", name, std::move(body));
  };
  CHECK(refused("sigv4", body_of({})) ==
        "sigv4 needs a region: neither the block names one nor AWS_REGION");
  environment.set("AWS_DEFAULT_REGION", "eu-west-1");
  CHECK(refused("sigv4", body_of({})).empty());
  CHECK(refused("sigv4", body_of({{"access_key", Value("a")}})) ==
        "access_key and secret_key go together");
  CHECK(refused("sigv4", body_of({{"region", Value("a.b/")}})) ==
        "region must be letters, digits and '-'");
  CHECK(refused("azuread", body_of({})) ==
        "azuread needs one of managed_identity, workload_identity, oauth and sdk");
  CHECK(refused("azuread",
                body_of({}, {{"managed_identity", body_of({{"client_id", Value("me")}})}})) ==
        "client_id must be a UUID, as in 00000000-0000-0000-0000-000000000000");
  CHECK(refused("azuread", body_of({}, {{"oauth", body_of({{"client_id", Value(kClient)},
                                                           {"client_secret", Value("s")},
                                                           {"tenant_id", Value("../x")}})}})) ==
        "tenant_id must be letters, digits, '-' and '.'");
  CHECK(refused("azuread", body_of({{"cloud", Value("Azure")}},
                                   {{"managed_identity", body_of({{"client_id", Value("")}})}})) ==
        "cloud must be AzurePublic, AzureChina or AzureGovernment");
  CHECK(refused("azuread", body_of({}, {{"sdk", body_of({{"tenant_id", Value("t")}})}})).empty());
  CHECK(refused("azuread", body_of({}, {{"sdk", body_of({{"tenant_id", Value("t/")}})}})) ==
        "tenant_id must be letters, digits, '-' and '.'");
  CHECK(refused("azuread",
                body_of({}, {{"sdk", body_of({{"tenant_id", Value("t")}})},
                             {"managed_identity", body_of({{"client_id", Value("")}})}})) ==
        "at most one of managed_identity, sdk may be given");
  CHECK(sending.running.configure(body_of(
            {}, {{"endpoint", body_of({{"url", Value("http://h/")}},
                                      {{"google_iam", body_of({})},
                                       {"basic_auth", body_of({{"username", Value("u")}})}})}})) ==
        "at most one of basic_auth, google_iam may be given");
}

}  // namespace agent::write
