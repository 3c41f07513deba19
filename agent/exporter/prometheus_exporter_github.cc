// prometheus.exporter.github: repositories as GitHub's REST API tells of them.
//
// A scrape gets what is known, and wakes the thread that asks GitHub for the next one: no scrape
// waits for GitHub, but the first for a moment. Every request names the ETag of what is known
// already; the answer 304 then costs nothing of the rate limit. What one round does not get done,
// because there is much or the limit is nearly used up, the next goes on with.
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/in_force.h"
#include "agent/exporter/github_api.h"
#include "agent/exporter/github_app.h"
#include "agent/io/http_client.h"

namespace agent::exporter {
namespace {

using model::MetricFamily;
using model::MetricType;

constexpr int kMaxRequests = 300;                           // of a round
constexpr std::size_t kMaxRepositories = 2'000;             //
constexpr std::size_t kMaxPages = 30;                       // of a list, with 100 items each
constexpr std::size_t kMaxAssets = 50'000;                  // of all releases
constexpr std::size_t kMaxEtag = 256;                       // bytes
constexpr int kMaxFailures = 3;                             // in a row, which end a round
constexpr std::size_t kMaxBody = 8U << 20;                  // of an answer
constexpr Duration kAnswer = std::chrono::seconds(10);      // for one
constexpr Duration kGap = std::chrono::seconds(30);         // between the starts of two rounds
constexpr Duration kFirst = std::chrono::seconds(5);        // that the first scrape waits at most
constexpr Duration kSecondary = std::chrono::seconds(60);   // where GitHub names no time
constexpr Duration kLongestPause = std::chrono::hours(1);   // the window of the rate limit
constexpr Duration kTokenMargin = std::chrono::minutes(1);  // before an app's token expires
constexpr std::size_t kMaxKey = 64U << 10;                  // bytes of an app's key
constexpr double kReserve = 0.1;                            // of the rate limit, left to others

struct GithubArgs {
  std::string api_url = "https://api.github.com";
  std::vector<std::string> repositories;
  std::vector<std::string> organizations;
  std::vector<std::string> users;
  Secret api_token;
  std::string api_token_file;
  std::string github_app_key_path;
  std::int64_t github_app_id = 0;
  std::int64_t github_app_installation_id = 0;
  double github_rate_limit = 0;

