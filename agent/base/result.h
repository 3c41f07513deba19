// Errors are values: nothing of ours throws. An Error says what was being done, innermost cause
// last:
//   loki.write.default: POST http://x/push: connection refused
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace agent {

enum class ErrorCode {
  kInvalid,      // the input is wrong; trying again cannot help
  kNotFound,     //
  kPermission,   //
  kUnavailable,  // the outside world says no for now (refused, in use, timed out); try again later
  kIo,           // reading or writing failed
  kCancelled,    // a stop was asked for
  kExhausted,    // a limit or budget was reached
};

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;

  // "what: message" with the same code.
  Error within(std::string_view what) && {
    message.insert(0, ": ").insert(0, what);
    return std::move(*this);
  }
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// The text of errno value `number` ("No such file or directory"), and the ErrorCode that fits it.
std::string errno_text(int number);
ErrorCode errno_code(int number);
// fail() for a failed system call: "<what>: <errno text>".
tl::unexpected<Error> fail_errno(std::string_view what, int number);

}  // namespace agent
