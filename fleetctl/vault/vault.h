// ansible-vault: text encrypted in a repository, as whole files or as single `!vault` values.
//
// envelope  := "$ANSIBLE_VAULT;1.1;AES256" LF hex | "$ANSIBLE_VAULT;1.2;AES256;" id LF hex
// unhex(hex) = hex(salt) LF hex(hmac) LF hex(ciphertext)          (white space in hex is ignored)
// PBKDF2-HMAC-SHA256(password, salt, 10000 rounds, 80 bytes) = AES key 32, HMAC key 32, counter 16
// plaintext  = AES-256-CTR(ciphertext) without its PKCS#7 padding; hmac = HMAC-SHA256(ciphertext)
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace fleetctl::vault {

// The passwords of one run. Deriving a key takes about 10 ms, so each (password, salt) is derived
// once. One thread at a time.
class Vault {
 public:
  Vault();
  ~Vault();
  Vault(Vault&&) noexcept;
  Vault& operator=(Vault&&) noexcept;

  // `id` is "default" unless given as ID@file. White space around the password does not count.
  void add_password(std::string id, agent::Secret password);
  // Reads "FILE" or "ID@FILE". An executable file is run: its output is the password.
  agent::Result<> add_password_file(std::string_view argument);
  bool has_passwords() const;
  // Tries the password of the envelope's id first, then the others. kNotFound without passwords,
  // kPermission when none fits, kInvalid for a damaged envelope.
  agent::Result<std::string> decrypt(std::string_view envelope);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The envelope of `plaintext` under `password`, with a random salt; lines of 80 characters.
agent::Result<std::string> encrypt(std::string_view plaintext, const agent::Secret& password,
                                   std::string_view id = {});

}  // namespace fleetctl::vault
