#include "fleetctl/command/vault_passwords.h"

#include <utility>

#include "fleetctl/command/terminal.h"

namespace fleetctl::command {

using agent::ErrorCode;
using agent::fail;
using agent::Result;

namespace {

Result<agent::Wiped> ask(const std::string& what, Purpose purpose, bool input_is_data) {
  const Asked asked = input_is_data ? Asked::kTerminal : Asked::kStandardInput;
  auto first = ask_secret(
      (purpose == Purpose::kWrite ? "New vault" : "Vault") + (" password" + what + ": "), asked);
  if (!first || first->empty()) return fail(ErrorCode::kInvalid, "no vault password was given");
  if (purpose == Purpose::kRead) return std::move(*first);
  const auto again = ask_secret("Confirm new vault password" + what + ": ", asked);
  if (!again || !(*again == *first))
    return fail(ErrorCode::kInvalid, "the two passwords are not the same");
  return std::move(*first);
}

std::string default_id(const AnsibleConfiguration& configuration) {
  std::string id = configuration.text("ANSIBLE_VAULT_IDENTITY", "vault_identity");
  return id.empty() ? "default" : std::move(id);
}

Result<> ask_for(const std::string& id, const std::string& what, Purpose purpose,
                 bool input_is_data, vault::Vault& vault) {
  auto password = ask(what, purpose, input_is_data);
  if (!password) return fail(password.error());
  vault.add_password(id, std::move(*password));
  return {};
}

}  // namespace

Result<> add_password(const std::string& source, Purpose purpose, bool input_is_data,
                      const AnsibleConfiguration& configuration, vault::Vault& vault) {
  const std::size_t at = source.find('@');
  std::string id = at == std::string::npos ? std::string() : source.substr(0, at);
  std::string from = at == std::string::npos ? source : source.substr(at + 1);
  if (id.empty()) id = default_id(configuration);
  if (id.find_first_of(";\r\n") != std::string::npos)
    return fail(ErrorCode::kInvalid, "'" + id + "' is no vault id: it holds ';' or a line end");
  if (from == "prompt") return ask_for(id, " (" + id + ")", purpose, input_is_data, vault);
  auto added = vault.add_password_file(std::move(id), std::move(from));
  if (!added && at == std::string::npos)
    return fail(added.error().code,
                added.error().message + "; --vault-id takes ID@FILE or ID@prompt");
  return added;
}

Result<> add_passwords(const VaultOptions& options, Purpose purpose, bool always,
                       const AnsibleConfiguration& configuration, vault::Vault& vault,
                       std::vector<std::string>& warnings) {
  std::vector<std::string> sources =
      configuration.list("ANSIBLE_VAULT_IDENTITY_LIST", "vault_identity_list");
  sources.insert(sources.end(), options.ids.begin(), options.ids.end());
  std::vector<std::string> files = options.password_files;
  if (std::string file = configuration.path("ANSIBLE_VAULT_PASSWORD_FILE", "vault_password_file");
      !file.empty())
    files.push_back(std::move(file));
  for (const std::string& file : files) sources.push_back(default_id(configuration) + "@" + file);
  if (configuration.flag("ANSIBLE_VAULT_ID_MATCH", "vault_id_match")) vault.only_matching_ids();

  std::vector<agent::Error> errors;
  for (const std::string& source : sources) {
    if (auto added = add_password(source, purpose, options.input_is_data, configuration, vault);
        !added)
      errors.push_back(added.error());
  }
  if (options.ask || configuration.flag("ANSIBLE_ASK_VAULT_PASS", "ask_vault_pass") ||
      (always && sources.empty())) {
    if (auto asked = ask_for(default_id(configuration), "", purpose, options.input_is_data, vault);
        !asked)
      return asked;
  }
  if (!errors.empty() && !vault.has_passwords()) return fail(errors.front());
  for (const agent::Error& error : errors) warnings.push_back(error.message);
  return {};
}

}  // namespace fleetctl::command
