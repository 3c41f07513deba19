// Many answers that arrive bit by bit (log streams, event streams), all on the thread that calls
// poll().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include "agent/io/http_client.h"

namespace agent::io {

// One thread calls everything but wakeup(). Callbacks run inside poll(); they may add() and
// cancel(), also their own stream.
class HttpStreams {
 public:
  using Id = std::uint64_t;  // never reused

  struct Callbacks {
    // The final answer's status and headers, before any data. False ends the stream.
    std::function<bool(int status, const HttpHeaders& headers)> on_headers;
    // Up to 16 KiB. May block: nothing is read meanwhile, from any stream. False ends the stream.
    std::function<bool(std::string_view data)> on_data;
    // Once, last, unless cancelled: success when the peer ended the answer properly (or a callback
    // said false), else what went wrong.
    std::function<void(Result<> end)> on_end;
  };

  // `options` hold for all streams, unix_socket included; redirects are followed as they say, OAuth
  // is not done: see authorize().
  explicit HttpStreams(HttpOptions options);
  ~HttpStreams();
  HttpStreams(const HttpStreams&) = delete;
  HttpStreams& operator=(const HttpStreams&) = delete;

  // Streams that start from now on carry this token (HttpClient::token()) instead of the configured
  // authentication.
  void authorize(std::optional<Secret> bearer);
  // Starts with the next poll(). request.max_body does not count here; request.timeout bounds the
  // whole life of the stream (0: none), options.connect_timeout the connecting.
  Id add(HttpRequest request, Callbacks callbacks);
  void cancel(Id id);
  std::size_t size() const;

  // Waits until there is something to do, `timeout` has passed, or a wakeup or a stop; does what
  // there is, at most one read per stream, and returns.
  // A negative timeout waits without limit.
  void poll(Duration timeout, const std::stop_token& stop);
  // Makes the present or next poll() return. Any thread.
  void wakeup();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace agent::io
