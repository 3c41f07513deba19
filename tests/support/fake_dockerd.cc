#include "tests/support/fake_dockerd.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace agent {
namespace {

constexpr std::string_view kChunkedHead =
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: "
    "chunked\r\n\r\n";

bool send_chunk(ScriptedServer::Wire& wire, const std::string& bytes) {
  std::array<char, 32> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return wire.send(size.data() + bytes + "\r\n");
}

std::string frame(const FakeDockerd::Message& message) {
  const std::string payload = docker_time_text(message.time_ns) + " " + message.text;
  std::string out;
  out += static_cast<char>(message.stream);
  out.append(3, '\0');
  for (unsigned shift = 32; shift > 0; shift -= 8)
    out += static_cast<char>(payload.size() >> (shift - 8));
  return out + payload;
}

ScriptedServer::Answer json(int status, std::string body) {
  ScriptedServer::Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

// "sec.nnnnnnnnn" behind since=, or 0.
std::int64_t since_of(const std::string& target) {
  const std::size_t at = target.find("since=");
  if (at == std::string::npos) return 0;
  std::size_t end = 0;
  const std::int64_t seconds = std::stoll(target.substr(at + 6), &end);
  return seconds * 1'000'000'000 + std::stoll(target.substr(at + 6 + end + 1));
}

}  // namespace

std::string docker_time_text(std::int64_t time_ns) {
  const std::time_t seconds = static_cast<std::time_t>(time_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%09dZ",
                static_cast<int>(time_ns % 1'000'000'000));
  return std::string(date.data()) + fraction.data();
}

FakeDockerd::FakeDockerd(const std::string& socket)
    : server_(
          [this](const ScriptedServer::Request& request, std::size_t) { return answer(request); },
          socket) {}

FakeDockerd::~FakeDockerd() {
  std::unique_lock lock(mutex_);
  ending_ = true;
  changed_.notify_all();
}

void FakeDockerd::set(const std::string& id, Container container) {
  std::unique_lock lock(mutex_);
  containers_[id] = std::move(container);
  changed_.notify_all();
}

void FakeDockerd::write(const std::string& id, std::vector<Message> messages) {
  std::unique_lock lock(mutex_);
  auto& log = containers_[id].log;
  log.insert(log.end(), messages.begin(), messages.end());
  changed_.notify_all();
}

void FakeDockerd::stop(const std::string& id) {
  std::unique_lock lock(mutex_);
  containers_[id].running = false;
  changed_.notify_all();
}

void FakeDockerd::event(const std::string& action, const std::string& id) {
  std::unique_lock lock(mutex_);
  events_.push_back(R"({"Type":"container","Action":")" + action + R"(","Actor":{"ID":")" + id +
                    "\"}}\n");
  changed_.notify_all();
}

void FakeDockerd::remove(const std::string& id) {
  {
    std::unique_lock lock(mutex_);
    containers_.erase(id);
    changed_.notify_all();
  }
  event("destroy", id);
}

std::string FakeDockerd::tcp_host() const {
  return "tcp://" + server_.url("").substr(std::string("http://").size());
}

void FakeDockerd::fail_lists(int status) {
  std::unique_lock lock(mutex_);
  fail_lists_ = status;
}
void FakeDockerd::refuse_events(int status) {
  std::unique_lock lock(mutex_);
  refuse_events_ = status;
}
void FakeDockerd::hang_inspections(bool on) {
  std::unique_lock lock(mutex_);
  hang_inspections_ = on;
}
void FakeDockerd::cut_logs_after(std::size_t bytes) {
  std::unique_lock lock(mutex_);
  cut_after_ = bytes;
}
void FakeDockerd::reset_all() {
  std::unique_lock lock(mutex_);
  ++epoch_;
  changed_.notify_all();
}

std::size_t FakeDockerd::requests(const std::string& part) const {
  std::size_t count = 0;
  for (const auto& request : server_.requests())
    if (request.target.find(part) != std::string::npos) ++count;
  return count;
}

ScriptedServer::Answer FakeDockerd::answer(const ScriptedServer::Request& request) {
  const std::string& target = request.target;
  std::unique_lock lock(mutex_);
  ScriptedServer::Answer out;
  if (target.rfind("/events", 0) == 0) {
    if (refuse_events_ != 0) return json(refuse_events_, "<html>forbidden</html>");
    out.stream = [this](ScriptedServer::Wire& wire) { stream_events(wire); };
    return out;
  }
  if (target == "/networks") return json(200, "[]");
  if (target.rfind("/containers/json", 0) == 0) {
    if (fail_lists_ != 0) return json(fail_lists_, R"({"message":"out of order"})");
    std::string list;
    for (const auto& [id, container] : containers_)
      list += (list.empty() ? "" : ",") +
              (R"({"Id":")" + id + R"(","Names":["/)" + id + R"("],"State":")" +
               (container.running ? "running" : "exited") + R"("})");
    return json(200, "[" + list + "]");
  }
  const std::string rest = target.substr(std::string("/containers/").size());
  const std::string id = rest.substr(0, rest.find('/'));
  const auto it = containers_.find(id);
  if (it == containers_.end()) return json(404, R"({"message":"No such container: )" + id + "\"}");
  if (rest.find("/json") != std::string::npos) {
    if (hang_inspections_) return ScriptedServer::silence();
    return json(200, R"({"Id":")" + id + R"(","Name":"/x","State":{"Running":)" +
                         (it->second.running ? "true" : "false") + R"(},"Config":{"Tty":false}})");
  }
  if (it->second.refuse_logs != 0) return json(it->second.refuse_logs, it->second.refusal);
  out.stream = [this, id, follow = target.find("follow=1") != std::string::npos,
                since = since_of(target)](ScriptedServer::Wire& wire) {
    stream_logs(wire, id, follow, since);
  };
  return out;
}

