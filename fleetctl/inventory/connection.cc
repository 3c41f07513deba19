#include "fleetctl/inventory/connection.h"

#include <charconv>
#include <cstdlib>
#include <initializer_list>

#include "agent/base/strings.h"
#include "fleetctl/inventory/shell_words.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using agent::Secret;
using value::Value;

class Reader {
 public:
  Reader(const std::string& host, const VariableLookup& lookup) : host_(host), lookup_(lookup) {}

  Result<Connection> read() {
    read_transport();
    connection_.address = text({"ansible_host", "ansible_ssh_host"}).value_or(host_);
    read_number({"ansible_port", "ansible_ssh_port"}, "a port", connection_.port);
    read_number({"ansible_ssh_timeout", "ansible_timeout"}, "a number of seconds",
                connection_.connect_timeout);
    connection_.user = text({"ansible_user", "ansible_ssh_user"}).value_or("");
    connection_.password =
        Secret(text({"ansible_password", "ansible_ssh_password", "ansible_ssh_pass"}).value_or(""));
    connection_.private_key = expand_home(
        text({"ansible_private_key_file", "ansible_ssh_private_key_file"}).value_or(""));
    for (const char* name :
         {"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"}) {
      const auto arguments = text({name});
      if (!arguments) continue;
      auto words = split_shell_words(*arguments, Comments::kNo);
      if (!words) {
        complain(name, words.error().message);
      } else {
        for (std::string& word : *words) connection_.ssh_arguments.push_back(std::move(word));
      }
    }
    connection_.host_key_checking =
        boolean({"ansible_ssh_host_key_checking", "ansible_host_key_checking"}, true);
    read_become();
    if (error_) return fail(*error_);
    return std::move(connection_);
  }

 private:
  void complain(std::string_view name, std::string_view what) {
    if (!error_) error_ = {ErrorCode::kInvalid, std::string(name) + ": " + std::string(what)};
  }

  // The first of the names that is defined. Ansible's older spellings come last.
  std::optional<Value> find(std::initializer_list<const char*> names, std::string_view& found) {
    for (const char* name : names) {
      auto value = lookup_(name);
      if (!value) {
        if (!error_) error_ = value.error();
        return std::nullopt;
      }
      if (value->has_value() && !(*value)->is_none()) {
        found = name;
        return std::move(**value);
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> text(std::initializer_list<const char*> names) {
    std::string_view name;
    const auto value = find(names, name);
    if (!value) return std::nullopt;
    if (value->is_dict() || value->is_sequence() || value->is_object()) {
      complain(name, "a text is needed, this is a " + std::string(value::type_name(*value)));
      return std::nullopt;
    }
    return value::str(*value);
  }

  bool boolean(std::initializer_list<const char*> names, bool otherwise) {
    std::string_view name;
    const auto value = find(names, name);
    if (!value) return otherwise;
    if (value->is_bool()) return value->as_bool();
    std::string word = value::str(*value);
    for (char& c : word)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    for (const char* yes : {"yes", "on", "true", "t", "y", "1", "1.0"})
      if (word == yes) return true;
    for (const char* no : {"no", "off", "false", "f", "n", "0", "0.0"})
      if (word == no) return false;
    complain(name, "yes or no is needed, not " + value::repr(*value));
    return otherwise;
  }

  void read_transport() {
    const std::string name = text({"ansible_connection"}).value_or("ssh");
    if (name == "local" || name == "ansible.builtin.local") {
      connection_.transport = Transport::kLocal;
    } else if (name != "ssh" && name != "smart" && name != "paramiko" && name != "paramiko_ssh" &&
               name != "ansible.builtin.ssh") {
      complain("ansible_connection", "'" + name + "' is not offered; ssh and local are");
    }
  }

  void read_number(std::initializer_list<const char*> names, std::string_view what,
                   std::uint16_t& number) {
    const auto written = text(names);
    if (!written || written->empty()) return;
    const std::string_view digits = agent::trim(*written);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number == 0)
      complain(*names.begin(), "'" + *written + "' is not " + std::string(what));
  }

  void read_become() {
    connection_.become = boolean({"ansible_become"}, false);
    connection_.become_method = text({"ansible_become_method"}).value_or("sudo");
    connection_.become_user = text({"ansible_become_user"}).value_or("root");
    connection_.become_password = Secret(
        text({"ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"}).value_or(""));
    if (connection_.become_method == "ansible.builtin.sudo") connection_.become_method = "sudo";
    if (connection_.become && connection_.become_method != "sudo")
      complain("ansible_become_method",
               "'" + connection_.become_method + "' is not offered; sudo is");
  }

  static std::string expand_home(std::string path) {
    const char* home = std::getenv("HOME");
    if (home != nullptr && path.substr(0, 2) == "~/") path.replace(0, 1, home);
    return path;
  }

  const std::string& host_;
  const VariableLookup& lookup_;
  Connection connection_;
  std::optional<agent::Error> error_;
};

}  // namespace

Result<Connection> read_connection(const std::string& host, const VariableLookup& lookup) {
  return Reader(host, lookup).read();
}

}  // namespace fleetctl::inventory
