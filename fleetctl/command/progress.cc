#include "fleetctl/command/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "agent/base/file.h"
#include "fleetctl/command/events.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr agent::Duration kDrawEvery = std::chrono::milliseconds(100);
constexpr agent::Duration kLineEvery = seconds(30);
constexpr std::size_t kMostListed = 6;
constexpr std::size_t kBar = 20;
constexpr std::size_t kRoomForBar = 72;

// One line of the block: pieces are added while they fit, the last one is cut.
class Line {
 public:
  Line(std::size_t columns, bool color) : left_(columns), color_(color) {}
  void add(std::string_view text, Tone tone = Tone::kPlain) {
    std::string plain(text.substr(0, left_));
    // A column per byte: what is not ASCII could take two columns, or none.
    std::replace_if(
        plain.begin(), plain.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    left_ -= plain.size();
    out_ += painted(plain, tone, color_);
  }
  std::string take() { return std::move(out_); }

 private:
  std::size_t left_;
  const bool color_;
  std::string out_;
};

std::string time_text(agent::Duration duration) {
  const auto all = duration_cast<seconds>(duration).count();
  if (all >= 3600) return fmt::format("{}h{:02}m", all / 3600, all / 60 % 60);
  return all >= 60 ? fmt::format("{}m{:02}s", all / 60, all % 60) : fmt::format("{}s", all);
}

// From what has ended so far, once that is enough to tell anything.
std::string left_text(const Picture& picture) {
  if (picture.ended * 10 < picture.hosts || picture.ended == 0 || picture.elapsed < seconds(3))
    return "";
  const auto left = static_cast<std::int64_t>(picture.hosts - picture.ended);
  return "  about " + time_text(picture.elapsed / static_cast<std::int64_t>(picture.ended) * left) +
         " left";
}

}  // namespace

Screen screen_of_standard_error(bool color) {
  Screen screen;
  const char* term = std::getenv("TERM");
  const bool moves = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  screen.shape = ::isatty(STDERR_FILENO) != 0 && moves ? Shape::kBlock : Shape::kLines;
  screen.color = color;
  screen.size = [] {
    winsize size{};
    ScreenSize found;
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
      found = {size.ws_col, size.ws_row};
    return found;
  };
  screen.write = [](std::string_view bytes) { (void)agent::write_all(STDERR_FILENO, bytes); };
  return screen;
}

Screen screen_of_events(std::string run) {
  Screen screen;
  screen.shape = Shape::kEvents;
  screen.run = std::move(run);
  screen.write = [](std::string_view bytes) { std::cout << bytes << std::flush; };
  return screen;
}

std::vector<std::string> block_of(const Picture& picture, ScreenSize size, bool color) {
  // The last column stays free: a cursor behind it would be on the next line.
  const std::size_t columns = size.columns > 1 ? size.columns - 1 : 1;
  std::vector<std::string> lines;
  Line head(columns, color);
  head.add(picture.doing + "  ");
  if (columns >= kRoomForBar && picture.hosts > 0) {
    const std::size_t full = std::min(kBar, picture.ended * kBar / picture.hosts);
    head.add("[" + std::string(full, '#') + std::string(kBar - full, '-') + "]  ", Tone::kFaint);
  }
  head.add(fmt::format("{}/{}", picture.ended, picture.hosts));
  for (const auto& [state, number] : picture.states) {
    head.add("  ");
    head.add(fmt::format("{} {}", number, state_name(state)), tone_of(state));
  }
  head.add("  " + time_text(picture.elapsed) + left_text(picture), Tone::kFaint);
  lines.push_back(head.take());

  const std::size_t room = size.rows > 2 ? size.rows - 2 : 0;  // the prompt's line stays in sight
  const std::size_t listed = std::min({picture.at_work.size(), kMostListed, room});
  std::size_t width = 0;
  for (std::size_t i = 0; i < listed; ++i) width = std::max(width, picture.at_work[i].host.size());
  for (std::size_t i = 0; i < listed; ++i) {
    const Picture::AtWork& one = picture.at_work[i];
    Line line(columns, color);
    line.add(fmt::format("  {:<{}}  ", one.host, std::min(width, columns)));
    line.add(one.step);
    if (one.since >= seconds(1)) line.add(" " + time_text(one.since), Tone::kFaint);
    lines.push_back(line.take());
  }
  return lines;
}

