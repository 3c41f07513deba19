// How an endpoint of prometheus.remote_write shows a cloud who sends, as configurations write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/secret.h"
#include "agent/component/http_args.h"
#include "agent/component/schema.h"

namespace agent::write {

struct SigV4Args {
  std::string region, access_key, profile, role_arn, external_id, service_name;
  Secret secret_key;
  bool use_fips_sts_endpoint = false;
  static component::Schema<SigV4Args> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const SigV4Args&) const = default;
};

struct AzureManagedIdentityArgs {
  std::string client_id;
  static component::Schema<AzureManagedIdentityArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const AzureManagedIdentityArgs&) const = default;
};

struct AzureWorkloadIdentityArgs {
  std::string client_id, tenant_id, token_file_path;
  static component::Schema<AzureWorkloadIdentityArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const AzureWorkloadIdentityArgs&) const = default;
};

struct AzureOAuthArgs {
  std::string client_id, tenant_id;
  Secret client_secret;
  static component::Schema<AzureOAuthArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const AzureOAuthArgs&) const = default;
};

// Whatever Azure's own libraries would find in the agent's environment or on its machine.
struct AzureSdkArgs {
  std::string tenant_id;
  static component::Schema<AzureSdkArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const AzureSdkArgs&) const = default;
};

// What a tenant's name may hold: letters, digits, '-' and '.'.
bool is_azure_tenant(std::string_view name);

struct AzureAdArgs {
  std::string cloud = "AzurePublic";
  std::string scope;
  std::optional<AzureManagedIdentityArgs> managed_identity;
  std::optional<AzureWorkloadIdentityArgs> workload_identity;
  std::optional<AzureOAuthArgs> oauth;
  std::optional<AzureSdkArgs> sdk;
  static component::Schema<AzureAdArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  bool operator==(const AzureAdArgs&) const = default;
};

struct GoogleIamArgs {
  std::string credentials_file;
  static component::Schema<GoogleIamArgs> schema();
  bool operator==(const GoogleIamArgs&) const = default;
};

// At most one of them.
struct CloudArgs {
  std::optional<SigV4Args> sigv4;
  std::optional<AzureAdArgs> azuread;
  std::optional<GoogleIamArgs> google_iam;
  static component::Schema<CloudArgs> schema();
  // `client` stands beside these blocks in `body`: none of its ways to authenticate may be given
  // with one of these.
  void validate(const lang::Body& body, const component::HttpClientArgs& client,
                lang::Diagnostics& diagnostics) const;
  bool operator==(const CloudArgs&) const = default;
};

}  // namespace agent::write
