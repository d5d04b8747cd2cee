/** cuBLAS, loaded at run time: a machine with no more than a driver has none. */
#pragma once

#include <memory>
#include <string>

#include "cuda/gemm.h"

namespace kigo::cuda {

class Cublas {
 public:
  /** Whether a library that we know (13, 12) and the driver runs is found; KIGO_GEMM=own asks for our kernel instead.
   */
  static bool is_here();
  /** "cuBLAS 13.1 (/usr/lib/libcublas.so.13)", or why there is none: "no cuBLAS found". */
  static const std::string& description();

  /** For the current device; is_here(). This and all below throw OUT_OF_MEMORY, DEVICE_LOST, INTERNAL. */
  Cublas();

  void bind(cudaStream_t stream, void* workspace, size_t bytes);
  /** Of halves. */
  void multiply(const Product& product);

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  std::unique_ptr<void, Close> handle_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace kigo::cuda
