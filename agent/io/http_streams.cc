#include "agent/io/http_streams.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/io/http_transfer.h"

namespace agent::io {
namespace {

constexpr int kSlice = 1000;  // ms; a belt for the stop's wakeup

}  // namespace

// libcurl tells which sockets to watch (watch) and when it wants to be called (want_timer); poll()
// does both with one epoll, so that an idle stream costs nothing.
struct HttpStreams::State {
  struct Stream {
    HttpTransfer transfer;
    HttpRequest request;
    Callbacks callbacks;
    std::string body;
    std::string home;  // origin of the first request; others get no credentials
    int hops = 0;
    bool redirecting = false;
    bool added = false;
    bool cancelled = false;
  };

  explicit State(HttpOptions o)
      : options(std::move(o)),
        multi(curl_multi_init()),
        epoll(epoll_create1(EPOLL_CLOEXEC)),
        event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::watch);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::want_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    // Each stream has a connection of its own, and ended ones are not kept.
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 8L);
    epoll_event wish{};
    wish.events = EPOLLIN;
    wish.data.fd = event.get();
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &wish);
  }

  ~State() {
    for (auto& [id, stream] : streams) {
      if (stream->added) curl_multi_remove_handle(multi, easy(*stream));
    }
    streams.clear();
    curl_multi_cleanup(multi);
  }

  static CURL* easy(const Stream& stream) { return static_cast<CURL*>(stream.transfer.easy()); }

  static int watch(CURL*, curl_socket_t fd, int what, void* self, void*) {
    auto& state = *static_cast<State*>(self);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(state.epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
      return 0;
    }
    epoll_event wish{};
    if ((what & CURL_POLL_IN) != 0) wish.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) wish.events |= EPOLLOUT;
    wish.data.fd = fd;
    if (epoll_ctl(state.epoll.get(), EPOLL_CTL_MOD, fd, &wish) != 0)
      epoll_ctl(state.epoll.get(), EPOLL_CTL_ADD, fd, &wish);
    return 0;
  }

  static int want_timer(CURLM*, long milliseconds, void* self) {
    auto& state = *static_cast<State*>(self);
    if (milliseconds < 0) {
      state.timer.reset();
    } else {
      state.timer = state.clock.mono() + std::chrono::milliseconds(milliseconds);
    }
    return 0;
  }

  void start_added();
  void end_finished();
  bool redirect(Id id, Stream& stream, Result<>& end);
  void forget_cancelled();
  int wait_time(std::optional<Mono> deadline) const;

  SystemClock clock;  // libcurl's limits are real time
  HttpOptions options;
  std::optional<Secret> bearer;
  CurlLibrary library;
  CURLM* multi;
  FileDescriptor epoll;
  FileDescriptor event;
  std::optional<Mono> timer;
  std::map<Id, std::unique_ptr<Stream>> streams;
  std::vector<Id> to_start;
  std::vector<Id> to_forget;
  Id next = 1;
};

