/** Kernels with a fault each, and the same without it, for the checks of a simulated GPU: they find the one. */
#include <string_view>

#include "cuda/pdl.cuh"
#include "cuda/testing/testing.h"

namespace kigo::cuda {

namespace {

/** Thread 0 writes for all of its block. */
__global__ void share_in_block(int* out, bool right) {
  __shared__ int shared;
  if (threadIdx.x == 0) shared = 7;
  if (right) __syncthreads();
  out[threadIdx.x] = shared;
}

/** Each lane writes for its neighbour. */
__global__ void share_in_warp(int* out, bool right) {
  __shared__ int shared[32];
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (right) __syncwarp();
  out[threadIdx.x] = shared[threadIdx.x ^ 1];
}

/** Memory that the last round still reads is written again. */
__global__ void reuse(int* out, bool right) {
  __shared__ int shared;
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x == 0) shared = round;
    __syncthreads();
    out[threadIdx.x] = shared;
    if (right) __syncthreads();
  }
}

/** All blocks count in one place. */
__global__ void count_blocks(int* out, bool right) {
  if (right) {
    atomicAdd(out, 1);
  } else {
    *out += 1;
  }
}

/** The last of two blocks to arrive adds up what both left. */
__global__ void meet_in_memory(int* out, unsigned* counter, bool right) {
  out[blockIdx.x] = static_cast<int>(blockIdx.x);
  if (right) __threadfence();
  const bool is_last = atomicInc(counter, 1) == 1;
  if (right) __threadfence();
  if (is_last) out[2] = out[0] + out[1];
}

/** The second of two blocks finds what the first one left, in no order with anything else. */
__global__ void look_for(uint32_t* word, int* out, bool right) {
  if (blockIdx.x == 0) publish(word, 1);
  if (blockIdx.x == 1) *out = static_cast<int>(right ? peek(word) : *word);
}

__global__ void copy_ints(int* out, const int* in, int n) {
  for (int i = 0; i < n; ++i) out[i] = in[i];
}

__global__ void read_shared(int* out, bool right) {
  __shared__ int shared[2];
  shared[0] = 1;
  if (right) shared[1] = 2;
  *out = shared[0] + shared[1];
}

/** Launched early: what the kernel in front writes is there behind the wait. */
__global__ void read_early(int* out, const int* in, bool right) {
  if (right) wait_for_producer();
  const int v = *in;
  if (!right) wait_for_producer();
  *out = v;
}

__global__ void end_early(int* out, bool right) {
  if (!right) return;
  wait_for_producer();
  *out = 1;
}

void run(std::string_view fault, bool right) {
  const DeviceTraits& device = testing::test_device();
  const int numbers[4] = {1, 2, 3, 4};
  const testing::DeviceArray<int> in(numbers, 4), out(64);
  const unsigned zero[1] = {};
  const testing::DeviceArray<unsigned> counter(zero, 1);
  if (fault == "block") share_in_block<<<1, 64>>>(out.data(), right);
  if (fault == "warp") share_in_warp<<<1, 32>>>(out.data(), right);
  if (fault == "reuse") reuse<<<1, 64>>>(out.data(), right);
  if (fault == "blocks") count_blocks<<<2, 1>>>(out.data(), right);
  if (fault == "fence") meet_in_memory<<<2, 1>>>(out.data(), counter.data(), right);
  if (fault == "relaxed") look_for<<<2, 1>>>(counter.data(), out.data(), right);
  if (fault == "shared") read_shared<<<1, 1>>>(out.data(), right);
  if (fault == "global") {
    int* fresh = nullptr;
    check(cudaMalloc(&fresh, 4 * sizeof(int)), "taking memory for a test");
    if (right) copy_ints<<<1, 1>>>(fresh, in.data(), 4);
    copy_ints<<<1, 1>>>(out.data(), fresh, 4);
    check(cudaDeviceSynchronize(), "running a test's kernels");
    forget(cudaFree(fresh));
  }
  if (fault == "early") {
    copy_ints<<<1, 1>>>(out.data(), in.data(), 4);
    launch_early(device, nullptr, "reading early", read_early, 1, 1, 0, out.data() + 8, out.data(), right);
  }
  if (fault == "unwaited") launch_early(device, nullptr, "ending early", end_early, 1, 1, 0, out.data(), right);
  check_launch("a test's kernel");
  check(cudaDeviceSynchronize(), "running a test's kernels");
}

}  // namespace

}  // namespace kigo::cuda

/** `right`: without the fault. */
KIGO_TEST_EXPORT kigo_status cuda_fault(const char* fault, int32_t right) {
  return kigo::guarded([&] { kigo::cuda::run(fault, right != 0); });
}
