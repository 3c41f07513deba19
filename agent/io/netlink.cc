#include "agent/io/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <vector>

namespace agent::io {
namespace {

constexpr std::size_t kMaxAnswer = 256U << 20;
constexpr std::size_t kBuffer = 256U << 10;  // a message of a dump is at most 32 KiB

}  // namespace

Result<Netlink> Netlink::open(int protocol) {
  FileDescriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!socket) {
    // What a kernel was built without.
    if (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT)
      return fail(ErrorCode::kNotFound, "netlink: " + errno_text(errno));
    return fail_errno("netlink", errno);
  }
  const timeval patience{1, 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
    return fail_errno("netlink: a time limit", errno);
  return Netlink(std::move(socket));
}

Result<> Netlink::ask(std::uint16_t type, bool dump, std::string_view payload, const Each& each,
                      const std::stop_token& stop) {
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(sizeof head + payload.size());
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | (dump ? NLM_F_DUMP : NLM_F_ACK));
  head.nlmsg_seq = ++sequence_;
  const std::string request = struct_bytes(head).append(payload);
  if (::send(socket_.get(), request.data(), request.size(), 0) < 0)
    return fail_errno("netlink: asking", errno);

  std::vector<char> buffer(kBuffer);
  std::size_t total = 0;
  while (true) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    sockaddr_nl from{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = ::recvmsg(socket_.get(), &message, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return fail(ErrorCode::kUnavailable, "netlink: no answer");
      return fail_errno("netlink: the answer", errno);
    }
    if (from.nl_pid != 0) continue;  // other processes may send, too; only the kernel is believed
    if ((message.msg_flags & MSG_TRUNC) != 0)
      return fail(ErrorCode::kExhausted, "netlink: a message is too large");
    total += static_cast<std::size_t>(got);
    if (total > kMaxAnswer) return fail(ErrorCode::kExhausted, "netlink: the answer is too large");
    std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
    while (const auto one = read_struct<nlmsghdr>(rest)) {
      if (one->nlmsg_len < sizeof *one || one->nlmsg_len > rest.size())
        return fail(ErrorCode::kInvalid, "netlink: a message has a wrong length");
      const std::string_view body = rest.substr(sizeof *one, one->nlmsg_len - sizeof *one);
      rest.remove_prefix(std::min(rest.size(), netlink_align(one->nlmsg_len)));
      if (one->nlmsg_seq != sequence_) continue;  // of a question that was given up
      if (one->nlmsg_type == NLMSG_ERROR || one->nlmsg_type == NLMSG_DONE) {
        const int error = -read_struct<int>(body).value_or(0);
        if (error > 0) return fail_errno("netlink", error);
        return {};
      }
      if (one->nlmsg_type >= NLMSG_MIN_TYPE) each(one->nlmsg_type, body);
    }
  }
}

std::string attribute(int type, std::string_view value) {
  std::string out = struct_bytes(static_cast<std::uint16_t>(4 + value.size())) +
                    struct_bytes(static_cast<std::uint16_t>(type));
  out.append(value);
  out.resize(netlink_align(out.size()), '\0');
  return out;
}

std::string attribute_text(std::string_view value) {
  return std::string(value.substr(0, value.find('\0')));
}

}  // namespace agent::io
