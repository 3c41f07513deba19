#include "agent/write/cloud_args.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace agent::write {

using component::Schema;
using lang::Body;
using lang::Diagnostics;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// It becomes a part of a URL.
void validate_tenant(const Body& body, const std::string& tenant_id, Diagnostics& diagnostics) {
  if (is_azure_tenant(tenant_id)) return;
  diagnostics.error(body.span_of("tenant_id"), "tenant_id must be letters, digits, '-' and '.'");
}

void validate_client(const Body& body, const std::string& client_id, Diagnostics& diagnostics) {
  std::string shape = client_id;
  for (char& c : shape)
    if (is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) c = 'x';
  if (shape != "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
    diagnostics.error(body.span_of("client_id"),
                      "client_id must be a UUID, as in 00000000-0000-0000-0000-000000000000");
}

void only_one(const Body& body, std::vector<std::pair<std::string_view, bool>> ways,
              Diagnostics& diagnostics) {
  ways.erase(std::remove_if(ways.begin(), ways.end(), [](const auto& way) { return !way.second; }),
             ways.end());
  if (ways.size() < 2) return;
  std::string names;
  for (const auto& [name, given] : ways) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  diagnostics.error(body.span_of(ways.back().first), "at most one of " + names + " may be given");
}

}  // namespace

bool is_azure_tenant(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || is_letter(c) || c == '-' || c == '.';
  });
}

Schema<SigV4Args> SigV4Args::schema() {
  using A = SigV4Args;
  return Schema<A>()
      .optional("region", &A::region,
                "Region of the service. Empty: AWS_REGION or AWS_DEFAULT_REGION in the agent's "
                "environment.")
      .optional("access_key", &A::access_key,
                "Access key. Empty: found as the page says under \"Clouds\".")
      .optional("secret_key", &A::secret_key, "The access key's secret.")
      .optional("profile", &A::profile, "Profile of the shared credentials file to take keys from.")
      .optional("role_arn", &A::role_arn, "Role to assume with these keys.")
      .optional("external_id", &A::external_id, "What the role's trust policy wants to hear.")
      .optional("use_fips_sts_endpoint", &A::use_fips_sts_endpoint,
                "Assumes the role at the FIPS endpoint of STS.")
      .optional("service_name", &A::service_name, "Name of the service; aps when empty.");
}

void SigV4Args::validate(const Body& body, Diagnostics& diagnostics) const {
  if (access_key.empty() != secret_key.empty())
    diagnostics.error(body.span, "access_key and secret_key go together");
  const auto plain = [](char c) { return is_digit(c) || is_letter(c) || c == '-'; };
  for (const auto& [name, value] :
       {std::pair<std::string_view, const std::string&>("region", region),
        std::pair<std::string_view, const std::string&>("service_name", service_name)})
    if (!std::all_of(value.begin(), value.end(), plain))
      diagnostics.error(body.span_of(name), std::string(name) + " must be letters, digits and '-'");
  if (!external_id.empty() && role_arn.empty())
    diagnostics.error(body.span_of("external_id"), "external_id without role_arn has no meaning");
}

Schema<AzureManagedIdentityArgs> AzureManagedIdentityArgs::schema() {
  return Schema<AzureManagedIdentityArgs>().required(
      "client_id", &AzureManagedIdentityArgs::client_id,
      "Client of the identity that is assigned to this machine. \"\": the machine's own.");
}
void AzureManagedIdentityArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  if (!client_id.empty()) validate_client(body, client_id, diagnostics);
}

Schema<AzureWorkloadIdentityArgs> AzureWorkloadIdentityArgs::schema() {
  using A = AzureWorkloadIdentityArgs;
  return Schema<A>()
      .required("client_id", &A::client_id, "Client of the identity.")
      .required("tenant_id", &A::tenant_id, "Its tenant.")
      .optional("token_file_path", &A::token_file_path,
                "File with the token to exchange, read again each time; "
                "/var/run/secrets/azure/tokens/azure-identity-token when empty.");
}
void AzureWorkloadIdentityArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  validate_client(body, client_id, diagnostics);
  validate_tenant(body, tenant_id, diagnostics);
}