std::string line_of(const Picture& picture) {
  std::string out = fmt::format("{} after {}: {} of {} hosts ended", picture.doing,
                                time_text(picture.elapsed), picture.ended, picture.hosts);
  for (const auto& [state, number] : picture.states)
    out += fmt::format(", {} {}", number, state_name(state));
  const char* separator = "; at work: ";
  for (std::size_t i = 0; i < std::min(picture.at_work.size(), kMostListed); ++i) {
    const Picture::AtWork& one = picture.at_work[i];
    out += fmt::format("{}{} ({} {})", separator, one.host, one.step, time_text(one.since));
    separator = ", ";
  }
  return out;
}

Progress::Progress(Screen screen, agent::Clock& clock)
    : screen_(std::move(screen)), clock_(clock) {}

Progress::~Progress() { end(); }

void Progress::begin(std::string doing, std::size_t hosts) {
  {
    const agent::MutexLock lock(mutex_);
    state_ = {};
    state_.doing = std::move(doing);
    state_.hosts = hosts;
    at_work_.clear();
    start_ = clock_.mono();
    if (screen_.shape == Shape::kEvents)
      screen_.write(begin_event({screen_.run, clock_.wall_ns()}, state_.doing, hosts));
    if (screen_.shape != Shape::kBlock && screen_.shape != Shape::kLines) return;
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Progress::end() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  const agent::MutexLock lock(mutex_);
  erase();
}

void Progress::run(const std::stop_token& stop) {
  const bool block = screen_.shape == Shape::kBlock;
  agent::MutexLock lock(mutex_);
  agent::Mono next = clock_.mono();
  while (!stop.stop_requested()) {
    if (block) draw();
    next += block ? kDrawEvery : kLineEvery;
    clock_.wait(lock, never_, next, stop, [] { return false; });
    if (!block && !stop.stop_requested()) screen_.write(line_of(picture()) + "\n");
  }
}

void Progress::step(const std::string& host, std::string_view step) {
  const agent::MutexLock lock(mutex_);
  const agent::Mono now = clock_.mono();
  const auto [at, fresh] = at_work_.try_emplace(host, Step{"", now, now});
  at->second.name = step;
  at->second.since = now;
  if (screen_.shape == Shape::kEvents)
    screen_.write(step_event({screen_.run, clock_.wall_ns()}, host, step));
  if (screen_.shape == Shape::kSteps)
    screen_.write(fmt::format("{:.2f}s {}: {}\n",
                              std::chrono::duration<double>(now - start_).count(), host,
                              printable(step)));
}

void Progress::ended(const std::string& host, const HostResult& result) {
  const agent::MutexLock lock(mutex_);
  at_work_.erase(host);
  ++state_.ended;
  ++state_.states[result.state];
  if (screen_.shape == Shape::kEvents)
    screen_.write(end_event({screen_.run, clock_.wall_ns()}, host, result));
}

void Progress::above(const std::function<void()>& print) {
  const agent::MutexLock lock(mutex_);
  const bool again = drawn_;
  erase();
  print();
  if (again) draw();
}

Picture Progress::picture() const {
  Picture picture = state_;
  const agent::Mono now = clock_.mono();
  picture.elapsed = now - start_;
  std::vector<std::pair<agent::Mono, const std::string*>> order;
  for (const auto& [host, step] : at_work_) order.emplace_back(step.begun, &host);
  std::sort(order.begin(), order.end());
  for (const auto& [begun, host] : order) {
    const Step& step = at_work_.at(*host);
    picture.at_work.push_back({*host, step.name, now - step.since});
    if (picture.at_work.size() == kMostListed) break;
  }
  return picture;
}

void Progress::draw() {
  const std::vector<std::string> lines = block_of(picture(), screen_.size(), screen_.color);
  // Each line is replaced where it stands and the rest erased at the end: nothing flickers.
  std::string bytes = "\r";
  for (std::size_t i = 0; i < lines.size(); ++i)
    bytes += (i == 0 ? "" : "\r\n") + lines[i] + "\x1b[K";
  bytes += "\x1b[J\r";
  if (lines.size() > 1) bytes += fmt::format("\x1b[{}A", lines.size() - 1);
  screen_.write(bytes);
  drawn_ = true;
}

void Progress::erase() {
  if (!drawn_) return;
  screen_.write("\r\x1b[J");
  drawn_ = false;
}

}  // namespace fleetctl::command
