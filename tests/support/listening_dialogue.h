// A dialogue that sends one text and collects what comes back.
#pragma once

#include <functional>
#include <string>

#include "fleetctl/remote/remote.h"

namespace fleetctl::remote {

class ListeningDialogue final : public Dialogue {
 public:
  explicit ListeningDialogue(std::string to_send = "", bool closes = true)
      : to_send_(std::move(to_send)), closes_(closes) {}
  void on_start(Input& input) override {
    input.send(std::move(to_send_));
    if (closes_) input.close();
  }
  Result<> on_output(std::string_view bytes, Input&) override {
    output.append(bytes);
    if (heard) heard();
    return {};
  }
  Result<> on_error_output(std::string_view bytes, Input&) override {
    errors.append(bytes);
    return {};
  }
  std::string output, errors;
  std::function<void()> heard;

 private:
  std::string to_send_;
  bool closes_;
};

}  // namespace fleetctl::remote
