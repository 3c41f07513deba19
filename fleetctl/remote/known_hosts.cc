#include "fleetctl/remote/known_hosts.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/base/base64.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/remote/ssh_options.h"

namespace fleetctl::remote {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::fail_errno;
using agent::Result;

constexpr std::string_view kHashed = "|1|";

// "|1|SALT|HASH", see HashKnownHosts in ssh_config(5). "" when it cannot be made.
std::string hashed_name(const std::string& salt, std::string_view host) {
  std::string hash(SHA_DIGEST_LENGTH, '\0');
  unsigned size = 0;
  if (HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()),
           reinterpret_cast<const unsigned char*>(host.data()), host.size(),
           reinterpret_cast<unsigned char*>(hash.data()), &size) == nullptr ||
      size != hash.size())
    return "";
  return std::string(kHashed) + agent::to_base64(salt) + "|" + agent::to_base64(hash);
}

bool is_meant(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with(kHashed)) return ssh_pattern_matches(pattern, host);
  constexpr std::size_t kSalt = 28;  // of 20 bytes
  const std::string_view salt = pattern.substr(kHashed.size(), kSalt);
  std::string raw(kSalt, '\0');
  if (salt.size() != kSalt || EVP_DecodeBlock(reinterpret_cast<unsigned char*>(raw.data()),
                                              reinterpret_cast<const unsigned char*>(salt.data()),
                                              kSalt) < SHA_DIGEST_LENGTH)
    return false;
  raw.resize(SHA_DIGEST_LENGTH);
  return hashed_name(raw, host) == pattern;
}

// "a*,!ab,|1|SALT|HASH": a pattern that excludes wins.
bool names(std::string_view patterns, std::string_view host) {
  bool found = false;
  for (const std::string_view word : agent::split(patterns, ',')) {
    const bool excludes = word.starts_with('!');
    if (!is_meant(excludes ? word.substr(1) : word, host)) continue;
    if (excludes) return false;
    found = true;
  }
  return found;
}

std::string_view next_word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

Result<> add_known_host(const ShownKey& key) {
  std::string salt(SHA_DIGEST_LENGTH, '\0');
  if (::getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size()))
    return fail_errno("getrandom", errno);
  const std::string name = hashed_name(salt, key.host);
  if (name.empty()) return fail(ErrorCode::kIo, "known hosts: the name cannot be hashed");
  const std::string folder = key.file.substr(0, key.file.rfind('/'));
  if (folder != key.file && !folder.empty()) ::mkdir(folder.c_str(), 0700);
  const agent::FileDescriptor fd(
      ::open(key.file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(key.file, errno);
  // A line that somebody left without its end must not swallow ours.
  char last = '\n';
  if (const auto size = ::lseek(fd.get(), 0, SEEK_END); size > 0)
    (void)!::pread(fd.get(), &last, 1, size - 1);
  return agent::write_all(
      fd.get(), (last == '\n' ? "" : "\n") + name + " " + key.type + " " + key.key + "\n");
}

Marked marked_in(std::string_view known_hosts, std::string_view host, std::string_view key) {
  Marked marked;
  for (std::string_view line : agent::split(known_hosts, '\n')) {
    const std::string_view marker = next_word(line);
    if (marker != "@revoked" && marker != "@cert-authority") continue;
    if (!names(next_word(line), host)) continue;
    next_word(line);  // the key's type, which the key itself says
    if (marker == "@cert-authority") {
      marked.authority = true;
    } else if (next_word(line) == key) {
      marked.revoked = true;
    }
  }
  return marked;
}

}  // namespace fleetctl::remote
