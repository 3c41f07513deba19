// A DNS server on 127.0.0.1, UDP and TCP on one port, that answers what a test tells it to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/io/dns.h"

namespace agent {

class NameServer {
 public:
  // A zone's answer: an rcode, and the records' data as they go over the wire.
  struct Answer {
    int rcode = 0;
    std::vector<std::string> records = {};
    bool only_tcp = false;  // UDP says that the answer is too large for it
    std::string raw = {};   // instead of all that: what follows the id
    bool silent = false;
  };

  static std::string number(unsigned value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
  }
  static std::string name(std::string_view dotted) {
    std::string out;
    while (!dotted.empty()) {
      const std::string_view part = dotted.substr(0, dotted.find('.'));
      out += static_cast<char>(part.size());
      out += part;
      dotted.remove_prefix(std::min(part.size() + 1, dotted.size()));
    }
    return out + '\0';
  }
  static std::string srv(std::string_view target, unsigned port) {
    return number(1) + number(2) + number(port) + name(target);
  }
  static std::string mx(std::string_view target) { return number(10) + name(target); }
  static std::string address(const char* text) {
    std::array<char, 16> bytes{};
    const bool six = std::string_view(text).find(':') != std::string_view::npos;
    REQUIRE(::inet_pton(six ? AF_INET6 : AF_INET, text, bytes.data()) == 1);
    return {bytes.data(), six ? 16U : 4U};
  }

  NameServer() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // A port that is free for both.
    for (int i = 0; i < 100; ++i) {
      udp_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      tcp_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      at.sin_port = 0;
      socklen_t size = sizeof at;
      REQUIRE(::bind(udp_.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
      REQUIRE(::getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
      if (::bind(tcp_.get(), reinterpret_cast<sockaddr*>(&at), size) == 0) break;
    }
    REQUIRE(::listen(tcp_.get(), 8) == 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  std::string servers() const { return "127.0.0.1:" + std::to_string(port_); }
  void set(const std::string& name, io::DnsType type, Answer answer) {
    MutexLock lock(mutex_);
    zone_[{name, static_cast<unsigned>(type)}] = std::move(answer);
  }
  std::size_t asked() const {
    MutexLock lock(mutex_);
    return asked_;
  }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> polled{{{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}}};
      if (::poll(polled.data(), polled.size(), 50) <= 0) continue;
      std::array<char, 2048> buffer{};
      if ((polled[0].revents & POLLIN) != 0) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        const ssize_t n = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&peer), &size);
        if (n < 12) continue;
        const std::string out = reply({buffer.data(), static_cast<std::size_t>(n)}, false);
        if (!out.empty())
          (void)::sendto(udp_.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&peer),
                         size);
      }
      if ((polled[1].revents & POLLIN) != 0) {
        const FileDescriptor one(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const ssize_t n = ::recv(one.get(), buffer.data(), buffer.size(), 0);
        if (n < 14) continue;
        const std::string out = reply({buffer.data() + 2, static_cast<std::size_t>(n) - 2}, true);
        const std::string framed = number(static_cast<unsigned>(out.size())) + out;
        (void)::send(one.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
      }
    }
  }

  std::string reply(std::string_view query, bool tcp) {
    std::string asked;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<std::size_t>(query[at]);
      asked += (asked.empty() ? "" : ".") + std::string(query.substr(at + 1, length));
      at += length + 1;
    }
    const auto type = static_cast<unsigned>(static_cast<unsigned char>(query.at(at + 2)));
    const std::string_view question = query.substr(12, at + 5 - 12);
    Answer answer;
    answer.rcode = 3;  // there is no such name
    {
      MutexLock lock(mutex_);
      ++asked_;
      if (const auto known = zone_.find({asked, type}); known != zone_.end())
        answer = known->second;
    }
    if (answer.silent) return {};
    const std::string id(query.substr(0, 2));
    if (!answer.raw.empty()) return id + answer.raw;
    const bool cut = answer.only_tcp && !tcp;
    std::string out =
        id + number(0x8180U | (cut ? 0x200U : 0U) | static_cast<unsigned>(answer.rcode));
    out += number(1) + number(cut ? 0 : static_cast<unsigned>(answer.records.size())) + number(0) +
           number(0) + std::string(question);
    if (cut) return out;
    for (const std::string& record : answer.records)
      out += number(0xC00C) + number(type) + number(1) + number(0) + number(60) +
             number(static_cast<unsigned>(record.size())) + record;
    return out;
  }

  FileDescriptor udp_, tcp_;
  int port_ = 0;
  mutable Mutex mutex_;
  std::map<std::pair<std::string, unsigned>, Answer> zone_ GUARDED_BY(mutex_);
  std::size_t asked_ GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

}  // namespace agent