  static component::Schema<GithubArgs> schema() {
    using A = GithubArgs;
    return component::Schema<A>()
        .optional("api_url", &A::api_url, "Where the API is.")
        .optional("repositories", &A::repositories, "Repositories, as owner/name.")
        .optional("organizations", &A::organizations,
                  "Organizations, all of whose repositories are watched.")
        .optional("users", &A::users, "Users, all of whose repositories are watched.")
        .optional("api_token", &A::api_token, "Token to authenticate with.")
        .optional("api_token_file", &A::api_token_file,
                  "File with the token, read again for each request; api_token wins.")
        .optional("github_app_key_path", &A::github_app_key_path,
                  "File with the RSA key, in PEM, of the GitHub App to authenticate as; read again "
                  "for each token. The app wins over api_token.")
        .optional("github_app_id", &A::github_app_id, "The app's number.")
        .optional("github_app_installation_id", &A::github_app_installation_id,
                  "The number of the installation whose repositories are asked for.")
        .optional("github_rate_limit", &A::github_rate_limit,
                  "The limit that the app's installation has: when GitHub tells a smaller one, the "
                  "next round begins with a new token. 0: any is fine.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_url(body, "api_url", api_url, diagnostics);
    for (const std::string& one : repositories) {
      const std::size_t slash = one.find('/');
      if (slash == std::string::npos || !is_github_name(one.substr(0, slash)) ||
          !is_github_name(one.substr(slash + 1)))
        diagnostics.error(body.span_of("repositories"),
                          json_string(one) + " is not a repository: expected owner/name");
    }
    for (const auto& [name, all] :
         {std::pair{"organizations", &organizations}, std::pair{"users", &users}})
      for (const std::string& one : *all)
        if (!is_github_name(one))
          diagnostics.error(body.span_of(name), json_string(one) + " is not a name of GitHub's");
    for (const auto& [name, number] :
         {std::pair{"github_app_id", github_app_id},
          std::pair{"github_app_installation_id", github_app_installation_id}})
      if (number < 0) diagnostics.error(body.span_of(name), "not a number that GitHub gives");
    const bool all = is_app() && github_app_id != 0 && github_app_installation_id != 0;
    const bool none = !is_app() && github_app_id == 0 && github_app_installation_id == 0;
    if (!all && !none)
      diagnostics.error(body.span_of(is_app()             ? "github_app_key_path"
                                     : github_app_id != 0 ? "github_app_id"
                                                          : "github_app_installation_id"),
                        "an app needs github_app_key_path, github_app_id and "
                        "github_app_installation_id");
    if (github_rate_limit < 0)
      diagnostics.error(body.span_of("github_rate_limit"), "must not be negative");
  }
  bool is_app() const { return !github_app_key_path.empty(); }
};

struct RateLimit {
  double limit = 0;
  double remaining = 0;
  double reset = 0;  // seconds since 1970
};

// What is known of an address of the API.
struct Resource {
  enum class Kind { kRepositories, kPulls, kReleases };
  enum class State { kUnknown, kKnown, kRefused };
  Kind kind = Kind::kRepositories;
  State state = State::kUnknown;
  std::uint64_t round = 0;  // in which it was asked for last
  std::string etag;
  bool next = false;  // there is a page after it
  std::vector<GithubRepository> repositories;
  std::vector<GithubAsset> assets;
  double pulls = 0;
};

std::string page_of(const std::string& path, std::size_t page) {
  return path + "?per_page=100&page=" + std::to_string(page);
}
std::string path_of(const GithubRepository& one) { return "/repos/" + one.owner + "/" + one.name; }
std::string pulls_of(const GithubRepository& one) {
  return path_of(one) + "/pulls?state=open&per_page=1";
}

std::optional<double> number_in(std::string_view header) {
  double value = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), value);
  if (error != std::errc() || end != header.data() + header.size() || !(value >= 0) || value > 1e12)
    return std::nullopt;
  return value;
}

// All that is known, and how more is got. Belongs to the thread of run().
class Github {
 public:
  Github(component::Host& host, const GithubArgs& args)
      : host_(host), args_(args), base_(args.api_url) {
    client_.emplace(options(args));
    while (base_.ends_with('/')) base_.pop_back();
  }

  // Asks for everything once, as far as that is allowed.
  Result<> round(const std::stop_token& stop) {
    ++round_;
    first_error_.reset();
    // Whoever is not known to GitHub has the limit of nobody.
    if (args_.is_app() && rate_ && rate_->limit < args_.github_rate_limit) token_.reset();
    int failures = 0;
    for (int i = 0; i < kMaxRequests && !stop.stop_requested(); ++i) {
      const std::string path = next();
      if (path.empty() || !may_ask()) break;
      Resource& resource = resources_[path];
      resource.round = round_;
      auto asked = ask(path, resource, stop);
      if (asked || stop.stop_requested()) {
        failures = 0;
        continue;
      }
      const ErrorCode code = asked.error().code;
      if (!first_error_) first_error_ = std::move(asked.error()).within("GET " + path);
      if (code == ErrorCode::kPermission) break;
      failures = code == ErrorCode::kNotFound ? 0 : failures + 1;
      if (failures == kMaxFailures) break;
    }
    if (first_error_) return fail(std::move(*first_error_));
    return {};
  }

