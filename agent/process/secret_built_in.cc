// The rules that this agent brings, written from what the issuers document of their tokens: fixed
// beginnings and lengths. The names are those that Gitleaks gives such rules, so that a
// configuration which extends or disables one finds it.
//
// Each rule has keywords that are rare in lines without such a secret: they decide what a line
// without one costs.
#include "agent/process/secret_rules.h"

namespace agent::process {
namespace {

struct Token {
  const char* id;
  const char* keyword;
  const char* regex;
  double entropy = 0;
};

// One keyword, one shape.
constexpr Token kTokens[] = {
    {"1password-service-account-token", "ops_eyj", R"(\bops_eyJ[A-Za-z0-9+/]{200,}={0,3})"},
    {"adobe-client-secret", "p8e-", R"(\bp8e-[A-Za-z0-9]{32}\b)"},
    {"age-secret-key", "age-secret-key-1", R"(AGE-SECRET-KEY-1[0-9A-Z]{58})"},
    {"airtable-personnal-access-token", "airtable", R"(\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b)"},
    {"alibaba-access-key-id", "ltai", R"(\bLTAI[A-Za-z0-9]{20}\b)"},
    {"anthropic-admin-api-key", "sk-ant-admin01-", R"(\bsk-ant-admin01-[\w-]{93}AA\b)"},
    {"anthropic-api-key", "sk-ant-api03-", R"(\bsk-ant-api03-[\w-]{93}AA\b)"},
    {"artifactory-api-key", "akcp", R"(\bAKCp[A-Za-z0-9]{69}\b)"},
    {"artifactory-reference-token", "cmvmd", R"(\bcmVmd[A-Za-z0-9]{59}\b)"},
    {"atlassian-api-token", "atatt3", R"(\bATATT3[\w=-]{186})"},
    {"azure-ad-client-secret", "q~",
     R"((?:^|[^\w~.-])([\w~.]{3}\dQ~[\w~.-]{31,34})(?:$|[^\w~.-]))"},
    {"azure-storage-account-key", "accountkey=", R"(AccountKey=([A-Za-z0-9+/]{86}==))"},
    {"clojars-api-token", "clojars_", R"((?i)\bCLOJARS_[a-z0-9]{60}\b)"},
    {"cloudflare-origin-ca-key", "v1.0-", R"(\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b)"},
    {"databricks-api-token", "dapi", R"(\bdapi[a-f0-9]{32}(?:-\d)?\b)"},
    {"defined-networking-api-token", "dnkey-", R"(\bdnkey-[\w=-]{26}-[\w=-]{52}\b)"},
    {"digitalocean-access-token", "doo_v1_", R"(\bdoo_v1_[a-f0-9]{64}\b)"},
    {"digitalocean-pat", "dop_v1_", R"(\bdop_v1_[a-f0-9]{64}\b)"},
    {"digitalocean-refresh-token", "dor_v1_", R"(\bdor_v1_[a-f0-9]{64}\b)"},
    {"discord-webhook-url", "/api/webhooks/",
     R"(discord(?:app)?\.com/api/webhooks/(\d{17,20}/[\w-]{60,80}))"},
    {"docker-personal-access-token", "dckr_pat_", R"(\bdckr_pat_[\w-]{27,})"},
    {"doppler-api-token", "dp.pt.", R"(\bdp\.pt\.[A-Za-z0-9]{43}\b)"},
    {"duffel-api-token", "duffel_", R"(\bduffel_(?:test|live)_[\w=-]{43}\b)"},
    {"dynatrace-api-token", "dt0c01.", R"(\bdt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}\b)"},
    {"easypost-api-token", "ezak", R"(\bEZAK[A-Za-z0-9]{54}\b)"},
    {"easypost-test-api-token", "eztk", R"(\bEZTK[A-Za-z0-9]{54}\b)"},
    {"flutterwave-secret-key", "flwseck", R"(\bFLWSECK(?:_TEST)?-[a-h0-9]{32}-X\b)"},
    {"frameio-api-token", "fio-u-", R"(\bfio-u-[\w=-]{64})"},
    {"gcp-api-key", "aiza", R"(\bAIza[\w-]{35})", 3},
    {"gcp-oauth-token", "ya29.", R"(\bya29\.[\w-]{40,})"},
    {"github-app-token", "ghu_", R"(\bghu_[A-Za-z0-9]{36,}\b)"},
    {"github-app-server-token", "ghs_", R"(\bghs_[A-Za-z0-9]{36,}\b)"},
    {"github-fine-grained-pat", "github_pat_", R"(\bgithub_pat_\w{82}\b)"},
    {"github-oauth", "gho_", R"(\bgho_[A-Za-z0-9]{36,}\b)"},
    {"github-pat", "ghp_", R"(\bghp_[A-Za-z0-9]{36,}\b)"},
    {"github-refresh-token", "ghr_", R"(\bghr_[A-Za-z0-9]{36,}\b)"},
    {"gitlab-cicd-job-token", "glcbt-", R"(\bglcbt-[A-Za-z0-9]{1,5}_[\w-]{20,})"},
    {"gitlab-deploy-token", "gldt-", R"(\bgldt-[\w-]{20,})"},
    {"gitlab-feature-flag-client-token", "glffct-", R"(\bglffct-[\w-]{20,})"},
    {"gitlab-feed-token", "glft-", R"(\bglft-[\w-]{20,})"},
    {"gitlab-incoming-mail-token", "glimt-", R"(\bglimt-[\w-]{25,})"},
    {"gitlab-kubernetes-agent-token", "glagent-", R"(\bglagent-[\w-]{50,})"},
    {"gitlab-oauth-app-secret", "gloas-", R"(\bgloas-[\w-]{64,})"},
    {"gitlab-pat", "glpat-", R"(\bglpat-[\w-]{20,})"},
    {"gitlab-ptt", "glptt-", R"(\bglptt-[a-f0-9]{40}\b)"},
    {"gitlab-rrt", "gr1348941", R"(\bGR1348941[\w-]{20,})"},
    {"gitlab-runner-authentication-token", "glrt-", R"(\bglrt-[\w.-]{20,})"},
    {"gitlab-scim-token", "glsoat-", R"(\bglsoat-[\w-]{20,})"},
    {"grafana-api-key", "eyjrijoi", R"(\beyJrIjoi[A-Za-z0-9]{70,}={0,3})"},
    {"grafana-cloud-api-token", "glc_", R"(\bglc_[A-Za-z0-9+/]{32,}={0,3})"},
    {"grafana-service-account-token", "glsa_", R"(\bglsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}\b)"},
    {"hashicorp-tf-api-token", ".atlasv1.", R"(\b[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70})"},
    {"heroku-api-key-v2", "hrku-aa", R"(\bHRKU-AA[\w-]{58}\b)"},
    {"huggingface-access-token", "hf_", R"(\bhf_[A-Za-z]{34}\b)", 2},
    {"huggingface-organization-api-token", "api_org_", R"(\bapi_org_[A-Za-z]{34}\b)", 2},
    {"linear-api-key", "lin_api_", R"(\blin_api_[A-Za-z0-9]{40}\b)"},
    {"maxmind-license-key", "_mmk", R"(\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b)"},
    {"new-relic-browser-api-token", "nrjs-", R"(\bNRJS-[a-f0-9]{19}\b)"},
    {"new-relic-insert-key", "nrii-", R"(\bNRII-[A-Za-z0-9-]{32}\b)"},
    {"new-relic-user-api-key", "nrak-", R"(\bNRAK-[A-Za-z0-9]{27}\b)"},
    {"notion-api-token", "ntn_", R"(\bntn_[0-9]{11}[A-Za-z0-9]{35}\b)"},
    {"npm-access-token", "npm_", R"(\bnpm_[A-Za-z0-9]{36}\b)"},
    {"openai-api-key", "t3blbkfj", R"(\bsk-(?:[a-z]+-)?[\w-]{20,90}T3BlbkFJ[\w-]{20,90})"},
    {"openshift-user-token", "sha256~", R"(\bsha256~[\w-]{43})"},
    {"perplexity-api-key", "pplx-", R"(\bpplx-[A-Za-z0-9]{48}\b)"},
    {"planetscale-api-token", "pscale_tkn_", R"(\bpscale_tkn_[\w=.-]{32,64})"},
    {"planetscale-oauth-token", "pscale_oauth_", R"(\bpscale_oauth_[\w=.-]{32,64})"},
    {"planetscale-password", "pscale_pw_", R"(\bpscale_pw_[\w=.-]{32,64})"},
    {"postman-api-token", "pmak-", R"(\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b)"},
    {"prefect-api-token", "pnu_", R"(\bpnu_[A-Za-z0-9]{36}\b)"},
    {"pulumi-api-token", "pul-", R"(\bpul-[a-f0-9]{40}\b)"},
    {"pypi-upload-token", "pypi-ageichlwas5vcmc", R"(\bpypi-AgEIcHlwaS5vcmc[\w-]{50,})"},
    {"readme-api-token", "rdme_", R"(\brdme_[a-z0-9]{70}\b)"},
    {"rubygems-api-token", "rubygems_", R"(\brubygems_[a-f0-9]{48}\b)"},
    {"scalingo-api-token", "tk-us-", R"(\btk-us-[\w-]{48})"},
    {"sendgrid-api-token", "sg.", R"(\bSG\.[\w-]{22}\.[\w-]{43})"},
    {"sendinblue-api-token", "xkeysib-", R"(\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b)"},
    {"sentry-org-token", "sntrys_", R"(\bsntrys_[\w+/=-]{80,})"},
    {"sentry-user-token", "sntryu_", R"(\bsntryu_[a-f0-9]{64}\b)"},
    {"shippo-api-token", "shippo_", R"(\bshippo_(?:live|test)_[a-f0-9]{40}\b)"},
    {"shopify-access-token", "shpat_", R"(\bshpat_[A-Fa-f0-9]{32}\b)"},
    {"shopify-custom-access-token", "shpca_", R"(\bshpca_[A-Fa-f0-9]{32}\b)"},
    {"shopify-private-app-access-token", "shppa_", R"(\bshppa_[A-Fa-f0-9]{32}\b)"},
    {"shopify-shared-secret", "shpss_", R"(\bshpss_[A-Fa-f0-9]{32}\b)"},
    {"slack-app-token", "xapp-", R"(\bxapp-\d-[A-Za-z0-9]+-\d+-[A-Za-z0-9]+)"},
    {"slack-bot-token", "xoxb-", R"(\bxoxb-[0-9]{8,14}-[A-Za-z0-9-]{18,})"},
    {"slack-config-access-token", "xoxe.xox", R"(\bxoxe\.xox[bp]-\d-[A-Za-z0-9]{160,170}\b)"},
    {"slack-config-refresh-token", "xoxe-", R"(\bxoxe-\d-[A-Za-z0-9]{140,150}\b)"},
    {"slack-legacy-token", "xoxs-", R"(\bxoxs-[A-Za-z0-9-]{24,})"},
    {"slack-legacy-workspace-token", "xoxa-", R"(\bxox[ar]-(?:\d-)?[A-Za-z0-9]{8,48})"},
    {"slack-user-token", "xoxp-", R"(\bxoxp-(?:[0-9]{10,13}-){3}[A-Za-z0-9-]{28,34}\b)"},
    {"slack-webhook-url", "hooks.slack.com",
     R"(hooks\.slack\.com/(?:services|workflows|triggers)/([\w+/]{40,60}))"},
    {"sourcegraph-access-token", "sgp_", R"(\bsgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}\b)"},
    {"square-access-token", "sq0atp-", R"(\bsq0atp-[\w-]{22,60})"},
    {"square-secret", "sq0csp-", R"(\bsq0csp-[\w-]{43})"},
    {"stripe-live-token", "_live_", R"(\b(?:sk|rk)_live_[A-Za-z0-9]{10,99}\b)"},
    {"stripe-access-token", "_test_", R"(\b(?:sk|rk)_test_[A-Za-z0-9]{10,99}\b)"},
    {"tailscale-auth-key", "tskey-", R"(\btskey-[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]{20,})"},
    {"telegram-bot-api-token", ":aa", R"(\b\d{8,10}:AA[\w-]{33}\b)"},
    {"twilio-api-key", "twilio", R"(\bSK[0-9a-fA-F]{32}\b)"},
    {"typeform-api-token", "tfp_", R"(\btfp_[\w.=-]{59})"},
    {"vault-batch-token", "hvb.", R"(\bhvb\.[\w-]{138,})"},
    {"vault-service-token", "hvs.", R"(\bhvs\.[\w-]{90,})"},
};

}  // namespace

SecretRuleSet built_in_secret_rules() {
  SecretRuleSet set;
  for (const Token& token : kTokens)
    set.rules.push_back({token.id, token.regex, 0, token.entropy, {token.keyword}, {}});

  set.rules.push_back({"aws-access-token",
                       R"(\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b)",
                       0,
                       3,
                       {"akia", "asia", "abia", "acca"},
                       {}});
  SecretRule mailchimp{"mailchimp-api-key", R"(\b[a-f0-9]{32}-us\d{1,2}\b)", 0, 0, {}, {}};
  for (char digit = '1'; digit <= '9'; ++digit)  // not en-US
    mailchimp.keywords.push_back(std::string("-us") + digit);
  set.rules.push_back(std::move(mailchimp));
  // Header, payload and signature, each base64url of text that begins with {".
  set.rules.push_back(
      {"jwt", R"(\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}={0,2})", 0, 3, {"eyj"}, {}});
  // In a line the line ends stand as \n; when the end is missing all that is left belongs to it.
  set.rules.push_back({"private-key",
                       R"((?is)-----BEGIN[ A-Z0-9_-]{0,40}PRIVATE KEY(?: BLOCK)?-----.{32,}?)"
                       R"((?:-----END[ A-Z0-9_-]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z))",
                       0,
                       0,
                       {"private key"},
                       {}});
  set.rules.push_back({"authorization-header",
                       R"((?i)\bauthorization\\?["']?\s{0,3}[:=]\s{0,3}\[?\\?["']?)"
                       R"((?:basic|bearer|token)\s{1,3}([\w+/.=~-]{8,}))",
                       0,
                       0,
                       {"authorization"},
                       {}});
  set.rules.push_back({"url-credentials",
                       R"([a-z][a-z0-9+.-]{1,20}://[^\s:/?#@"']{0,64}:([^\s/?#@"']{3,128})@)",
                       0,
                       0,
                       {"://"},
                       {}});
  // A name that says secret, an assignment, and a value without order.
  SecretRule generic{
      "generic-api-key",
      R"((?i)[\w.-]{0,40}(?:access|auth|api[_.-]?key|apikey|credential|creds|passwd|password|secret|token|)"
      R"((?:private|encryption|signing)[_.-]?key)[\w.-]{0,20}\\?["']?\s{0,3}(?::=|=>|=|:)\s{0,3}\\?["'`]?)"
      R"(([\w.=+/~-]{10,150})(?:[\s"'`;,&)\]}\\<]|\z))",
      0,
      3.5,
      {"access", "auth", "api", "credential", "creds", "passw", "secret", "token", "_key"},
      {}};
  SecretAllowlist names;
  names.target = SecretAllowlist::Target::kMatch;
  names.regexes = {
      R"((?i)(?:token|key|secret|auth|access|password|credential)s?[_.-]?)"
      R"((?:ids?|names?|types?|counts?|length|size|ttl|expires?(?:_?(?:at|in))?|uri|url|path|file|time|at|usage|version|level|log|method|mode|status)\\?["']?\s{0,3}(?::=|=>|=|:))",
      R"((?i)(?:max|min|num|total|prompt|completion|input|output)[_.-]?tokens?)"};
  SecretAllowlist values;
  values.regexes = {R"(^[A-Za-z_.-]+$)", R"(^[\d.:-]+$)", R"(^/[\w./-]*$)"};
  generic.allowlists = {names, values};
  set.rules.push_back(std::move(generic));

  SecretAllowlist placeholders;
  placeholders.regexes = {R"((?i)^(?:true|false|null|none|nil|redacted|changeme|\*+|x+|\.+|-+)$)",
                          R"(^\$\{?\w+\}?$)", R"(^%\(?\w+\)?s?$)"};
  set.allowlists = {placeholders};
  return set;
}

}  // namespace agent::process
