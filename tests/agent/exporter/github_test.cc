// prometheus.exporter.github, against a server that answers in the shapes that GitHub documents.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "agent/base/program_output.h"
#include "agent/component/collector.h"
#include "agent/exporter/github_api.h"
#include "agent/io/http_client.h"
#include "agent/wire/exposition.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temp_dir.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_github();

namespace {

std::string repository(const std::string& owner, const std::string& name, int stars,
                       const std::string& more = "") {
  return R"({"id":1,"name":")" + name + R"(","full_name":")" + owner + "/" + name +
         R"(","private":false,"fork":true,"archived":false,"owner":{"login":")" + owner +
         R"(","id":7},"language":"C++","license":{"key":"mit","name":"MIT License"},)"
         R"("size":2048,"stargazers_count":)" +
         std::to_string(stars) + R"(,"forks_count":3,"open_issues_count":9,"watchers_count":)" +
         std::to_string(stars) + more + "}";
}

// A GitHub of a test: pages by path, ETags of what they are, a rate limit that counts.
class FakeGithub {
 public:
  std::map<std::string, ScriptedServer::Answer> pages;
  int remaining = 5'000;
  std::int64_t reset = 1'700'003'600;

  void put(const std::string& path, std::string body, std::string link = "") {
    ScriptedServer::Answer answer;
    answer.status = 200;
    answer.body = std::move(body);
    if (!link.empty()) answer.headers.emplace_back("Link", std::move(link));
    set(path, std::move(answer));
  }
  void set(const std::string& path, ScriptedServer::Answer answer) {
    MutexLock lock(mutex);
    pages[path] = std::move(answer);
  }
  void refuse(const std::string& path, int status, io::HttpHeaders headers = {},
              const std::string& message = "no") {
    ScriptedServer::Answer answer;
    answer.status = status;
    answer.body = R"({"message":")" + message + R"(","documentation_url":"https://docs"})";
    answer.headers = std::move(headers);
    set(path, std::move(answer));
  }

  ScriptedServer server{[this](const ScriptedServer::Request& request, std::size_t) {
    MutexLock lock(mutex);
    const auto found = pages.find(request.target);
    ScriptedServer::Answer answer;
    answer.status = 404;
    answer.body = R"({"message":"Not Found"})";
    if (found != pages.end()) answer = found->second;
    if (answer.status == 200) {
      const std::string etag = "\"" + std::to_string(std::hash<std::string>()(answer.body)) + "\"";
      const auto known = request.headers.find("if-none-match");
      if (known != request.headers.end() && known->second == etag) {
        answer = {};
        answer.status = 304;
      }
      answer.headers.emplace_back("ETag", etag);
    }
    remaining -= answer.status == 304 ? 0 : 1;
    answer.headers.emplace_back("X-RateLimit-Limit", "5000");
    answer.headers.emplace_back("X-RateLimit-Remaining", std::to_string(remaining));
    answer.headers.emplace_back("X-RateLimit-Reset", std::to_string(reset));
    answer.headers.emplace_back("X-RateLimit-Resource", "core");
    return answer;
  }};
  Mutex mutex;
};

constexpr char kReleases[] =
    R"([{"name":"One","tag_name":"v1","assets":[)"
    R"({"name":"a.deb","created_at":"2024-01-01T00:00:00Z","download_count":12}]}])";

struct Fixture {
  FakeClock clock;
  FakeGithub github;
  ComponentBox box{"prometheus.exporter.github.x", clock};
  RunningComponent component{box, prometheus_exporter_github()};

  std::string start(std::vector<std::pair<std::string, lang::Value>> more) {
    more.emplace_back("api_url", github.server.url(""));
    const std::string said = component.configure(body_of(std::move(more)));
    if (said.empty() && !component.running()) component.start();
    return said;
  }
  void put_all(const std::string& name) {
    github.put("/repos/" + name + "/pulls?state=open&per_page=1", "[{}]",
               "<https://api/x?state=open&per_page=1&page=2>; rel=\"next\", "
               "<https://api/x?state=open&per_page=1&page=4>; rel=\"last\"");
    github.put("/repos/" + name + "/releases?per_page=100&page=1", kReleases);
  }
  std::string scrape() {
    const auto families = box.collectors.find("prometheus.exporter.github.x")->collect({});
    if (!families) return families.error().message;
    std::string out;
    for (const auto& family : *families) {
      std::vector<model::MetricFamily> one{family};
      const std::string page = wire::write_exposition(one);
      out += page.substr(page.find('\n', page.find("# TYPE")) + 1);
    }
    return out;
  }
  double requests(const std::string& code) const {
    return box.metric("prometheus_exporter_github_requests_total", {{"code", code}});
  }
  double all_requests() const { return box.metric("prometheus_exporter_github_requests_total"); }
  // Lets the time between two rounds pass.
  void pass_gap() {
    while (clock.sleepers() == 0) std::this_thread::yield();
    clock.advance(std::chrono::seconds(31));
    while (clock.sleepers() != 0) std::this_thread::yield();
  }
  // The next scrape, and the end of the round that it begins.
  std::string next_round() {
    pass_gap();
    return ask_again();
  }
  std::string ask_again() {
    const double before = rounds();
    std::string out = scrape();
    while (rounds() == before) std::this_thread::yield();
    return out;
  }
  double rounds() { return box.metric("prometheus_exporter_github_rounds_total"); }
};

