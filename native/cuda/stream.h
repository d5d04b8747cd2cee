/** A CUDA stream that closes itself. */
#pragma once

#include "cuda/status.h"

namespace kigo::cuda {

class Stream {
 public:
  /** On the current device; it does not wait for the default stream, nor that one for it. */
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream"); }
  ~Stream() { forget(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "waiting for the GPU"); }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace kigo::cuda
