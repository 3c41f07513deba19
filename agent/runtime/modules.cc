#include "agent/runtime/modules.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/process.h"
#include "agent/base/strings.h"
#include "agent/component/http_args.h"
#include "agent/io/http_client.h"
#include "agent/lang/source.h"

namespace agent::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 1000;
constexpr auto kLook = std::chrono::seconds(1);  // how often files are looked at for changes
constexpr auto kGitLimit = std::chrono::minutes(2);
constexpr std::size_t kMaxHeaders = 100;

struct FileArgs {
  std::string filename;
  std::string detector = "fsnotify";
  Duration poll_frequency = std::chrono::minutes(1);
  static component::Schema<FileArgs> schema() {
    return component::Schema<FileArgs>()
        .required("filename", &FileArgs::filename, "File, or folder of *.alloy files, to import.")
        .optional("detector", &FileArgs::detector,
                  "How changes are noticed: fsnotify (within a second) or poll.")
        .optional("poll_frequency", &FileArgs::poll_frequency,
                  "How often a polled file is looked at.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (detector != "fsnotify" && detector != "poll")
      diagnostics.error(body.span_of("detector"), "unrecognized detector \"" + detector + "\"",
                        "detectors are fsnotify and poll");
    if (poll_frequency <= Duration::zero())
      diagnostics.error(body.span_of("poll_frequency"), "poll_frequency must be more than 0");
  }
};

struct StringArgs {
  lang::Value content;  // a string or a secret
  static component::Schema<StringArgs> schema() {
    return component::Schema<StringArgs>().required("content", &StringArgs::content,
                                                    "The module's text.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (content.kind() != lang::Value::Kind::kString &&
        content.kind() != lang::Value::Kind::kSecret)
      component::report_mismatch("string", content, body.span_of("content"), diagnostics);
  }
  const std::string& text() const {
    return content.kind() == lang::Value::Kind::kSecret ? content.secret().reveal()
                                                        : content.string();
  }
};

struct HttpArgs {
  std::string url;
  Duration poll_frequency = std::chrono::minutes(1);
  Duration poll_timeout = std::chrono::seconds(10);
  std::string method = "GET";
  component::StringMap headers;
  std::string body;
  component::HttpClientArgs client;
  static component::Schema<HttpArgs> schema() {
    return component::Schema<HttpArgs>()
        .required("url", &HttpArgs::url, "Address of the module's text.")
        .optional("poll_frequency", &HttpArgs::poll_frequency, "How often it is asked for.")
        .optional("poll_timeout", &HttpArgs::poll_timeout, "Time that an answer may take.")
        .optional("method", &HttpArgs::method, "Method of the request.")
        .optional("headers", &HttpArgs::headers, "Headers of the request.")
        .optional("body", &HttpArgs::body, "Body of the request.")
        .block("client", &HttpArgs::client, "The HTTP client.");
  }
  void validate(const lang::Body& body_of, lang::Diagnostics& diagnostics) const {
    component::validate_url(body_of, "url", url, diagnostics);
    for (const auto& [name, duration] :
         {std::pair("poll_frequency", poll_frequency), std::pair("poll_timeout", poll_timeout)})
      if (duration <= Duration::zero())
        diagnostics.error(body_of.span_of(name), std::string(name) + " must be more than 0");
    if (poll_timeout >= poll_frequency)
      diagnostics.error(body_of.span_of("poll_timeout"),
                        "poll_timeout must be less than poll_frequency");
    if (method.empty() || method.size() > 20 ||
        !std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
      diagnostics.error(body_of.span_of("method"), "\"" + method + "\" is not a method of HTTP");
    if (headers.size() > kMaxHeaders)
      diagnostics.error(body_of.span_of("headers"), "too many headers");
  }
};

struct GitBasicAuthArgs {
  std::string username;
  Secret password;
  static component::Schema<GitBasicAuthArgs> schema() {
    return component::Schema<GitBasicAuthArgs>()
        .required("username", &GitBasicAuthArgs::username, "User name.")
        .required("password", &GitBasicAuthArgs::password, "Password or token.");
  }
};

struct GitSshKeyArgs {
  std::string username, key_file;
  Secret key, passphrase;
  static component::Schema<GitSshKeyArgs> schema() {
    return component::Schema<GitSshKeyArgs>()
        .required("username", &GitSshKeyArgs::username, "User name.")
        .optional("key", &GitSshKeyArgs::key, "Private key.")
        .optional("key_file", &GitSshKeyArgs::key_file, "File that holds the private key.")
        .optional("passphrase", &GitSshKeyArgs::passphrase, "Not supported: use a key without.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_one_of(body, "key", !key.empty(), "key_file", !key_file.empty(), "ssh_key",
                               diagnostics);
    if (!passphrase.empty())
      diagnostics.error(body.span_of("passphrase"), "a key with a passphrase is not supported",
                        "use a deploy key without one");
  }
};

struct GitArgs {
  std::string repository;
  std::string revision = "main";
  std::string path;
  Duration pull_frequency = std::chrono::minutes(1);
  std::optional<GitBasicAuthArgs> basic_auth;
  std::optional<GitSshKeyArgs> ssh_key;
  static component::Schema<GitArgs> schema() {
    return component::Schema<GitArgs>()
        .required("repository", &GitArgs::repository, "URL of the repository.")
        .optional("revision", &GitArgs::revision, "Branch, tag or commit.")
        .required("path", &GitArgs::path,
                  "File, or folder of *.alloy files, within the repository.")
        .optional("pull_frequency", &GitArgs::pull_frequency,
                  "How often the repository is asked for news; 0: never.")
        .block("basic_auth", &GitArgs::basic_auth, "User name and password.")
        .block("ssh_key", &GitArgs::ssh_key, "Key for SSH.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    // What begins with a dash would be an option of git's.
    for (const auto& [name, value] :
         {std::pair("repository", repository), std::pair("revision", revision)})
      if (value.empty() || value.front() == '-' || value.find('\0') != std::string::npos)
        diagnostics.error(body.span_of(name), std::string(name) + " must be a name");
    if (pull_frequency < Duration::zero())
      diagnostics.error(body.span_of("pull_frequency"), "pull_frequency must not be negative");
    if (basic_auth && ssh_key)
      diagnostics.error(body.span, "only one of basic_auth and ssh_key may be given");
  }
};

// A file, or all *.alloy files of a folder.
Result<ImportedModule> read_module(const std::string& path) {
  auto texts = read_texts(path, {".alloy"}, kMaxFiles);
  if (!texts) return fail(std::move(texts.error()));
  std::error_code error;
  return ImportedModule{std::move(*texts), fs::is_directory(path, error)
                                               ? path
                                               : fs::path(path).parent_path().string()};
}

template <class Args>
bool decode(const lang::Body& body, Args& args, lang::Diagnostics& diagnostics) {
  lang::Diagnostics own;
  component::decode(body, args, own);
  const bool good = !own.has_errors();
  diagnostics.add(std::move(own));
  return good;
}

// Where a module's text comes from, and how often it is fetched again.
struct Origin {
  std::function<Result<ImportedModule>(const std::stop_token&)> fetch;
  Duration pause{};    // zero: never again
  bool local = false;  // on this machine: read at each load
  // Not local: what an earlier fetch, maybe by an earlier process, has left.
  std::function<Result<ImportedModule>()> last = {};
};

// A fetched module is one text; `copy` keeps it for a start while the source is away.
struct Fetched {
  HttpArgs args;
  std::string id;
  fs::path copy;

