// A whole conversation with a host, of any task: the first byte says which, the rest is what the
// host says, its two outputs taking turns at each byte 01, in pieces that end at each byte 02.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "fleetctl/command/host_run.h"

namespace {

using namespace fleetctl;

constexpr const char* kPassword = "sesame-sesame";

class Host final : public remote::Remote {
 public:
  Host(std::string_view said, int status) : said_(said), status_(status) {}
  agent::Result<> connect(remote::Mono) override { return {}; }
  agent::Result<int> exec(const std::string&, remote::Dialogue& dialogue, remote::Mono) override {
    dialogue.on_start(input_);
    bool errors = false;
    for (const std::string_view turn : agent::split(said_, '\x01')) {
      for (const std::string_view piece : agent::split(turn, '\x02')) {
        auto told =
            errors ? dialogue.on_error_output(piece, input_) : dialogue.on_output(piece, input_);
        if (!told) return agent::fail(told.error());
        hear();
      }
      errors = !errors;
    }
    if (status_ < 0) return agent::fail(agent::ErrorCode::kUnavailable, "the connection broke");
    return status_;
  }
  std::size_t passwords() const { return passwords_; }

 private:
  void hear() {
    for (; !input_.empty(); input_.consume(input_.next().size()))
      if (input_.next().find(kPassword) != std::string_view::npos) ++passwords_;
  }

  std::string_view said_;
  int status_;
  remote::Input input_;
  std::size_t passwords_ = 0;
};

void expect(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using command::Task;
  if (size == 0) return 0;
  const unsigned mode = data[0];
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  plan::Wanted wanted{plan::standard_files("a\n", "[Unit]\n"), {"adm"}, "0123456789abcdef"};
  wanted.files.push_back({"/etc/fleet-agent/b", "0640", "fleet-agent", "b\n"});
  plan::Release release{"0123456789abcdef",
                        std::string(64, 'a'),
                        "x86_64",
                        "2.36",
                        std::make_shared<const std::string>("x"),
                        1};
  constexpr Task kTasks[] = {Task::kDeploy, Task::kRollback, Task::kLook,   Task::kMeasure,
                             Task::kUpkeep, Task::kDeploy,   Task::kDeploy, Task::kDeploy};
  const std::vector<plan::Build> builds{{wanted, release}};
  command::HostOrder order{wanted, release, {"n", "me@box"}, {}, {}, {}};
  order.task = kTasks[mode % 8];
  order.check = mode % 8 == 5;
  order.diff = (mode & 8U) != 0;
  order.keeps_listeners = mode % 8 == 6;
  if (mode % 8 == 7) order.builds = &builds;
  order.upkeep = "lock";
  const bool asks = (mode & 16U) != 0;
  order.exec.become = asks ? plan::Become::kPassword : plan::Become::kNone;
  order.become_password = agent::Secret(kPassword);
  std::size_t steps = 0;
  order.on_step = [&](std::string_view step) {
    ++steps;
    expect(step == command::one_line(step));
  };

  Host host(said, (mode & 32U) != 0 ? 0 : (mode & 64U) != 0 ? 127 : -1);
  const agent::SystemClock clock;
  const command::HostResult result = command::run_host(host, order, clock.mono());

  expect(host.passwords() <= (asks ? 1U : 0U));
  std::vector<std::string> lines = result.notes;
  lines.push_back(result.text);
  for (const auto* list : {&result.details, &result.changes, &result.told})
    lines.insert(lines.end(), list->begin(), list->end());
  for (const plan::Change& change : result.planned) lines.push_back(change.what);
  for (const std::string& line : lines) expect(line == command::one_line(line, line.size()));
  expect(result.diff == command::printable(result.diff));
  for (const auto& [path, diff] : result.file_diffs) expect(diff == command::printable(diff));
  const bool well = result.state == command::HostState::kUnchanged ||
                    result.state == command::HostState::kChanged ||
                    result.state == command::HostState::kWouldChange;
  expect(well || !result.text.empty());
  expect(lines.size() <= 8 * size + 100 && steps <= size + 3);
  return 0;
}
