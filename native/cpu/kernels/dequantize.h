/// Weights to float32.
#pragma once
#include <cstdint>

namespace kigo::cpu {

/// dst[0…n) = the n weights at src, n a multiple of the block size. The same bits on each instruction set.
void dequantize_row(uint32_t type, const void* src, float* dst, int64_t n);

}  // namespace kigo::cpu
