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

ThreadPool::ThreadPool(int n_threads, bool low_priority) : n_threads_(std::max(1, n_threads)) {
  workers_.reserve(static_cast<size_t>(n_threads_ - 1));
  for (int ith = 1; ith < n_threads_; ++ith) workers_.emplace_back([=, this] { work(ith, low_priority); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(FunctionRef<void(int, int)> body) {
  next_chunk_.store(0, std::memory_order_relaxed);
  if (n_threads_ == 1) return body(0, 1);
  body_ = &body;
  running_.store(n_threads_ - 1, std::memory_order_relaxed);
  // The new epoch and the count of sleepers are seq_cst on both sides: either the worker sees the epoch before it
  // sleeps, or this thread sees the sleeper.
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) epoch_.notify_all();
  body(0, n_threads_);
  while (int32_t left = running_.load(std::memory_order_acquire)) {
    if (!spin_while_equal(running_, left)) std::this_thread::yield();
  }
}

void ThreadPool::work(int ith, bool low_priority) {
  if (low_priority) lower_thread_priority();
  uint32_t seen = 0;
  for (;;) {
    if (!spin_while_equal(epoch_, seen)) {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      epoch_.wait(seen, std::memory_order_seq_cst);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (epoch == seen) continue;
    seen = epoch;
    if (stopping_) return;
    (*body_)(ith, n_threads_);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::barrier() {
  if (n_threads_ == 1) return next_chunk_.store(0, std::memory_order_relaxed);
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == n_threads_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    next_chunk_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  while (!spin_while_equal(phase_, phase)) std::this_thread::yield();
}

void lower_thread_priority() {
#if defined(__linux__)
  // Raising one's own nice value is always allowed; were it refused, the thread would merely keep its priority.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5);
#endif
}

}  // namespace kigo::cpu
