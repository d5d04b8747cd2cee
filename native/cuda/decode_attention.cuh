/** What the kernels behind cuda/decode_attention.h share: their arguments, and the heads of this position. */
#pragma once

#include "cuda/decode_attention.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/soft_cap.cuh"

namespace kigo::cuda {

inline constexpr float kLog2E = 1.4426950408889634f;
inline constexpr float kLowest = -1e30f;  // below every score; finite, so that differences are numbers

struct AttentionArguments {
  int n_head, n_head_kv, head_dim, n_rot, window;
  bool neox;
  float scale, softcap, inverse_softcap, eps;
  __half* k;
  __half* v;
  int64_t n_ctx;
  const float* qkv;
  const float* q_norm;
  const float* k_norm;
  const float2* rope;
  const StepState* state;
  float* out;
  float* partials;
  int partials_stride;
  Meeting* meetings;
  int n_splits;  // blocks that share a group's positions
};

/** Whether heads are as long as their kernel's, and scores have no soft cap: so it is in most models. */
inline bool is_plain(const AttentionArguments& a, int dims) { return a.softcap == 0 && a.head_dim == dims; }

/** The same arguments, with what a plain kernel's compiler knows of them. */
template <int dims, bool plain>
__device__ AttentionArguments known(AttentionArguments a) {
  if (plain) {
    a.softcap = 0;
    a.head_dim = dims;
  }
  return a;
}

/** Base 2, capped or not. */
__device__ inline float score_of(float product, const AttentionArguments& a) {
  return a.softcap == 0 ? product : kLog2E * soft_cap(product, a.softcap, a.inverse_softcap);
}

/** One head of this position, as a warp has it: pairs of dimensions that turn together. */
template <int dims>
struct Head {
  static constexpr int kPairs = dims / 64;  // of a lane
  float2 x[kPairs];

  __device__ static int pair(int i, int lane) { return i * 32 + lane; }
  /** Dimensions of a pair; behind the rotated ones, neighbours. */
  __device__ static int2 at(const AttentionArguments& a, int p) {
    const bool apart = a.neox && p < a.n_rot / 2;
    return apart ? int2{p, p + a.n_rot / 2} : int2{2 * p, 2 * p + 1};
  }

  __device__ void load(const AttentionArguments& a, const float* from, int lane) {
    for (int i = 0; i < kPairs; ++i) {
      const int p = pair(i, lane);
      const int2 d = at(a, p);
      x[i] = 2 * p < a.head_dim ? float2{__ldcg(from + d.x), __ldcg(from + d.y)} : float2{0, 0};
    }
  }
  __device__ void normalise(const AttentionArguments& a, const float* weight, int lane) {
    float squares = 0;
    for (int i = 0; i < kPairs; ++i) squares += x[i].x * x[i].x + x[i].y * x[i].y;
    const float scale = rsqrtf(__fdividef(warp_sum(squares), static_cast<float>(a.head_dim)) + a.eps);
    for (int i = 0; i < kPairs; ++i) {
      const int p = pair(i, lane);
      if (2 * p >= a.head_dim) continue;
      const int2 d = at(a, p);
      x[i] = {x[i].x * scale * __ldg(weight + d.x), x[i].y * scale * __ldg(weight + d.y)};
    }
  }
  /** turn [kPairs] {cos, sin}; {1, 0} where nothing turns. */
  __device__ void rotate(const float2 (&turn)[kPairs]) {
    for (int i = 0; i < kPairs; ++i) {
      x[i] = {x[i].x * turn[i].x - x[i].y * turn[i].y, x[i].x * turn[i].y + x[i].y * turn[i].x};
    }
  }
  /** float16 is clipped, as prompts have it: an infinity in the cache would be there for every later position. */
  template <class T>
  __device__ void store(const AttentionArguments& a, T* to, float scale, int lane) const {
    for (int i = 0; i < kPairs; ++i) {
      const int2 d = at(a, pair(i, lane));
      to[d.x] = from_float<T>(x[i].x * scale);
      to[d.y] = from_float<T>(x[i].y * scale);
    }
  }
};

/** For a few positions: a block a query head, which takes them all. */
void launch_short_attention(const Context& ctx, const AttentionArguments& a);

}  // namespace kigo::cuda
