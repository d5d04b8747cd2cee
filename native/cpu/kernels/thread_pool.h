/// The pool that all kernels run on: fork and join in well under a microsecond while the workers spin.
#pragma once
#include <atomic>
#include <cstdint>
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

  /// Calls body(ith, nth) once on each thread, ith 0 on the caller, and returns when all have returned. One run at
  /// a time, from one thread at a time; the body must not throw.
  void run(FunctionRef<void(int ith, int nth)> body);

  /// Within run: returns on every thread after every thread has called it.
  void barrier();

  /// Within run: 0, 1, 2…, each number to one thread only, starting again behind each barrier. A thread that is
  /// slow, or that the system has put aside, simply takes fewer.
  int64_t next_chunk() { return next_chunk_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void work(int ith, bool low_priority);

  const int n_threads_;
  const FunctionRef<void(int, int)>* body_ = nullptr;
  bool stopping_ = false;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<int32_t> sleepers_{0};
  alignas(64) std::atomic<int32_t> running_{0};
  alignas(64) std::atomic<int64_t> next_chunk_{0};
  alignas(64) std::atomic<int32_t> arrived_{0};
  std::atomic<uint32_t> phase_{0};
  std::vector<std::thread> workers_;
};

/// Gives way to the rest of the machine from now on, as the workers of a low-priority pool do (this thread only).
void lower_thread_priority();

/// Physical cores that this process may keep busy: within its affinity mask, SMT siblings counted once, at most its
/// cgroup's CPU quota (v1 or v2). At least 1. `root` is put before /sys and /proc (tests).
int usable_physical_cores(const char* root = "");

}  // namespace kigo::cpu
