#include "fleetctl/command/facts.h"

#include <algorithm>
#include <iostream>
#include <thread>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "fleetctl/command/ask_host.h"
#include "fleetctl/command/report.h"
#include "fleetctl/plan/host_facts.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

constexpr std::size_t kMostOutput = 1U << 20;

// Sends the script and keeps what comes back.
class Question final : public remote::Dialogue {
 public:
  explicit Question(std::string script) : script_(std::move(script)) {}
  void on_start(remote::Input& input) override {
    input.send(std::move(script_));
    input.close();
  }
  Result<> on_output(std::string_view bytes, remote::Input&) override {
    if (output.size() + bytes.size() > kMostOutput)
      return fail(ErrorCode::kExhausted, "the host's answer has no end");
    output += bytes;
    return {};
  }
  Result<> on_error_output(std::string_view, remote::Input&) override { return {}; }

  std::string output;

 private:
  std::string script_;
};

Result<Dict> ask(const Host& host, const RunOptions& options, const World& world,
                 std::vector<std::string>& notes) {
  const std::string nonce = world.nonces();
  Question question(plan::host_facts_script(nonce));
  const auto status = ask_host(host, kShell, question, options, world, notes);
  if (!status) return fail(status.error());
  return plan::read_host_facts(question.output, nonce);
}

std::string to_json(const Dict& by_host) {
  value::JsonFormat format;
  format.indent = 1;
  return value::to_json(Value::dict(by_host), format).value_or("{}") + "\n";
}

}  // namespace

std::string gather_facts(const std::vector<std::shared_ptr<const Host>>& hosts,
                         const RunOptions& options, const World& world, const std::string& known,
                         std::vector<Problem>& problems) {
  std::vector<Result<Dict>> found(hosts.size(), Dict());
  std::vector<std::vector<std::string>> notes(hosts.size());
  {
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> workers;
    const auto threads = std::min<std::size_t>(std::max(options.forks, 1U), hosts.size());
    for (std::size_t i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (std::size_t at = next++; at < hosts.size(); at = next++)
          found[at] = ask(*hosts[at], options, world, notes[at]);
      });
    }
  }
  Dict by_host;
  if (const auto before = value::parse_json(known); before && before->is_dict())
    by_host = before->as_dict();
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    for (const std::string& note : notes[i])
      std::cerr << "note: " << hosts[i]->name() << ": " << note << "\n";
    if (found[i]) {
      by_host.set(hosts[i]->name(), Value::dict(std::move(*found[i])));
    } else {
      problems.push_back({hosts[i]->name(), "facts: " + printable(found[i].error().message)});
    }
  }
  return to_json(by_host);
}

Result<Fleet> load_fleet_with_facts(FleetOptions options, const ConfigurationCheck& check,
                                    RunOptions run) {
  auto fleet = load_fleet(options, check);
  if (!fleet || fleet->without_facts.empty()) return fleet;
  std::vector<Problem> problems;
  in_the_world(run, false, [&](const World& world, const std::atomic<bool>&) {
    options.gathered_facts = gather_facts(fleet->without_facts, run, world, "", problems);
    return ExitCode::kDone;
  });
  auto again = load_fleet(options, check);
  if (again) again->problems.insert(again->problems.begin(), problems.begin(), problems.end());
  return again;
}

ExitCode run_facts(FleetOptions fleet_options, FactsOptions options) {
  fleet_options.rendering = Rendering::kNone;
  const auto fleet = usable(load_fleet(fleet_options, {}), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  return in_the_world(options, false, [&](const World& world, const std::atomic<bool>&) {
    std::string known;
    if (!options.output.empty()) known = agent::read_file(options.output).value_or("");
    std::vector<Problem> problems;
    const std::string text = gather_facts(fleet->hosts, options, world, known, problems);
    print_problems(problems, std::cerr);
    if (options.output.empty()) {
      std::cout << text << std::flush;
    } else if (auto done = agent::write_file_atomic(options.output, text, 0644); !done) {
      std::cerr << "fleetctl: " << done.error().message << "\n";
      return ExitCode::kRefused;
    }
    return problems.empty() ? ExitCode::kDone : ExitCode::kUnreachable;
  });
}

}  // namespace fleetctl::command
