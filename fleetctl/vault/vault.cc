#include "fleetctl/vault/vault.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/program_output.h"
#include "agent/base/strings.h"
#include "fleetctl/value/encrypted.h"

namespace fleetctl::vault {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using agent::Wiped;

constexpr std::size_t kSaltSize = 32;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kBlock = 16;
constexpr int kRounds = 10000;
constexpr std::size_t kMaxPassword = 1U << 20;
constexpr std::string_view kHowToGive =
    "; --vault-password-file names one, --ask-vault-pass asks for it";
using Keys = std::array<unsigned char, kKeySize * 2 + kBlock>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::optional<std::string> unhex(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  out.reserve(text.size() / 2);
  int high = -1;
  for (char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    const int value = digit(c);
    if (value < 0) return std::nullopt;
    if (high < 0) {
      high = value;
    } else {
      out.push_back(static_cast<char>(high * 16 + value));
      high = -1;
    }
  }
  if (high >= 0) return std::nullopt;
  return out;
}

struct Envelope {
  std::string id;
  std::string salt;
  std::string hmac;
  std::string ciphertext;
};
constexpr std::string_view kDefaultId = "default";
constexpr std::size_t kMostExpected = 4096;  // envelopes; more are derived when they are read

Result<Envelope> parse(std::string_view text) {
  const auto damaged = [](std::string_view what) {
    return fail(ErrorCode::kInvalid, "vault text: " + std::string(what));
  };
  text = agent::trim(text);
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return damaged("there is nothing after its first line");
  const auto header = agent::split(agent::trim(text.substr(0, end)), ';');
  if (header.size() < 3 || agent::trim(header[0]) != value::kVaultMagic)
    return damaged("it has no header");
  const std::string_view version = agent::trim(header[1]);
  if (version != "1.1" && version != "1.2")
    return damaged("version " + std::string(version) + " is not known (1.1 and 1.2 are)");
  if (agent::trim(header[2]) != "AES256")
    return damaged("cipher " + std::string(header[2]) + " is not known (AES256 is)");
  Envelope envelope;
  if (version == "1.2" && header.size() >= 4) envelope.id = std::string(agent::trim(header[3]));
  const auto body = unhex(text.substr(end + 1));
  if (!body) return damaged("its body is not hexadecimal");
  const auto parts = agent::split(*body, '\n');
  if (parts.size() != 3) return damaged("its body does not hold salt, HMAC and data");
  const auto salt = unhex(parts[0]);
  const auto hmac = unhex(parts[1]);
  auto ciphertext = unhex(parts[2]);
  if (!salt || !hmac || !ciphertext || hmac->size() != 32 || ciphertext->empty())
    return damaged("its body is damaged");
  envelope.salt = *salt;
  envelope.hmac = *hmac;
  envelope.ciphertext = std::move(*ciphertext);
  return envelope;
}

Result<Keys> derive(const Wiped& password, std::string_view salt) {
  Keys keys;
  if (PKCS5_PBKDF2_HMAC(password.reveal().data(), static_cast<int>(password.reveal().size()),
                        bytes(salt), static_cast<int>(salt.size()), kRounds, EVP_sha256(),
                        static_cast<int>(keys.size()), keys.data()) != 1)
    return fail(ErrorCode::kIo, "vault: the key could not be derived");
  return keys;
}

std::string hmac_of(const Keys& keys, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  HMAC(EVP_sha256(), keys.data() + kKeySize, static_cast<int>(kKeySize), bytes(data), data.size(),
       digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

// Counter mode is its own inverse.
Result<std::string> apply_cipher(const Keys& keys, std::string_view data) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  std::string out(data.size() + kBlock, '\0');
  int size = 0;
  if (!context ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), nullptr, keys.data(),
                         keys.data() + 2 * kKeySize) != 1 ||
      EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                        bytes(data), static_cast<int>(data.size())) != 1)
    return fail(ErrorCode::kIo, "vault: AES failed");
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Result<std::string> remove_padding(std::string plaintext) {
  const auto n = static_cast<std::size_t>(static_cast<unsigned char>(plaintext.back()));
  if (n == 0 || n > kBlock || n > plaintext.size())
    return fail(ErrorCode::kInvalid, "vault text: its padding is damaged");
  plaintext.resize(plaintext.size() - n);
  return plaintext;
}

