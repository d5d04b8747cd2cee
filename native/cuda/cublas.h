/** cuBLAS, loaded at run time: a machine with no more than a driver has none. */
#pragma once

#include <string>

#include "cuda/gemm.h"

namespace kigo::cuda {

class Cublas {
 public:
  /** NULL where no library that we know (13, 12) is found, or KIGO_GEMM=own asks for our kernel. */
  static const char* version();

  /** For the current device; version() is not NULL. Throws OUT_OF_MEMORY, DEVICE_LOST. */
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