  std::vector<MetricFamily> families() const {
    const auto family = [](const char* name, const char* help) {
      return MetricFamily{name, help, MetricType::kGauge, {}};
    };
    MetricFamily stars = family("github_repo_stars", "Stars of the repository.");
    MetricFamily issues =
        family("github_repo_open_issues", "Open issues of the repository, without pull requests.");
    MetricFamily pulls =
        family("github_repo_pull_request_count", "Open pull requests of the repository.");
    MetricFamily watchers = family("github_repo_watchers", "Those who watch the repository.");
    MetricFamily forks = family("github_repo_forks", "Forks of the repository.");
    MetricFamily size = family("github_repo_size_kb", "Size of the repository in KiB.");
    MetricFamily downloads =
        family("github_repo_release_downloads", "Downloads of an asset of a release.");
    for (const GithubRepository* one : repositories()) {
      model::LabelBuilder labels;
      labels.set("repo", one->name);
      labels.set("user", one->owner);
      const model::Labels name = labels.labels();
      labels.set("private", one->is_private ? "true" : "false");
      labels.set("fork", one->fork ? "true" : "false");
      labels.set("archived", one->archived ? "true" : "false");
      labels.set("license", one->license);
      labels.set("language", one->language);
      stars.points.push_back({"", labels.labels(), one->stars});
      forks.points.push_back({"", labels.labels(), one->forks});
      size.points.push_back({"", labels.labels(), one->size_kb});
      if (one->subscribers) watchers.points.push_back({"", labels.labels(), *one->subscribers});
      const auto open = resources_.find(pulls_of(*one));
      if (open != resources_.end() && open->second.state == Resource::State::kKnown)
        pulls.points.push_back({"", name, open->second.pulls});
      // GitHub counts pull requests as issues; while their number is not known, neither is that of
      // the others.
      if (open != resources_.end() && open->second.state != Resource::State::kUnknown)
        issues.points.push_back(
            {"", labels.labels(), std::max(0.0, one->open_issues - open->second.pulls)});
      add_downloads(*one, name, downloads);
    }
    std::vector<MetricFamily> out;
    if (rate_) {
      for (const auto& [what, help, value] :
           {std::tuple{"github_rate_limit", "Requests that GitHub allows in an hour.",
                       rate_->limit},
            std::tuple{"github_rate_remaining", "Requests that are left of them.",
                       rate_->remaining},
            std::tuple{"github_rate_reset", "When there are all again, in seconds since 1970.",
                       rate_->reset}}) {
        out.push_back(family(what, help));
        out.back().points.push_back({"", {}, value});
      }
    }
    for (MetricFamily* one : {&forks, &issues, &pulls, &downloads, &size, &stars, &watchers})
      if (!one->points.empty()) out.push_back(std::move(*one));
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return out;
  }

 private:
  static io::HttpOptions options(const GithubArgs& args) {
    io::HttpOptions out;
    if (args.is_app()) return out;
    out.credentials = args.api_token;
    if (args.api_token.empty()) out.credentials_file = args.api_token_file;
    return out;
  }

  // Each repository once: asked for alone before listed, because that tells more.
  std::vector<const GithubRepository*> repositories() const {
    std::vector<const GithubRepository*> out;
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (const std::string& path : sources_) {
      const auto found = resources_.find(path);
      if (found == resources_.end()) continue;
      for (const GithubRepository& one : found->second.repositories)
        if (out.size() < kMaxRepositories && seen.emplace(one.owner, one.name).second)
          out.push_back(&one);
    }
    return out;
  }

  // Adds `path` page by page, as far as the pages are known to be there.
  void add_pages(const std::string& path, Resource::Kind kind, std::vector<std::string>& out) {
    for (std::size_t page = 1; page <= kMaxPages; ++page) {
      out.push_back(page_of(path, page));
      const Resource& resource = want(out.back(), kind);
      if (!resource.next) break;
    }
  }
  Resource& want(const std::string& path, Resource::Kind kind) {
    wanted_.insert(path);
    Resource& resource = resources_[path];
    resource.kind = kind;
    return resource;
  }

  // The address that was asked for the longest time ago, and not in this round; "": none.
  std::string next() {
    if (std::exchange(plan_again_, false)) plan();
    const auto oldest = std::min_element(
        resources_.begin(), resources_.end(),
        [](const auto& a, const auto& b) { return a.second.round < b.second.round; });
    return oldest == resources_.end() || oldest->second.round == round_ ? std::string()
                                                                        : oldest->first;
  }

  // What is to be asked for, by what is known of repositories and pages.
  void plan() {
    wanted_.clear();
    sources_.clear();
    for (const std::string& one : args_.repositories) {
      sources_.push_back("/repos/" + one);
      want(sources_.back(), Resource::Kind::kRepositories);
    }
    for (const std::string& one : args_.organizations)
      add_pages("/orgs/" + one + "/repos", Resource::Kind::kRepositories, sources_);
    for (const std::string& one : args_.users)
      add_pages("/users/" + one + "/repos", Resource::Kind::kRepositories, sources_);
    std::vector<std::string> pages;
    for (const GithubRepository* one : repositories()) {
      want(pulls_of(*one), Resource::Kind::kPulls);
      add_pages(path_of(*one) + "/releases", Resource::Kind::kReleases, pages);
    }
    std::erase_if(resources_, [&](const auto& one) { return !wanted_.contains(one.first); });
    assets_ = 0;
    for (const auto& [path, resource] : resources_) assets_ += resource.assets.size();
  }