lang::Value names(const std::vector<std::string>& all) { return string_list(all); }

}  // namespace

TEST_CASE("prometheus.exporter.github: a repository's figures, labelled as Alloy's exporter does") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5, R"(,"subscribers_count":2)"));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}, {"api_token", Secret("hush")}}).empty());
  const std::string labels =
      R"({archived="false",fork="true",language="C++",license="mit",private="false",repo="r",user="o"})";
  CHECK(f.scrape() ==
        "github_rate_limit 5000\ngithub_rate_remaining 4997\ngithub_rate_reset 1.7000036e+09\n"
        "github_repo_forks" +
            labels + " 3\ngithub_repo_open_issues" + labels +
            " 5\ngithub_repo_pull_request_count{repo=\"r\",user=\"o\"} 4\n"
            "github_repo_release_downloads{created_at=\"2024-01-01T00:00:00Z\",name=\"a.deb\","
            "release=\"One\",repo=\"r\",tag=\"v1\",user=\"o\"} 12\n"
            "github_repo_size_kb" +
            labels + " 2048\ngithub_repo_stars" + labels + " 5\ngithub_repo_watchers" + labels +
            " 2\n");
  const auto request = f.github.server.requests().at(0);
  CHECK(request.headers.at("authorization") == "Bearer hush");
  CHECK(request.headers.at("accept") == "application/vnd.github+json");
  CHECK_FALSE(request.headers.at("user-agent").empty());
  const auto target = f.box.exported("targets").list().at(0);
  CHECK(target.find("job")->string() == "integrations/github");
  CHECK(target.find("instance")->string().find("127.0.0.1:") == 0);
}

TEST_CASE("prometheus.exporter.github: what has not changed costs nothing of the rate limit") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  CHECK(f.scrape().find("github_rate_remaining 4997\n") != std::string::npos);
  f.next_round();
  CHECK(f.requests("304") == 3);
  CHECK(f.next_round().find("github_rate_remaining 4997\n") != std::string::npos);
  f.github.put("/repos/o/r", repository("o", "r", 6));
  f.next_round();
  CHECK(f.requests("200") == 4);
  CHECK(f.next_round().find("user=\"o\"} 6\n") != std::string::npos);
}

TEST_CASE("prometheus.exporter.github: nobody asks GitHub but for a scrape") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  f.clock.advance(std::chrono::hours(1));
  CHECK(f.all_requests() == 0);
  f.scrape();
  for (int i = 0; i < 10; ++i) f.scrape();  // within the gap they only read
  CHECK(f.all_requests() == 3);
}

TEST_CASE("prometheus.exporter.github: lists come page by page, each repository once") {
  Fixture f;
  f.github.put("/orgs/o/repos?per_page=100&page=1",
               "[" + repository("o", "a", 1) + "," + repository("o", "b", 2) + "]",
               "<https://elsewhere.example/orgs/o/repos?page=2>; rel=\"next\"");
  f.github.put("/orgs/o/repos?per_page=100&page=2", "[" + repository("o", "c", 3) + "]");
  f.github.put("/users/u/repos?per_page=100&page=1", "[" + repository("o", "a", 1) + "]");
  for (const char* name : {"o/a", "o/b", "o/c"}) f.put_all(name);
  REQUIRE(f.start({{"organizations", names({"o"})}, {"users", names({"u"})}}).empty());
  const std::string page = f.scrape();
  std::size_t stars = 0;
  for (std::size_t at = 0; (at = page.find("github_repo_stars", at)) != std::string::npos; ++at)
    ++stars;
  CHECK(stars == 3);
  // Only asked for alone a repository tells who watches it.
  CHECK(page.find("github_repo_watchers") == std::string::npos);
}

