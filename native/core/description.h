/**
 * The second check of everything that a model description says. The header was read elsewhere; here nothing of
 * it is believed: sizes are bounded, products are overflow-checked, each tensor lies inside its file, and every
 * shape follows from the hyperparameters.
 */
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/model.h"
#include "kigo/abi.h"

namespace kigo {

struct FileIdentity {
  std::string path;
  uint64_t bytes = 0;
  double mtime_ms = 0;
};

/** A vector's place: `n` values of a tensor from value `first` on. */
struct BoundVector {
  const Tensor* tensor = nullptr;
  int64_t first = 0;
  int64_t n = 0;
  explicit operator bool() const { return tensor != nullptr; }
};

/** A matrix's place: `n_out` rows of a tensor from row `row_first` on (part of a fused q/k/v, else all). */
struct BoundMatrix {
  const Tensor* tensor = nullptr;
  int64_t row_first = 0;
  int64_t n_out = 0;
  int64_t n_in = 0;
  BoundVector bias;
  explicit operator bool() const { return tensor != nullptr; }

  uint64_t row_bytes() const;
  uint64_t offset() const { return tensor->offset + static_cast<uint64_t>(row_first) * row_bytes(); }
  uint64_t bytes() const { return static_cast<uint64_t>(n_out) * row_bytes(); }
};

using BoundWeights = Weights<BoundMatrix, BoundVector>;

/** A checked description. `weights` points into `tensors`: it moves, but is not copied. */
struct Description {
  ModelConfig config;
  LayerRange range;
  std::vector<FileIdentity> files;
  std::vector<Tensor> tensors;
  BoundWeights weights;

  Description() = default;
  Description(Description&&) = default;
  Description& operator=(Description&&) = default;
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  /** Bytes of what is bound: matrices as in the file, vectors as float32; a tied head counts once. */
  uint64_t weight_bytes() const;
};

/**
 * Throws INVALID_INPUT (the caller broke the ABI), MODEL_INVALID (sizes or shapes, naming the tensor),
 * MODEL_TRUNCATED (a tensor ends behind its file), UNSUPPORTED_QUANTIZATION (naming tensor and type),
 * UNSUPPORTED_ARCHITECTURE (a kind, or a tensor, that the forward would have to leave out).
 */
Description read_description(const kigo_model_desc* desc, const kigo_model_options* options);

}  // namespace kigo
