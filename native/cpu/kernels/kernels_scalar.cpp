/// The kernels in plain C++.
#include <cfloat>
#include <cmath>
#include <cstring>

#include "f16.h"
#include "kernel_table.h"
#include "prefetch.h"
#include "simd/scalar.h"

namespace kigo::cpu {
namespace {

inline float f16(uint16_t bits) { return kigo_f16_to_f32(bits); }

void f16_to_f32_row_here(const uint16_t* x, float* out, int64_t n);

#include "block_unpack.inl"
#include "float_kernels.inl"
#include "quantized_scalar.inl"
#include "table.inl"

constexpr KernelTable kTable = make_table(Isa::scalar);

}  // namespace

const KernelTable* scalar_kernels() { return &kTable; }

}  // namespace kigo::cpu
