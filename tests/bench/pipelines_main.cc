// Whole pipelines: the real agent reads what lies ready and pushes it to a Loki of this program,
// which only counts bytes. Prints per pipeline: lines/s and MB/s of line text over wall time and
// over the agent's CPU time, CPU-seconds per million lines and the agent's peak resident size.
//
//   pipelines AGENT
//   [file|docker-json|regex|docker|journal|syslog|syslog-disk|syslog-memory|syslog-rules ...]
//
// All of them without names; LINES=200000 changes how many lines each one reads.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/io/http_client.h"
#include "agent/io/socket.h"
#include "tests/support/fake_dockerd.h"
#include "tests/support/journal_maker.h"
#include "tests/support/temp_dir.h"

namespace agent {
namespace {

constexpr std::int64_t kBase = 1'760'000'000'000'000'000;
constexpr char kText[] =
    "10.0.0.17 - alice [09/Oct/2025:08:53:20 +0000] \"GET /api/v1/items?page=3 HTTP/1.1\" 200 5316 "
    "\"-\" \"Mozilla/5.0\"";

// Reads requests and answers 204 to each, after a while; never looks at a body.
void answer_pushes(int listener, Duration after) {
  for (;;) {
    pollfd ready{listener, POLLIN, 0};
    ::poll(&ready, 1, -1);
    FileDescriptor peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) continue;
    std::thread([fd = std::move(peer), after] {
      SystemClock clock;
      const auto answer = [&] {
        clock.sleep_for(after, {});
        return static_cast<bool>(write_all(fd.get(), "HTTP/1.1 204 No Content\r\n\r\n"));
      };
      std::string buffer;
      std::vector<char> chunk(1 << 20);
      std::size_t body_left = 0;
      for (;;) {
        const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
        if (n <= 0) return;
        std::string_view got(chunk.data(), static_cast<std::size_t>(n));
        while (!got.empty()) {
          if (body_left > 0) {
            const std::size_t take = std::min(body_left, got.size());
            got.remove_prefix(take);
            body_left -= take;
            if (body_left == 0 && !answer()) return;
            continue;
          }
          buffer += got;
          got = {};
          const std::size_t end = buffer.find("\r\n\r\n");
          if (end == std::string::npos) break;
          const std::size_t at = buffer.find("ontent-Length: ");
          body_left = std::strtoull(buffer.c_str() + at + 15, nullptr, 10);
          const std::string rest = buffer.substr(end + 4);
          buffer.clear();
          const std::size_t take = std::min(body_left, rest.size());
          body_left -= take;
          if (body_left == 0 && !answer()) return;
        }
      }
    }).detach();
  }
}

// A child that ends with this program.
pid_t child(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  work();
  ::_exit(0);
}

struct Pipeline {
  std::string name;
  std::string config;  // the part in front of loki.write
  std::size_t lines = 0;
  std::size_t line_bytes = 0;
  std::function<void()> feed = {};  // what brings the lines, once the agent runs; in a child
  std::string endpoint = {};        // more arguments of loki.write's endpoint
};

double metric(io::HttpClient& client, const std::string& address, const std::string& name) {
  io::HttpRequest request;
  request.url = "http://" + address + "/metrics";
  const auto answer = client.send(request, {});
  if (!answer) return -1;
  double sum = 0;
  for (std::size_t at = 0; (at = answer->body.find("\n" + name, at)) != std::string::npos; ++at) {
    const std::size_t end = answer->body.find('\n', at + 1);
    const std::string line = answer->body.substr(at + 1, end - at - 1);
    sum += std::strtod(line.c_str() + line.rfind(' ') + 1, nullptr);
  }
  return sum;
}

// Kilobytes of a process's memory that are its own: without the files it has mapped (journals),
// which are page cache.
double own_kib(pid_t pid) {
  const auto status = read_file("/proc/" + std::to_string(pid) + "/status");
  const std::size_t at = status ? status->find("RssAnon:") : std::string::npos;
  return at == std::string::npos ? 0 : std::strtod(status->c_str() + at + 8, nullptr);
}

int run(const std::string& agent, const Pipeline& pipeline, const TempDir& dir,
        const std::string& loki) {
  const std::string config = (dir.path() / (pipeline.name + ".alloy")).string();
  std::ofstream(config) << pipeline.config
                        << "\nloki.write \"w\" {\n  endpoint { url = \"http://" + loki +
                               "/loki/api/v1/push\"\n" + pipeline.endpoint + "  }\n}\n";
  // A port that is free now; the agent binds it a moment later.
  auto probe = io::listen_on("127.0.0.1:0", io::Transport::kTcp);
  const std::string address = io::local_endpoint(probe->get());
  probe->reset();
  SystemClock clock;
  const Mono begun = clock.mono();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (std::freopen((dir.path() / (pipeline.name + ".log")).c_str(), "w", stderr) == nullptr)
      ::_exit(126);
    ::execl(agent.c_str(), agent.c_str(), "run", config.c_str(),
            ("--server.http.listen-addr=" + address).c_str(),
            ("--storage.path=" + (dir.path() / (pipeline.name + "-state")).string()).c_str(),
            nullptr);
    ::_exit(127);
  }
  if (pipeline.feed) child(pipeline.feed);
  io::HttpClient client{{}};
  Mono done = begun;
  double sent = 0;
  double own = 0;
  while (done - begun < std::chrono::minutes(3)) {
    clock.sleep_for(std::chrono::milliseconds(25), {});
    done = clock.mono();
    own = std::max(own, own_kib(pid));
    sent = metric(client, address, "loki_write_sent_entries_total");
    if (sent >= static_cast<double>(pipeline.lines)) break;
  }
  ::kill(pid, SIGTERM);
  int status = 0;
  rusage usage{};
  ::wait4(pid, &status, 0, &usage);
  if (sent != static_cast<double>(pipeline.lines)) {
    std::cerr << pipeline.name << ": " << sent << " of " << pipeline.lines << " lines were sent\n"
              << read_file(dir.path() / (pipeline.name + ".log")).value_or("");
    return 1;
  }
  const double wall = static_cast<double>((done - begun).count()) / 1e9;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const double cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  const auto lines = static_cast<double>(pipeline.lines);
  const double megabytes = lines * static_cast<double>(pipeline.line_bytes) / 1e6;
  std::printf(
      "%-12s %9.0f lines  %7.2f s  %9.0f lines/s  %7.1f MB/s | per CPU second %9.0f lines  %6.1f "
      "MB | "
      "%6.3f CPU-s per million lines | peak %5.1f MiB, %5.1f its own\n",
      pipeline.name.c_str(), lines, wall, lines / wall, megabytes / wall, lines / cpu,
      megabytes / cpu, cpu / lines * 1e6, static_cast<double>(usage.ru_maxrss) / 1024, own / 1024);
  std::fflush(stdout);
  return 0;
}

