// local.file_match: files that match patterns, as targets.
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "agent/component/component.h"
#include "agent/component/path_targets.h"

namespace agent::discovery {
namespace {

struct LocalFileMatchArgs {
  std::vector<model::Target> path_targets;
  Duration sync_period = std::chrono::seconds(10);
  Duration ignore_older_than{};

  static component::Schema<LocalFileMatchArgs> schema() {
    return component::Schema<LocalFileMatchArgs>()
        .required("path_targets", &LocalFileMatchArgs::path_targets,
                  "Targets to expand: __path__ is a pattern of file names with *, ?, [a-z], {a,b} "
                  "and ** for any number of folders; files that __path_exclude__ matches are left "
                  "out. Other labels are passed on.")
        .optional("sync_period", &LocalFileMatchArgs::sync_period,
                  "Time between two looks at the folders.")
        .optional("ignore_older_than", &LocalFileMatchArgs::ignore_older_than,
                  "Files not modified for this long are left out. 0s: none are.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (sync_period <= Duration::zero())
      diagnostics.error(body.span_of("sync_period"), "sync_period must be greater than 0s");
  }
};

class LocalFileMatch final : public component::Configured<LocalFileMatchArgs>,
                             public component::Worker {
 public:
  explicit LocalFileMatch(component::Host host)
      : host_(std::move(host)),
        targets_(host_.metrics.gauge("local_file_match_targets", "Files that match now.")) {
    host_.exports({{"targets", component::targets_value({})}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(LocalFileMatchArgs args) override {
    auto patterns = component::PathTargets::compile(std::move(args.path_targets));
    if (!patterns) return fail(std::move(patterns.error()));
    auto next = std::make_shared<const Search>(
        Search{std::move(*patterns), args.sync_period, args.ignore_older_than});
    // Dependants are prepared with the files that are there already.
    auto found = next->files(host_.clock);
    host_.exports({{"targets", component::targets_value(found)}});
    return component::Commit([this, next = std::move(next), found = std::move(found)]() mutable {
      {
        MutexLock lock(mutex_);
        search_ = next;
        found_ = std::move(found);
        targets_->set(static_cast<double>(found_.size()));
        changed_.notify_all();
      }
    });
  }

  Result<> run(std::stop_token stop) override {
    component::PathTargets::Seen seen;
    MutexLock lock(mutex_);
    while (!stop.stop_requested()) {
      const auto search = search_;
      const bool replaced =
          host_.clock.wait(lock, changed_, host_.clock.mono() + search->sync_period, stop,
                           [&]() NO_THREAD_SAFETY_ANALYSIS { return search_ != search; });
      if (replaced) seen = {};
      if (replaced || stop.stop_requested()) continue;
      lock.unlock();
      auto found =
          search->patterns.find_changed(seen, search->ignore_older_than, host_.clock.wall_ns());
      lock.lock();
      if (search_ != search) seen = {};
      if (search_ != search || !found || found_ == *found) continue;
      found_ = std::move(*found);
      lock.unlock();
      publish();
      lock.lock();
    }
    return {};
  }

  void debug_info(component::DebugWriter& out) const override {
    MutexLock lock(mutex_);
    out.value("files", std::to_string(found_.size()));
  }

 private:
  struct Search {
    component::PathTargets patterns;
    Duration sync_period;
    Duration ignore_older_than;
    std::vector<model::Target> files(const Clock& clock) const {
      return patterns.find(ignore_older_than, clock.wall_ns());
    }
  };

  // Without the lock, because dependants may be evaluated within the call; again when somebody
  // else found something new meanwhile, so that the newest is published last.
  void publish() EXCLUDES(mutex_) {
    std::vector<model::Target> published;
    MutexLock lock(mutex_);
    do {
      published = found_;
      lock.unlock();
      targets_->set(static_cast<double>(published.size()));
      host_.exports({{"targets", component::targets_value(published)}});
      lock.lock();
    } while (found_ != published);
  }

  component::Host host_;
  component::Gauge targets_;
  mutable Mutex mutex_;
  Condition changed_;
  std::shared_ptr<const Search> search_ GUARDED_BY(mutex_);
  std::vector<model::Target> found_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration local_file_match() {
  return component::declare<LocalFileMatch>(
      "local.file_match", "Finds files by patterns of their names.",
      {{"targets", "list(map(string))", "A target for each file, with its name as __path__."}});
}

}  // namespace agent::discovery
