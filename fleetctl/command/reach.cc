#include "fleetctl/command/reach.h"

#include <utility>

#include "fleetctl/remote/local.h"
#include "fleetctl/remote/openssh.h"

namespace fleetctl::command {

using agent::ErrorCode;
using agent::fail;

agent::Result<remote::SshTarget> ssh_target(const inventory::Connection& connection,
                                            const ReachOptions& options,
                                            std::vector<std::string>& warnings) {
  auto arguments = remote::parse_ssh_arguments(connection.ssh_arguments);
  if (!arguments) return fail(arguments.error());
  for (const std::string& one : arguments->unknown) {
    const bool handed_on = options.openssh && one.rfind("-o ", 0) == 0;
    if (!handed_on) warnings.push_back("ssh argument left out: " + one);
  }
  remote::SshTarget target;
  target.address = connection.address;
  target.port = connection.port;
  target.user = connection.user.empty() ? options.user : connection.user;
  target.password = connection.password.empty() ? options.password : connection.password;
  target.private_key =
      connection.private_key.empty() ? options.private_key : connection.private_key;
  target.host_key_checking = connection.host_key_checking;
  target.connect_timeout = options.connect_timeout;
  if (connection.connect_timeout != 0)
    target.connect_timeout = std::chrono::seconds(connection.connect_timeout);
  if (arguments->connect_timeout != 0)
    target.connect_timeout = std::chrono::seconds(arguments->connect_timeout);
  target.options = std::move(*arguments);
  target.verbose = options.verbose;
  if (options.accept_new && !target.options.host_keys)
    target.options.host_keys = remote::HostKeys::kAcceptNew;
  return target;
}

agent::Result<Reached> reach(const inventory::Connection& connection, const ReachOptions& options,
                             const agent::Clock& clock, remote::SshContext& context) {
  Reached reached;
  if (connection.transport == inventory::Transport::kLocal) {
    reached.remote = std::make_unique<remote::Local>(clock);
    return reached;
  }
  auto target = ssh_target(connection, options, reached.warnings);
  if (!target) return fail(target.error());
  if (options.openssh) {
    reached.remote = std::make_unique<remote::OpenSsh>(clock, std::move(*target));
    return reached;
  }
  reached.remote = std::make_unique<remote::Ssh>(clock, context, std::move(*target));
  return reached;
}

agent::Result<Becoming> becoming(const inventory::Connection& connection,
                                 const ReachOptions& options) {
  Becoming result;
  result.user = connection.become_user;
  if (!connection.become && !options.become) return result;
  if (connection.become_method != "sudo") {
    return fail(ErrorCode::kInvalid, "ansible_become_method: " + connection.become_method +
                                         " is not supported, sudo is");
  }
  result.password =
      connection.become_password.empty() ? options.become_password : connection.become_password;
  result.become = result.password.empty() ? plan::Become::kSudo : plan::Become::kPassword;
  return result;
}

}  // namespace fleetctl::command
