#include "fleetctl/command/vault.h"

#include <unistd.h>

#include <functional>
#include <iostream>
#include <iterator>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/private_file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/vault/inline.h"
#include "fleetctl/vault/vault.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using agent::Wiped;
using value::is_vault_text;
using vault::Vault;

constexpr std::string_view kStandard = "-";
// How ansible-vault indents encrypted values.
constexpr std::string_view kIndent = "          ";

bool reads_input(const VaultCommand& command) {
  for (const std::string& file : command.files)
    if (file == kStandard) return true;
  return command.files.empty();
}

// The passwords of a command, and what it does with one file after the other.
class Session {
 public:
  Session(VaultCommand& command, std::ostream& out, std::ostream& err)
      : command_(command),
        out_(out),
        err_(err),
        configuration_(AnsibleConfiguration::find(command.root)) {}

  const VaultCommand& command() const { return command_; }
  Vault& vault() { return vault_; }
  std::ostream& out() { return out_; }

  ExitCode refuse(const std::string& what) {
    err_ << what << "\n";
    return ExitCode::kRefused;
  }

  Result<> read_passwords(Purpose purpose) {
    std::vector<std::string> warnings;
    auto added = add_passwords(command_.passwords, purpose, true, configuration_, vault_, warnings);
    print_warnings(warnings, err_);
    return added;
  }
  std::string encryption_id() const {
    return command_.encrypt_id.empty()
               ? configuration_.text("ANSIBLE_VAULT_ENCRYPT_IDENTITY", "vault_encrypt_identity")
               : command_.encrypt_id;
  }
  Result<Vault::Password> password_to_write() {
    if (auto done = read_passwords(Purpose::kWrite); !done) return fail(done.error());
    return vault_.for_encryption(encryption_id());
  }
  // Of rekey: a new source, another of the known ids, or the person.
  Result<Vault::Password> new_password() {
    std::string source = command_.new_id;
    if (!command_.new_password_file.empty()) source = "default@" + command_.new_password_file;
    const std::string id = encryption_id();
    if (source.empty() && !id.empty()) return vault_.for_encryption(id);
    Vault fresh;
    auto added = source.empty()
                     ? ask_new(fresh)
                     : add_password(source, Purpose::kWrite, false, configuration_, fresh);
    if (!added) return fail(std::move(added.error()).within("new vault password"));
    return fresh.for_encryption({});
  }

  Result<Wiped> read(const std::string& file) const {
    if (file == kStandard) return Wiped(std::string(std::istreambuf_iterator<char>(std::cin), {}));
    auto text = agent::read_file(file);
    if (!text) return fail(text.error());
    return Wiped(std::move(*text));
  }
  // What was read from `file` goes back to it, or to --output.
  Result<> write(const std::string& file, std::string_view bytes, Mode mode) {
    const std::string& to = command_.output.empty() ? file : command_.output;
    if (to == kStandard) {
      out_ << bytes;
      out_.flush();
      return out_ ? Result<>() : fail(ErrorCode::kIo, "writing to standard output failed");
    }
    return replace_file(to, bytes, mode);
  }

  using Work = std::function<Result<>(const std::string& file)>;
  ExitCode for_each_file(const Work& work) {
    if (command_.files.empty()) command_.files = {std::string(kStandard)};
    if (!command_.output.empty() && command_.files.size() > 1) {
      err_ << "fleetctl: --output goes with one file\n";
      return ExitCode::kUsage;
    }
    for (const std::string& file : command_.files) {
      const auto done = work(file);
      if (!done)
        return refuse((file == kStandard ? "standard input" : file) + ": " + done.error().message);
    }
    return ExitCode::kDone;
  }

 private:
  Result<> ask_new(Vault& fresh) {
    return add_password("default@prompt", Purpose::kWrite, false, configuration_, fresh);
  }

  VaultCommand& command_;
  std::ostream& out_;
  std::ostream& err_;
  AnsibleConfiguration configuration_;
  Vault vault_;
};

Result<Vault::Opened> open_whole(Vault& vault, const Wiped& text) {
  if (!is_vault_text(agent::trim(text.reveal())))
    return fail(ErrorCode::kInvalid, "it is not encrypted with ansible-vault");
  return vault.open(text.reveal());
}

// The text with each of its encrypted values replaced by what `replacement` makes of it.
using Replacement =
    std::function<Result<std::string>(const vault::InlineVault& value, Vault::Opened opened)>;
