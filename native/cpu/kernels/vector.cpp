#include "vector.h"

#include "dequantize.h"
#include "f16.h"
#include "kernel_table.h"

namespace kigo::cpu {

float f16_to_f32(uint16_t bits) { return kigo_f16_to_f32(bits); }
uint16_t f32_to_f16(float value) { return kigo_f32_to_f16(value); }
void f16_to_f32_row(const uint16_t* x, float* out, int64_t n) { kernels().f16_to_f32_row(x, out, n); }
void f32_to_f16_row(const float* x, uint16_t* out, int64_t n) { kernels().f32_to_f16_row(x, out, n); }
void rmsnorm(const float* x, const float* weight, float eps, float* out, int64_t n) {
  kernels().rmsnorm(x, weight, eps, out, n);
}
void vec_exp(const float* x, float* out, int64_t n) { kernels().exp(x, out, n); }
void vec_tanh(const float* x, float* out, int64_t n) { kernels().tanh(x, out, n); }
void silu_mul(const float* gate, const float* up, float* out, int64_t n) { kernels().silu_mul(gate, up, out, n); }
void gelu_mul(const float* gate, const float* up, float* out, int64_t n) { kernels().gelu_mul(gate, up, out, n); }
void vec_add(float* y, const float* x, int64_t n) { kernels().add(y, x, n); }
void vec_scale(float* x, float s, int64_t n) { kernels().scale(x, s, n); }
void vec_softcap(float* x, float c, int64_t n) { kernels().softcap(x, c, n); }
float dot(const float* x, const float* y, int64_t n) { return kernels().dot(x, y, n); }
float vec_max(const float* x, int64_t n) { return kernels().max(x, n); }
int64_t argmax(const float* x, int64_t n) { return kernels().argmax(x, n); }
double sum_exp(const float* x, float max, int64_t n) { return kernels().sum_exp(x, max, n); }
void softmax(float* x, int64_t n) { kernels().softmax(x, n); }
bool all_finite(const float* x, int64_t n) { return kernels().all_finite(x, n); }

void dequantize_row(uint32_t type, const void* src, float* dst, int64_t n) {
  kernels().dequantize_row(type, src, dst, n);
}

}  // namespace kigo::cpu
