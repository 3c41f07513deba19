// Docker's json-file logs, rotated by a real daemon, read from its folder through stage.docker.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"
#include "tests/support/private_docker.h"

namespace agent {

namespace source {
component::Declaration loki_source_file();
}
namespace process {
component::Declaration loki_process();
}

namespace {

struct Pipeline {
  std::shared_ptr<LogCollector> collector = std::make_shared<LogCollector>();
  ComponentBox process_box{"loki.process.x"};
  ComponentBox file_box{"loki.source.file.x"};
  RunningComponent process{process_box, process::loki_process()};
  RunningComponent file{file_box, source::loki_source_file()};

  explicit Pipeline(const PrivateDocker& docker) {
    lang::Body stages = body_of({}, {{"stage.docker", {}}});
    stages.attributes.push_back(forward_to(collector));
    REQUIRE(process.configure(stages) == "");
    const lang::Value target = lang::Value::Object{
        {"__path__", docker.data_root() + "/containers/*/*-json.log"}, {"job", "docker"}};
    lang::Body body =
        body_of({{"targets", lang::Value::List{target}}},
                {{"file_match", body_of({{"enabled", true}, {"sync_period", "200ms"}})}});
    body.attributes.push_back(forward_to(process_box.receiver()));
    REQUIRE(file.configure(body) == "");
    file.start();
  }

  // The numbers of the lines "NAME <number> ...", in the order in which they came, up to `last`.
  std::vector<int> numbers(const std::string& name, int last) const {
    std::vector<int> out;
    collector->wait(
        [&](const auto& lines) {
          out.clear();
          for (const auto& line : lines)
            if (line.text.compare(0, name.size() + 1, name + " ") == 0)
              out.push_back(std::atoi(line.text.c_str() + name.size() + 1));
          return !out.empty() && out.back() == last;
        },
        std::chrono::minutes(1));
    return out;
  }
};

}  // namespace

TEST_CASE("loki.source.file: Docker's rotated json-files are read whole, in order, once") {
  const PrivateDocker docker("sfa");
  const Pipeline pipeline(docker);
  constexpr int kLines = 600;
  // Slow enough for a reader that is never max-file - 1 files behind.
  const std::string script =
      "i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo NAME $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; [ "
      "$((i%20)) = 0 ] && sleep 0.1; done; echo NAME 601";
  const auto run = [&](const std::string& name, const std::string& options) {
    std::string text = script;
    for (std::size_t at = 0; (at = text.find("NAME")) != std::string::npos;)
      text.replace(at, 4, name);
    docker.run(name, text, options);
  };
  // About 120 bytes a line: 9 of them to a file.
  run("small", "--log-opt max-size=1k --log-opt max-file=10");
  run("few", "--log-opt max-size=10k --log-opt max-file=3");
  run("large", "--log-opt max-size=100m --log-opt max-file=2");
  for (const char* name : {"small", "few", "large"}) {
    INFO(name);
    const auto got = pipeline.numbers(name, kLines + 1);
    REQUIRE(got.size() == kLines + 1);
    for (int i = 0; i <= kLines; ++i) REQUIRE(got[static_cast<std::size_t>(i)] == i + 1);
  }
  CHECK(pipeline.file_box.metric("loki_source_file_rotations_total") >= 600 / 10 + 6);
  CHECK(pipeline.file_box.metric("loki_source_file_missing_files_total") == 0);
  CHECK(pipeline.file_box.metric("loki_source_file_truncations_total") == 0);
}

TEST_CASE(
    "loki.source.file: where Docker's rotation is faster than any reader, order stays and no line "
    "comes twice") {
  const PrivateDocker docker("sfb");
  const Pipeline pipeline(docker);
  // The rush begins when the first line is there: its file is read from then on.
  const auto run = [&](const std::string& name, const std::string& options) {
    docker.run(name,
               "echo " + name +
                   " 0; while [ ! -e /go ]; do sleep 0.05; done; i=0; while [ $i -lt 20000 ]; do "
                   "i=$((i+1)); echo " +
                   name + " $i; done; sleep 1; echo " + name + " 20001",
               options);
    REQUIRE(pipeline.numbers(name, 0) == std::vector<int>{0});
  };
  run("two", "--log-opt max-size=1k --log-opt max-file=2");
  run("one", "--log-opt max-size=1k --log-opt max-file=1");
  for (const char* name : {"two", "one"}) docker.docker(std::string("exec ") + name + " touch /go");
  for (const char* name : {"two", "one"}) {
    INFO(name);
    const auto got = pipeline.numbers(name, 20'001);
    REQUIRE_FALSE(got.empty());
    CHECK(got.back() == 20'001);
    for (std::size_t i = 1; i < got.size(); ++i) CHECK(got[i] > got[i - 1]);
  }
  // How many files are gone before they are read, and whether that can be seen, is a race:
  // file_tail_test has it in steps. With max-file=1 the daemon begins the one file anew.
  CHECK(pipeline.file_box.metric("loki_source_file_truncations_total") +
            pipeline.file_box.metric("loki_source_file_rotations_total") >
        0);
}

}  // namespace agent
