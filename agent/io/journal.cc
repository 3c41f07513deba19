#include "agent/io/journal.h"

#include <poll.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace agent::io {
namespace {

tl::unexpected<Error> fail_journal(std::string_view what, int negative) {
  return fail_errno("journal: " + std::string(what), -negative);
}

// Compressed fields are cut to this size; others come whole, whatever their size.
constexpr std::size_t kFieldLimit = 1U << 20;

struct Free {
  void operator()(char* text) const { std::free(text); }
};

}  // namespace

void Journal::Close::operator()(sd_journal* journal) const { sd_journal_close(journal); }

Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(const Options& options) {
  sd_journal* raw = nullptr;
  const int opened = options.directory.empty()
                         ? sd_journal_open(&raw, SD_JOURNAL_LOCAL_ONLY)
                         : sd_journal_open_directory(&raw, options.directory.c_str(), 0);
  if (opened < 0)
    return fail_journal(
        "open " + (options.directory.empty() ? "this machine's" : options.directory.string()),
        opened);
  std::unique_ptr<Journal> journal(new Journal(raw));
  for (const std::string& match : options.matches) {
    const int added = sd_journal_add_match(raw, match.data(), match.size());
    if (added < 0)
      return fail(ErrorCode::kInvalid,
                  "journal: match \"" + match + "\" is not of the form FIELD=value");
  }
  if (const int set = sd_journal_set_data_threshold(raw, kFieldLimit); set < 0)
    return fail_journal("set the field limit", set);
  // Asked for before the first read, so that no change between reading and waiting is missed. A
  // failure (no inotify instance left) is not the end: wait() then only pauses.
  sd_journal_get_fd(raw);
  return journal;
}

Result<> Journal::seek_head() {
  ahead_ = false;
  if (const int r = sd_journal_seek_head(journal_.get()); r < 0)
    return fail_journal("seek to the start", r);
  return {};
}

Result<> Journal::seek_time(std::uint64_t us) {
  ahead_ = false;
  if (const int r = sd_journal_seek_realtime_usec(journal_.get(), us); r < 0)
    return fail_journal("seek to a time", r);
  return {};
}

Result<> Journal::seek_cursor(const std::string& cursor) {
  ahead_ = false;
  if (const int r = sd_journal_seek_cursor(journal_.get(), cursor.c_str()); r < 0)
    return fail_journal("seek to a cursor", r);
  const auto moved = advance();
  if (!moved) return fail(moved.error());
  if (!*moved) return {};
  const int same = sd_journal_test_cursor(journal_.get(), cursor.c_str());
  if (same < 0) return fail_journal("compare a cursor", same);
  ahead_ = same == 0;
  return {};
}

Result<bool> Journal::advance() {
  const int r = sd_journal_next(journal_.get());
  if (r < 0) return fail_journal("next entry", r);
  return r > 0;
}

Result<std::optional<std::uint64_t>> Journal::peek() {
  if (!ahead_) {
    const auto moved = advance();
    if (!moved) return fail(moved.error());
    if (!*moved) return std::nullopt;
    ahead_ = true;
  }
  auto us = time();
  if (!us) return fail(std::move(us.error()));
  return *us;
}

Result<std::uint64_t> Journal::time() {
  std::uint64_t us = 0;
  if (const int r = sd_journal_get_realtime_usec(journal_.get(), &us); r < 0)
    return fail_journal("time of an entry", r);
  return us;
}

Result<std::optional<std::uint64_t>> Journal::next(const Visitor& visit) {
  auto us = peek();
  if (!us || !*us) return us;
  ahead_ = false;
  sd_journal_restart_data(journal_.get());
  for (;;) {
    const void* data = nullptr;
    std::size_t size = 0;
    const int r = sd_journal_enumerate_available_data(journal_.get(), &data, &size);
    if (r < 0) return fail_journal("field of an entry", r);
    if (r == 0) return us;
    const std::string_view field(static_cast<const char*>(data), size);
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    visit(field.substr(0, equals), field.substr(equals + 1));
  }
}

Result<std::string> Journal::cursor() {
  char* text = nullptr;
  if (const int r = sd_journal_get_cursor(journal_.get(), &text); r < 0)
    return fail_journal("cursor of an entry", r);
  const std::unique_ptr<char, Free> owned(text);
  return std::string(text);
}

Result<> Journal::refresh() {
  if (const int r = sd_journal_process(journal_.get()); r < 0)
    return fail_journal("look for changes", r);
  return {};
}

Result<> Journal::wait(Duration at_most, int other) {
  using std::chrono::milliseconds;
  // Without a working inotify only time tells.
  constexpr milliseconds kUnreliable{500};
  const int fd = sd_journal_get_fd(journal_.get());
  const bool reliable = fd >= 0 && sd_journal_reliable_fd(journal_.get()) > 0;
  auto limit = std::chrono::ceil<milliseconds>(at_most);
  if (!reliable) limit = std::min(limit, kUnreliable);
  limit = std::min(limit, milliseconds(60'000));

  std::array<pollfd, 2> polled{};
  polled[0] = {other, POLLIN, 0};
  polled[1].fd = fd;
  if (fd >= 0) {
    const int events = sd_journal_get_events(journal_.get());
    polled[1].events = static_cast<short>(events < 0 ? POLLIN : events);
  }
  ::poll(polled.data(), fd >= 0 ? 2 : 1, static_cast<int>(limit.count()));
  if (fd < 0) return {};
  return refresh();
}

}  // namespace agent::io
