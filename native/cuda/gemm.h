/**
 * Matrix products of many rows. cuBLAS is loaded at run time where the machine has it; our own tensor-core kernel
 * serves elsewhere, and where KIGO_GEMM=own asks for it. float32 products are always our own, on the plain cores.
 */
#pragma once

#include <memory>
#include <string>

#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

class Cublas;

/** y[t][o] (+)= sum_i x[t][i] · w[o][i], accumulated in float32. */
struct Product {
  Rows x;     // [n_rows][n_in]
  Rows w;     // [n_out][n_in], of x's type
  RowsOut y;  // [n_rows][n_out]: float32, or x's type
  int64_t n_rows;
  int64_t n_in;
  int64_t n_out;
  bool accumulate = false;  // where y is float32
};

class Gemm {
 public:
  /** Device memory that products may use while they run; counted with the session that lends it. */
  static constexpr size_t kWorkspaceBytes = 32 << 20;

  explicit Gemm(const DeviceTraits& device);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /** "cuBLAS 13.1 (/usr/lib/libcublas.so.13)", or "own GEMM: no cuBLAS found": for device_info. */
  static std::string description();

  /** Where products run from now on, with kWorkspaceBytes of memory of the caller. */
  void bind(cudaStream_t stream, void* workspace);

  void multiply(const Product& product);

 private:
  DeviceTraits device_;
  bool hopper_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<Cublas> cublas_;  // NULL: own kernel
};

/** The product in float32 on the plain cores: each output's sum runs over i in order, whatever else is computed. */
void multiply_f32(cudaStream_t stream, const Product& product);
/**
 * The product of halves with the tensor-core instructions that every GPU has; on the plain cores where rows do not
 * begin at multiples of 16 bytes or n_in is no multiple of 8 (no model that we know). gemm_hopper.h has a faster one.
 */
void multiply_halves(cudaStream_t stream, const Product& product);

}  // namespace kigo::cuda
