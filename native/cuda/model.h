/** A model on a GPU: packed weights in its memory, and what its sessions share. */
#pragma once

#include <vector>

#include "core/description.h"
#include "core/rope.h"
#include "cuda/context.h"
#include "cuda/gemm.h"
#include "cuda/memory.h"
#include "cuda/stream.h"
#include "kigo/abi.h"

namespace kigo::cuda {

using CudaWeights = Weights<Matrix, const float*>;

/**
 * What this twin cannot run on a GPU though the description is sound. Throws UNSUPPORTED_ARCHITECTURE,
 * UNSUPPORTED_QUANTIZATION.
 */
void expect_runnable(const Description& description, Precision precision, const DeviceTraits& device);

class Model {
 public:
  /** As kigo_backend_api::model_open. */
  Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return description_.config; }
  LayerRange range() const { return description_.range; }
  const BoundWeights& bound() const { return description_.weights; }
  const CudaWeights& weights() const { return weights_; }
  /** How fast each pair of a held layer's dimensions turns; cos and sin follow from it and the position. */
  const RopeFrequencies& rope(int64_t held_layer) const { return ropes_[static_cast<size_t>(held_layer)]; }
  Precision precision() const { return precision_; }
  const DeviceTraits& device() const { return device_; }
  Gemm& gemm() { return gemm_; }
  cudaStream_t stream() const { return stream_.get(); }
  Tally& tally() { return tally_; }
  /** Every entry into a model or its sessions calls this first: CUDA's current device belongs to the thread. */
  void make_current() const;

 private:
  Description description_;
  Precision precision_;
  DeviceTraits device_;
  Tally tally_;
  Stream stream_;
  Gemm gemm_;
  DeviceBlock block_;
  CudaWeights weights_;
  std::vector<RopeFrequencies> ropes_;  // [held layers]
};

}  // namespace kigo::cuda