  bool may_ask() {
    const std::int64_t now = host_.clock.wall_ns();
    if (now < quiet_until_ns_) {
      if (!first_error_)
        first_error_ =
            Error{ErrorCode::kExhausted, "GitHub asks for a pause; the last values stay"};
      return false;
    }
    // An answer 304 costs nothing, but nobody can tell before.
    if (rate_ && rate_->remaining <= rate_->limit * kReserve &&
        static_cast<double>(now) / 1e9 < rate_->reset) {
      if (!first_error_)
        first_error_ = Error{ErrorCode::kExhausted,
                             "the rate limit is nearly used up: a tenth of it is left to others"};
      return false;
    }
    return true;
  }

  Result<io::HttpResponse> send(io::HttpClient& client, io::HttpRequest request,
                                const std::stop_token& stop) {
    request.headers.emplace_back("Accept", "application/vnd.github+json");
    request.headers.emplace_back("X-GitHub-Api-Version", "2022-11-28");
    request.timeout = kAnswer;
    request.max_body = kMaxBody;
    request.accept_compressed = true;
    auto response = client.send(request, stop);
    count(response ? std::to_string(response->status) : "error");
    return response;
  }

  // As an app: the client carries a token that is good for this request.
  Result<> authenticate(const std::stop_token& stop) {
    if (!args_.is_app()) return {};
    const std::int64_t now_ns = host_.clock.wall_ns();
    if (token_ && now_ns + kTokenMargin.count() < token_->expires_ns) return {};
    token_.reset();
    const auto key = read_file(args_.github_app_key_path, kMaxKey);
    if (!key) return fail(ErrorCode::kPermission, key.error().message);
    auto jwt = github_app_jwt(*key, args_.github_app_id, now_ns / 1'000'000'000);
    if (!jwt) return fail(ErrorCode::kPermission, jwt.error().message);
    io::HttpOptions options;
    options.credentials = std::move(*jwt);
    io::HttpClient client(std::move(options));
    io::HttpRequest request;
    request.method = "POST";
    request.url = base_ + "/app/installations/" + std::to_string(args_.github_app_installation_id) +
                  "/access_tokens";
    const auto response = send(client, std::move(request), stop);
    if (!response) return fail(Error(response.error()).within("the app's token"));
    if (response->status != 201) {
      Error error = refused(*response).value();
      if (response->status < 500 && !pause_asked(*response)) error.code = ErrorCode::kPermission;
      return fail(std::move(error).within("the app's token"));
    }
    auto token = parse_github_token(response->body);
    if (!token) return fail(ErrorCode::kPermission, token.error().message);
    io::HttpOptions with_token;
    with_token.credentials = token->token;
    client_.emplace(std::move(with_token));
    token_ = std::move(*token);
    return {};
  }

  Result<> ask(const std::string& path, Resource& resource, const std::stop_token& stop) {
    Result<io::HttpResponse> response = fail(ErrorCode::kUnavailable, "");
    for (const bool again : {false, true}) {
      if (auto known = authenticate(stop); !known) return known;
      io::HttpRequest request;
      request.url = base_ + path;
      if (!resource.etag.empty()) request.headers.emplace_back("If-None-Match", resource.etag);
      response = send(*client_, std::move(request), stop);
      if (!response) return fail(response.error());
      if (response->status != 401 || !args_.is_app() || again) break;
      token_.reset();  // taken back before its time
    }
    learn_rate(*response);
    switch (response->status) {
      case 200:
        plan_again_ = true;
        return learn(resource, *response);
      case 304:
        return {};
      case 403:
      case 429:
        if (pause_asked(*response)) return refused(*response);
        [[fallthrough]];
      case 401:
      case 404:
      case 410:
      case 451:
        // It is not there, or not for us: what was known of it is not so any more.
        plan_again_ = true;
        resource = {resource.kind, Resource::State::kRefused, resource.round, {}, false, {}, {}, 0};
        // A token may well be good for repositories alone.
        if (resource.kind != Resource::Kind::kRepositories && response->status != 401) return {};
        return refused(*response);
      default:
        return refused(*response);
    }
  }

  static tl::unexpected<Error> refused(const io::HttpResponse& response) {
    const std::string message = parse_github_message(response.body);
    const ErrorCode code = response.status == 401  ? ErrorCode::kPermission
                           : response.status < 500 ? ErrorCode::kNotFound
                                                   : ErrorCode::kUnavailable;
    return fail(code, "status " + std::to_string(response.status) +
                          (message.empty() ? "" : ": " + message));
  }

  Result<> learn(Resource& resource, const io::HttpResponse& response) {
    const GithubPages pages = parse_github_pages(response.header("link"));
    switch (resource.kind) {
      case Resource::Kind::kRepositories: {
        auto found = parse_github_repositories(response.body);
        if (!found) return fail(std::move(found.error()));
        resource.repositories = std::move(*found);
        break;
      }
      case Resource::Kind::kPulls: {
        const auto length = parse_github_length(response.body);
        if (!length) return fail(length.error());
        // One item a page: the last page's number is how many there are.
        resource.pulls = static_cast<double>(pages.last.value_or(*length));
        break;
      }
      case Resource::Kind::kReleases: {
        auto found = parse_github_releases(response.body);
        if (!found) return fail(std::move(found.error()));
        if (assets_ - resource.assets.size() + found->size() > kMaxAssets)
          return fail(ErrorCode::kExhausted, "more assets than " + std::to_string(kMaxAssets));
        assets_ += found->size() - resource.assets.size();
        resource.assets = std::move(*found);
        break;
      }
    }
    resource.next = pages.next;
    const std::string_view etag = response.header("etag");
    resource.etag = etag.size() <= kMaxEtag ? etag : std::string_view();
    resource.state = Resource::State::kKnown;
    return {};
  }

  void learn_rate(const io::HttpResponse& response) {
    const std::string_view resource = response.header("x-ratelimit-resource");
    if (!resource.empty() && resource != "core") return;
    const auto limit = number_in(response.header("x-ratelimit-limit"));
    const auto remaining = number_in(response.header("x-ratelimit-remaining"));
    const auto reset = number_in(response.header("x-ratelimit-reset"));
    if (limit && remaining && reset) rate_ = RateLimit{*limit, *remaining, *reset};
  }

  // A limit was met: nothing is asked for until its end.
  bool pause_asked(const io::HttpResponse& response) {
    std::optional<double> seconds = number_in(response.header("retry-after"));
    if (!seconds && response.header("x-ratelimit-remaining") == "0") {
      if (const auto reset = number_in(response.header("x-ratelimit-reset")))
        seconds = *reset - static_cast<double>(host_.clock.wall_ns()) / 1e9;
    }
    const bool secondary =
        response.status == 429 ||
        parse_github_message(response.body).find("secondary rate limit") != std::string::npos;
    if (!seconds && secondary) seconds = std::chrono::duration<double>(kSecondary).count();
    if (!seconds) return false;
    const double longest = std::chrono::duration<double>(kLongestPause).count();
    quiet_until_ns_ =
        host_.clock.wall_ns() + static_cast<std::int64_t>(std::clamp(*seconds, 1.0, longest) * 1e9);
    return true;
  }

  void add_downloads(const GithubRepository& one, const model::Labels& name,
                     MetricFamily& out) const {
    std::set<model::Labels> seen;
    for (std::size_t page = 1; page <= kMaxPages; ++page) {
      const auto found = resources_.find(page_of(path_of(one) + "/releases", page));
      if (found == resources_.end()) break;
      for (const GithubAsset& asset : found->second.assets) {
        model::LabelBuilder labels(name);
        labels.set("release", asset.release);
        labels.set("name", asset.name);
        labels.set("tag", asset.tag);
        labels.set("created_at", asset.created_at);
        if (seen.insert(labels.labels()).second)
          out.points.push_back({"", labels.labels(), asset.downloads});
      }
    }
  }

  void count(const std::string& code) {
    component::Counter& counter = requests_[code];
    if (counter == nullptr)
      counter =
          host_.metrics.counter("prometheus_exporter_github_requests_total",
                                "Requests to GitHub by the answer's status.", {{"code", code}});
    counter->increment();
  }

  component::Host& host_;
  const GithubArgs& args_;
  std::optional<io::HttpClient> client_;
  std::optional<GithubToken> token_;  // of an app's installation
  std::string base_;
  std::map<std::string, Resource> resources_;  // by path
  std::set<std::string> wanted_;
  bool plan_again_ = true;
  std::size_t assets_ = 0;
  std::vector<std::string> sources_;  // paths that have repositories, in order of precedence
  std::uint64_t round_ = 0;
  std::optional<Error> first_error_;
  std::optional<RateLimit> rate_;
  std::int64_t quiet_until_ns_ = 0;  // wall time
  std::map<std::string, component::Counter> requests_;
};

// What scrapes see of it. Thread-safe.
class Known final : public component::Collector {
 public:
  explicit Known(Clock& clock) : clock_(clock) {}

