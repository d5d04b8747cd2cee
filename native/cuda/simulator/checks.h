/**
 * What compute-sanitizer's racecheck and initcheck look for, on the simulated GPU. Kernels are compiled with
 * -fsanitize=thread, whose calls at every access come here instead of to GCC's library; block.cpp and runtime.cpp tell
 * of barriers, launches and copies. Without KIGO_SIMULATOR_CHECKS all of this is nothing.
 *
 * Two accesses of one place, one of them a write, are a race
 *   - of two threads of a block without a barrier in between, or, of one warp, __syncwarp (a shuffle orders nothing);
 *   - of two blocks of a launch, but for atomics, and for what a block wrote in front of a fence and an atomic and
 *     another one reads behind an atomic and a fence;
 *   - of two launches, where the later one began early and has not called wait_for_producer, and the earlier one is not
 *     over for certain by then: it belongs to the same chain of early launches, or heads it.
 * A copy into shared memory is a write at its beginning and at its end. A read of memory that nothing wrote, on the
 * device or in shared memory of this block, is reported as well.
 *
 * Findings go to stderr, each place in the code once, and the process ends with status 66.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace kigo::simulator::checks {

/** Device memory comes and goes; what it holds at first means nothing. */
void took(const void* memory, size_t bytes);
void gave_back(const void* memory);
/** A copy or memset of the runtime's has filled it. */
void filled(const void* memory, size_t bytes);

/** A kernel begins; `early`: while those in front of it in its stream still run. */
void launch_begins(const char* kernel, bool early);
void launch_ends();
void block_begins(uint32_t block, const void* shared, size_t shared_bytes);
void block_barrier_passed();
void warp_synchronised(unsigned warp);

// Of the thread that runs:
void thread_runs(unsigned thread);
void thread_waited();
void thread_ended();
void wrote_async(const void* to, size_t bytes, const void* code);
void fenced();
/** While it lives, accesses are parts of one atomic operation. */
class Atomic {
 public:
  Atomic();
  ~Atomic();
};

/** While it lives, accesses are in no order with others, of places that several blocks access so: that is no race. */
class Relaxed {
 public:
  Relaxed();
  ~Relaxed();
};

}  // namespace kigo::simulator::checks
