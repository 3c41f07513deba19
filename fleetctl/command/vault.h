// `fleetctl vault ...`: files and values that ansible-vault also reads and writes.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/vault_passwords.h"

namespace fleetctl::command {

struct VaultCommand {
  VaultOptions passwords;
  std::filesystem::path root = ".";  // whose ansible.cfg counts
  std::vector<std::string> files;    // "-" or none: standard input
  std::string output;                // --output; "-" is standard output
  std::string encrypt_id;            // --encrypt-vault-id
  std::string new_id;                // rekey: --new-vault-id
  std::string new_password_file;     // rekey: --new-vault-password-file
  std::vector<std::string> names;    // encrypt-string: --name, for the texts in their order
  std::string stdin_name;            // encrypt-string: --stdin-name
  bool prompt = false;               // encrypt-string: --prompt
  bool show_input = false;           // encrypt-string: --show-input
};

// Data goes to `out`, the rest to `err`. A file is replaced whole or stays as it is; files before
// one that fails are done.
ExitCode vault_encrypt(VaultCommand command, std::ostream& out, std::ostream& err);
ExitCode vault_decrypt(VaultCommand command, std::ostream& out, std::ostream& err);
// Also of a file that holds single encrypted values: the file with their texts in their places.
ExitCode vault_view(VaultCommand command, std::ostream& out, std::ostream& err);
ExitCode vault_create(VaultCommand command, std::ostream& out, std::ostream& err);
ExitCode vault_edit(VaultCommand command, std::ostream& out, std::ostream& err);
// Also the single encrypted values of a file.
ExitCode vault_rekey(VaultCommand command, std::ostream& out, std::ostream& err);
// Texts as YAML: `files` are the texts, "-" or none is standard input.
ExitCode vault_encrypt_string(VaultCommand command, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
