#include "agent/base/result.h"

#include <cerrno>
#include <system_error>

namespace agent {

std::string errno_text(int number) { return std::generic_category().message(number); }

ErrorCode errno_code(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermission;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::kExhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EAGAIN:
    case EPIPE:
      return ErrorCode::kUnavailable;
    case ECANCELED:
      return ErrorCode::kCancelled;
    case EINVAL:
    case ENAMETOOLONG:
      return ErrorCode::kInvalid;
    default:
      return ErrorCode::kIo;
  }
}

tl::unexpected<Error> fail_errno(std::string_view what, int number) {
  return fail(errno_code(number), std::string(what) + ": " + errno_text(number));
}

}  // namespace agent