  Result<std::vector<MetricFamily>> collect(std::stop_token stop) override {
    MutexLock lock(mutex_);
    asked_ = true;
    changed_.notify_all();
    if (families_ == nullptr)
      clock_.wait(lock, changed_, clock_.mono() + kFirst, stop,
                  [this]() NO_THREAD_SAFETY_ANALYSIS { return families_ != nullptr; });
    if (families_ == nullptr) return fail(ErrorCode::kUnavailable, "GitHub has not answered yet");
    return *families_;
  }
  // Unless `stop`, which is asked for before forget(): then they are of another configuration.
  void set(std::vector<MetricFamily> families, const std::stop_token& stop) {
    auto next = std::make_shared<const std::vector<MetricFamily>>(std::move(families));
    MutexLock lock(mutex_);
    if (stop.stop_requested()) return;
    families_ = std::move(next);
    changed_.notify_all();
  }
  void forget() {
    MutexLock lock(mutex_);
    families_ = nullptr;
  }
  // Until somebody has asked since the last call. False when stopped before it.
  bool wait_asked(const std::stop_token& stop) {
    MutexLock lock(mutex_);
    while (!asked_ && !stop.stop_requested())
      clock_.wait(lock, changed_, kNever, stop,
                  [this]() NO_THREAD_SAFETY_ANALYSIS { return asked_; });
    // The question is for the next who waits.
    return !stop.stop_requested() && std::exchange(asked_, false);
  }

