#include "agent/io/bus_guard.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace agent::io {
namespace {

// A signal handler reaches only what is static; these are constants until the first guard.
std::array<std::atomic<unsigned long>, 64> guarded{};  // threads, 0: a free slot
std::atomic<std::uintptr_t> page_size{0};              // 0: the handler is not installed

bool is_guarded(unsigned long thread) {
  for (const auto& slot : guarded)
    if (slot.load(std::memory_order_relaxed) == thread) return true;
  return false;
}

// Calls only what a handler may call.
void on_bus_error(int, siginfo_t* info, void*) {
  const std::uintptr_t size = page_size.load(std::memory_order_relaxed);
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code > 0 && address != 0 && is_guarded(::pthread_self())) {
    void* const page = reinterpret_cast<void*>(address / size * size);
    if (::mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
      return;
  }
  // Not ours: the access is repeated and ends the process as it would have.
  ::signal(SIGBUS, SIG_DFL);
  if (info->si_code <= 0) ::raise(SIGBUS);
}

void install() {
  std::uintptr_t none = 0;
  if (!page_size.compare_exchange_strong(none,
                                         static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE))))
    return;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

BusGuard::BusGuard() {
  if (page_size.load(std::memory_order_relaxed) == 0) install();
  for (auto& slot : guarded) {
    unsigned long free = 0;
    if (slot.load(std::memory_order_relaxed) == 0 &&
        slot.compare_exchange_strong(free, ::pthread_self())) {
      slot_ = &slot;
      return;
    }
  }
}

BusGuard::~BusGuard() {
  if (slot_ != nullptr) slot_->store(0, std::memory_order_relaxed);
}

}  // namespace agent::io
