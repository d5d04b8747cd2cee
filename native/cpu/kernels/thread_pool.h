/// The pool that all kernels run on: fork and join in well under a microsecond while the workers spin.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "function_ref.h"

namespace kigo::cpu {

class ThreadPool {
 public:
  /// n_threads counts the caller of run(), so n_threads − 1 workers are started; fewer where the system starts no more,
  /// as size() says then. With low_priority they give way to the rest of the machine (Linux: nice 5), so that a window
  /// stays alive.
  explicit ThreadPool(int n_threads, bool low_priority = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return n_threads_; }

  /// Calls body(ith, nth) once for each ith in [0, nth), 0 on the caller, and returns when all have returned. One run
  /// at a time, from one thread at a time; the body must not throw, and the calls must not wait for each other: the
  /// caller makes those calls itself whose worker has not begun by then, so that a run never waits for a worker that
  /// sleeps or that the system has put aside.
  void run(FunctionRef<void(int ith, int nth)> body);

  /// Within run, between two pieces of work: whether the rest shall be left out, because what StopWhen was given says
  /// so. Share 0, which is the caller's, asks; the others see its answer, and so does whoever comes later.
  bool asks_to_stop(int ith) {
    if (ith == 0 && stop_ && !stopped() && stop_()) stopped_.store(true, std::memory_order_relaxed);
    return stopped();
  }
  /// Whether something was left out since StopWhen began.
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  /// Within run: calls body(i) for numbers of [0, n), each of which one share or another takes; n is the same in all
  /// shares. First those of share ith's own contiguous part, so that threads go on where they were in the last run,
  /// with what their caches hold. Then what others have not come to, so that a slow one holds up nobody; but the last
  /// `spare` of a part stay with its owner: handing over costs a fifth of a microsecond, more than small work takes.
  template <class Body>
  void for_each(int ith, int64_t n, int64_t spare, Body body) {
    for (int i = 0; i < n_threads_; ++i) {
      const int64_t owner = (ith + i) % n_threads_;
      const int64_t first = n * owner / n_threads_, size = n * (owner + 1) / n_threads_ - first;
      const int64_t limit = i == 0 ? size : size - spare;
      for (int64_t next; (next = take(owner, limit)) >= 0;) body(first + next);
    }
  }

 private:
  struct Share {
    /// Which run this share was last claimed in (by its worker or by the caller) and whether it has returned:
    /// 2·run + returned.
    alignas(64) std::atomic<uint64_t> state{0};
    /// Numbers taken from this share's part, in the lower half; the run in the upper one.
    alignas(64) std::atomic<uint64_t> taken{0};
  };

  friend class StopWhen;

  void work(int ith, bool low_priority);
  bool claim(Share& share, uint64_t run);
  int64_t take(int64_t owner, int64_t limit);

  int n_threads_;
  std::unique_ptr<Share[]> shares_;
  std::vector<std::thread> workers_;
  // What a worker looks at to begin, on one cache line: its way from core to core is what a fork costs.
  alignas(64) std::atomic<uint64_t> run_{0};
  FunctionRef<void(int, int)> body_;
  std::atomic<int32_t> sleepers_{0};
  std::atomic<uint32_t> wake_{0};
  std::atomic<bool> stopping_{false};
  FunctionRef<bool()> stop_;
  std::atomic<bool> stopped_{false};
};

/// As long as it lives, products and attention on the pool ask `stop` between pieces of work, on the thread that calls
/// them, and leave the rest out from the moment it says yes; an empty one is never asked. What they were to write means
/// nothing then. For the thread that calls run().
class StopWhen {
 public:
  StopWhen(ThreadPool& pool, FunctionRef<bool()> stop) : pool_(pool) { set(stop); }
  ~StopWhen() { set({}); }
  StopWhen(const StopWhen&) = delete;
  StopWhen& operator=(const StopWhen&) = delete;

 private:
  void set(FunctionRef<bool()> stop) {
    pool_.stop_ = stop;
    pool_.stopped_.store(false, std::memory_order_relaxed);
  }

  ThreadPool& pool_;
};

/// Gives way to the rest of the machine from now on, as the workers of a low-priority pool do (this thread only).
void lower_thread_priority();

/// Physical cores that this process may keep busy: within its affinity mask, SMT siblings counted once, at most its
/// cgroup's CPU quota (v1 or v2). At least 1. `root` is put before /sys and /proc (tests).
int usable_physical_cores(const char* root = "");

}  // namespace kigo::cpu
