#include "core/ops.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rope.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

__global__ void table_kernel(float2* cos_sin, const double* per_position, int64_t n_pairs, double mscale, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double sine, cosine;
  sincos(static_cast<double>(i / n_pairs) * per_position[i % n_pairs], &sine, &cosine);
  cos_sin[i] = {static_cast<float>(cosine * mscale), static_cast<float>(sine * mscale)};
}

/** Turns pair j of a head: (2j, 2j+1), or (j, j + n_pairs). */
__device__ void turn(float* head, int j, int n_pairs, bool neox, float2 by) {
  float& a = head[neox ? j : 2 * j];
  float& b = head[neox ? j + n_pairs : 2 * j + 1];
  const float turned = a * by.x - b * by.y;
  b = a * by.y + b * by.x;
  a = turned;
}

/** A thread a pair: blockIdx.x is the token, blockIdx.y the head. */
__global__ void rope_kernel(float* x, const float2* cos_sin, int64_t head_dim, int n_pairs, bool neox) {
  float* head = x + (int64_t{blockIdx.x} * gridDim.y + blockIdx.y) * head_dim;
  for (int j = static_cast<int>(threadIdx.x); j < n_pairs; j += static_cast<int>(blockDim.x)) {
    turn(head, j, n_pairs, neox, cos_sin[blockIdx.x * n_pairs + j]);
  }
}

/** A block a token and head: blockIdx.x is the token, blockIdx.y the head. */
template <class T>
__global__ void append_kernel(T* keys, T* values, const float* k, const float* v, int64_t n_ctx, int64_t head_dim,
                              int64_t pos0) {
  const int64_t from = (int64_t{blockIdx.x} * gridDim.y + blockIdx.y) * head_dim;
  const int64_t to = (blockIdx.y * n_ctx + pos0 + blockIdx.x) * head_dim;
  for (int64_t i = threadIdx.x; i < head_dim; i += blockDim.x) {
    keys[to + i] = from_float<T>(k[from + i]);
    values[to + i] = from_float<T>(v[from + i]);
  }
}

constexpr int kWarps = 4;
constexpr int kMaxHeadDim = 256;

/** What rotate_kernel does with one of the three kinds of head. */
struct HeadKind {
  const float* bias;
  const float* norm;
  bool turns;
  float scale;
};

/** A warp a token and head, the heads of q, k and v one behind another; blockIdx.x is the token. */
__global__ void rotate_kernel(RotateAndAppend at, int n_head, int n_head_kv, int head_dim, int n_pairs, bool neox,
                              float q_scale) {
  __shared__ __align__(16) float heads[kWarps][kMaxHeadDim];
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int index = static_cast<int>(blockIdx.y * kWarps + threadIdx.x / 32);
  const int n_heads = n_head + 2 * n_head_kv;
  if (index >= n_heads) return;
  const bool is_q = index < n_head, is_k = !is_q && index < n_head + n_head_kv;
  const int head = is_q ? index : (index - n_head) % n_head_kv;
  const int64_t token = blockIdx.x;

  const HeadKind kind = is_q   ? HeadKind{at.q_bias, at.q_norm, true, q_scale}
                        : is_k ? HeadKind{at.k_bias, at.k_norm, true, 1}
                               : HeadKind{at.v_bias, nullptr, false, 1};
  using Four = Pack<float, 4>;
  const Four* from = reinterpret_cast<const Four*>(at.qkv + (token * n_heads + index) * head_dim);
  float* values = heads[threadIdx.x / 32];
  float squares = 0;
  for (int i = lane; i < head_dim / 4; i += 32) {
    Four four = from[i];
    for (int j = 0; j < 4; ++j) {
      if (kind.bias != nullptr) four.values[j] += kind.bias[head * head_dim + i * 4 + j];
      squares += four.values[j] * four.values[j];
    }
    reinterpret_cast<Four*>(values)[i] = four;
  }
  __syncwarp();
  if (kind.norm != nullptr) {
    const float scale = 1 / sqrtf(warp_sum(squares) / static_cast<float>(head_dim) + at.eps);
    for (int i = lane; i < head_dim; i += 32) values[i] *= scale * kind.norm[i];
  }
  __syncwarp();
  if (kind.turns) {
    const float2* turns = at.turns + (at.pos0 + token) * n_pairs;
    for (int j = lane; j < n_pairs; j += 32) turn(values, j, n_pairs, neox, turns[j]);
    __syncwarp();
  }

  __half* to = is_q
                   ? at.q + (token * n_head + head) * head_dim
                   : static_cast<__half*>(is_k ? at.kv.k : at.kv.v) + (head * at.kv.n_ctx + at.pos0 + token) * head_dim;
  bool found = false;
  for (int i = lane; i < head_dim / 4; i += 32) {
    const Four four = reinterpret_cast<const Four*>(values)[i];
    Pack<__half, 4> out;
    for (int j = 0; j < 4; ++j) {
      found = found || !isfinite(four.values[j]);
      out.values[j] = from_float<__half>(four.values[j] * kind.scale);
    }
    reinterpret_cast<Pack<__half, 4>*>(to)[i] = out;
  }
  if (found) *at.flag = 1;
}

}  // namespace

void rope_table(cudaStream_t stream, float2* cos_sin, const double* per_position, int64_t n_pairs, double mscale,
                int64_t n_positions) {
  const int64_t n = n_positions * n_pairs;
  if (n == 0) return;
  table_kernel<<<blocks_for(n, 256), 256, 0, stream>>>(cos_sin, per_position, n_pairs, mscale, n);
  check_launch("the rope table");
}

void rope_forward(Context& ctx, float* x, const float* cos_sin, int64_t n_tokens, int64_t n_head, int64_t head_dim,
                  int64_t n_rot, Rope kind) {
  if (n_rot == 0) return;
  const dim3 grid(static_cast<unsigned>(n_tokens), static_cast<unsigned>(n_head));
  rope_kernel<<<grid, 64, 0, ctx.stream>>>(x, reinterpret_cast<const float2*>(cos_sin), head_dim,
                                           static_cast<int>(n_rot / 2), kind == Rope::neox);
  check_launch("the rotation");
}

void kv_append(cudaStream_t stream, const KvView& kv, const float* k, const float* v, int64_t n_head_kv,
               int64_t head_dim, int64_t n_tokens, int64_t pos0) {
  const dim3 grid(static_cast<unsigned>(n_tokens), static_cast<unsigned>(n_head_kv));
  with_type(kv.f32 ? Number::f32 : Number::f16, [&](auto zero) {
    using T = decltype(zero);
    append_kernel<<<grid, 64, 0, stream>>>(static_cast<T*>(kv.k), static_cast<T*>(kv.v), k, v, kv.n_ctx, head_dim,
                                           pos0);
  });
  check_launch("appending keys and values");
}

void rotate_and_append(cudaStream_t stream, const RotateAndAppend& at) {
  const LayerConfig& l = at.layer;
  const dim3 grid(static_cast<unsigned>(at.n_tokens), blocks_for(l.n_head + 2 * l.n_head_kv, kWarps));
  rotate_kernel<<<grid, kWarps * 32, 0, stream>>>(at, static_cast<int>(l.n_head), static_cast<int>(l.n_head_kv),
                                                  static_cast<int>(l.head_dim), static_cast<int>(l.n_rot / 2),
                                                  l.rope == Rope::neox, static_cast<float>(l.attn_scale));
  check_launch("rotation and append");
}

}  // namespace kigo::cuda
