/**
 * A block of a simulated GPU: its threads are fibers of one thread of the host, which change over where threads of a
 * GPU wait for each other: at barriers, and at what a warp does together.
 */
#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <functional>

// CUDA calls them constants, and so they are for a thread: it finds its own whenever it runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace kigo::simulator {

/** What a kernel did that a GPU would stop for. */
enum class Fault {
  none,
  trap,
  misaligned_address,
  stuck,  // lanes wait for others of their warp that have ended, are at a barrier, or do something else together
};

struct Launch {
  const void* kernel = nullptr;  // NULL: not known
  const char* name = "";
  dim3 grid = {1, 1, 1}, block = {1, 1, 1};
  size_t shared_bytes = 0;
  bool early = false;          // begins while the kernels in front of it in its stream still run
  std::function<void()> body;  // the kernel with its arguments, for the thread that runs
};

/**
 * Runs all blocks, one after the other. Blocks, warps and lanes take turns in order, or, where `seed` is not 0, in a
 * random order. One call at a time.
 */
Fault run(const Launch& launch, uint64_t seed);

// ---- what a kernel sees; only to be called while one runs ------------------------------------------------------

/** Of the block that runs; at its start full of what is no number. */
void* dynamic_shared();

void block_barrier();

/** Kernels in front of an early one have ended. */
void wait_for_kernels_in_front();

/** Of the thread that runs, in its warp. */
unsigned lane();

/** What each lane brought to a meeting of its warp. */
constexpr size_t kMostWords = 8;
struct Brought {
  uint32_t words[32][kMostWords];
};
enum Meeting { kShuffle, kVote, kSyncWarp, kMatrices, kProduct };
/** All lanes of a warp meet for `what`: each brings n words and gets what all brought, until its next meeting. */
const Brought& meet(Meeting what, const uint32_t* words, size_t n_words);

/** 16 bytes for shared memory, there when the group that they are in is waited for. */
void copy_later(void* to, const uint4& value);
void end_group_of_copies();
/** All groups but the last n. */
void finish_copies(size_t n_pending);

/** Ends the kernel. */
[[noreturn]] void stop(Fault fault);

}  // namespace kigo::simulator