Result<Wiped> replace_inline(Vault& vault, const std::string& text, bool with_tag,
                             const Replacement& replacement) {
  const auto values = vault::find_inline(text);
  if (values.empty())
    return fail(ErrorCode::kInvalid, "it holds nothing that is encrypted with ansible-vault");
  for (const auto& value : values) vault.expect(value.envelope);
  std::string out;
  std::size_t done = 0;
  for (const auto& value : values) {
    auto opened = vault.open(value.envelope);
    std::string made;
    if (opened) {
      auto result = replacement(value, std::move(*opened));
      if (!result) return fail(result.error());
      made = std::move(*result);
    } else {
      const auto line =
          1 +
          std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(value.from), '\n');
      return fail(std::move(opened.error()).within("line " + std::to_string(line)));
    }
    const std::size_t from = with_tag ? value.tag : value.from;
    out.append(text, done, from - done).append(made);
    done = value.to;
  }
  out.append(text, done);
  return Wiped(std::move(out));
}

}  // namespace

ExitCode vault_encrypt(VaultCommand command, std::ostream& out, std::ostream& err) {
  command.passwords.input_is_data = reads_input(command);
  Session session(command, out, err);
  const auto password = session.password_to_write();
  if (!password) return session.refuse("fleetctl: " + password.error().message);
  return session.for_each_file([&](const std::string& file) -> Result<> {
    const auto text = session.read(file);
    if (!text) return fail(text.error());
    if (is_vault_text(text->reveal())) return fail(ErrorCode::kInvalid, "it is already encrypted");
    const auto envelope = vault::encrypt(text->reveal(), password->text, password->id);
    if (!envelope) return fail(envelope.error());
    return session.write(file, *envelope, Mode::kPrivate);
  });
}

ExitCode vault_decrypt(VaultCommand command, std::ostream& out, std::ostream& err) {
  command.passwords.input_is_data = reads_input(command);
  Session session(command, out, err);
  if (auto done = session.read_passwords(Purpose::kRead); !done)
    return session.refuse("fleetctl: " + done.error().message);
  return session.for_each_file([&](const std::string& file) -> Result<> {
    const auto text = session.read(file);
    if (!text) return fail(text.error());
    auto opened = open_whole(session.vault(), *text);
    if (!opened) return fail(opened.error());
    const Wiped plaintext(std::move(opened->plaintext));
    return session.write(file, plaintext.reveal(), Mode::kPrivate);
  });
}

ExitCode vault_view(VaultCommand command, std::ostream& out, std::ostream& err) {
  command.passwords.input_is_data = reads_input(command);
  Session session(command, out, err);
  if (auto done = session.read_passwords(Purpose::kRead); !done)
    return session.refuse("fleetctl: " + done.error().message);
  return session.for_each_file([&](const std::string& file) -> Result<> {
    const auto text = session.read(file);
    if (!text) return fail(text.error());
    Result<Wiped> shown = Wiped();
    if (is_vault_text(agent::trim(text->reveal()))) {
      auto opened = session.vault().open(text->reveal());
      if (!opened) return fail(opened.error());
      shown = Wiped(std::move(opened->plaintext));
    } else {
      shown = replace_inline(
          session.vault(), text->reveal(), true,
          [](const vault::InlineVault&, Vault::Opened opened) -> Result<std::string> {
            return agent::json_string(Wiped(std::move(opened.plaintext)).reveal());
          });
    }
    if (!shown) return fail(shown.error());
    session.out() << shown->reveal();
    session.out().flush();
    return session.out() ? Result<>() : fail(ErrorCode::kIo, "writing to standard output failed");
  });
}

ExitCode vault_create(VaultCommand command, std::ostream& out, std::ostream& err) {
  Session session(command, out, err);
  if (command.files.size() != 1) {
    err << "fleetctl: create takes the name of one file\n";
    return ExitCode::kUsage;
  }
  std::error_code error;
  const fs::path file = command.files.front();
  if (fs::exists(file, error))
    return session.refuse(file.string() + " exists; `fleetctl vault edit` changes it");
  const auto password = session.password_to_write();
  if (!password) return session.refuse("fleetctl: " + password.error().message);
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), error);
  const auto done =
      edit_text({}, file.extension().string(), [&](std::string_view edited) -> Result<> {
        const auto envelope = vault::encrypt(edited, password->text, password->id);
        if (!envelope) return fail(envelope.error());
        return replace_file(file, *envelope, Mode::kPrivate);
      });
  return done ? ExitCode::kDone : session.refuse(file.string() + ": " + done.error().message);
}

ExitCode vault_edit(VaultCommand command, std::ostream& out, std::ostream& err) {
  Session session(command, out, err);
  if (reads_input(command)) {
    err << "fleetctl: edit takes the names of files\n";
    return ExitCode::kUsage;
  }
  if (auto done = session.read_passwords(Purpose::kRead); !done)
    return session.refuse("fleetctl: " + done.error().message);
  return session.for_each_file([&](const std::string& file) -> Result<> {
    const auto text = session.read(file);
    if (!text) return fail(text.error());
    auto opened = open_whole(session.vault(), *text);
    if (!opened) return fail(opened.error());
    const Wiped before(std::move(opened->plaintext));
    // Under the id and the password that it had.
    return edit_text(before.reveal(), fs::path(file).extension().string(),
                     [&](std::string_view edited) -> Result<> {
                       if (edited == before.reveal()) return {};
                       const auto envelope = vault::encrypt(edited, opened->password, opened->id);
                       if (!envelope) return fail(envelope.error());
                       return replace_file(file, *envelope, Mode::kKept);
                     });
  });
}

