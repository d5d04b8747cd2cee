/** Weights that are dequantised beside the products, a slab ahead. */
#pragma once

#include "cuda/event.h"
#include "cuda/stream.h"

namespace kigo::cuda {

/**
 * Two slabs of memory in turns: one is filled on a stream of its own while a product reads the other. That stream is
 * for what the products leave of the GPU (it has the least priority): multiprocessors at the end of a product, and
 * memory during attention and norms. Prompts of 8B Q4_K and Q8_0 gain 4 to 8% by it on an H200.
 */
class Ahead {
 public:
  static constexpr int kSlabs = 2;

  /** Which slab is filled next. */
  int turn() const { return turn_; }
  /** Where it is filled, once the last product that read it is done. */
  cudaStream_t begin_filling() {
    read_[turn_].hold_back(stream_.get());
    return stream_.get();
  }
  /** What is enqueued on `stream` from here on finds it filled. */
  void end_filling(cudaStream_t stream) {
    filled_[turn_].record(stream_.get());
    filled_[turn_].hold_back(stream);
  }
  /** `stream` has the last product that reads it; the next turn is the other slab's. */
  void release(cudaStream_t stream) {
    read_[turn_].record(stream);
    turn_ = (turn_ + 1) % kSlabs;
  }

 private:
  Stream stream_{Stream::Priority::least};
  Event filled_[kSlabs], read_[kSlabs];
  int turn_ = 0;
};

}  // namespace kigo::cuda