HttpStreams::HttpStreams(HttpOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
HttpStreams::~HttpStreams() = default;

HttpStreams::Id HttpStreams::add(HttpRequest request, Callbacks callbacks) {
  auto stream = std::make_unique<State::Stream>();
  stream->body = request.body;
  stream->request = std::move(request);
  stream->request.body = stream->body;
  stream->callbacks = std::move(callbacks);
  State::Stream* raw = stream.get();
  stream->home = origin_of(stream->request.url);
  stream->transfer.on_headers = [raw, follow = state_->options.follow_redirects] {
    raw->redirecting = follow && follows_redirect(raw->transfer.status(), raw->request.method) &&
                       !header_of(raw->transfer.headers(), "location").empty();
    if (raw->redirecting) return !raw->cancelled;
    return !raw->cancelled &&
           (!raw->callbacks.on_headers ||
            raw->callbacks.on_headers(raw->transfer.status(), raw->transfer.headers()));
  };
  stream->transfer.on_data = [raw](std::string_view data) {
    if (raw->redirecting) return !raw->cancelled;
    std::string refusal;
    if (raw->transfer.status() >= 400) {
      refusal = data;
      raw->transfer.mask_credentials(refusal);
      data = refusal;
    }
    return !raw->cancelled && (!raw->callbacks.on_data || raw->callbacks.on_data(data)) &&
           !raw->cancelled;
  };
  const Id id = state_->next++;
  state_->streams.emplace(id, std::move(stream));
  state_->to_start.push_back(id);
  return id;
}

void HttpStreams::authorize(std::optional<Secret> bearer) { state_->bearer = std::move(bearer); }

void HttpStreams::cancel(Id id) {
  const auto it = state_->streams.find(id);
  if (it == state_->streams.end() || it->second->cancelled) return;
  // libcurl forbids removing a transfer inside one of its callbacks; poll() does it.
  it->second->cancelled = true;
  state_->to_forget.push_back(id);
}

std::size_t HttpStreams::size() const { return state_->streams.size() - state_->to_forget.size(); }

void HttpStreams::wakeup() {
  const std::uint64_t one = 1;
  // Full means that it is awake already.
  [[maybe_unused]] const ssize_t written = write(state_->event.get(), &one, sizeof one);
}

void HttpStreams::State::start_added() {
  std::vector<Id> ids;
  ids.swap(to_start);
  for (const Id id : ids) {
    const auto it = streams.find(id);
    if (it == streams.end() || it->second->cancelled) continue;
    Stream& stream = *it->second;
    const bool at_home = stream.hops == 0 || origin_of(stream.request.url) == stream.home;
    auto ready = stream.transfer.prepare(options, stream.request, at_home, bearer);
    if (!ready) {
      const Callbacks callbacks = std::move(stream.callbacks);
      streams.erase(it);
      if (callbacks.on_end) callbacks.on_end(std::move(ready));
      continue;
    }
    curl_multi_add_handle(multi, easy(stream));
    stream.added = true;
  }
}

// The stream goes on at the place that its answer named; false with `end` set when it cannot.
bool HttpStreams::State::redirect(Id id, Stream& stream, Result<>& end) {
  std::string to = stream.transfer.redirect_url();
  const std::string what = stream.request.method + " " + url_for_people(stream.request.url) + ": ";
  if (to.empty()) {
    end = fail(ErrorCode::kUnavailable, what + "a redirect to nowhere");
    return false;
  }
  if (++stream.hops > kMaxRedirects) {
    end = fail(ErrorCode::kUnavailable, what + "more than 10 redirects");
    return false;
  }
  stream.request.url = std::move(to);
  stream.redirecting = false;
  to_start.push_back(id);
  return true;
}

void HttpStreams::State::end_finished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* done = message->easy_handle;
    const CURLcode code = message->data.result;
    const auto it = std::find_if(streams.begin(), streams.end(),
                                 [&](const auto& s) { return easy(*s.second) == done; });
    curl_multi_remove_handle(multi, done);
    if (it == streams.end()) continue;
    it->second->added = false;
    if (it->second->cancelled) continue;
    Result<> end;
    if (!it->second->transfer.aborted()) end = it->second->transfer.outcome(code);
    if (end && it->second->redirecting && redirect(it->first, *it->second, end)) continue;
    const std::unique_ptr<Stream> stream = std::move(it->second);
    streams.erase(it);
    if (stream->callbacks.on_end) stream->callbacks.on_end(std::move(end));
  }
}

void HttpStreams::State::forget_cancelled() {
  std::vector<Id> ids;
  ids.swap(to_forget);
  for (const Id id : ids) {
    const auto it = streams.find(id);
    if (it == streams.end()) continue;
    if (it->second->added) curl_multi_remove_handle(multi, easy(*it->second));
    streams.erase(it);
  }
}

int HttpStreams::State::wait_time(std::optional<Mono> deadline) const {
  const Mono now = clock.mono();
  Mono until = now + std::chrono::milliseconds(kSlice);
  if (deadline) until = std::min(until, *deadline);
  if (timer) until = std::min(until, *timer);
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::max<std::int64_t>(0, ms));
}

void HttpStreams::poll(Duration timeout, const std::stop_token& stop) {
  State& state = *state_;
  const std::stop_callback wake(stop, [this] { wakeup(); });
  std::optional<Mono> deadline;
  if (timeout >= Duration::zero())
    deadline = state.clock.mono() + std::min<Duration>(timeout, std::chrono::hours(24));
  while (!stop.stop_requested()) {
    state.forget_cancelled();
    bool worked = !state.to_start.empty();
    state.start_added();
    int running = 0;
    std::array<epoll_event, 64> events{};
    const int wait = worked ? 0 : state.wait_time(deadline);
    const int n =
        epoll_wait(state.epoll.get(), events.data(), static_cast<int>(events.size()), wait);
    bool woken = false;
    for (int i = 0; i < n; ++i) {
      const epoll_event& ready = events[static_cast<std::size_t>(i)];
      if (ready.data.fd == state.event.get()) {
        std::uint64_t count = 0;
        woken = read(state.event.get(), &count, sizeof count) > 0;
        continue;
      }
      int what = 0;
      if ((ready.events & (EPOLLIN | EPOLLHUP)) != 0) what |= CURL_CSELECT_IN;
      if ((ready.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
      if ((ready.events & EPOLLERR) != 0) what |= CURL_CSELECT_ERR;
      curl_multi_socket_action(state.multi, ready.data.fd, what, &running);
      worked = true;
    }
    if (state.timer && state.clock.mono() >= *state.timer) {
      state.timer.reset();
      curl_multi_socket_action(state.multi, CURL_SOCKET_TIMEOUT, 0, &running);
      worked = true;
    }
    const std::size_t before = state.streams.size();
    state.end_finished();
    state.forget_cancelled();
    worked = worked || state.streams.size() != before;
    if (woken || worked) return;
    if (deadline && state.clock.mono() >= *deadline) return;
  }
}

}  // namespace agent::io
