// Mounted file systems: /proc/1/mountinfo (proc(5)), and statfs(2) of each. A mount that hangs (NFS
// without its server) keeps one thread of ours for as long as it hangs, and shows as device_error.
#include <re2/re2.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <system_error>
#include <thread>

#include "agent/base/mutex.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Answer {
  int error = 0;
  struct statvfs space {};
};

// Asks on a thread that may hang; whoever waits gives up after a time.
class Asker {
 public:
  // None: no answer in time, or an earlier question about this path still hangs.
  std::optional<Answer> ask(const std::string& path, Duration limit) {
    const auto question = std::make_shared<Question>();
    {
      MutexLock lock(state_->mutex);
      if (state_->hanging.contains(path)) return std::nullopt;
      question->path = path;
      state_->waiting.push_back(question);
      if (state_->idle == 0) start();
      state_->changed.notify_all();
      const bool answered = state_->changed.wait_for(
          lock, limit, [&]() NO_THREAD_SAFETY_ANALYSIS { return question->answered; });
      if (answered) return question->answer;
      if (question->taken) {
        state_->hanging.insert(path);
        question->given_up = true;
      } else {
        std::erase(state_->waiting, question);
      }
    }
    return std::nullopt;
  }
  ~Asker() {
    MutexLock lock(state_->mutex);
    state_->stop = true;
    state_->changed.notify_all();
  }

 private:
  struct Question {
    std::string path;
    bool taken = false;
    bool answered = false;
    bool given_up = false;
    Answer answer;
  };
  struct State {
    Mutex mutex;
    Condition changed;
    bool stop GUARDED_BY(mutex) = false;
    int idle GUARDED_BY(mutex) = 0;  // threads that wait for a question
    std::deque<std::shared_ptr<Question>> waiting GUARDED_BY(mutex);
    std::set<std::string> hanging GUARDED_BY(mutex);
  };

  // A thread in an uninterruptible system call can be neither stopped nor joined: it owns what it
  // uses, and is left to itself.
  void start() REQUIRES(state_->mutex) {
    ++state_->idle;
    std::thread([state = state_] { work(*state); }).detach();
  }

  static void work(State& state) {
    MutexLock lock(state.mutex);
    while (true) {
      state.changed.wait(
          lock, [&]() NO_THREAD_SAFETY_ANALYSIS { return state.stop || !state.waiting.empty(); });
      if (state.stop) return;
      const std::shared_ptr<Question> question = state.waiting.front();
      state.waiting.pop_front();
      question->taken = true;
      --state.idle;
      lock.unlock();
      Answer answer;
      if (::statvfs(question->path.c_str(), &answer.space) != 0) answer.error = errno;
      lock.lock();
      question->answer = answer;
      question->answered = true;
      if (question->given_up) state.hanging.erase(question->path);
      // One thread that waits is enough.
      if (state.idle > 0) return;
      ++state.idle;
      state.changed.notify_all();
    }
  }

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// In lower case, as Go says it.
std::string errno_text(int error) {
  std::string text = std::generic_category().message(error);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::string unescape(std::string_view word) {
  const auto octal = [&](std::size_t k) {
    return k < word.size() && word[k] >= '0' && word[k] <= '7';
  };
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((word[i + 1] - '0') * 64 + (word[i + 2] - '0') * 8 +
                               (word[i + 3] - '0'));
      i += 3;
    } else {
      out += word[i];
    }
  }
  return out;
}

void set_options(Mount& mount, std::string options) {
  for (const std::string_view option : split(options, ',')) mount.read_only |= option == "ro";
  mount.options = std::move(options);
}

}  // namespace

