// Gets what CloudArgs need to show who sends: a bearer token for azuread and google_iam, keys to
// sign with for sigv4. Keeps it until shortly before its end.
//
// Places that tests and closed networks change, as the clouds' own libraries let them:
// AWS_ENDPOINT_URL_STS, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_EC2_METADATA_SERVICE_ENDPOINT,
// AZURE_AUTHORITY_HOST, AZURE_POD_IDENTITY_AUTHORITY_HOST, GCE_METADATA_HOST.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret.h"
#include "agent/io/http_client.h"
#include "agent/write/aws_signature.h"
#include "agent/write/cloud_args.h"

namespace agent::write {

// The region to sign for: configured, or of the environment. kInvalid: none.
Result<std::string> region_of(const SigV4Args& args);

// One thread. `clock` outlives it.
class CloudLogin {
 public:
  CloudLogin(CloudArgs args, Clock& clock) : args_(std::move(args)), clock_(clock) {}

  bool used() const { return args_ != CloudArgs(); }
  // What the next requests carry; none where they are signed, or when no cloud is configured.
  // Asks the cloud when that is due. Errors never show what is secret.
  Result<std::optional<Secret>> token(const std::stop_token& stop);
  // Signs where sigv4 is configured; behind a token() that was good. `request` stays as it is from
  // then on.
  void sign(io::HttpRequest& request) const;
  // It was refused: the next one is a new one.
  void forget() { until_ = {}; }

 private:
  Result<> get(const std::stop_token& stop);
  Result<AwsKeys> aws_keys(const std::stop_token& stop);
  Result<AwsKeys> aws_container_keys(const std::string& url, const std::stop_token& stop);
  Result<AwsKeys> aws_machine_keys(const std::stop_token& stop);
  Result<AwsKeys> ask_sts(std::string form, const AwsKeys* keys, const std::stop_token& stop);
  Result<> azure(const std::stop_token& stop);
  Result<> google(const std::stop_token& stop);
  Result<std::string> ask(io::HttpRequest request, bool local, std::string_view who,
                          const std::stop_token& stop) const;
  Result<> take_token(std::string_view answer, std::string_view who);
  void keep_for(Duration life);

  const CloudArgs args_;
  Clock& clock_;
  std::optional<Secret> bearer_;
  AwsKeys keys_;
  std::string region_;
  Mono until_{};  // bearer_ or keys_ are good; the beginning of time: there are none
};

}  // namespace agent::write