  ImportedModule module(std::string text) const {
    const std::string url = io::url_for_people(args.url);
    return {{{id, std::move(text)}}, url.substr(0, url.rfind('/'))};
  }
};

Result<ImportedModule> fetch_http(const Fetched& what, const std::stop_token& stop) {
  const HttpArgs& args = what.args;
  io::HttpClient client(args.client.options());
  io::HttpRequest request;
  request.method = args.method;
  request.url = args.url;
  for (const auto& [name, value] : args.headers) request.headers.emplace_back(name, value);
  request.body = args.body;
  request.timeout = args.poll_timeout;
  request.max_body = lang::Source::kMaxBytes;
  auto answer = client.send(request, stop);
  if (!answer) return fail(std::move(answer.error()));
  if (answer->status < 200 || answer->status > 299)
    return fail(ErrorCode::kUnavailable,
                io::url_for_people(args.url) + " answered " + std::to_string(answer->status));
  std::error_code error;
  fs::create_directories(what.copy.parent_path(), error);
  if (auto kept = write_file_atomic(what.copy, answer->body, 0600); !kept)
    return fail(std::move(kept.error()));
  return what.module(std::move(answer->body));
}

// Runs git in the checkout. What it prints is for messages only.
Result<std::string> git(std::vector<std::string> arguments, const std::vector<std::string>& env,
                        const Clock& clock, const std::stop_token& stop) {
  Spawn spawn;
  spawn.argv = {"git"};
  spawn.argv.insert(spawn.argv.end(), arguments.begin(), arguments.end());
  spawn.environment = env;
  spawn.merge_output = true;
  auto result = run_process(std::move(spawn), {}, clock, kGitLimit, 64U << 10, stop);
  if (!result) return fail(std::move(result.error()));
  if (result->timed_out) return fail(ErrorCode::kUnavailable, "git takes too long");
  if (result->status == 127)
    return fail(ErrorCode::kUnavailable, "git is not installed on this host");
  if (result->status != 0) {
    const std::string_view text = trim(result->output);
    const std::size_t line = text.rfind('\n');
    return fail(
        ErrorCode::kUnavailable,
        "git: " + std::string(line == std::string_view::npos ? text : text.substr(line + 1)));
  }
  return std::move(result->output);
}

// What the last checkout holds at `path`.
Result<ImportedModule> read_checkout(const fs::path& folder, const std::string& path) {
  std::error_code error;
  const fs::path root = fs::canonical(folder / "checkout", error);
  const fs::path wanted = error ? fs::path() : fs::canonical(root / path, error);
  if (error) return fail(ErrorCode::kNotFound, "the repository holds no " + path);
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), wanted.begin(), wanted.end());
  if (end != root.end()) return fail(ErrorCode::kInvalid, path + " leads out of the repository");
  return read_module(wanted.string());
}

Result<ImportedModule> fetch_git(const GitArgs& args, const fs::path& folder, const Clock& clock,
                                 const std::stop_token& stop) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, "make " + folder.string() + ": " + error.message());
  fs::permissions(folder, fs::perms::owner_all, error);
  // A load may ask while the watcher is at it: git refuses to be two in one checkout.
  const FileDescriptor turn(
      ::open((folder / "turn").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!turn || ::flock(turn.get(), LOCK_EX) != 0)
    return fail_errno("lock " + folder.string(), errno);
  // No prompt, no program as a transport, no configuration of the user's.
  std::vector<std::string> env = {"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
                                  "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
                                  "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh"};
  if (args.basic_auth) {
    // In the environment, which only this user can read, not among the arguments.
    env.push_back("FLEET_AGENT_USER=" + args.basic_auth->username);
    env.push_back("FLEET_AGENT_PASSWORD=" + args.basic_auth->password.reveal());
    env.emplace_back("GIT_CONFIG_COUNT=1");
    env.emplace_back("GIT_CONFIG_KEY_0=credential.helper");
    env.emplace_back(
        "GIT_CONFIG_VALUE_0=!f() { printf 'username=%s\\npassword=%s\\n' \"$FLEET_AGENT_USER\" "
        "\"$FLEET_AGENT_PASSWORD\"; }; f");
  }
  if (args.ssh_key) {
    std::string key_file = args.ssh_key->key_file;
    if (key_file.empty()) {
      key_file = (folder / "key").string();
      std::string key = args.ssh_key->key.reveal();
      if (!key.ends_with('\n')) key += '\n';
      if (auto written = write_file_atomic(key_file, key, 0600); !written)
        return fail(std::move(written.error()));
    }
    env.push_back("FLEET_AGENT_KEY=" + key_file);
    env.push_back("FLEET_AGENT_USER=" + args.ssh_key->username);
    env.push_back(
        "GIT_SSH_COMMAND=ssh -i \"$FLEET_AGENT_KEY\" -l \"$FLEET_AGENT_USER\" -o BatchMode=yes "
        "-o IdentitiesOnly=yes");
  }
  const std::string checkout = (folder / "checkout").string();
  if (!fs::exists(checkout + "/.git", error)) {
    if (auto made = git({"init", "--quiet", checkout}, env, clock, stop); !made)
      return fail(std::move(made.error()));
  }
  const auto in_checkout = [&](std::vector<std::string> rest) {
    rest.insert(rest.begin(), {"-C", checkout});
    return git(std::move(rest), env, clock, stop);
  };
  auto fetched = in_checkout(
      {"fetch", "--quiet", "--force", "--depth", "1", "--no-tags", args.repository, args.revision});
  if (!fetched) return fail(std::move(fetched.error()));
  auto out = in_checkout({"-c", "advice.detachedHead=false", "-c", "core.hooksPath=/dev/null",
                          "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"});
  if (!out) return fail(std::move(out.error()));
  return read_checkout(folder, args.path);
}

