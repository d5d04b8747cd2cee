/** Where a number that is not finite arose, in the words of NUMERIC_ERROR: the same from every backend. */
#pragma once

#include <cstdint>

#include "core/description.h"

namespace kigo {

/** A step of a forward and what it multiplied by. */
struct NumericPlace {
  int64_t layer;  // -1: outside of the layers
  const char* step;
  const BoundMatrix* matrix;  // either, or neither
  const BoundVector* vector;
};

/** Throws NUMERIC_ERROR naming step, layer, tensor and type. */
[[noreturn]] void throw_numeric(const NumericPlace& at);

}  // namespace kigo
