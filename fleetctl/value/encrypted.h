// A vault-encrypted value as it lies in a variable file. Whoever reads variables decrypts it on
// first use, so that a value which nobody uses needs no password.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "fleetctl/value/value.h"

namespace fleetctl::value {

class Encrypted final : public Object {
 public:
  explicit Encrypted(std::string envelope) : envelope_(std::move(envelope)) {}
  std::string_view type_name() const override { return "AnsibleVaultEncryptedUnicode"; }
  std::string text() const override { return envelope_; }

 private:
  std::string envelope_;
};

// How a vault's text starts.
inline constexpr std::string_view kVaultMagic = "$ANSIBLE_VAULT";
inline bool is_vault_text(std::string_view text) { return text.starts_with(kVaultMagic); }

}  // namespace fleetctl::value
