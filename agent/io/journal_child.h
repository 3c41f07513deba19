// The process that reads the journal for the agent, so that what libsystemd does about damaged
// files (abort, SIGBUS, going round in circles) costs a restart of this process and nothing else.
// It is the agent's own program, started by JournalReader with kJournalChild as its only argument:
// no environment, no descriptors but its standard input and error, no configuration, no secrets.
#pragma once

#include <string_view>

namespace agent::io {

inline constexpr std::string_view kJournalChild = "journal-reader";
// Exit status of a reader whose patience is at its end (JournalRequest::patience_ms).
inline constexpr int kJournalPaused = 3;

// Its whole life: takes a request from standard input, a socket, and answers there
// (journal_frames.h) until the other end is closed. For main(), before it does anything else. The
// exit status.
int journal_child();
// Whether these are the arguments of that process.
inline bool is_journal_child(int argc, char** argv) {
  return argc == 2 && argv[1] == kJournalChild;
}

}  // namespace agent::io
