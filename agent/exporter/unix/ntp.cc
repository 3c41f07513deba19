// A time server's own clock: one question of SNTP (RFC 5905, 7.3 and 14), 48 bytes each way: leap,
// version and mode (8 bits), stratum, poll, precision, root delay and root dispersion (16.16 bits
// of seconds), reference id, and the times of reference, origin, receive and transmit (32.32 bits
// of seconds since 1900).
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "agent/base/process.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/io/socket.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::int64_t kFrom1900 = 2'208'988'800;
constexpr double kFraction = 4294967296.0;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char byte : bytes) out = out << 8 | static_cast<unsigned char>(byte);
  return out;
}

std::uint64_t ntp_time(std::int64_t wall_ns) {
  const std::int64_t seconds = wall_ns / 1'000'000'000;
  const auto rest = static_cast<std::uint64_t>(wall_ns % 1'000'000'000);
  return static_cast<std::uint64_t>(seconds + kFrom1900) << 32 | ((rest << 32) / 1'000'000'000);
}

// From b to a: right over the turn of an era, as long as they are less than 68 years apart.
double seconds_between(std::uint64_t a, std::uint64_t b) {
  return static_cast<double>(static_cast<std::int64_t>(a - b)) / kFraction;
}

}  // namespace

Result<NtpAnswer> parse_ntp(std::string_view bytes, std::uint64_t nonce, std::int64_t sent_ns,
                            std::int64_t received_ns) {
  const auto wrong = [](const char* why) { return fail(ErrorCode::kInvalid, why); };
  if (bytes.size() < 48) return wrong("the answer is too short");
  const auto first = static_cast<unsigned char>(bytes[0]);
  if ((first & 7U) != 4) return wrong("not the answer of a server");
  const std::uint64_t reference = big_endian(bytes.substr(16, 8));
  const std::uint64_t origin = big_endian(bytes.substr(24, 8));
  const std::uint64_t received = big_endian(bytes.substr(32, 8));
  const std::uint64_t sent = big_endian(bytes.substr(40, 8));
  if (origin != nonce) return wrong("the answer is not to this question");
  if (sent == 0) return wrong("the server tells no time");
  const double inside = seconds_between(sent, received);
  if (inside < 0) return wrong("the server's clock goes backwards");
  const std::uint64_t t1 = ntp_time(sent_ns);
  const std::uint64_t t4 = ntp_time(received_ns);
  NtpAnswer out;
  out.leap = first >> 6;
  out.stratum = static_cast<unsigned char>(bytes[1]);
  out.rtt = std::max(seconds_between(t4, t1) - inside, 0.0);
  out.offset = (seconds_between(received, t1) + seconds_between(sent, t4)) / 2;
  out.root_delay = static_cast<double>(big_endian(bytes.substr(4, 4))) / 65536;
  out.root_dispersion = static_cast<double>(big_endian(bytes.substr(8, 4))) / 65536;
  out.time = static_cast<double>(sent_ns) / 1e9 + seconds_between(sent, t1);
  if (reference != 0) {
    out.reference = static_cast<double>(sent_ns) / 1e9 + seconds_between(reference, t1);
    out.age = seconds_between(sent, reference);
  }
  return out;
}

bool ntp_is_sane(const NtpAnswer& answer, double max_distance, double tolerance) {
  constexpr double kMaxDispersion = 16;
  constexpr double kMaxAge = 131072;  // the longest interval between two questions, 2^17 seconds
  // When both clocks are in step, nothing arrives before it was sent.
  const double there = answer.rtt / 2 + answer.offset;
  const double back = answer.rtt / 2 - answer.offset;
  return answer.leap != 3 && answer.stratum > 0 && answer.stratum < 16 && answer.age &&
         *answer.age >= 0 && *answer.age <= kMaxAge &&
         answer.root_delay / 2 + answer.root_dispersion <= kMaxDispersion &&
         (answer.rtt + answer.root_delay) / 2 + answer.root_dispersion <= max_distance &&
         there >= -tolerance && back >= -tolerance;
}

bool is_loopback(const std::string& address) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return ::inet_pton(AF_INET6, address.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

namespace {

struct Address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

std::optional<Address> numeric(const std::string& host, int port) {
  Address out;
  auto* four = reinterpret_cast<sockaddr_in*>(&out.bytes);
  auto* six = reinterpret_cast<sockaddr_in6*>(&out.bytes);
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<std::uint16_t>(port));
    out.length = sizeof *four;
  } else if (::inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    out.length = sizeof *six;
  } else {
    return std::nullopt;
  }
  return out;
}

// An address of the host, from whatever this host asks for names; in a child, which can be ended.
Result<Address> resolve(const std::string& host, int port, const Clock& clock,
                        const std::stop_token& stop) {
  if (const auto address = numeric(host, port)) return *address;
  Spawn spawn;
  spawn.argv = {"getent", "ahosts", "--", host};
  const auto found = run_process(spawn, "", clock, std::chrono::seconds(1), 64U << 10, stop);
  if (!found) return fail(found.error());
  const auto fields = words(std::string_view(found->output).substr(0, found->output.find('\n')));
  const auto address =
      found->status == 0 && !fields.empty() ? numeric(std::string(fields[0]), port) : std::nullopt;
  if (!address) return fail(ErrorCode::kUnavailable, "no address of " + host);
  return *address;
}

Result<NtpAnswer> ask(const NtpArgs& args, const Clock& clock, const std::stop_token& stop) {
  std::string host = args.server;
  int port = 123;
  if (const auto parts = io::split_host_port(args.server)) {
    host = parts->first;
    port = std::stoi(parts->second);
  }
  const auto address = resolve(host, port, clock, stop);
  if (!address) return fail(address.error());
  const FileDescriptor socket(
      ::socket(address->bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("ntp", errno);
  const int hops = static_cast<int>(args.ip_ttl);
  const bool six = address->bytes.ss_family == AF_INET6;
  if (::setsockopt(socket.get(), six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_UNICAST_HOPS : IP_TTL,
                   &hops, sizeof hops) != 0)
    return fail_errno("ntp: ip_ttl", errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address->bytes),
                address->length) != 0)
    return fail_errno("ntp: " + args.server, errno);
  // The server sends the transmit time back as it is. A number that nobody can guess keeps others
  // from answering.
  std::array<char, 48> question{};
  question[0] = static_cast<char>(args.protocol_version << 3 | 3);
  if (::getrandom(&question[40], 8, 0) != 8) return fail_errno("ntp", errno);
  const std::uint64_t nonce = big_endian({&question[40], 8});
  auto poller = io::Poller::create();
  if (!poller) return fail(std::move(poller.error()));
  if (auto added = poller->add(socket.get(), 1); !added) return fail(std::move(added.error()));
  const std::int64_t sent = clock.wall_ns();
  const Mono start = clock.mono();
  if (::send(socket.get(), question.data(), question.size(), 0) < 0)
    return fail_errno("ntp: " + args.server, errno);
  constexpr Duration kPatience = std::chrono::seconds(1);  // as ntpdate
  std::array<char, 1024> answer{};
  const SystemClock real;  // a server's answer does not wait for the clock of a test
  const Mono until = real.mono() + kPatience;
  while (true) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    const Duration left = until - real.mono();
    if (left <= Duration::zero())
      return fail(ErrorCode::kUnavailable, "ntp: " + args.server + ": no answer");
    if (poller->wait(left, stop).empty()) continue;
    const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return fail_errno("ntp: " + args.server, errno);
    auto parsed = parse_ntp({answer.data(), static_cast<std::size_t>(got)}, nonce, sent,
                            sent + (clock.mono() - start).count());
    if (!parsed) return fail(std::move(parsed.error()).within("ntp: " + args.server));
    return parsed;
  }
}

}  // namespace

