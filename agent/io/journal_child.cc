#include "agent/io/journal_child.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/io/journal.h"
#include "agent/io/journal_frames.h"

namespace agent::io {
namespace {

constexpr int kSocket = 0;
constexpr std::size_t kFrameEntries = 1024;
constexpr std::size_t kFrameBytes = 1U << 20;
constexpr Duration kHeartbeat = std::chrono::seconds(10);

enum class Sent { kAll, kNot, kNobodyReads };

Sent send(std::string_view bytes, int patience_ms) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(kSocket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Sent::kNot;
    pollfd room{kSocket, POLLOUT, 0};
    if (::poll(&room, 1, patience_ms) == 0) return Sent::kNobodyReads;
  }
  return Sent::kAll;
}

Result<JournalRequest> receive_request() {
  JournalFrames frames;
  for (;;) {
    auto frame = frames.next();
    if (!frame) return fail(std::move(frame.error()));
    if (*frame) return parse_request((*frame)->payload);
    std::size_t size = 0;
    char* const room = frames.room(size);
    const ssize_t n = ::read(kSocket, room, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(ErrorCode::kIo, "there is no request");
    frames.filled(static_cast<std::size_t>(n));
  }
}

class Reading {
 public:
  explicit Reading(const JournalRequest& request) : request_(request) {}

  // Until the socket is closed. An Error is to be told to the agent.
  Result<> run() {
    if (auto opened = open(); !opened) {
      tell(JournalFrame::kRefused, opened.error().message);
      return {};
    }
    if (auto sought = seek(); !sought) return sought;
    if (!tell(JournalFrame::kReady, std::string_view(&notes_, 1))) return {};
    std::size_t careful = request_.one_by_one;
    for (;;) {
      const std::size_t most = careful > 0 ? 1 : kFrameEntries;
      if (careful > 0) --careful;
      auto more = read(most);
      if (!more) return fail(std::move(more.error()));
      const bool some = entries_.entries() > 0;
      Result<bool> go_on = some ? tell_entries() : true;
      if (go_on && *go_on) go_on = *more ? look_around() : wait(some);
      if (!go_on) return fail(std::move(go_on.error()));
      if (!*go_on) return {};
    }
  }

 private:
  Result<> open() {
    Journal::Options options;
    options.directory = request_.directory;
    options.matches = request_.matches;
    auto opened = Journal::open(options);
    if (!opened) return fail(std::move(opened.error()));
    journal_ = std::move(*opened);
    return {};
  }

  Result<> seek() {
    if (request_.cursor.empty()) return seek_oldest();
    if (auto sought = journal_->seek_cursor(request_.cursor); !sought) {
      if (sought.error().code != ErrorCode::kInvalid) return sought;
      notes_ |= static_cast<char>(kCursorRefused);
      return seek_oldest();
    }
    if (request_.oldest_us == 0) return {};
    const auto first = journal_->peek();
    if (!first) return fail(first.error());
    if (!*first || **first >= request_.oldest_us) return {};
    notes_ |= static_cast<char>(kPassedOver);
    return seek_oldest();
  }
  Result<> seek_oldest() {
    return request_.oldest_us == 0 ? journal_->seek_head()
                                   : journal_->seek_time(request_.oldest_us);
  }

  // Up to `most` entries; false: the end was reached.
  Result<bool> read(std::size_t most) {
    entries_.clear();
    const Journal::Visitor tell_field = [this](std::string_view name, std::string_view value) {
      if (is_wanted(name)) entries_.field(name, value);
    };
    std::uint64_t last = 0;
    while (entries_.entries() < most && entries_.size() < kFrameBytes) {
      const auto us = journal_->peek();
      if (!us) return fail(us.error());
      if (!*us) {
        if (last == 0) return false;
        const auto at = journal_->time();
        if (!at) return fail(at.error());
        if (*at == last) return false;
        return fail(ErrorCode::kIo, "journal: an entry with a damaged number hides others");
      }
      last = **us;
      entries_.begin(last);
      if (const auto taken = journal_->next(tell_field); !taken) return fail(taken.error());
    }
    return true;
  }

  bool is_wanted(std::string_view name) const {
    return request_.fields.empty() ||
           std::find(request_.fields.begin(), request_.fields.end(), name) != request_.fields.end();
  }

  // These give false when the agent is gone.

  Result<bool> tell_entries() {
    const auto cursor = journal_->cursor();
    if (!cursor) return fail(cursor.error());
    frame_.clear();
    entries_.append_frame_to(frame_, *cursor);
    return flush();
  }

  Result<bool> look_around() {
    if (auto refreshed = journal_->refresh(); !refreshed) return fail(std::move(refreshed.error()));
    return true;
  }

  // Until there may be more entries.
  Result<bool> wait(bool was_busy) {
    if (was_busy || clock_.mono() >= beat_) {
      if (!tell(JournalFrame::kIdle, {})) return false;
      beat_ = clock_.mono() + kHeartbeat;
      if (was_busy) give_memory_back();
    }
    if (auto waited = journal_->wait(beat_ - clock_.mono(), kSocket); !waited)
      return fail(std::move(waited.error()));
    pollfd closed{kSocket, POLLIN, 0};
    return ::poll(&closed, 1, 0) == 0;
  }

  void give_memory_back() {
    if (frame_.capacity() < (64U << 10)) return;
    frame_ = {};
    entries_ = {};
    ::malloc_trim(0);
  }

  bool tell(JournalFrame kind, std::string_view text) {
    frame_.clear();
    append_frame(frame_, kind, [&](std::string& payload) { payload += text; });
    return flush();
  }

  bool flush() {
    const Sent sent = send(frame_, static_cast<int>(request_.patience_ms));
    if (sent == Sent::kNobodyReads) ::_exit(kJournalPaused);
    return sent == Sent::kAll;
  }

  const JournalRequest& request_;
  SystemClock clock_;
  std::unique_ptr<Journal> journal_;
  JournalEntriesWriter entries_;
  std::string frame_;
  char notes_ = 0;
  Mono beat_{};
};

}  // namespace

int journal_child() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, kJournalChild.data());
  // Whoever stops the service signals all its processes; this one ends when the agent does.
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) ::signal(number, SIG_IGN);
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
  const auto request = receive_request();
  if (!request) return EXIT_FAILURE;
  if (const auto read = Reading(*request).run(); !read) {
    std::string frame;
    append_frame(frame, JournalFrame::kFailed,
                 [&](std::string& payload) { payload += read.error().message; });
    send(frame, static_cast<int>(request->patience_ms));
  }
  return EXIT_SUCCESS;
}

}  // namespace agent::io