std::string target(const std::string& path) {
  return "loki.source.file \"f\" {\n  targets    = [{ __path__ = \"" + path +
         "\", job = \"bench\" }]\n";
}

Pipeline plain_file(const TempDir& dir, std::size_t lines) {
  const std::string path = (dir.path() / "plain.log").string();
  std::ofstream out(path);
  for (std::size_t i = 0; i < lines; ++i) out << kText << ' ' << 1'000'000'000 + i << '\n';
  return {"file", target(path) + "  forward_to = [loki.write.w.receiver]\n}\n", lines,
          sizeof kText + 10};
}

Pipeline docker_json(const TempDir& dir, std::size_t lines) {
  const std::string path = (dir.path() / "container-json.log").string();
  std::ofstream out(path);
  std::string escaped;
  for (const char* c = kText; *c != '\0'; ++c)
    escaped += *c == '"' ? std::string("\\\"") : std::string(1, *c);
  char time[64];
  for (std::size_t i = 0; i < lines; ++i) {
    std::snprintf(time, sizeof time, "2025-10-09T08:%02zu:%02zu.%09zuZ", i / 60'000'000 % 60,
                  i / 1'000'000 % 60, i % 1'000'000 * 1000);
    out << "{\"log\":\"" << escaped << "\\n\",\"stream\":\"" << (i % 7 == 0 ? "stderr" : "stdout")
        << "\",\"time\":\"" << time << "\"}\n";
  }
  return {"docker-json",
          target(path) +
              "  forward_to = [loki.process.p.receiver]\n}\n"
              "loki.process \"p\" {\n  stage.docker { }\n  stage.static_labels { values = { host = "
              "\"h\" } }\n"
              "  forward_to = [loki.write.w.receiver]\n}\n",
          lines, escaped.size() + 80};
}