TEST_CASE("prometheus.exporter.github: a refused token ends the round, and is not shown") {
  Fixture f;
  for (const char* path : {"/repos/o/a", "/repos/o/b"})
    f.github.refuse(path, 401, {}, "Bad credentials");
  REQUIRE(
      f.start({{"repositories", names({"o/a", "o/b"})}, {"api_token", Secret("hush")}}).empty());
  f.scrape();
  CHECK(f.all_requests() == 1);
  CHECK(f.box.health.state().message == "GET /repos/o/a: status 401: Bad credentials");
  CHECK(f.box.logged().find("hush") == std::string::npos);
  for (const auto& [name, text] : f.component.debug_rows())
    CHECK(text.find("hush") == std::string::npos);
}

TEST_CASE("prometheus.exporter.github: a repository that is gone takes its series along") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  CHECK(f.scrape().find("github_repo_stars") != std::string::npos);
  f.github.refuse("/repos/o/r", 404, {}, "Not Found");
  f.next_round();
  CHECK_FALSE(f.box.health.state().healthy);
  CHECK(f.next_round().find("github_repo") == std::string::npos);
}

TEST_CASE("prometheus.exporter.github: a token that may not see pulls tells the rest") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  f.github.refuse("/repos/o/r/pulls?state=open&per_page=1", 403, {},
                  "Resource not accessible by personal access token");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  const std::string page = f.scrape();
  CHECK(page.find("github_repo_pull_request_count") == std::string::npos);
  CHECK(page.find("user=\"o\"} 9\n") != std::string::npos);  // all issues
  CHECK(f.box.health.state().healthy);
}

TEST_CASE("prometheus.exporter.github: when GitHub fails the last values stay") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  f.scrape();
  for (const char* path : {"/repos/o/r", "/repos/o/r/pulls?state=open&per_page=1",
                           "/repos/o/r/releases?per_page=100&page=1"})
    f.github.refuse(path, 502);
  f.next_round();
  CHECK_FALSE(f.box.health.state().healthy);
  CHECK(f.next_round().find("github_repo_stars") != std::string::npos);
  f.github.put("/repos/o/r", "[[[");
  f.put_all("o/r");
  f.next_round();
  CHECK_FALSE(f.box.health.state().healthy);
  CHECK(f.next_round().find("github_repo_stars") != std::string::npos);
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.next_round();
  CHECK(f.box.health.state().healthy);
}

TEST_CASE("prometheus.exporter.github: limits are kept, whatever words they come in") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  f.scrape();
  double pause = 0;
  SECTION("secondary, with a time") {
    f.github.refuse("/repos/o/r", 429, {{"Retry-After", "300"}});
    pause = 300;
  }
  SECTION("secondary, in words alone") {
    f.github.refuse("/repos/o/r", 403, {}, "You have exceeded a secondary rate limit.");
    pause = 60;
  }
  SECTION("a time beyond all measure") {
    f.github.refuse("/repos/o/r", 403, {{"Retry-After", "99999999"}});
    pause = 3600;
  }
  f.next_round();
  const double before = f.all_requests();
  CHECK_FALSE(f.box.health.state().healthy);
  f.put_all("o/r");
  f.github.put("/repos/o/r", repository("o", "r", 6));
  CHECK(f.next_round().find("github_repo_stars") != std::string::npos);
  CHECK(f.all_requests() == before);
  f.pass_gap();
  f.clock.advance(std::chrono::seconds(static_cast<int>(pause)));
  f.ask_again();
  CHECK(f.all_requests() > before);
  CHECK(f.box.health.state().healthy);
}

TEST_CASE("prometheus.exporter.github: a tenth of the rate limit is left to others") {
  Fixture f;
  f.github.put("/repos/o/r", repository("o", "r", 5));
  f.put_all("o/r");
  f.github.remaining = 502;
  f.github.reset = f.clock.wall_ns() / 1'000'000'000 + 1000;
  REQUIRE(f.start({{"repositories", names({"o/r"})}}).empty());
  CHECK(f.scrape().find("github_rate_remaining 500\n") != std::string::npos);
  CHECK(f.all_requests() == 2);
  f.next_round();
  CHECK(f.all_requests() == 2);
  CHECK_FALSE(f.box.health.state().healthy);
  f.pass_gap();
  f.clock.advance(std::chrono::seconds(1000));
  f.ask_again();
  CHECK(f.all_requests() > 2);
}

