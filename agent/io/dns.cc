#include "agent/io/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <memory>

namespace agent::io {
namespace {

using std::chrono::milliseconds;

constexpr int kTryMs = 2'000;  // the first; later ones are longer
constexpr int kTries = 2;
constexpr milliseconds kSlice{200};  // after which a stop is looked for
// No answer of 64 KiB has more addresses.
constexpr int kMaxAddresses = 4'096;

struct Question {
  Result<DnsRecords> answer = fail(ErrorCode::kUnavailable, "no answer");
  DnsType type{};
  std::size_t* open = nullptr;
};

std::string address_text(int family, const void* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, bytes, text.data(), text.size());
  return text.data();
}

template <class Reply, class Add>
int with_list(int (*parse)(const unsigned char*, int, Reply**), const unsigned char* bytes,
              int size, Add add) {
  Reply* list = nullptr;
  const int status = parse(bytes, size, &list);
  const std::unique_ptr<Reply, void (*)(void*)> owner(list, ares_free_data);
  for (const Reply* one = list; status == ARES_SUCCESS && one != nullptr; one = one->next)
    add(*one);
  return status;
}

int parse(DnsType type, const unsigned char* bytes, int size, DnsRecords& out) {
  switch (type) {
    case DnsType::kA: {
      std::vector<ares_addrttl> found(kMaxAddresses);
      int count = kMaxAddresses;
      const int status = ares_parse_a_reply(bytes, size, nullptr, found.data(), &count);
      for (int i = 0; status == ARES_SUCCESS && i < count; ++i)
        out.push_back({address_text(AF_INET, &found[static_cast<std::size_t>(i)].ipaddr)});
      return status;
    }
    case DnsType::kAaaa: {
      std::vector<ares_addr6ttl> found(kMaxAddresses);
      int count = kMaxAddresses;
      const int status = ares_parse_aaaa_reply(bytes, size, nullptr, found.data(), &count);
      for (int i = 0; status == ARES_SUCCESS && i < count; ++i)
        out.push_back({address_text(AF_INET6, &found[static_cast<std::size_t>(i)].ip6addr)});
      return status;
    }
    case DnsType::kNs: {
      hostent* host = nullptr;
      const int status = ares_parse_ns_reply(bytes, size, &host);
      const std::unique_ptr<hostent, void (*)(hostent*)> owner(host, ares_free_hostent);
      for (char** name = host == nullptr ? nullptr : host->h_aliases;
           status == ARES_SUCCESS && name != nullptr && *name != nullptr; ++name)
        out.push_back({*name});
      return status;
    }
    case DnsType::kMx:
      return with_list(&ares_parse_mx_reply, bytes, size,
                       [&](const ares_mx_reply& one) { out.push_back({one.host}); });
    case DnsType::kSrv:
      return with_list(&ares_parse_srv_reply, bytes, size, [&](const ares_srv_reply& one) {
        out.push_back({one.host, one.port});
      });
  }
  return ARES_EBADQUERY;
}

void on_answer(void* argument, int status, int, unsigned char* bytes, int size) {
  auto& question = *static_cast<Question*>(argument);
  --*question.open;
  DnsRecords records;
  if (status == ARES_SUCCESS) status = parse(question.type, bytes, size, records);
  if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND) {
    std::sort(records.begin(), records.end());
    records.erase(std::unique(records.begin(), records.end()), records.end());
    question.answer = std::move(records);
  } else if (status != ARES_ECANCELLED && status != ARES_EDESTRUCTION) {
    question.answer = fail(ErrorCode::kUnavailable, ares_strerror(status));
  }
}

// Waits for one of the channel's sockets, and serves it.
void serve(ares_channel channel, Duration at_most) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const auto wanted = static_cast<unsigned>(
      ares_getsock(channel, sockets.data(), static_cast<int>(sockets.size())));
  std::array<pollfd, ARES_GETSOCK_MAXNUM> polled{};
  nfds_t count = 0;
  for (unsigned i = 0; i < sockets.size(); ++i) {
    const bool read = (wanted >> i & 1U) != 0;
    const bool write = (wanted >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
    if (!read && !write) continue;
    polled[count].fd = sockets[i];
    polled[count++].events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
  }
  timeval wait{};
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(at_most);
  timeval longest{static_cast<time_t>(limit.count() / 1'000'000),
                  static_cast<suseconds_t>(limit.count() % 1'000'000)};
  const timeval* next = ares_timeout(channel, &longest, &wait);
  const auto left = static_cast<int>(next->tv_sec * 1'000 + next->tv_usec / 1'000 + 1);
  (void)::poll(polled.data(), count, left);
  for (nfds_t i = 0; i < count; ++i) {
    const bool failed = (polled[i].revents & (POLLERR | POLLHUP)) != 0;
    ares_process_fd(channel,
                    failed || (polled[i].revents & POLLIN) != 0 ? polled[i].fd : ARES_SOCKET_BAD,
                    (polled[i].revents & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what took too long
}

}  // namespace

std::vector<Result<DnsRecords>> look_up(const std::vector<std::string>& names, DnsType type,
                                        const DnsOptions& options, const Clock& clock,
                                        const std::stop_token& stop) {
  const auto all_fail = [&](const Error& error) {
    return std::vector<Result<DnsRecords>>(names.size(), fail(error));
  };
  // Made anew each time, because the host's configuration may have changed.
  ares_options set{};
  set.flags = ARES_FLAG_NOALIASES;
  set.timeout = kTryMs;
  set.tries = kTries;
  ares_channel channel = nullptr;
  if (const int status =
          ares_init_options(&channel, &set, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
      status != ARES_SUCCESS)
    return all_fail({ErrorCode::kUnavailable, ares_strerror(status)});
  const std::unique_ptr<std::remove_pointer_t<ares_channel>, void (*)(ares_channel)> owner(
      channel, ares_destroy);
  if (!options.servers.empty()) {
    if (const int status = ares_set_servers_ports_csv(channel, options.servers.c_str());
        status != ARES_SUCCESS)
      return all_fail({ErrorCode::kInvalid, ares_strerror(status)});
  }

  std::size_t open = names.size();
  std::vector<Question> questions(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    questions[i].type = type;
    questions[i].open = &open;
    ares_search(channel, names[i].c_str(), ns_c_in, static_cast<int>(type), &on_answer,
                &questions[i]);
  }
  const Mono until = clock.mono() + options.patience;
  while (open > 0 && !stop.stop_requested() && clock.mono() < until)
    serve(channel, std::min<Duration>(kSlice, until - clock.mono()));
  const bool stopped = open > 0 && stop.stop_requested();
  ares_cancel(channel);

  std::vector<Result<DnsRecords>> out;
  for (Question& question : questions) out.push_back(std::move(question.answer));
  if (stopped) return all_fail({ErrorCode::kCancelled, "stopped"});
  return out;
}

}  // namespace agent::io