Result<Collect> make_ntp(const UnixArgs& args, const Roots&, Clock& clock) {
  // The day at whose end a leap second was announced: the flag goes with it, smeared clocks do not.
  const auto leap_midnight = std::make_shared<double>(0);
  return Collect([args = args.ntp, &clock, leap_midnight](Families& out,
                                                          const std::stop_token& stop) -> Result<> {
    const auto answer = ask(args, clock, stop);
    if (!answer) return fail(answer.error());
    const auto seconds = [](Duration duration) {
      return std::chrono::duration<double>(duration).count();
    };
    constexpr double kDay = 86400;
    double tolerance = seconds(args.local_offset_tolerance);
    if (answer->leap == 1 || answer->leap == 2)
      *leap_midnight = std::floor(answer->time / kDay) * kDay + kDay;
    if (std::abs(answer->time - *leap_midnight) < kDay) tolerance += 1;
    out.gauge("node_ntp_stratum", "Servers between this one and a reference clock.",
              answer->stratum);
    out.gauge("node_ntp_leap", "Two bits: a leap second is near (1, 2), or not in step (3).",
              answer->leap);
    out.gauge("node_ntp_rtt_seconds", "Time to the server and back.", answer->rtt);
    out.gauge("node_ntp_offset_seconds", "From the local clock to the server's.", answer->offset);
    out.gauge("node_ntp_reference_timestamp_seconds", "When the server's clock was set last.",
              std::max(answer->reference, 0.0));
    out.gauge("node_ntp_root_delay_seconds", "Time to the reference clock and back.",
              answer->root_delay);
    out.gauge("node_ntp_root_dispersion_seconds", "Dispersion to the reference clock.",
              answer->root_dispersion);
    out.gauge("node_ntp_sanity", "1 when the server's clock can be trusted.",
              ntp_is_sane(*answer, seconds(args.max_distance), tolerance) ? 1 : 0);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