Schema<AzureOAuthArgs> AzureOAuthArgs::schema() {
  using A = AzureOAuthArgs;
  return Schema<A>()
      .required("client_id", &A::client_id, "Client of the registered application.")
      .required("client_secret", &A::client_secret, "Its secret.")
      .required("tenant_id", &A::tenant_id, "Its tenant.");
}
void AzureOAuthArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  validate_client(body, client_id, diagnostics);
  validate_tenant(body, tenant_id, diagnostics);
  if (client_secret.empty())
    diagnostics.error(body.span_of("client_secret"), "client_secret must not be empty");
}

Schema<AzureSdkArgs> AzureSdkArgs::schema() {
  return Schema<AzureSdkArgs>().required("tenant_id", &AzureSdkArgs::tenant_id,
                                         "Tenant of a workload's identity.");
}
void AzureSdkArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  validate_tenant(body, tenant_id, diagnostics);
}

Schema<AzureAdArgs> AzureAdArgs::schema() {
  using A = AzureAdArgs;
  return Schema<A>()
      .optional("cloud", &A::cloud, "AzurePublic, AzureChina or AzureGovernment.")
      .optional("scope", &A::scope,
                "Scope of the tokens. Empty: ingestion into the cloud's Azure Monitor.")
      .block("managed_identity", &A::managed_identity, "The identity of this machine.")
      .block("workload_identity", &A::workload_identity, "An identity of Kubernetes' workloads.")
      .block("oauth", &A::oauth, "An application with a secret.")
      .block("sdk", &A::sdk,
             "What the environment names, else the workload's identity, else the machine's.");
}
void AzureAdArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  if (cloud != "AzurePublic" && cloud != "AzureChina" && cloud != "AzureGovernment")
    diagnostics.error(body.span_of("cloud"),
                      "cloud must be AzurePublic, AzureChina or AzureGovernment");
  only_one(body,
           {{"managed_identity", managed_identity.has_value()},
            {"workload_identity", workload_identity.has_value()},
            {"oauth", oauth.has_value()},
            {"sdk", sdk.has_value()}},
           diagnostics);
  if (!managed_identity && !workload_identity && !oauth && !sdk)
    diagnostics.error(body.span,
                      "azuread needs one of managed_identity, workload_identity, oauth and sdk");
}

Schema<GoogleIamArgs> GoogleIamArgs::schema() {
  return Schema<GoogleIamArgs>().optional(
      "credentials_file", &GoogleIamArgs::credentials_file,
      "File with the key of a service account. Empty: found as the page says under \"Clouds\".");
}

Schema<CloudArgs> CloudArgs::schema() {
  return Schema<CloudArgs>()
      .block("sigv4", &CloudArgs::sigv4, "Signature Version 4 of Amazon Web Services.")
      .block("azuread", &CloudArgs::azuread, "A token of Microsoft Entra ID (Azure AD).")
      .block("google_iam", &CloudArgs::google_iam, "A token of Google Cloud.");
}

void CloudArgs::validate(const Body& body, const component::HttpClientArgs& client,
                         Diagnostics& diagnostics) const {
  if (!sigv4 && !azuread && !google_iam) return;
  only_one(body,
           {{"basic_auth", client.basic_auth.has_value()},
            {"authorization", client.authorization.has_value()},
            {"oauth2", client.oauth2.has_value()},
            {"bearer_token", !client.bearer_token.empty()},
            {"bearer_token_file", !client.bearer_token_file.empty()},
            {"sigv4", sigv4.has_value()},
            {"azuread", azuread.has_value()},
            {"google_iam", google_iam.has_value()}},
           diagnostics);
}

}  // namespace agent::write