 private:
  Clock& clock_;
  Mutex mutex_;
  Condition changed_;
  bool asked_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<const std::vector<MetricFamily>> families_ GUARDED_BY(mutex_);
};

class GithubExporter final : public component::Configured<GithubArgs>, public component::Worker {
 public:
  explicit GithubExporter(component::Host host)
      : host_(std::move(host)),
        rounds_(host_.metrics.counter("prometheus_exporter_github_rounds_total",
                                      "Times that GitHub was asked for everything.")),
        known_(std::make_shared<Known>(host_.clock)),
        registered_(host_.collectors.add(host_.id, known_)) {
    host_.exports({{"targets", component::targets_value({})}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(GithubArgs args) override {
    auto settings = std::make_shared<const GithubArgs>(std::move(args));
    const std::string_view origin =
        std::string_view(settings->api_url).substr(settings->api_url.find("://") + 3);
    const std::string_view host = origin.substr(0, origin.find('/'));
    host_.exports({{"targets", component::targets_value({component::exporter_target(
                                   host_.id, "github", host.substr(host.rfind('@') + 1))})}});
    return component::Commit([this, settings] {
      in_force_.set(settings);
      known_->forget();
    });
  }

  Result<> run(std::stop_token stop) override {
    in_force_.run(stop, [this](const GithubArgs& args, const std::stop_token& token) {
      Github github(host_, args);
      while (known_->wait_asked(token)) {
        const Mono started = host_.clock.mono();
        auto done = github.round(token);
        if (token.stop_requested()) break;
        if (done) {
          host_.health.good();
        } else {
          host_.log.limited(Level::kWarn, "GitHub does not tell everything, the last values stay",
                            {{"err", done.error().message}});
          host_.health.bad(done.error().message);
        }
        known_->set(github.families(), token);
        rounds_->increment();
        host_.clock.sleep_until(started + kGap, token);
      }
    });
    return {};
  }

 private:
  component::Host host_;
  const component::Counter rounds_;
  const std::shared_ptr<Known> known_;
  const std::shared_ptr<void> registered_;
  component::InForce<GithubArgs> in_force_;
};

}  // namespace

component::Declaration prometheus_exporter_github() {
  return component::declare<GithubExporter>(
      "prometheus.exporter.github", "Exposes what GitHub tells of repositories.",
      {{"targets", "list(map(string))", "The target that means these metrics."}});
}

}  // namespace agent::exporter