TEST_CASE("prometheus.exporter.github: other arguments are other repositories at once") {
  Fixture f;
  for (const char* name : {"o/a", "o/b"}) f.put_all(name);
  f.github.put("/repos/o/a", repository("o", "a", 1));
  f.github.put("/repos/o/b", repository("o", "b", 1));
  std::ofstream(f.box.dir / "token") << "hush\n";
  REQUIRE(f.start({{"repositories", names({"o/a"})}}).empty());
  CHECK(f.scrape().find("repo=\"a\"") != std::string::npos);
  REQUIRE(f.start({{"repositories", names({"o/b"})},
                   {"api_token_file", (f.box.dir / "token").string()}})
              .empty());
  const std::string page = f.scrape();
  CHECK(page.find("repo=\"a\"") == std::string::npos);
  CHECK(page.find("repo=\"b\"") != std::string::npos);
  CHECK(f.github.server.requests().back().headers.at("authorization") == "Bearer hush");
}

TEST_CASE("prometheus.exporter.github: arguments that cannot work are refused") {
  Fixture f;
  CHECK(f.start({{"repositories", names({"o"})}}) ==
        "\"o\" is not a repository: expected owner/name");
  CHECK(f.start({{"repositories", names({"o/.."})}}) ==
        "\"o/..\" is not a repository: expected owner/name");
  CHECK(f.start({{"users", names({"a/b"})}}) == "\"a/b\" is not a name of GitHub's");
  CHECK(f.start({{"github_app_id", 7}}) ==
        "an app needs github_app_key_path, github_app_id and github_app_installation_id");
  CHECK(f.component.configure(body_of({{"api_url", "github"}})) ==
        "api_url is not a URL that can be requested");
}

namespace {

// A key of openssl's making, whose program also judges what is signed with it.
struct AppKey {
  TempDir folder;
  std::string path = folder / "app.pem";
  AppKey() { run("openssl genrsa -traditional -out app.pem 2048"); }
  std::string run(const std::string& command) const {
    const auto out = program_output(
        {"/bin/sh", "-c", "cd " + folder.path().string() + " && " + command + " 2>/dev/null"},
        1U << 16);
    return out ? *out : "failed: " + out.error().message;
  }
  // What the token says, when its signature is the key's.
  std::string judged(const std::string& jwt) const {
    const std::size_t first = jwt.find('.');
    const std::size_t second = jwt.rfind('.');
    if (first == second) return "not a token";
    std::ofstream(folder / "said") << jwt.substr(0, second);
    const auto decode = [](const std::string& text) {
      const std::string padding((4 - text.size() % 4) % 4, '=');
      return "printf %s '" + text + padding + "' | tr -- '-_' '+/' | openssl base64 -d -A";
    };
    run(decode(jwt.substr(second + 1)) + " > signature");
    return run("openssl rsa -in app.pem -pubout -out public.pem; "
               "openssl dgst -sha256 -verify public.pem -signature signature said") +
           run(decode(jwt.substr(0, first))) + "\n" +
           run(decode(jwt.substr(first + 1, second - first - 1)));
  }
};

constexpr char kTokenPath[] = "/app/installations/42/access_tokens";

ScriptedServer::Answer token(const std::string& text, const std::string& expires) {
  ScriptedServer::Answer answer;
  answer.status = 201;
  answer.body = R"({"token":")" + text + R"(","expires_at":")" + expires +
                R"(","permissions":{"metadata":"read"},"repository_selection":"all"})";
  return answer;
}

}  // namespace

