#include "fleetctl/remote/private_keys.h"

#include <libssh/libssh.h>

#include <utility>

namespace fleetctl::remote {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;

std::shared_ptr<ssh_key_struct> owned(ssh_key raw) { return {raw, ssh_key_free}; }

// libssh asks for the passphrase of a key that has one: that tells it from what is no key.
struct Passphrase {
  const agent::Wiped* known = nullptr;
  bool wanted = false;
};

int answer(const char*, char* buffer, std::size_t size, int, int, void* data) {
  auto& passphrase = *static_cast<Passphrase*>(data);
  passphrase.wanted = true;
  if (passphrase.known == nullptr || passphrase.known->reveal().size() >= size) return -1;
  buffer[passphrase.known->reveal().copy(buffer, size - 1)] = '\0';
  return 0;
}

Result<PrivateKey> import(const std::string& file, const agent::Wiped* passphrase) {
  Passphrase asked{passphrase};
  ssh_key raw = nullptr;
  const int state = ssh_pki_import_privkey_file(file.c_str(), nullptr, answer, &asked, &raw);
  PrivateKey found{owned(raw), nullptr};
  if (state == SSH_EOF) return fail(ErrorCode::kNotFound, "no such file, or not readable");
  if (state != SSH_OK && asked.wanted)
    return fail(ErrorCode::kPermission, "it has a passphrase: add it to ssh-agent");
  if (state != SSH_OK) return fail(ErrorCode::kInvalid, "not a key");
  raw = nullptr;
  if (ssh_pki_import_cert_file((file + "-cert.pub").c_str(), &raw) != SSH_OK) return found;
  const auto certificate = owned(raw);
  raw = nullptr;
  Passphrase again{passphrase};
  ssh_pki_import_privkey_file(file.c_str(), nullptr, answer, &again, &raw);
  auto certified = owned(raw);
  if (raw != nullptr && ssh_pki_copy_cert_to_privkey(certificate.get(), raw) == SSH_OK)
    found.certified = std::move(certified);
  return found;
}

}  // namespace

Result<PrivateKey> PrivateKeys::read(const std::string& file) {
  const agent::MutexLock lock(mutex_);
  const auto known = known_.find(file);
  return known != known_.end() ? known->second
                               : known_.emplace(file, import(file, nullptr)).first->second;
}

Result<PrivateKey> PrivateKeys::unlock(const std::string& file) {
  constexpr int kTries = 3;
  const agent::MutexLock lock(mutex_);
  auto& key = known_.try_emplace(file, import(file, nullptr)).first->second;
  const bool locked = !key && key.error().code == ErrorCode::kPermission;
  if (!locked || !ask || !asked_.insert(file).second) return key;
  for (int i = 0; i < kTries && !key; ++i) {
    const auto passphrase = ask(file, i > 0);
    if (!passphrase) break;
    key = import(file, &*passphrase);
  }
  return key;
}

}  // namespace fleetctl::remote
