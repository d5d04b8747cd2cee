/** Points in a stream that the host can wait for, and captured work, closed by themselves. */
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "cuda/status.h"

namespace kigo::cuda {

class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event"); }
  ~Event() { forget(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "marking a point in the work"); }
  /** What is enqueued on `stream` later waits for the point; not at all where it was never recorded. */
  void hold_back(cudaStream_t stream) { check(cudaStreamWaitEvent(stream, event_, 0), "ordering two streams"); }
  /** Returns at once where it was never recorded. */
  void wait() { check(cudaEventSynchronize(event_), "computing"); }

 private:
  cudaEvent_t event_ = nullptr;
};

/**
 * Held while a stream is captured, and by what waits for a whole GPU (cuBLAS does where it ends): CUDA refuses such a
 * wait while any stream of the GPU is captured, by whichever thread, and the capture is lost too. What takes or frees
 * memory needs it not: a capture of mode ThreadLocal forbids that to its own thread alone.
 */
inline std::mutex capture_mutex;

/** Launches the same kernels with the same arguments, again and again, at the price of one launch. */
class Graph {
 public:
  /** What `enqueue` puts on the stream. */
  template <class Enqueue>
  Graph(cudaStream_t stream, Enqueue&& enqueue) {
    const cudaGraph_t graph = capture(stream, enqueue);
    const cudaError_t made = cudaGraphInstantiate(&exec_, graph, 0);
    forget(cudaGraphDestroy(graph));
    check(made, "preparing a step");
  }
  ~Graph() {
    if (exec_ != nullptr) forget(cudaGraphExecDestroy(exec_));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(exec_, stream), "launching a step"); }

 private:
  template <class Enqueue>
  static cudaGraph_t capture(cudaStream_t stream, Enqueue& enqueue) {
    const std::lock_guard alone(capture_mutex);
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing a step");
    cudaGraph_t graph = nullptr;
    try {
      enqueue();
    } catch (...) {
      forget(cudaStreamEndCapture(stream, &graph));
      if (graph != nullptr) forget(cudaGraphDestroy(graph));
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "capturing a step");
    return graph;
  }

  cudaGraphExec_t exec_ = nullptr;
};

}  // namespace kigo::cuda
