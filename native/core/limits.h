/**
 * What a model may ask for at most: far beyond any real one, and small enough that no product of two overflows 64 bits.
 * main/models/limits.ts says the same numbers to those who read headers; limits.test.ts holds the two together.
 */
#pragma once

#include <cstdint>

namespace kigo {

inline constexpr int64_t kMaxLayers = 512;
inline constexpr int64_t kMaxEmbd = 131072;
inline constexpr int64_t kMaxFf = 1048576;
inline constexpr int64_t kMaxVocab = 4194304;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxHeadDim = 1024;
inline constexpr int64_t kMaxContext = 2147483647;  // positions, and what a window or YaRN counts in them
inline constexpr uint32_t kMaxFiles = 1000;
inline constexpr uint32_t kMaxTensors = 65536;

inline constexpr double kMinRopeBase = 1.000001;
inline constexpr double kMaxRopeBase = 1e12;
inline constexpr double kMinRopeScale = 1e-6;  // of the angles
inline constexpr double kMaxRopeScale = 1e6;
inline constexpr double kMaxRopeMscale = 1e6;  // of cos and sin, in either direction
inline constexpr double kMaxSoftcap = 1e6;
inline constexpr double kMaxNormEps = 1;

}  // namespace kigo
