// Whether threads get on. A watched thread moves when it asks for the time, when it begins and when
// it ends to wait, and when it goes from one part of the agent into another. One that neither moves
// nor waits for long hangs: in a system call that does not return, in a loop without end.
//
// Who is watched pays a relaxed store or two for each move: no lock, no allocation, no clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace agent {

// A part of the agent that threads are in; numbered by whoever watches. 0: none.
using Part = std::uint64_t;

class Pulse;

// The watched threads. Thread-safe; outlives them.
class Pulses {
 public:
  struct Hang {
    Part part = 0;  // where the thread is
    Part home = 0;  // whose thread it is
  };
  // The threads that have not moved for `limit` and do not wait. `passed`: since the last call.
  std::vector<Hang> look(Duration passed, Duration limit) EXCLUDES(mutex_);

 private:
  friend class Pulse;
  Mutex mutex_;
  std::vector<Pulse*> threads_ GUARDED_BY(mutex_);
};

// The calling thread is watched for as long as this lives.
class Pulse {
 public:
  // What a thread passes on to one that it starts for its own part.
  struct Origin {
    Pulses* pulses = nullptr;  // null: nobody watches
    Part home = 0;
  };
  explicit Pulse(Origin origin);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  // Of the calling thread.
  static Origin origin();
  // The calling thread moved: for long work that does nothing else of what counts as a move.
  static void beat();

  // The calling thread waits: for a time, an event, room. Around each call that does.
  class Wait {
   public:
    Wait();
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    Pulse* const waiting_;
  };

  // The calling thread is in `part`. One that nobody watches is watched meanwhile, as one of
  // `part`.
  class Visit;

 private:
  friend class Pulses;
  void move();

  Pulses* const pulses_;
  const Part home_;
  // Written by the thread, read by look().
  std::atomic<std::uint64_t> moves_{0};
  std::atomic<Part> part_;
  std::atomic<std::uint32_t> waits_{0};  // begun and not ended
  // Of look().
  std::uint64_t seen_ = 0;
  Duration still_{0};
};

class Pulse::Visit {
 public:
  Visit(Pulses& pulses, Part part);
  ~Visit();
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  std::optional<Pulse> own_;  // of a thread that nobody watched
  Pulse& of_;
  const Part before_;
};

}  // namespace agent