// What `import` says; nullopt when it is not known yet.
Result<std::optional<Origin>> origin_of(const Import& import, const fs::path& folder,
                                        const Clock& clock, lang::Diagnostics& diagnostics) {
  const auto read = [&]<class Args>(Args args, auto make) -> Result<std::optional<Origin>> {
    if (!decode(import.arguments, args, diagnostics))
      return fail(ErrorCode::kInvalid, "the arguments are not valid");
    if (component::has_placeholder(import.arguments)) return std::optional<Origin>();
    return std::optional<Origin>(make(std::move(args)));
  };
  if (import.kind == "import.file") {
    return read(FileArgs{}, [](FileArgs args) {
      const Duration pause = args.detector == "poll" ? args.poll_frequency : Duration(kLook);
      return Origin{
          [name = std::move(args.filename)](const std::stop_token&) { return read_module(name); },
          pause, true};
    });
  }
  if (import.kind == "import.string") {
    return read(StringArgs{}, [&](const StringArgs& args) {
      ImportedModule module{{{import.id, args.text()}}, import.module_path};
      return Origin{[module = std::move(module)](const std::stop_token&) -> Result<ImportedModule> {
                      return module;
                    },
                    {},
                    true};
    });
  }
  if (import.kind == "import.http") {
    return read(HttpArgs{}, [&](HttpArgs args) {
      const Duration pause = args.poll_frequency;
      const fs::path copy = folder / sha256_hex(import.id + "\n" + args.url).substr(0, 32);
      const Fetched what{std::move(args), import.id, copy};
      return Origin{[what](const std::stop_token& stop) { return fetch_http(what, stop); }, pause,
                    false,
                    [what]() -> Result<ImportedModule> {
                      auto text = read_file(what.copy, lang::Source::kMaxBytes + 1);
                      if (!text) return fail(std::move(text.error()));
                      return what.module(std::move(*text));
                    }};
    });
  }
  if (import.kind == "import.git") {
    return read(GitArgs{}, [&](const GitArgs& args) {
      const Duration pause = args.pull_frequency;
      // Another repository has another checkout: what is left of the old one is never served.
      const fs::path own = folder / sha256_hex(import.id + "\n" + args.repository).substr(0, 32);
      return Origin{[args, own, &clock](const std::stop_token& stop) {
                      return fetch_git(args, own, clock, stop);
                    },
                    pause, false, [path = args.path, own] { return read_checkout(own, path); }};
    });
  }
  return fail(ErrorCode::kInvalid, "there is no " + import.kind);
}

