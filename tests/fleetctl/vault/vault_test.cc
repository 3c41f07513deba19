#include "fleetctl/vault/vault.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "fleetctl/value/encrypted.h"
#include "tests/support/temp_dir.h"

using agent::ErrorCode;
using agent::Secret;
using fleetctl::vault::encrypt;
using fleetctl::vault::Vault;

namespace {
// Made by `ansible-vault encrypt_string --vault-id dev@file` with the password "swordfish".
constexpr const char* kMadeByAnsible =
    "$ANSIBLE_VAULT;1.2;AES256;dev\n"
    "30336464333238623333383762313336303161666137663739393133373935656666343939353866\n"
    "3763383962633532366430643039303861316534333531640a643566343462646433666535663836\n"
    "32656631663338323032313362633738353135326264376265633338656562633035376265336637\n"
    "3532646335376235380a616666366231396237323030613833613133323535376234623932383762\n"
    "63376231303262656266626337326162633534393737626465396135613935303130\n";
}  // namespace

TEST_CASE("vault: reads what ansible-vault wrote") {
  Vault vault;
  vault.add_password("default", Secret(" swordfish\n"));
  const auto text = vault.decrypt(kMadeByAnsible);
  REQUIRE(text);
  CHECK(*text == "the sea & the sky");
}

TEST_CASE("vault: what it encrypts it decrypts") {
  Vault vault;
  vault.add_password("default", Secret("other"));
  vault.add_password("prod", Secret("pass"));
  const std::vector<std::string> texts = {"", "x", std::string(16, 'y'), std::string("a\0b", 3)};
  for (const std::string& plaintext : texts) {
    const auto envelope = encrypt(plaintext, Secret("pass"), "prod");
    REQUIRE(envelope);
    CHECK(fleetctl::value::is_vault_text(*envelope));
    const auto back = vault.decrypt(*envelope);
    REQUIRE(back);
    CHECK(*back == plaintext);
  }
}

TEST_CASE("vault: no password, a wrong one, a damaged text") {
  Vault vault;
  CHECK(vault.decrypt(kMadeByAnsible).error().code == ErrorCode::kNotFound);
  vault.add_password("default", Secret("wrong"));
  const auto wrong = vault.decrypt(kMadeByAnsible);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kPermission);
  CHECK(wrong.error().message == "none of the vault passwords fits (its vault id is dev)");
  for (const char* text : {"", "$ANSIBLE_VAULT", "$ANSIBLE_VAULT;1.1;AES256\n",
                           "$ANSIBLE_VAULT;1.1;AES256\nzz", "$ANSIBLE_VAULT;1.1;AES256\n6162",
                           "$ANSIBLE_VAULT;9.9;AES256\n00", "$ANSIBLE_VAULT;1.1;ROT13\n00"}) {
    INFO(text);
    CHECK(vault.decrypt(text).error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("vault: the password comes from a file or from a program") {
  const agent::TempDir dir;
  const auto write = [&](const char* name, std::string_view text, bool runs) {
    const auto path = dir / name;
    std::ofstream(path) << text;
    if (runs) std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  };
  const auto decrypts = [](const std::string& argument) {
    Vault vault;
    const auto added = vault.add_password_file(argument);
    if (!added) return added.error().message;
    return vault.decrypt(kMadeByAnsible).value_or("not decrypted");
  };
  CHECK(decrypts(write("file", "swordfish\n", false)) == "the sea & the sky");
  CHECK(decrypts("dev@" + write("program", "#!/bin/sh\necho swordfish\n", true)) ==
        "the sea & the sky");
  CHECK(decrypts("dev@" + write("x-client.sh",
                                "#!/bin/sh\n[ \"$1 $2\" = \"--vault-id dev\" ] && echo swordfish\n",
                                true)) == "the sea & the sky");
  CHECK_THAT(decrypts(write("fails", "#!/bin/sh\nexit 3\n", true)), Catch::Contains("failed"));
  CHECK_THAT(decrypts(write("empty", "\n", false)), Catch::Contains("is empty"));
  CHECK_THAT(decrypts("/nonexistent/file"), Catch::Contains("vault password file: open"));
}

TEST_CASE("vault: one flipped bit is noticed") {
  Vault vault;
  vault.add_password("default", Secret("swordfish"));
  std::string text = kMadeByAnsible;
  char& last = text[text.size() - 2];
  last = last == '0' ? '1' : '0';
  CHECK_FALSE(vault.decrypt(text));
}
