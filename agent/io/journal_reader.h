// Reads a journal by way of a process of its own (journal_child.h).
//
// One thread: the one that starts it also reads and destroys it, because the process dies with that
// thread. It is killed and reaped with the object. Reading is ahead of the caller by what a socket
// holds.
#pragma once

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/io/journal_frames.h"

namespace agent::io {

class JournalReader {
 public:
  struct Event {
    enum class Kind {
      kNothing,  // in that time
      kReady,    // the journal is open
      kRefused,  // it cannot be opened: `payload` says why; the reader has ended
      kEntries,  // `payload` is for JournalEntries
      kIdle,     // everything was read
      kPaused,   // nobody called read() for long and the journal was closed; the reader has ended
    };
    Kind kind = Kind::kNothing;
    std::string_view payload;     // valid until the next call
    bool cursor_refused = false;  // of kReady: the cursor is not one
    bool passed_over = false;     // of kReady: the cursor's entry is older than oldest_us
  };

  static Result<std::unique_ptr<JournalReader>> start(const JournalRequest& request);
  ~JournalReader();
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  // Waits `at_most`, or until a stop. An Error: the reader has died, hangs or cannot read on;
  // a new one, from the last cursor, may.
  Result<Event> read(Duration at_most, const std::stop_token& stop);
  pid_t pid() const { return pid_; }

 private:
  JournalReader() = default;
  Result<Event> event_of(const JournalFrames::Frame& frame);
  Result<Event> ended();

  FileDescriptor socket_;
  FileDescriptor wake_;  // eventfd that a stop writes to
  pid_t pid_ = -1;
  JournalFrames frames_;
  Duration silent_{};  // for so long it has not said anything
};

}  // namespace agent::io