bool same(const ImportedModule& a, const ImportedModule& b) {
  return a.path == b.path && std::equal(a.texts.begin(), a.texts.end(), b.texts.begin(),
                                        b.texts.end(), [](const auto& x, const auto& y) {
                                          return x.name == y.name && x.text == y.text;
                                        });
}

}  // namespace

Result<std::vector<SourceText>> read_texts(const std::string& path,
                                           std::initializer_list<std::string_view> extensions,
                                           std::size_t most) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (auto it = fs::directory_iterator(path, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      std::error_code ignored;
      const std::string extension = it->path().extension().string();
      if (std::find(extensions.begin(), extensions.end(), extension) != extensions.end() &&
          it->is_regular_file(ignored))
        files.push_back(it->path());
      if (files.size() > most)
        return fail(ErrorCode::kExhausted,
                    path + " holds more than " + std::to_string(most) + " *.alloy files");
    }
    if (error) return fail(ErrorCode::kIo, "read " + path + ": " + error.message());
    std::sort(files.begin(), files.end());
    if (files.empty()) return fail(ErrorCode::kNotFound, path + " holds no *.alloy file");
  } else {
    files.emplace_back(path);
  }
  std::vector<SourceText> texts;
  for (const fs::path& file : files) {
    auto text = read_file(file, lang::Source::kMaxBytes + 1);
    if (!text) return fail(std::move(text.error()));
    texts.push_back({file.string(), std::move(*text)});
  }
  return texts;
}

Importer local_importer() {
  return [](const Import& import,
            lang::Diagnostics& diagnostics) -> Result<std::optional<ImportedModule>> {
    static const SystemClock clock;
    auto origin = origin_of(import, {}, clock, diagnostics);
    if (!origin) return fail(std::move(origin.error()));
    if (!*origin || !(*origin)->local) return std::optional<ImportedModule>();
    auto module = (*origin)->fetch({});
    if (!module) return fail(std::move(module.error()));
    return std::optional<ImportedModule>(std::move(*module));
  };
}

