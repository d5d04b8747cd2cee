/**
 * Matrix products of many rows. cuBLAS is loaded at run time where the machine has it; our own tensor-core kernel
 * serves elsewhere, and where KIGO_GEMM=own asks for it.
 */
#pragma once

#include <string>

#include "cuda/context.h"

namespace kigo::cuda {

enum class HalfType { f16, bf16 };

class Gemm {
 public:
  /** Workspace that `stream` products may use; counted with the session or model that gives it. */
  static constexpr size_t kWorkspaceBytes = 32 << 20;

  explicit Gemm(const DeviceTraits& device);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /** "cuBLAS 13.1", or "own GEMM": for device_info. */
  static std::string description();

  /**
   * y[t][o] (+)= sum_i x[t][i] · w[o][i], accumulated in float32. x [n_rows][ldx], w [n_out][ldw] halves of one type,
   * y [n_rows][ldy] float32, or halves of that type where y_half.
   */
  void multiply(cudaStream_t stream, HalfType type, const void* x, int64_t ldx, const void* w, int64_t ldw, void* y,
                int64_t ldy, bool y_half, int64_t n_rows, int64_t n_in, int64_t n_out, bool accumulate);

 private:
  struct Cublas;
  Cublas* cublas_ = nullptr;  // NULL: own kernel
};

}  // namespace kigo::cuda
