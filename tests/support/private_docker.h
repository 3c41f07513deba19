// A Docker Engine of the test's own (tests/support/lab), with the image lab:1; and the docker
// command for it.
#pragma once

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace agent {

// Standard output of a shell command, trailing newlines removed; throws when it fails.
inline std::string shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::string out;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  if (status != 0) throw std::runtime_error(command + ": " + out);
  return out;
}

class PrivateDocker {
 public:
  // Needs root.
  explicit PrivateDocker(const std::string& name) : name_(name), dir_("/tmp/fleet-" + name) {
    lab("down");
    lab("docker-up");
  }
  ~PrivateDocker() {
    try {
      lab("down");
    } catch (const std::exception&) {
      // The lab says so itself.
    }
  }
  PrivateDocker(const PrivateDocker&) = delete;
  PrivateDocker& operator=(const PrivateDocker&) = delete;

  std::string socket() const { return dir_ + "/docker/docker.sock"; }
  std::string data_root() const { return dir_ + "/docker/data"; }
  std::string host() const { return "unix://" + socket(); }
  std::string docker(const std::string& arguments) const {
    return shell("env -u DOCKER_CONTEXT /usr/bin/docker -H " + host() + " " + arguments);
  }
  // In the background; the daemon prints a warning about networks beside the id.
  void run(const std::string& name, const std::string& script,
           const std::string& flags = "") const {
    docker("run -d --name " + name + " " + flags + " lab:1 /bin/sh -c '" + script + "'");
  }
  // Stops the daemon as its service would; containers end with it.
  void stop_daemon() const { lab("docker-stop"); }
  void start_daemon() const { lab("docker-up"); }

 private:
  void lab(const std::string& verb) const {
    shell("LAB_NAME=" + name_ + " LAB_DIR=" + dir_ + " " SOURCE_DIR "/tests/support/lab " + verb);
  }
  const std::string name_;
  const std::string dir_;
};

}  // namespace agent
