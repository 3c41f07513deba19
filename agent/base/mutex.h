// std::mutex that clang's -Wthread-safety understands. Shared members are written `T x_
// GUARDED_BY(mutex_)`.
#pragma once

#include <mutex>

#if defined(__clang__)
#define AGENT_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define AGENT_THREAD_ATTRIBUTE(x)
#endif
#define CAPABILITY(x) AGENT_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY AGENT_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) AGENT_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) AGENT_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) AGENT_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) AGENT_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) AGENT_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS AGENT_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace agent {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds `mutex` for its scope. It is also a BasicLockable, which Clock::wait and
// std::condition_variable_any release while they sleep.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace agent