TEST_CASE("prometheus.exporter.github: an app gets its installation's token, and renews it") {
  const AppKey key;
  Fixture f;
  f.github.put("/repos/o/a", repository("o", "a", 5));
  f.put_all("o/a");
  // The clock stands at 2023-11-14T22:13:20Z.
  REQUIRE(f.clock.wall_ns() / 1'000'000'000 == 1'700'000'000);
  f.github.set(kTokenPath, token("ghs_one", "2023-11-14T22:14:40Z"));
  REQUIRE(f.start({{"repositories", names({"o/a"})},
                   {"api_token", "unused"},
                   {"github_app_key_path", key.path},
                   {"github_app_id", 7},
                   {"github_app_installation_id", 42},
                   {"github_rate_limit", 5'000}})
              .empty());
  CHECK(f.ask_again().find("github_repo_stars") != std::string::npos);
  auto requests = f.github.server.requests();
  REQUIRE(requests.size() == 4);
  CHECK(requests[0].method == "POST");
  CHECK(requests[0].target == kTokenPath);
  CHECK(requests[0].headers.at("accept") == "application/vnd.github+json");
  const std::string bearer = requests[0].headers.at("authorization");
  REQUIRE(bearer.starts_with("Bearer "));
  CHECK(key.judged(bearer.substr(7)) ==
        "Verified OK\n{\"alg\":\"RS256\",\"typ\":\"JWT\"}\n"
        "{\"iat\":1699999940,\"exp\":1700000540,\"iss\":\"7\"}");
  for (std::size_t i = 1; i < requests.size(); ++i)
    CHECK(requests[i].headers.at("authorization") == "Bearer ghs_one");

  // It is good for 80 seconds more, and renewed a minute before its end.
  f.github.set(kTokenPath, token("ghs_two", "2023-11-14T23:14:40Z"));
  f.next_round();
  requests = f.github.server.requests();
  CHECK(requests[4].target == kTokenPath);
  CHECK(requests.back().headers.at("authorization") == "Bearer ghs_two");
  f.next_round();
  CHECK(f.github.server.requests().back().headers.at("authorization") == "Bearer ghs_two");
  CHECK(f.requests("201") == 2);
  CHECK(f.box.logged().find("ghs_") == std::string::npos);
}

TEST_CASE("prometheus.exporter.github: a token that an app lost is asked for again, once") {
  const AppKey key;
  Fixture f;
  f.github.set(kTokenPath, token("ghs_one", "2023-11-14T23:14:40Z"));
  f.github.refuse("/repos/o/a", 401, {}, "Bad credentials");
  const double rate_limit = GENERATE(0.0, 15'000.0);
  REQUIRE(f.start({{"repositories", names({"o/a"})},
                   {"github_app_key_path", key.path},
                   {"github_app_id", 7},
                   {"github_app_installation_id", 42},
                   {"github_rate_limit", rate_limit}})
              .empty());
  f.ask_again();
  CHECK(f.requests("201") == 2);
  CHECK(f.requests("401") == 2);
  CHECK(f.box.logged().find("Bad credentials") != std::string::npos);
  // A limit that is not the app's is a reason, too: GitHub tells 5000.
  f.github.put("/repos/o/a", repository("o", "a", 5));
  f.put_all("o/a");
  f.next_round();
  CHECK(f.requests("201") == (rate_limit > 0 ? 3 : 2));
}

TEST_CASE("prometheus.exporter.github: an app that GitHub does not take ends the round") {
  const AppKey key;
  Fixture f;
  std::string path = key.path;
  std::string said = "status 401: A JSON web token could not be decoded";
  SECTION("refused") {
    f.github.refuse(kTokenPath, 401, {}, "A JSON web token could not be decoded");
  }
  SECTION("no token") {
    f.github.set(kTokenPath, token("", "2023-11-14T23:14:40Z"));
    said = "the answer is not the token that GitHub documents";
  }
  SECTION("no time") {
    f.github.set(kTokenPath, token("ghs_one", "soon"));
    said = "the answer is not the token that GitHub documents";
  }
  SECTION("no key") {
    std::ofstream(key.folder / "app.pem") << "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n";
    said = "the app's key is not an RSA key in PEM without a pass phrase";
  }
  SECTION("a key of another kind") {
    key.run("openssl ecparam -name prime256v1 -genkey -noout -out app.pem");
    said = "the app's key is not an RSA key in PEM without a pass phrase";
  }
  SECTION("no file") {
    path += ".gone";
    said = path;
  }
  REQUIRE(f.start({{"repositories", names({"o/a", "o/b"})},
                   {"github_app_key_path", path},
                   {"github_app_id", 7},
                   {"github_app_installation_id", 42}})
              .empty());
  f.ask_again();
  CHECK(f.github.server.requests().size() <= 1);
  CHECK(f.box.logged().find(said) != std::string::npos);
}

TEST_CASE("github's answers: what is not as documented is refused") {
  CHECK_FALSE(parse_github_repositories("{}"));
  CHECK_FALSE(parse_github_repositories("[1]"));
  CHECK_FALSE(parse_github_repositories(R"({"name":"a/b","owner":{"login":"o"}})"));
  CHECK_FALSE(parse_github_releases("{}"));
  CHECK_FALSE(parse_github_releases("[1]"));
  CHECK(parse_github_releases(R"([{"assets":null}])")->empty());
  CHECK_FALSE(parse_github_length("{}"));
  CHECK(parse_github_length("[1,2]") == 2);
  CHECK(parse_github_message("<html>").empty());
  CHECK_FALSE(parse_github_pages("").next);
  CHECK(parse_github_pages("<x?page=9>; rel=\"last\"").last == 9);
  CHECK_FALSE(parse_github_pages("<x?page=9999999999999999999999>; rel=\"last\"").last);
}

}  // namespace agent::exporter