// What the program prints. It may ask the person: it has our terminal. One whose name ends in
// -client, before any extension, is told the vault id, as Ansible does.
Result<std::string> output_of(const std::string& path, const std::string& id) {
  std::vector<std::string> words = {std::filesystem::absolute(path).string()};
  if (std::filesystem::path(path).stem().string().ends_with("-client")) {
    words.push_back("--vault-id");
    words.push_back(id);
  }
  return agent::program_output(std::move(words), kMaxPassword);
}

}  // namespace

struct Vault::State {
  using KeyName = std::pair<std::size_t, std::string>;  // number of the password, salt
  std::vector<Password> passwords;
  std::map<KeyName, Keys> keys;
  std::deque<std::string> expected;

  ~State() {
    for (auto& [name, key] : keys) OPENSSL_cleanse(key.data(), key.size());
  }

  // The passwords to try, best first.
  std::vector<std::size_t> order(const std::string& envelope_id, bool id_match) const {
    const std::string_view id = envelope_id.empty() ? kDefaultId : envelope_id;
    std::vector<std::size_t> order;
    for (const bool same_id : {true, false}) {
      if (!same_id && id_match) break;
      for (std::size_t i = 0; i < passwords.size(); ++i)
        if ((passwords[i].id == id) == same_id) order.push_back(i);
    }
    return order;
  }

  // Derives the key and, on processors that would be idle meanwhile, some of those expected.
  Result<> derive_keys(const KeyName& wanted, bool id_match) {
    const std::size_t processors = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
    std::vector<KeyName> names = {wanted};
    while (names.size() < processors && !expected.empty()) {
      const auto envelope = parse(expected.front());
      expected.pop_front();
      if (!envelope) continue;
      const auto first = order(envelope->id, id_match);
      if (first.empty()) continue;
      KeyName name(first.front(), envelope->salt);
      if (!keys.contains(name) && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(std::move(name));
    }
    std::vector<Result<Keys>> derived(names.size(), fail(ErrorCode::kIo, "vault: no key"));
    const auto derive_one = [&](std::size_t i) {
      derived[i] = derive(passwords[names[i].first].text, names[i].second);
    };
    {
      std::vector<std::jthread> beside;
      for (std::size_t i = 1; i < names.size(); ++i) beside.emplace_back(derive_one, i);
      derive_one(0);
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!derived[i]) continue;
      keys.emplace(std::move(names[i]), *derived[i]);
      OPENSSL_cleanse(derived[i]->data(), derived[i]->size());
    }
    return derived[0] ? Result<>() : fail(derived[0].error());
  }
};

Vault::Vault() : state_(std::make_unique<State>()) {}
Vault::~Vault() = default;
Vault::Vault(Vault&&) noexcept = default;
Vault& Vault::operator=(Vault&&) noexcept = default;

void Vault::add_password(std::string id, Wiped password) {
  state_->passwords.push_back({std::move(id), Wiped(std::string(agent::trim(password.reveal())))});
}

Result<> Vault::add_password_file(std::string id, std::string path) {
  if (const char* home = std::getenv("HOME"); home != nullptr && path.starts_with("~/"))
    path.replace(0, 1, home);
  std::error_code error;
  const bool program =
      std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
  auto text = program ? output_of(path, id) : agent::read_file(path, kMaxPassword);
  if (!text) return fail(std::move(text.error()).within("vault password file"));
  std::string_view password = *text;
  if (!program) password = agent::trim(password);
  if (value::is_vault_text(password)) {
    auto plaintext = decrypt(password);
    if (!plaintext) return fail(std::move(plaintext.error()).within("vault password file " + path));
    agent::wipe(*text);
    *text = std::move(*plaintext);
    password = *text;
  }
  // White space inside what a program prints belongs to the password, as with Ansible.
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r'))
    password.remove_suffix(1);
  while (!password.empty() && (password.front() == '\n' || password.front() == '\r'))
    password.remove_prefix(1);
  const bool empty = password.empty();
  if (!empty) state_->passwords.push_back({std::move(id), Wiped(std::string(password))});
  agent::wipe(*text);
  if (empty) return fail(ErrorCode::kInvalid, "vault password file " + path + " is empty");
  return {};
}

