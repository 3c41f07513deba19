#include "fleetctl/vault/vault.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "fleetctl/value/encrypted.h"
#include "fleetctl/vault/inline.h"
#include "tests/support/temp_dir.h"

using agent::ErrorCode;
using agent::Wiped;
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
  vault.add_password("default", Wiped(" swordfish\n"));
  const auto text = vault.decrypt(kMadeByAnsible);
  REQUIRE(text);
  CHECK(*text == "the sea & the sky");
}

TEST_CASE("vault: what it encrypts it decrypts") {
  Vault vault;
  vault.add_password("default", Wiped("other"));
  vault.add_password("prod", Wiped("pass"));
  const std::vector<std::string> texts = {"", "x", std::string(16, 'y'), std::string("a\0b", 3)};
  for (const std::string& plaintext : texts) {
    const auto envelope = encrypt(plaintext, Wiped("pass"), "prod");
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
  vault.add_password("default", Wiped("wrong"));
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
  const auto decrypts = [](const std::string& file, const char* id = "default") {
    Vault vault;
    const auto added = vault.add_password_file(id, file);
    if (!added) return added.error().message;
    return vault.decrypt(kMadeByAnsible).value_or("not decrypted");
  };
  CHECK(decrypts(write("file", "swordfish\n", false)) == "the sea & the sky");
  CHECK(decrypts(write("program", "#!/bin/sh\necho swordfish\n", true)) == "the sea & the sky");
  CHECK(decrypts(write("x-client.sh",
                       "#!/bin/sh\n[ \"$1 $2\" = \"--vault-id dev\" ] && echo swordfish\n", true),
                 "dev") == "the sea & the sky");
  // Ansible takes white space off a file's password, but only line ends off a program's.
  CHECK(decrypts(write("spaces", "  swordfish \n", false)) == "the sea & the sky");
  CHECK_THAT(decrypts(write("spoken", "#!/bin/sh\necho ' swordfish '\n", true)),
             Catch::Contains("not decrypted"));
  CHECK_THAT(decrypts(write("fails", "#!/bin/sh\nexit 3\n", true)), Catch::Contains("failed"));
  CHECK_THAT(decrypts(write("empty", "\n", false)), Catch::Contains("is empty"));
  CHECK_THAT(decrypts("/nonexistent/file"), Catch::Contains("vault password file: open"));
}

TEST_CASE("vault: one flipped bit is noticed") {
  Vault vault;
  vault.add_password("default", Wiped("swordfish"));
  std::string text = kMadeByAnsible;
  char& last = text[text.size() - 2];
  last = last == '0' ? '1' : '0';
  CHECK_FALSE(vault.decrypt(text));
}

TEST_CASE("vault: a password file may be a vault that an earlier password opens") {
  const agent::TempDir dir;
  const auto envelope = encrypt("swordfish\n", Wiped("outer"));
  REQUIRE(envelope);
  std::ofstream(dir / "inner") << *envelope;
  Vault vault;
  CHECK_FALSE(vault.add_password_file("dev", dir / "inner"));
  vault.add_password("default", Wiped("outer"));
  REQUIRE(vault.add_password_file("dev", dir / "inner"));
  CHECK(vault.decrypt(kMadeByAnsible).value_or("") == "the sea & the sky");
}

TEST_CASE("vault: ids decide which password is tried first, and with vault_id_match alone") {
  Vault vault;
  vault.add_password("default", Wiped("swordfish"));
  const auto opened = vault.open(kMadeByAnsible);
  REQUIRE(opened);
  CHECK(opened->id == "dev");
  CHECK(opened->password.reveal() == "swordfish");
  Vault strict;
  strict.only_matching_ids();
  strict.add_password("default", Wiped("swordfish"));
  CHECK_FALSE(strict.decrypt(kMadeByAnsible));
  strict.add_password("dev", Wiped("swordfish"));
  CHECK(strict.decrypt(kMadeByAnsible));
}

TEST_CASE("vault: which password encrypts") {
  Vault vault;
  CHECK(vault.for_encryption({}).error().message.find("no vault password was given; ") == 0);
  vault.add_password("default", Wiped("a"));
  CHECK(vault.for_encryption({})->text.reveal() == "a");
  vault.add_password("prod", Wiped("b"));
  CHECK_THAT(vault.for_encryption({}).error().message, Catch::Contains("default, prod"));
  CHECK(vault.for_encryption("prod")->text.reveal() == "b");
  CHECK_THAT(vault.for_encryption("dev").error().message, Catch::Contains("no password has"));
  CHECK(encrypt("x", Wiped("a"), "default")->starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
  CHECK(encrypt("x", Wiped("a"), "prod")->starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
  CHECK_FALSE(encrypt("x", Wiped("a"), "a;b"));
}

TEST_CASE("vault: what is expected is decrypted like anything else") {
  Vault vault;
  vault.add_password("default", Wiped("pass"));
  std::vector<std::string> envelopes;
  for (int i = 0; i < 9; ++i) {
    envelopes.push_back(*encrypt(std::to_string(i), Wiped("pass")));
    vault.expect(envelopes.back());
  }
  vault.expect("$ANSIBLE_VAULT;1.1;AES256\nnot hexadecimal");
  for (std::size_t i = envelopes.size(); i-- > 0;)
    CHECK(vault.decrypt(envelopes[i]).value_or("") == std::to_string(i));
}

TEST_CASE("vault: encrypted values inside a text") {
  using fleetctl::vault::find_inline;
  const std::string text =
      "a: !vault |\n"
      "    $ANSIBLE_VAULT;1.1;AES256\n"
      "    3031\n"
      "    32\n"
      "b: text\n"
      "c:\n"
      "  - !vault |\r\n"
      "\t$ANSIBLE_VAULT;1.2;AES256;x\r\n"
      "\t33\r\n"
      "# a $ANSIBLE_VAULT;1.1 that is none\n";
  const auto found = find_inline(text);
  REQUIRE(found.size() == 2);
  CHECK(found[0].envelope == "$ANSIBLE_VAULT;1.1;AES256\n3031\n32\n");
  CHECK(found[0].indent == "    ");
  CHECK(text.substr(found[0].tag, 8) == "!vault |");
  CHECK(text.substr(found[0].to, 3) == "\nb:");
  CHECK(found[1].envelope == "$ANSIBLE_VAULT;1.2;AES256;x\n33\n");
  CHECK(text.substr(found[1].tag, 8) == "!vault |");
  CHECK(fleetctl::vault::indented(found[0].envelope, found[0].indent) ==
        text.substr(found[0].from, found[0].to - found[0].from));
  CHECK(find_inline("no vault").empty());
  CHECK(find_inline("$ANSIBLE_VAULT;1.1;AES256").size() == 1);
}
