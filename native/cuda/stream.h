/** A CUDA stream that closes itself. */
#pragma once

#include "cuda/status.h"

namespace kigo::cuda {

class Stream {
 public:
  /** Whose kernels get a multiprocessor that becomes free. */
  enum class Priority { least, greatest };

  /** On the current device; it does not wait for the default stream, nor that one for it. */
  explicit Stream(Priority priority = Priority::greatest) {
    int least = 0, greatest = 0;
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for priorities");
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority == Priority::least ? least : greatest),
          "making a stream");
  }
  ~Stream() { forget(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "waiting for the GPU"); }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace kigo::cuda