void FakeDockerd::stream_events(ScriptedServer::Wire& wire) {
  if (!wire.send(kChunkedHead)) return;
  std::unique_lock lock(mutex_);
  const int epoch = epoch_;
  std::size_t sent = events_.size();
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || epoch != epoch_ || sent < events_.size(); });
    if (ending_ || epoch != epoch_) return;
    const std::string event = events_[sent++];
    lock.unlock();
    if (!send_chunk(wire, event)) return;
    lock.lock();
  }
}

void FakeDockerd::stream_logs(ScriptedServer::Wire& wire, const std::string& id, bool follow,
                              std::int64_t since_ns) {
  if (!wire.send(kChunkedHead)) return;
  std::unique_lock lock(mutex_);
  const int epoch = epoch_;
  std::size_t at = 0;
  std::size_t bytes = 0;
  for (;;) {
    const auto known = [&] { return containers_.find(id) != containers_.end(); };
    while (known() && at < containers_[id].log.size()) {
      // As the daemon does, what is there goes out together.
      std::string out;
      while (at < containers_[id].log.size() && out.size() < 32 * 1024) {
        const Message& message = containers_[id].log[at++];
        if (message.time_ns >= since_ns) out += frame(message);
      }
      const bool cut = cut_after_ > 0 && bytes + out.size() > cut_after_;
      if (cut) out.resize(cut_after_ > bytes ? cut_after_ - bytes : 0);
      bytes += out.size();
      lock.unlock();
      const bool sent = out.empty() || send_chunk(wire, out);
      lock.lock();
      if (!sent || cut || epoch != epoch_ || ending_) return;  // without the last chunk: broken
    }
    if (!known() || !follow || !containers_[id].running) break;
    changed_.wait(lock, [&] {
      return ending_ || epoch != epoch_ || !known() || !containers_[id].running ||
             at < containers_[id].log.size();
    });
    if (ending_ || epoch != epoch_) return;
  }
  lock.unlock();
  wire.send("0\r\n\r\n");
}

}  // namespace agent
