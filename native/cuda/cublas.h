/** cuBLAS, loaded at run time: a machine with no more than a driver has none. */
#pragma once

#include <string>

#include "cuda/gemm.h"

namespace kigo::cuda {

class Cublas {
 public:
  /** Whether a library that we know (13, 12) is found; KIGO_GEMM=own asks for our kernel instead. */
  static bool is_here();
  /** "cuBLAS 13.1 (/usr/lib/libcublas.so.13)", or why there is none: "no cuBLAS found". */
  static const std::string& description();

  /** For the current device; is_here(). Throws OUT_OF_MEMORY, DEVICE_LOST. */
  Cublas();
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  void bind(cudaStream_t stream, void* workspace, size_t bytes);
  /** Of halves. */
  void multiply(const Product& product);

 private:
  void* handle_ = nullptr;
};

}  // namespace kigo::cuda
