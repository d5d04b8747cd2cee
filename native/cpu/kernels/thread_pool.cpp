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

/// Fetches the line for writing, so that the next write finds it here. Workers do so while they wait: the caller has
/// looked at their line, and getting it back would take a fifth of a microsecond between two clusters of cores.
void own(std::atomic<uint64_t>* line) {
#if defined(__x86_64__) && defined(__GNUC__)
  asm volatile("prefetchw %0" : : "m"(*line));
#else
  (void)line;
#endif
}

/// Spins while value == old; true as soon as it differs, false when the spin time is over.
bool spin_while_equal(const std::atomic<uint64_t>& value, uint64_t old, std::atomic<uint64_t>* keep = nullptr) {
  for (auto deadline = std::chrono::steady_clock::time_point();;) {
    for (int i = 0; i < kPausesPerLookAtTheClock; ++i) {
      if (value.load(std::memory_order_acquire) != old) return true;
      if (keep && i % 8 == 0) own(keep);
      pause();
    }
    const auto now = std::chrono::steady_clock::now();
    if (deadline == std::chrono::steady_clock::time_point()) deadline = now + kSpinTime;
    if (now > deadline) return false;
  }
}

}  // namespace

ThreadPool::ThreadPool(int n_threads, bool low_priority)
    : n_threads_(std::max(1, n_threads)), shares_(new Share[static_cast<size_t>(n_threads_)]) {
  workers_.reserve(static_cast<size_t>(n_threads_ - 1));
  try {
    for (int ith = 1; ith < n_threads_; ++ith) workers_.emplace_back([=, this] { work(ith, low_priority); });
  } catch (...) {  // a limit of processes or of memory: those there are do the work, and read the number in a run only
    n_threads_ = static_cast<int>(workers_.size()) + 1;
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_seq_cst);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(FunctionRef<void(int, int)> body) {
  const uint64_t run = run_.load(std::memory_order_relaxed) + 1;
  body_ = body;
  run_.store(run, std::memory_order_release);
  // A worker that goes to sleep at this moment may be overlooked: its share is then taken below, and the next run
  // wakes it. A fence that excluded this would cost every run a fifth of a microsecond.
  if (sleepers_.load(std::memory_order_relaxed) > 0) {
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
  uint64_t state = share.state.load(std::memory_order_acquire);
  return state < 2 * run &&
         share.state.compare_exchange_strong(state, 2 * run, std::memory_order_acquire, std::memory_order_acquire);
}

void ThreadPool::work(int ith, bool low_priority) {
  if (low_priority) lower_thread_priority();
  Share& share = shares_[static_cast<size_t>(ith)];
  for (uint64_t seen = 0;;) {
    if (!spin_while_equal(run_, seen, &share.state)) {
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
    body_(ith, n_threads_);
    share.state.store(2 * run + 1, std::memory_order_release);
  }
}

/// The next number of an owner's part, below limit; −1: none.
int64_t ThreadPool::take(int64_t owner, int64_t limit) {
  const uint64_t run = run_.load(std::memory_order_relaxed) << 32;
  std::atomic<uint64_t>& taken = shares_[static_cast<size_t>(owner)].taken;
  uint64_t held = taken.load(std::memory_order_relaxed);
  for (;;) {
    const auto next = static_cast<int64_t>(held >> 32 << 32 == run ? held & 0xffffffff : 0);
    if (next >= limit) return -1;
    const uint64_t after = run | static_cast<uint64_t>(next + 1);
    if (taken.compare_exchange_weak(held, after, std::memory_order_relaxed)) return next;
  }
}

void lower_thread_priority() {
#if defined(__linux__)
  // Raising one's own nice value is always allowed; were it refused, the thread would merely keep its priority.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5);
#endif
}

}  // namespace kigo::cpu
