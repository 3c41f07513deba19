#include "fleetctl/remote/remote.h"

#include <algorithm>

namespace fleetctl::remote {

void Input::send(Shared bytes) {
  if (!bytes->empty()) parts_.push_back(std::move(bytes));
}

std::string_view Input::next() const {
  if (parts_.empty()) return {};
  return std::string_view(*parts_.front()).substr(offset_);
}

void Input::consume(std::size_t count) {
  offset_ += count;
  if (!parts_.empty() && offset_ >= parts_.front()->size()) {
    parts_.pop_front();
    offset_ = 0;
  }
}

Result<> Remote::forward(const agent::FileDescriptor&, const Far&, const std::atomic<bool>&,
                         const Complain&) {
  return agent::fail(ErrorCode::kInvalid, "there is no tunnel to this host");
}

}  // namespace fleetctl::remote
