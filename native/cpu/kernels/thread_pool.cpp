#include "thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace kigo::cpu {
namespace {

// Long enough to bridge what the engine does between two matrices on one thread (norms, rope, a sampler over a
// small vocabulary), short enough that an idle model costs nothing.
constexpr auto kSpinTime = std::chrono::microseconds(80);
constexpr int kPausesPerLookAtTheClock = 64;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#else
  std::this_thread::yield();
#endif
}

/// Spins while value == old; true as soon as it differs, false when the spin time is over.
template <class T>
bool spin_while_equal(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kPausesPerLookAtTheClock; ++i) {
    if (value.load(std::memory_order_acquire) != old) return true;
    pause();
  }
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kPausesPerLookAtTheClock; ++i) {
      if (value.load(std::memory_order_acquire) != old) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int n_threads, bool low_priority)
    : n_threads_(std::max(1, n_threads)), shares_(new Share[static_cast<size_t>(n_threads_)]) {
  workers_.reserve(static_cast<size_t>(n_threads_ - 1));
  for (int ith = 1; ith < n_threads_; ++ith) workers_.emplace_back([=, this] { work(ith, low_priority); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_seq_cst);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(FunctionRef<void(int, int)> body) {
  next_chunk_.store(0, std::memory_order_relaxed);
  if (n_threads_ == 1) return body(0, 1);
  body_ = &body;
  // The number of the run and the count of sleepers are seq_cst on both sides: either a worker sees the run before it
  // sleeps, or this thread sees the sleeper.
  const uint64_t run = run_.load(std::memory_order_relaxed) + 1;
  run_.store(run, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    wake_.fetch_add(1, std::memory_order_seq_cst);
    wake_.notify_all();
  }
  body(0, n_threads_);
  for (int ith = 1; ith < n_threads_; ++ith) {
    Share& share = shares_[static_cast<size_t>(ith)];
    if (claim(share, run)) {
      body(ith, n_threads_);
      share.state.store(2 * run + 1, std::memory_order_relaxed);
    } else {
      while (!spin_while_equal(share.state, 2 * run)) std::this_thread::yield();
    }
  }
}

/// Whether the caller of this is the first to claim a share in a run.
bool ThreadPool::claim(Share& share, uint64_t run) {
  uint64_t state = share.state.load(std::memory_order_relaxed);
  return state < 2 * run &&
         share.state.compare_exchange_strong(state, 2 * run, std::memory_order_acquire, std::memory_order_relaxed);
}

void ThreadPool::work(int ith, bool low_priority) {
  if (low_priority) lower_thread_priority();
  Share& share = shares_[static_cast<size_t>(ith)];
  for (uint64_t seen = 0;;) {
    if (!spin_while_equal(run_, seen)) {
      const uint32_t wake = wake_.load(std::memory_order_seq_cst);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      if (run_.load(std::memory_order_seq_cst) == seen && !stopping_.load(std::memory_order_seq_cst)) wake_.wait(wake);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (stopping_.load(std::memory_order_relaxed)) return;
    const uint64_t run = run_.load(std::memory_order_acquire);
    if (run == seen) continue;
    seen = run;
    if (!claim(share, run)) continue;
    (*body_)(ith, n_threads_);
    share.state.store(2 * run + 1, std::memory_order_release);
  }
}

void lower_thread_priority() {
#if defined(__linux__)
  // Raising one's own nice value is always allowed; were it refused, the thread would merely keep its priority.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5);
#endif
}

}  // namespace kigo::cpu