// Web-server lines of about 160 bytes, of which four groups are taken and two become labels.
Pipeline regex(const TempDir& dir, std::size_t lines) {
  const std::string path = (dir.path() / "web.log").string();
  std::ofstream out(path);
  constexpr const char* kMethods[] = {"GET", "GET", "GET", "POST", "PUT"};
  constexpr const char* kStatus[] = {"200", "200", "200", "304", "404", "500", "201"};
  char line[256];
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < lines; ++i) {
    const int size = std::snprintf(line, sizeof line,
                                   "10.%zu.%zu.%zu - user%zu [09/Oct/2025:08:%02zu:%02zu +0000] "
                                   "\"%s /api/v1/items/%zu?page=%zu "
                                   "HTTP/1.1\" %s %zu \"https://shop.example/cart\" \"Mozilla/5.0 "
                                   "(X11; Linux x86_64) Gecko\"\n",
                                   i / 65536 % 256, i / 256 % 256, i % 256, i % 1000,
                                   i / 60'000 % 60, i / 1000 % 60, kMethods[i % 5], i % 100'000,
                                   i % 7, kStatus[i % 7], i * 37 % 50'000);
    out.write(line, size);
    bytes += static_cast<std::size_t>(size);
  }
  return {"regex",
          target(path) +
              "  forward_to = [loki.process.p.receiver]\n}\n"
              "loki.process \"p\" {\n  stage.regex {\n    expression = `^(?P<ip>\\S+) \\S+ \\S+ "
              "\\[[^\\]]+\\] \"(?P<method>\\S+) (?P<path>\\S+) [^\"]*\" (?P<status>\\d+)`\n  }\n"
              "  stage.labels { values = { method = \"\", status = \"\" } }\n"
              "  forward_to = [loki.write.w.receiver]\n}\n",
          lines, bytes / lines};
}

Pipeline docker(const TempDir& dir, std::size_t lines) {
  const std::string socket = (dir.path() / "docker.sock").string();
  int ready[2];
  if (::pipe(ready) != 0) std::abort();
  child([&] {
    FakeDockerd daemon(socket);
    FakeDockerd::Container container;
    container.log.reserve(lines);
    for (std::size_t i = 0; i < lines; ++i)
      container.log.push_back(
          {1, kBase + static_cast<std::int64_t>(i) * 1000, std::string(kText) + "\n"});
    daemon.set("0123456789abcdef", std::move(container));
    if (::write(ready[1], "x", 1) != 1) std::abort();
    for (;;) ::pause();
  });
  char byte = 0;
  if (::read(ready[0], &byte, 1) != 1) std::abort();
  return {"docker",
          "discovery.docker \"d\" {\n  host = \"unix://" + socket +
              "\"\n}\nloki.source.docker \"d\" {\n  host = \"unix://" + socket +
              "\"\n  targets = discovery.docker.d.targets\n  labels = { job = \"bench\" }\n"
              "  forward_to = [loki.write.w.receiver]\n}\n",
          lines, sizeof kText - 1};
}

Pipeline journal(const TempDir& dir, std::size_t lines) {
  const auto folder = dir.path() / "journal";
  std::filesystem::create_directory(folder);
  std::vector<JournalEntry> entries;
  entries.reserve(lines);
  for (std::size_t i = 0; i < lines; ++i) {
    JournalEntry entry;
    entry.realtime_us = static_cast<std::uint64_t>(kBase) / 1000 + i;
    const std::string unit = "unit" + std::to_string(i % 20);
    entry.fields = {{"MESSAGE", std::string(kText) + " " + std::to_string(i)},
                    {"PRIORITY", "6"},
                    {"_SYSTEMD_UNIT", unit + ".service"},
                    {"SYSLOG_IDENTIFIER", unit},
                    {"_TRANSPORT", "stdout"},
                    {"_PID", std::to_string(1000 + i % 50)},
                    {"_HOSTNAME", "host"},
                    {"_BOOT_ID", "0123456789abcdef0123456789abcdef"}};
    entries.push_back(std::move(entry));
  }
  append_journal(folder / "system.journal", entries);
  return {"journal",
          "loki.source.journal \"j\" {\n  path = \"" + folder.string() +
              "\"\n  max_age = \"876000h\"\n  relabel_rules = loki.relabel.r.rules\n  labels = { "
              "job = \"bench\" }\n"
              "  forward_to = [loki.write.w.receiver]\n}\n"
              "loki.relabel \"r\" {\n  forward_to = []\n  rule {\n    source_labels = "
              "[\"__journal__systemd_unit\"]\n"
              "    target_label = \"unit\"\n  }\n  rule {\n    source_labels = "
              "[\"__journal_priority_keyword\"]\n"
              "    target_label = \"level\"\n  }\n}\n",
          lines, sizeof kText + 6};
}

