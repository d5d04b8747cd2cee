/** Where the CPU twin's operations run: threads, lent memory, arithmetic. */
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/kernels/attention.h"
#include "cpu/kernels/matmul.h"
#include "cpu/kernels/scratch.h"
#include "cpu/kernels/thread_pool.h"

namespace kigo::cpu {

struct Context {
  ThreadPool& pool;
  Scratch scratch;  // for matmul and attention
  Precision precision = Precision::fast;
};

/**
 * body(first, last) over a partition of [0, n). Below `grain` items a fork and a join cost more than they save,
 * so the caller does all of them.
 */
template <class Body>
void parallel_for(ThreadPool& pool, int64_t n, int64_t grain, Body&& body) {
  if (n < grain * 2 || pool.size() == 1) {
    body(int64_t{0}, n);
    return;
  }
  pool.run([&](int ith, int nth) {
    const int64_t first = n * ith / nth, last = n * (ith + 1) / nth;
    if (first < last) body(first, last);
  });
}

}  // namespace kigo::cpu
