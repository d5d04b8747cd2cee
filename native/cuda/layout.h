/** Where each weight lies in a model's one block of device memory: the one source of the plan and of the loading. */
#pragma once

#include <cstdint>

#include "core/description.h"

namespace kigo::cuda {

struct PlacedVector {
  BoundVector from;
  uint64_t at = 0;  // n float32
};

struct PlacedMatrix {
  BoundMatrix from;
  uint64_t at = 0;        // packed rows
  bool is_again = false;  // a tied head: the rows stand there for token_embd
  PlacedVector bias;
};

struct WeightsLayout {
  Weights<PlacedMatrix, PlacedVector> weights;
  uint64_t bytes = 0;
};
WeightsLayout layout_weights(const BoundWeights& bound);

}  // namespace kigo::cuda
