/// Element-wise steps and reductions, vectorised on each instruction set. Pointers need no alignment; `out` may be
/// the same as an input, but must not overlap it otherwise. exp and tanh are good to 2 ulp of float32.
#pragma once
#include <cstdint>

namespace kigo::cpu {

float f16_to_f32(uint16_t bits);
/// Rounds to nearest, ties to even.
uint16_t f32_to_f16(float value);
void f16_to_f32_row(const uint16_t* x, float* out, int64_t n);
void f32_to_f16_row(const float* x, uint16_t* out, int64_t n);

/// out = x · weight / sqrt(mean(x²) + eps); weight may be null (all ones).
void rmsnorm(const float* x, const float* weight, float eps, float* out, int64_t n);

/// out = e^x
void vec_exp(const float* x, float* out, int64_t n);
void vec_tanh(const float* x, float* out, int64_t n);
/// out = gate / (1 + e^−gate) · up
void silu_mul(const float* gate, const float* up, float* out, int64_t n);
/// out = gelu(gate) · up, the tanh form.
void gelu_mul(const float* gate, const float* up, float* out, int64_t n);

/// y += x
void vec_add(float* y, const float* x, int64_t n);
/// x *= s
void vec_scale(float* x, float s, int64_t n);
/// x = c·tanh(x/c)
void vec_softcap(float* x, float c, int64_t n);
float dot(const float* x, const float* y, int64_t n);

/// Largest value; n > 0. NaN never wins over a number.
float vec_max(const float* x, int64_t n);
/// Index of the first largest value; n > 0. NaN never wins over a number.
int64_t argmax(const float* x, int64_t n);
/// Σ e^(x − max), right to (15 + ln n) · 2^-24 of it: 4 for exp, 11 for short sums in float32, which float64 adds up,
/// ln n for the rounding of x − max. n > 0, max the largest.
double sum_exp(const float* x, float max, int64_t n);
/// x = softmax(x); n > 0.
void softmax(float* x, int64_t n);
/// Whether every value is a finite number.
bool all_finite(const float* x, int64_t n);

}  // namespace kigo::cpu
