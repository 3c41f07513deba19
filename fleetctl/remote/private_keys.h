// The private keys that a run logs in with: each file is read once and asked for its passphrase
// once, for all hosts. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/wiped.h"

struct ssh_key_struct;  // libssh's

namespace fleetctl::remote {

// The passphrase of the key in `file`; `again`: the last one was wrong. nullopt: nobody says it.
using AskPassphrase =
    std::function<std::optional<agent::Wiped>(const std::string& file, bool again)>;

struct PrivateKey {
  std::shared_ptr<ssh_key_struct> key;
  // The same with the certificate that lies beside it (FILE-cert.pub); none: there is none.
  std::shared_ptr<ssh_key_struct> certified;
};

class PrivateKeys {
 public:
  // kPermission: it has a passphrase, and unlock() was not called or failed; kNotFound: there is no
  // such file, or it cannot be read; kInvalid: it is no key.
  agent::Result<PrivateKey> read(const std::string& file) EXCLUDES(mutex_);
  // Asks for the passphrase of a key that read() could not open, three times at most; others wait.
  agent::Result<PrivateKey> unlock(const std::string& file) EXCLUDES(mutex_);

  AskPassphrase ask;  // none: nobody can be asked. Set before the first use.

 private:
  agent::Mutex mutex_;
  std::map<std::string, agent::Result<PrivateKey>> known_ GUARDED_BY(mutex_);
  std::set<std::string> asked_ GUARDED_BY(mutex_);
};

}  // namespace fleetctl::remote
