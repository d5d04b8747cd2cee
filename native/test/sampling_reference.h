/** What a sampler must do, as the documentation words it, and how to see from draws whether one does. */
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "kigo/abi.h"

namespace kigo::test {

/** Every sampler off, temperature 1. */
kigo_sampling samplers_off();

std::vector<float> random_logits(size_t n, uint32_t seed, float spread = 3);

/** Over a sorted list, in float64: id -> probability of being drawn. */
std::map<int32_t, double> exact_distribution(const std::vector<float>& logits, const std::vector<int32_t>& history,
                                             const kigo_sampling& sampling);

/** P(chi² ≥ x) for k degrees of freedom (Wilson and Hilferty's approximation). */
double chi_squared_p(double x, double k);

/** Fails where one of `ids` is outside of the exact support, or chi² is absurd. */
void check_distribution(const std::map<int32_t, double>& exact, const std::vector<int32_t>& ids);

/** Settings to draw with: each sampler alone, and several together. They look at a history of about ten tokens. */
struct SamplingCase {
  const char* name;
  std::function<void(kigo_sampling&)> set;
};
const std::vector<SamplingCase>& sampling_cases();

}  // namespace kigo::test