std::vector<Mount> parse_mounts(std::string_view text) {
  std::vector<Mount> out;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 4) return;
    Mount mount;
    mount.device = unescape(fields[0]);
    mount.mount_point = unescape(fields[1]);
    mount.type = fields[2];
    set_options(mount, std::string(fields[3]));
    out.push_back(std::move(mount));
  });
  return out;
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> out;
  for_each_line(text, [&](std::string_view line) {
    // Optional fields may stand before the dash.
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) return;
    const auto where = words(line.substr(0, dash));
    const auto what = words(line.substr(dash + 3));
    if (where.size() < 6 || what.size() < 3) return;
    const std::size_t colon = where[2].find(':');
    if (colon == std::string_view::npos) return;
    Mount mount;
    mount.major = where[2].substr(0, colon);
    mount.minor = where[2].substr(colon + 1);
    mount.mount_point = unescape(where[4]);
    mount.type = what[0];
    mount.device = unescape(what[1]);
    set_options(mount, std::string(where[5]) + "," + std::string(what[2]));
    out.push_back(std::move(mount));
  });
  return out;
}

Result<Collect> make_filesystem(const UnixArgs& args, const Roots& roots, Clock&) {
  const auto types = std::make_shared<const RE2>(args.filesystem.fs_types_exclude, RE2::Quiet);
  const auto points = std::make_shared<const RE2>(args.filesystem.mount_points_exclude, RE2::Quiet);
  for (const auto& one : {types, points})
    if (!one->ok()) return fail(ErrorCode::kInvalid, "filesystem: " + one->error());
  return Collect([roots, types, points, no_types = args.filesystem.fs_types_exclude.empty(),
                  no_points = args.filesystem.mount_points_exclude.empty(),
                  limit = args.filesystem.mount_timeout,
                  asker = std::make_shared<Asker>()](Families& out) -> Result<> {
    // Those of the first process are the host's, whatever namespace we are in.
    auto text = read_text(roots.proc / "1/mountinfo");
    if (!text) text = read_text(roots.proc / "self/mountinfo");
    if (!text) return fail(text.error());
    std::set<std::pair<std::string, std::string>> seen;
    for (const Mount& mount : parse_mountinfo(*text)) {
      if (!no_types && RE2::PartialMatch(mount.type, *types)) continue;
      // Below a root of the host's that is mounted here, its paths are the host's own.
      const std::string root = roots.root.string();
      std::string point = mount.mount_point;
      if (root != "/" && point.starts_with(root)) {
        point.erase(0, root.size());
        if (point.empty()) point = "/";
      }
      if (!no_points && RE2::PartialMatch(point, *points)) continue;
      if (!seen.emplace(mount.device, point).second) continue;
      const auto answer =
          asker->ask((roots.root / std::filesystem::path(point).relative_path()).string(), limit);
      const bool failed = !answer || answer->error != 0;
      const Families::Labels labels = {{"device", mount.device},
                                       {"mountpoint", point},
                                       {"fstype", mount.type},
                                       {"device_error", !answer  ? "mountpoint timeout"
                                                        : failed ? errno_text(answer->error)
                                                                 : std::string()}};
      out.gauge("node_filesystem_device_error", "1 when the file system does not answer.",
                failed ? 1 : 0, labels);
      out.gauge("node_filesystem_readonly", "1 when it is mounted for reading only.",
                mount.read_only ? 1 : 0, labels);
      if (failed) continue;
      const struct statvfs& space = answer->space;
      const auto bytes = [&](fsblkcnt_t blocks) {
        return static_cast<double>(blocks) * static_cast<double>(space.f_frsize);
      };
      out.gauge("node_filesystem_size_bytes", "Size.", bytes(space.f_blocks), labels);
      out.gauge("node_filesystem_free_bytes", "Free.", bytes(space.f_bfree), labels);
      out.gauge("node_filesystem_avail_bytes", "Free for all users.", bytes(space.f_bavail),
                labels);
      out.gauge("node_filesystem_files", "File nodes.", static_cast<double>(space.f_files), labels);
      out.gauge("node_filesystem_files_free", "Free file nodes.",
                static_cast<double>(space.f_ffree), labels);
      out.gauge("node_filesystem_mount_info", "What is known of a mount; the value is 1.", 1,
                {{"device", mount.device},
                 {"major", mount.major},
                 {"minor", mount.minor},
                 {"mountpoint", point}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