ExitCode vault_rekey(VaultCommand command, std::ostream& out, std::ostream& err) {
  Session session(command, out, err);
  if (reads_input(command)) {
    err << "fleetctl: rekey takes the names of files\n";
    return ExitCode::kUsage;
  }
  if (auto done = session.read_passwords(Purpose::kRead); !done)
    return session.refuse("fleetctl: " + done.error().message);
  const auto password = session.new_password();
  if (!password) return session.refuse("fleetctl: " + password.error().message);
  const auto again = [&](Vault::Opened opened) {
    return vault::encrypt(Wiped(std::move(opened.plaintext)).reveal(), password->text,
                          password->id);
  };
  return session.for_each_file([&](const std::string& file) -> Result<> {
    const auto text = session.read(file);
    if (!text) return fail(text.error());
    if (is_vault_text(agent::trim(text->reveal()))) {
      auto opened = session.vault().open(text->reveal());
      if (!opened) return fail(opened.error());
      const auto envelope = again(std::move(*opened));
      if (!envelope) return fail(envelope.error());
      return replace_file(file, *envelope, Mode::kKept);
    }
    const auto rekeyed = replace_inline(
        session.vault(), text->reveal(), false,
        [&](const vault::InlineVault& value, Vault::Opened opened) -> Result<std::string> {
          const auto envelope = again(std::move(opened));
          if (!envelope) return fail(envelope.error());
          return vault::indented(*envelope, value.indent);
        });
    if (!rekeyed) return fail(rekeyed.error());
    return replace_file(file, rekeyed->reveal(), Mode::kKept);
  });
}

namespace {

struct NamedText {
  std::string name;
  Wiped text;
  std::string source;
};

Result<std::vector<NamedText>> texts_to_encrypt(VaultCommand& command) {
  std::vector<NamedText> texts;
  if (command.prompt) {
    const auto name = ask_line("Variable name (enter for no name): ");
    std::optional<Wiped> text;
    if (command.show_input) {
      if (auto line = ask_line("String to encrypt: ")) text = Wiped(std::move(*line));
    } else {
      text = ask_secret("String to encrypt (hidden): ");
    }
    if (!name || !text || text->empty())
      return fail(ErrorCode::kInvalid, "the text to encrypt is empty");
    texts.push_back({*name, std::move(*text), "the prompt"});
  }
  const bool input = !command.prompt && (reads_input(command) || !command.stdin_name.empty());
  if (input) {
    Wiped text(std::string(std::istreambuf_iterator<char>(std::cin), {}));
    if (text.empty()) return fail(ErrorCode::kInvalid, "standard input is empty");
    texts.push_back({command.stdin_name, std::move(text), "standard input"});
  }
  std::size_t number = 0;
  for (std::string& file : command.files) {
    if (file == kStandard) continue;
    if (file.empty()) return fail(ErrorCode::kInvalid, "the text to encrypt is empty");
    texts.push_back({number < command.names.size() ? command.names[number] : std::string(),
                     Wiped(std::move(file)), "the command line"});
    ++number;
  }
  return texts;
}

}  // namespace

ExitCode vault_encrypt_string(VaultCommand command, std::ostream& out, std::ostream& err) {
  const bool input = reads_input(command) || !command.stdin_name.empty();
  command.passwords.input_is_data = input && !command.prompt;
  Session session(command, out, err);
  const auto password = session.password_to_write();
  if (!password) return session.refuse("fleetctl: " + password.error().message);
  auto texts = texts_to_encrypt(command);
  if (!texts) return session.refuse("fleetctl: " + texts.error().message);
  std::string yaml;
  for (std::size_t i = 0; i < texts->size(); ++i) {
    const NamedText& one = (*texts)[i];
    const auto envelope = vault::encrypt(one.text.reveal(), password->text, password->id);
    if (!envelope) return session.refuse("fleetctl: " + envelope.error().message);
    if (texts->size() > 1)
      err << "# The encrypted text number " << i + 1 << ", from " << one.source
          << (one.name.empty() ? "" : " (" + one.name + ")") << "\n";
    yaml += (one.name.empty() ? "" : one.name + ": ") + "!vault |\n" +
            vault::indented(*envelope, kIndent) + "\n";
  }
  const auto written = session.write(std::string(kStandard), yaml, Mode::kPrivate);
  return written ? ExitCode::kDone : session.refuse("fleetctl: " + written.error().message);
}

}  // namespace fleetctl::command