struct Modules::Watched {
  lang::Body arguments;
  Origin origin;
  ImportedModule module;  // what the last fetch gave
  std::string problem;    // of the last fetch; "" when it was good
  Mono due{};
  bool used = true;
};

Modules::Modules(Clock& clock, Log log, fs::path folder, std::function<void()> changed)
    : clock_(clock),
      log_(std::move(log)),
      folder_(std::move(folder)),
      changed_(std::move(changed)),
      watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

Modules::~Modules() { stop(); }

void Modules::stop() {
  stop_.request_stop();
  watcher_.request_stop();
  if (watcher_.joinable()) watcher_.join();
}

Result<std::optional<ImportedModule>> Modules::fetch(const Import& import,
                                                     lang::Diagnostics& diagnostics) {
  {
    MutexLock lock(mutex_);
    const auto it = watched_.find(import.id);
    if (it != watched_.end() && it->second->arguments == import.arguments) {
      it->second->used = true;
      if (!it->second->origin.local) return std::optional(it->second->module);
    }
  }
  auto origin = origin_of(import, folder_, clock_, diagnostics);
  if (!origin) return fail(std::move(origin.error()));
  if (!*origin) return std::optional<ImportedModule>();
  auto module = (*origin)->fetch(stop_.get_token());
  auto watched = std::make_shared<Watched>();
  if (!module && (*origin)->last) {
    watched->problem = module.error().message;
    if (auto last = (*origin)->last(); last) module = std::move(last);
    if (module)
      log_.warn("module cannot be fetched, what was fetched last is used",
                {{"import", import.id}, {"err", watched->problem}});
  }
  if (!module) return fail(std::move(module.error()));
  watched->arguments = import.arguments;
  watched->origin = std::move(**origin);
  watched->module = *module;
  watched->due = clock_.mono() + watched->origin.pause;
  MutexLock lock(mutex_);
  watched_[import.id] = std::move(watched);
  ++fetched_;
  wake_.notify_all();
  return std::optional(std::move(*module));
}

void Modules::forget_unused() {
  MutexLock lock(mutex_);
  for (auto it = watched_.begin(); it != watched_.end();) {
    it = it->second->used ? std::next(it) : watched_.erase(it);
  }
  for (auto& [id, watched] : watched_) watched->used = false;
}

void Modules::watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::pair<std::string, std::shared_ptr<Watched>>> due;
    {
      MutexLock lock(mutex_);
      Mono next = kNever;
      const Mono now = clock_.mono();
      for (const auto& [id, watched] : watched_) {
        if (watched->origin.pause == Duration::zero()) continue;
        if (watched->due <= now) {
          due.emplace_back(id, watched);
        } else {
          next = std::min(next, watched->due);
        }
      }
      if (due.empty()) {
        const std::uint64_t known = fetched_;
        clock_.wait(lock, wake_, next, stop,
                    [&]() NO_THREAD_SAFETY_ANALYSIS { return fetched_ != known; });
        continue;
      }
    }
    bool changed = false;
    for (const auto& [id, watched] : due) {
      auto module = watched->origin.fetch(stop);
      if (stop.stop_requested()) return;
      MutexLock lock(mutex_);
      watched->due = clock_.mono() + watched->origin.pause;
      const std::string problem = module ? "" : module.error().message;
      if (problem != watched->problem && !problem.empty())
        log_.warn("module cannot be read again, its last text stays in force",
                  {{"import", id}, {"err", problem}});
      watched->problem = problem;
      if (!module || same(*module, watched->module)) continue;
      watched->module = std::move(*module);
      changed = true;
    }
    if (changed) changed_();
  }
}

std::vector<component::Declaration> import_kinds() {
  const auto kind = [](std::string name, std::string doc, auto fields) {
    component::Declaration out;
    out.name = std::move(name);
    out.doc = std::move(doc);
    out.fields = fields;
    return out;
  };
  return {kind("import.file", "Custom components from a file or folder of this host.",
               [] { return FileArgs::schema().info(); }),
          kind("import.git", "Custom components from a Git repository.",
               [] { return GitArgs::schema().info(); }),
          kind("import.http", "Custom components from the answer to an HTTP request.",
               [] { return HttpArgs::schema().info(); }),
          kind("import.string", "Custom components from a string, often of another component.",
               [] { return StringArgs::schema().info(); })};
}

}  // namespace agent::runtime
