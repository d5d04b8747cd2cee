/** Where the CUDA twin's operations run, and the handles they take. Everything behind a pointer is device memory. */
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace kigo::cuda {

class Ahead;
class Gemm;

enum class Precision { exact, fast };

/** What a kernel's launch shape depends on. */
struct DeviceTraits {
  int index = 0;    // CUDA's device number
  int compute = 0;  // 90 for compute capability 9.0
  int n_sm = 0;
  size_t l2_bytes = 0;
  size_t shared_per_block = 0;  // most shared memory of a block, opted in: a kernel's own arrays and dynamic
  /** The most that a launch of a decode step's kernels may ask for; their own arrays are below the rest. */
  size_t dynamic_shared() const { return shared_per_block - (1 << 10); }
  /** Programmatic dependent launch: a kernel may begin before the one in front of it has ended. */
  bool pdl() const { return compute >= 90; }
};

struct Context {
  const DeviceTraits& device;
  cudaStream_t stream;
  Gemm& gemm;
  std::byte* scratch = nullptr;  // slabs of dequantised weights, and what else an operation needs for itself
  size_t scratch_bytes = 0;
  Ahead* ahead = nullptr;  // then scratch is for slabs alone: Ahead::kSlabs of them
  Precision precision = Precision::fast;
};

/** A weight matrix [n_out][n_in] as cuda/packed.h says; `data` NULL: absent. */
struct Matrix {
  uint32_t type = 0;
  int64_t n_in = 0;
  int64_t n_out = 0;
  const uint8_t* data = nullptr;
  uint64_t row_bytes = 0;
  const float* bias = nullptr;  // [n_out] or NULL
  explicit operator bool() const { return data != nullptr; }
};

/** One layer's keys and values, [n_head_kv][n_ctx][head_dim] each: float16, or float32 in the exact mode. */
struct KvView {
  void* k = nullptr;
  void* v = nullptr;
  int64_t n_ctx = 0;
  bool f32 = false;
};

}  // namespace kigo::cuda
