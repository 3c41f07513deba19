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
#include "agent/base/wiped.h"

namespace fleetctl::vault {

// The passwords of one run. Deriving a key takes about 10 ms, so each (password, salt) is derived
// once, and idle processors derive the keys that will be needed next. One thread at a time.
class Vault {
 public:
  Vault();
  ~Vault();
  Vault(Vault&&) noexcept;
  Vault& operator=(Vault&&) noexcept;

  // White space around the password does not count.
  void add_password(std::string id, agent::Wiped password);
  // The file's text is the password; it may itself be a vault that an earlier password opens. An
  // executable file is run: what it prints is the password.
  agent::Result<> add_password_file(std::string id, std::string path);
  // Only a password of the envelope's own id is tried (vault_id_match).
  void only_matching_ids() { id_match_ = true; }
  bool has_passwords() const;

  struct Password {
    std::string id;
    agent::Wiped text;
  };
  // The one to encrypt with: that of `id`; without an id the only one there is.
  agent::Result<Password> for_encryption(const std::string& id) const;

  struct Opened {
    std::string plaintext;
    std::string id;         // of the envelope; "": it has none
    agent::Wiped password;  // that fitted
  };
  // Tries the password of the envelope's id first, then the others. kNotFound without passwords,
  // kPermission when none fits, kInvalid for a damaged envelope.
  agent::Result<Opened> open(std::string_view envelope);
  agent::Result<std::string> decrypt(std::string_view envelope);
  // This text will hardly go unread: its key may be derived beside another one.
  void expect(std::string envelope);

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool id_match_ = false;
};

// The envelope of `plaintext` under `password`, with a random salt; lines of 80 characters. The ids
// "" and "default" are not written (version 1.1).
agent::Result<std::string> encrypt(std::string_view plaintext, const agent::Wiped& password,
                                   std::string_view id = {});

}  // namespace fleetctl::vault