// 200 connections that bring RFC 3164 messages as fast as the agent takes them.
void send_syslog(const std::string& address, std::size_t lines) {
  constexpr std::size_t kConnections = 200;
  constexpr std::size_t kChunk = 200;  // messages
  SystemClock clock;
  std::vector<FileDescriptor> peers;
  const auto parts = io::split_host_port(address);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(parts->second)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  while (peers.size() < kConnections) {
    FileDescriptor peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(peer.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      peers.push_back(std::move(peer));
    } else {
      clock.sleep_for(std::chrono::milliseconds(5), {});  // it does not listen yet
    }
  }
  std::string chunk;
  for (std::size_t i = 0; i < lines;) {
    chunk.clear();
    for (std::size_t n = 0; n < kChunk && i < lines; ++n, ++i)
      chunk += "<30>Nov 21 09:55:12 puck kairos[812]: " + std::string(kText) + " " +
               std::to_string(1'000'000'000 + i) + "\n";
    if (!write_all(peers[i / kChunk % kConnections].get(), chunk)) std::abort();
  }
}

Pipeline syslog(std::size_t lines, const std::string& name, const std::string& more) {
  auto probe = io::listen_on("127.0.0.1:0", io::Transport::kTcp);
  const std::string address = io::local_endpoint(probe->get());
  return {name,
          "loki.source.syslog \"s\" {\n  listener {\n    address = \"" + address +
              "\"\n    syslog_format = \"rfc3164\"\n    labels = { job = \"bench\" }\n  }\n" +
              more + "  forward_to = [loki.write.w.receiver]\n}\n",
          lines, sizeof kText + 10, [address, lines] { send_syslog(address, lines); }};
}

constexpr char kNoQueue[] = "  queue { enabled = false }\n";
constexpr char kSyslogRules[] = "  relabel_rules = loki.relabel.r.rules\n";
constexpr char kSyslogRelabel[] =
    "loki.relabel \"r\" {\n  forward_to = []\n  rule {\n    source_labels = "
    "[\"__syslog_message_hostname\"]\n    target_label = \"host\"\n  }\n  rule {\n    "
    "source_labels = [\"__syslog_message_severity\"]\n    target_label = \"level\"\n  }\n}\n";

}  // namespace
}  // namespace agent

int main(int argc, char** argv) {
  using namespace agent;  // NOLINT: a program of one file
  if (argc < 2) {
    std::cerr << "usage: pipelines AGENT "
                 "[file|docker-json|regex|docker|journal|syslog|syslog-disk|syslog-memory|syslog-"
                 "rules ...]\n";
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> wanted(argv + 2, argv + argc);
  const auto want = [&](const std::string& name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  const char* given = std::getenv("LINES");
  const std::size_t lines = given == nullptr ? 0 : std::strtoull(given, nullptr, 10);
  const auto count = [&](std::size_t usual) { return lines == 0 ? usual : lines; };
  auto listener = io::listen_on("127.0.0.1:0", io::Transport::kTcp);
  if (!listener) {
    std::cerr << listener.error().message << "\n";
    return 1;
  }
  const std::string loki = io::local_endpoint(listener->get());
  child([&] { answer_pushes(listener->get(), Duration::zero()); });
  auto slow_listener = io::listen_on("127.0.0.1:0", io::Transport::kTcp);
  if (!slow_listener) {
    std::cerr << slow_listener.error().message << "\n";
    return 1;
  }
  const std::string slow_loki = io::local_endpoint(slow_listener->get());
  child([&] { answer_pushes(slow_listener->get(), std::chrono::milliseconds(200)); });
  TempDir dir;
  int status = 0;
  const std::string agent = std::filesystem::absolute(argv[1]).string();
  if (want("file")) status |= run(agent, plain_file(dir, count(4'000'000)), dir, loki);
  if (want("docker-json")) status |= run(agent, docker_json(dir, count(3'000'000)), dir, loki);
  if (want("regex")) status |= run(agent, regex(dir, count(2'000'000)), dir, loki);
  if (want("docker")) status |= run(agent, docker(dir, count(1'000'000)), dir, loki);
  if (want("journal")) status |= run(agent, journal(dir, count(300'000)), dir, loki);
  if (want("syslog")) status |= run(agent, syslog(count(3'000'000), "syslog", ""), dir, loki);
  if (want("syslog-disk")) {
    // A Loki that takes longer than an entry waits before it is written: all of them are.
    Pipeline pipeline = syslog(count(3'000'000), "syslog-disk", "");
    pipeline.endpoint = "    batch_size = \"8MiB\"\n    queue_config { capacity = \"64MiB\" }\n";
    status |= run(agent, pipeline, dir, slow_loki);
  }
  if (want("syslog-memory"))
    status |= run(agent, syslog(count(3'000'000), "syslog-memory", kNoQueue), dir, loki);
  if (want("syslog-rules")) {
    Pipeline pipeline = syslog(count(3'000'000), "syslog-rules", kSyslogRules);
    pipeline.config += kSyslogRelabel;
    status |= run(agent, pipeline, dir, loki);
  }
  return status;
}
