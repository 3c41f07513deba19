// The host as the installation reaches it, and nothing more: files below a root, commands, HTTP to
// the agent itself. Tests stand on a temporary folder and recorded commands.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/process.h"
#include "agent/base/result.h"

namespace agent::install {

struct HttpAnswer {
  int status = 0;
  std::string body;  // its beginning
};
constexpr std::size_t kBodyLimit = 4096;

// One thread.
class System {
 public:
  virtual ~System() = default;
  // Where the absolute path `path` of the host lies in this process's file system.
  virtual std::filesystem::path at(std::string_view path) const = 0;
  // Runs a command to its end or to `limit`, both output streams together.
  virtual Result<ProcessResult> run(const std::vector<std::string>& argv, Duration limit,
                                    const std::optional<Identity>& identity = std::nullopt) = 0;
  // One request to the agent: on the socket that it has for its host (layout.h), which asks for no
  // password and speaks no TLS; an agent without one is asked at `address` ("127.0.0.1:12345").
  // Nothing is followed; the body is cut after `most` bytes.
  virtual Result<HttpAnswer> http(std::string_view method, const std::string& address,
                                  std::string_view path, Duration limit,
                                  std::size_t most = kBodyLimit) = 0;
};

// The machine that this process runs on.
class HostSystem final : public System {
 public:
  explicit HostSystem(const Clock& clock) : clock_(clock) {}
  std::filesystem::path at(std::string_view path) const override;
  Result<ProcessResult> run(const std::vector<std::string>& argv, Duration limit,
                            const std::optional<Identity>& identity) override;
  Result<HttpAnswer> http(std::string_view method, const std::string& address,
                          std::string_view path, Duration limit, std::size_t most) override;

 private:
  const Clock& clock_;
};

}  // namespace agent::install
