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
  /// n_threads counts the caller of run(), so n_threads − 1 workers are started. With low_priority they give way
  /// to the rest of the machine (Linux: nice 5), so that a window stays alive.
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

  /// Within run: 0, 1, 2…, each number once. What is cut into more pieces than threads is shared evenly, however
  /// unequal the threads.
  int64_t next_chunk() { return next_chunk_.fetch_add(1, std::memory_order_relaxed); }

 private:
  /// Which run a worker's call was last claimed in (by itself or by the caller) and whether it has returned.
  struct alignas(64) Share {
    std::atomic<uint64_t> state{0};  // 2·run + returned
  };

  void work(int ith, bool low_priority);
  bool claim(Share& share, uint64_t run);

  const int n_threads_;
  FunctionRef<void(int, int)>* body_ = nullptr;
  alignas(64) std::atomic<uint64_t> run_{0};
  std::atomic<int32_t> sleepers_{0};
  std::atomic<uint32_t> wake_{0};
  std::atomic<bool> stopping_{false};
  alignas(64) std::atomic<int64_t> next_chunk_{0};
  std::unique_ptr<Share[]> shares_;
  std::vector<std::thread> workers_;
};

/// Gives way to the rest of the machine from now on, as the workers of a low-priority pool do (this thread only).
void lower_thread_priority();

/// Physical cores that this process may keep busy: within its affinity mask, SMT siblings counted once, at most its
/// cgroup's CPU quota (v1 or v2). At least 1. `root` is put before /sys and /proc (tests).
int usable_physical_cores(const char* root = "");

}  // namespace kigo::cpu
