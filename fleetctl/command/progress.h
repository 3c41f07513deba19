// How a run over many hosts goes, on standard error while it lasts: on a terminal a block of a few
// lines that is redrawn in place, elsewhere a line every half minute, or every step as it happens.
// What is printed meanwhile goes through above(), so that the block stays below it.
//
// On the terminal: the block's lines are cut to its width, and between two drawings the cursor
// stands at the block's first line. So whatever a resize does to the lines, or somebody else
// writes, the next drawing begins where the block begins, and erases to the end of the screen.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "fleetctl/command/host_run.h"

namespace fleetctl::command {

enum class Shape {
  kBlock,
  kLines,
  kSteps,   // a line for each step of each host
  kEvents,  // a JSON object for each of them, see events.h
  kNone,
};

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

struct Screen {
  Shape shape = Shape::kLines;
  bool color = false;
  std::function<ScreenSize()> size;
  std::function<void(std::string_view bytes)> write;
  std::string run;  // kEvents
};
// Standard error as it is.
Screen screen_of_standard_error(bool color);
// Events of the run, on standard output.
Screen screen_of_events(std::string run);

// What there is to tell.
struct Picture {
  struct AtWork {
    std::string host;
    std::string step;
    agent::Duration since{};  // of this step
  };
  std::string doing;  // "deploying"
  std::size_t hosts = 0;
  std::size_t ended = 0;
  std::map<HostState, std::size_t> states;
  std::vector<AtWork> at_work;  // the longest first
  agent::Duration elapsed{};
};
// The block's lines, without line feeds. Pure.
std::vector<std::string> block_of(const Picture& picture, ScreenSize size, bool color);
// The line of a log.
std::string line_of(const Picture& picture);

// All methods from any thread.
class Progress {
 public:
  Progress(Screen screen, agent::Clock& clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(std::string doing, std::size_t hosts) EXCLUDES(mutex_);
  void end() EXCLUDES(mutex_);  // the block is gone
  void step(const std::string& host, std::string_view step) EXCLUDES(mutex_);
  void ended(const std::string& host, const HostResult& result) EXCLUDES(mutex_);
  // `print` may write to standard output or error.
  void above(const std::function<void()>& print) EXCLUDES(mutex_);

 private:
  struct Step {
    std::string name;
    agent::Mono since;
    agent::Mono begun;
  };
  void run(const std::stop_token& stop);
  Picture picture() const REQUIRES(mutex_);
  void draw() REQUIRES(mutex_);
  void erase() REQUIRES(mutex_);

  const Screen screen_;
  agent::Clock& clock_;
  agent::Mutex mutex_;
  agent::Condition never_;
  bool drawn_ GUARDED_BY(mutex_) = false;
  Picture state_ GUARDED_BY(mutex_);  // without what is computed when it is drawn
  std::map<std::string, Step> at_work_ GUARDED_BY(mutex_);
  agent::Mono start_ GUARDED_BY(mutex_){};
  std::jthread thread_;
};

}  // namespace fleetctl::command
