#include <type_traits>

#include "core/ops.h"
#include "cuda/ffn.h"
#include "cuda/matmul.h"
#include "cuda/numbers.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

__device__ float activate(float a, bool gelu) {
  if (!gelu) return a / (1 + expf(-a));
  constexpr float kSqrt2OverPi = 0.7978845608028654f;
  return 0.5f * a * (1 + tanhf(kSqrt2OverPi * (a + 0.044715f * a * a * a)));
}

/** blockIdx.x is the row; `width` numbers of it a thread. */
template <class From, class To, int width>
__global__ void gate_kernel(To* hidden, int64_t ld_hidden, const From* gate, const From* up, int64_t ld,
                            const float* gate_bias, const float* up_bias, int64_t n_ff, bool gelu) {
  const int64_t i = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * width, row = blockIdx.x;
  if (i >= n_ff) return;
  const auto gates = *reinterpret_cast<const Pack<From, width>*>(gate + row * ld + i);
  const auto ups = *reinterpret_cast<const Pack<From, width>*>(up + row * ld + i);
  Pack<To, width> out;
  for (int j = 0; j < width; ++j) {
    float g = to_float(gates.values[j]), u = to_float(ups.values[j]);
    if (gate_bias != nullptr) g += gate_bias[i + j];
    if (up_bias != nullptr) u += up_bias[i + j];
    out.values[j] = from_float<To>(activate(g, gelu) * u);
  }
  *reinterpret_cast<Pack<To, width>*>(hidden + row * ld_hidden + i) = out;
}

template <class From, class To, int width>
void launch_gate(cudaStream_t stream, const Gate& at) {
  const dim3 grid(static_cast<unsigned>(at.n_rows), blocks_for(at.n_ff, 256 * width));
  gate_kernel<From, To, width><<<grid, 256, 0, stream>>>(
      static_cast<To*>(at.hidden.data), at.hidden.ld, static_cast<const From*>(at.gate),
      static_cast<const From*>(at.up), at.ld, at.gate_bias, at.up_bias, at.n_ff, at.activation == Activation::gelu);
}

}  // namespace

void gate_rows(cudaStream_t stream, const Gate& at) {
  const bool wide = at.n_ff % 8 == 0 && at.ld % 8 == 0 && at.hidden.ld % 8 == 0;
  with_type(at.from, [&](auto from) {
    using From = decltype(from);
    with_type(at.hidden.type, [&](auto to) {
      using To = decltype(to);
      if constexpr (std::is_same_v<From, float> || std::is_same_v<From, To>) {
        wide ? launch_gate<From, To, 8>(stream, at) : launch_gate<From, To, 1>(stream, at);
      } else {
        throw Error(KIGO_INTERNAL, "Gates in one kind of halves cannot become the other.");
      }
    });
  });
  check_launch("the FFN's activation");
}

void swiglu_forward(Context& ctx, float* y, const float* x, const Matrix& gate, const Matrix& up, const Matrix& down,
                    Activation activation, float* gate_buf, float* up_buf, int64_t n_tokens, bool accumulate) {
  const int64_t n_embd = gate.n_in, n_ff = gate.n_out;
  Borrowed borrowed(ctx);
  const Rows input = borrowed.rounded(number_for(ctx, {&gate, &up}), x, n_tokens, n_embd);
  matmul(ctx, {Number::f32, gate_buf, n_ff}, input, {&gate}, n_tokens);
  matmul(ctx, {Number::f32, up_buf, n_ff}, input, {&up}, n_tokens);

  gate_rows(ctx.stream, {.hidden = {Number::f32, gate_buf, n_ff},
                         .from = Number::f32,
                         .gate = gate_buf,
                         .up = up_buf,
                         .ld = n_ff,
                         .gate_bias = gate.bias,
                         .up_bias = up.bias,
                         .n_rows = n_tokens,
                         .n_ff = n_ff,
                         .activation = activation});

  const Rows hidden = borrowed.rounded(number_for(ctx, {&down}), gate_buf, n_tokens, n_ff);
  matmul(ctx, {Number::f32, y, n_embd}, hidden, {&down}, n_tokens, accumulate);
  add_bias(ctx.stream, y, down.bias, n_tokens, n_embd);
}

}  // namespace kigo::cuda
