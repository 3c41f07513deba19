// Who may ask the agent's own server for what: passwords, and what a browser on this host is made
// to ask by a page of somebody else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/io/http_server.h"
#include "agent/runtime/settings.h"

namespace agent::ui {

// Immutable.
class Access {
 public:
  // `address`: where the server listens, as bound.
  Access(const std::optional<runtime::HttpAuthArgs>& auth, std::string_view address);

  // The answer to a request that is refused; nullopt lets it in.
  // - 401 without the password, where the configuration asks for it;
  // - 403 when the server listens on the loopback only, and a request without password names
  // another
  //   host (DNS rebinding: a page of evil.example, which suddenly resolves to 127.0.0.1);
  // - 403 for a support bundle that another host could ask for without password;
  // - 403 for what a page of another site asks for in the background, and for whatever it makes a
  //   browser ask for that changes something.
  // `asked`: the path as it was asked for, when the request has it without a prefix; filters may
  // name either.
  std::optional<io::ServerReply> refusal(const io::ServerRequest& request,
                                         std::string_view asked = {}) const;

  bool loopback() const { return loopback_; }
  // Some paths at least need the password.
  bool asks_for_password() const;

 private:
  bool needs_password(std::string_view path, std::string_view asked) const;

  bool loopback_;
  std::string expected_;  // SHA-256 of the header that lets in; "" when nobody is asked for one
  std::optional<runtime::HttpFilterArgs> filter_;
};

// Of "host:port", or a host alone: 127.0.0.0/8, ::1 or localhost.
bool is_loopback(std::string_view address);

}  // namespace agent::ui