bool Vault::has_passwords() const { return !state_->passwords.empty(); }

Result<Vault::Password> Vault::for_encryption(const std::string& id) const {
  const auto& all = state_->passwords;
  std::string ids;
  for (const Password& password : all) {
    if (!id.empty() && password.id == id) return password;
    ids += (ids.empty() ? "" : ", ") + password.id;
  }
  if (all.empty())
    return fail(ErrorCode::kNotFound, "no vault password was given" + std::string(kHowToGive));
  if (!id.empty())
    return fail(ErrorCode::kNotFound, "no password has the vault id " + id + "; there are " + ids);
  if (all.size() > 1)
    return fail(ErrorCode::kInvalid, "several passwords are there, of the vault ids " + ids +
                                         "; --encrypt-vault-id says which one to encrypt with");
  return all.front();
}

void Vault::expect(std::string envelope) {
  if (has_passwords() && state_->expected.size() < kMostExpected)
    state_->expected.push_back(std::move(envelope));
}

Result<Vault::Opened> Vault::open(std::string_view text) {
  auto envelope = parse(text);
  if (!envelope) return fail(envelope.error());
  if (!has_passwords())
    return fail(ErrorCode::kNotFound,
                "it is vault-encrypted and no vault password was given" + std::string(kHowToGive));
  for (const std::size_t i : state_->order(envelope->id, id_match_)) {
    const State::KeyName name(i, envelope->salt);
    if (!state_->keys.contains(name)) {
      if (auto done = state_->derive_keys(name, id_match_); !done) return fail(done.error());
    }
    const Keys& keys = state_->keys.at(name);
    const std::string hmac = hmac_of(keys, envelope->ciphertext);
    if (hmac.size() != envelope->hmac.size() ||
        CRYPTO_memcmp(hmac.data(), envelope->hmac.data(), hmac.size()) != 0)
      continue;
    auto plaintext = apply_cipher(keys, envelope->ciphertext);
    if (!plaintext) return fail(plaintext.error());
    plaintext = remove_padding(std::move(*plaintext));
    if (!plaintext) return fail(plaintext.error());
    return Opened{std::move(*plaintext), std::move(envelope->id), state_->passwords[i].text};
  }
  return fail(
      ErrorCode::kPermission,
      "none of the vault passwords fits" +
          (envelope->id.empty() ? std::string() : " (its vault id is " + envelope->id + ")"));
}

Result<std::string> Vault::decrypt(std::string_view envelope) {
  auto opened = open(envelope);
  if (!opened) return fail(opened.error());
  return std::move(opened->plaintext);
}

Result<std::string> encrypt(std::string_view plaintext, const Wiped& password,
                            std::string_view id) {
  if (id.find_first_of(";\r\n") != std::string_view::npos)
    return fail(ErrorCode::kInvalid, "a vault id holds neither ';' nor line ends");
  std::string salt(kSaltSize, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) != 1)
    return fail(ErrorCode::kIo, "vault: no random numbers");
  auto keys = derive(password, salt);
  if (!keys) return fail(keys.error());
  const std::size_t pad = kBlock - plaintext.size() % kBlock;
  std::string padded;
  padded.reserve(plaintext.size() + pad);
  padded.append(plaintext).append(pad, static_cast<char>(pad));
  auto ciphertext = apply_cipher(*keys, padded);
  agent::wipe(padded);
  if (!ciphertext) return ciphertext;
  const std::string body =
      agent::to_hex(agent::to_hex(salt) + "\n" + agent::to_hex(hmac_of(*keys, *ciphertext)) + "\n" +
                    agent::to_hex(*ciphertext));
  OPENSSL_cleanse(keys->data(), keys->size());
  std::string out(value::kVaultMagic);
  out += id.empty() || id == kDefaultId ? std::string(";1.1;AES256\n")
                                        : ";1.2;AES256;" + std::string(id) + "\n";
  for (std::size_t i = 0; i < body.size(); i += 80) out += body.substr(i, 80) + "\n";
  return out;
}

}  // namespace fleetctl::vault
