// Where the vault passwords of a run come from, in Ansible's order: vault_identity_list,
// --vault-id,
// --vault-password-file, vault_password_file, and at last the person.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/vault/vault.h"

namespace fleetctl::command {

struct VaultOptions {
  std::vector<std::string> ids;             // --vault-id [ID@]SOURCE: a file, a program, "prompt"
  std::vector<std::string> password_files;  // --vault-password-file
  bool ask = false;                         // -J, --ask-vault-pass
  bool input_is_data = false;               // standard input holds no answers
};

enum class Purpose {
  kRead,   // to decrypt
  kWrite,  // to encrypt: a password that is asked for is asked for twice
};

// One source: "ID@file", "file", "ID@prompt" or "prompt".
agent::Result<> add_password(const std::string& source, Purpose purpose, bool input_is_data,
                             const AnsibleConfiguration& configuration, vault::Vault& vault);
// All of them. A source that fails is a warning as long as another one works. With `always` the
// person is asked when nothing else is named.
agent::Result<> add_passwords(const VaultOptions& options, Purpose purpose, bool always,
                              const AnsibleConfiguration& configuration, vault::Vault& vault,
                              std::vector<std::string>& warnings);

}  // namespace fleetctl::command
