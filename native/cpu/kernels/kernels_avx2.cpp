/// The kernels with AVX2, FMA and F16C. Only functions with internal linkage here, no inline ones of the library: the
/// linker would keep one copy of those for all files, and it could be this one.
#include <cfloat>
#include <cmath>
#include <cstring>

#include "f16.h"
#include "kernel_table.h"
#include "prefetch.h"
#include "simd/avx2.h"

namespace kigo::cpu {
namespace {

inline float f16(uint16_t bits) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits))); }

void f16_to_f32_row_here(const uint16_t* x, float* out, int64_t n);

#include "block_unpack.inl"
#include "float_kernels.inl"
#include "quantized_avx2.inl"
#include "table.inl"

constexpr KernelTable kTable = make_table(Isa::avx2);

}  // namespace

const KernelTable* avx2_kernels() { return &kTable; }

}  // namespace kigo::cpu
