/** Sines and cosines of a batch's positions. */
#pragma once

#include "core/rope.h"
#include "cpu/context.h"

namespace kigo::cpu {

/** cos_sin [n_tokens][n_rot/2][2] for positions pos0 …, angles in float64: at position 10^6 a float32 angle is off
 *  by 0.06 radians. */
void rope_table(Context&, float* cos_sin, const RopeFrequencies& frequencies, int64_t n_tokens, int64_t pos0);

}  // namespace kigo::cpu
