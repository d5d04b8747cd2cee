#include "cuda/attention.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kKeys = 32;  // a tile: one key a lane
constexpr int kMaxHeadDim = 256;
constexpr int kDimsPerLane = kMaxHeadDim / 32;

/**
 * A warp a query; a block's eight queries share the tiles of keys and values in shared memory. Queries of one
 * key/value head lie one behind another: number r is head r % group of token r / group.
 */
template <class Q, class Kv, class Out>
__global__ void plain_kernel(const Q* q, const Kv* keys, const Kv* values, Out* out, int64_t n_rows, int group,
                             int head_dim, int64_t n_ctx, int64_t pos0, int64_t window, float scale, float softcap) {
  extern __shared__ float shared[];
  float* tile = shared;                              // [kKeys][head_dim + 1]: keys, then values
  float* queries = shared + kKeys * (head_dim + 1);  // [kWarps][head_dim]
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t first_row = int64_t{blockIdx.x} * kWarps;
  const int64_t row = first_row + warp;
  const int64_t last_row = min(first_row + kWarps, n_rows) - 1;
  const bool here = row < n_rows;
  const int64_t pos = pos0 + row / group;
  keys += blockIdx.y * n_ctx * head_dim;
  values += blockIdx.y * n_ctx * head_dim;
  const int64_t at = ((row / group * gridDim.y + blockIdx.y) * group + row % group) * head_dim;

  for (int i = lane; here && i < head_dim; i += 32) queries[warp * head_dim + i] = to_float(q[at + i]) * scale;

  float best = -INFINITY, total = 0, sums[kDimsPerLane] = {};
  const int64_t oldest = pos0 + first_row / group - window + 1;
  const int64_t from = window == 0 || oldest < 0 ? 0 : oldest / kKeys * kKeys;
  const int64_t to = pos0 + last_row / group + 1;
  for (int64_t key0 = from; key0 < to; key0 += kKeys) {
    const int n = static_cast<int>(min(int64_t{kKeys}, to - key0));
    const auto load_tile = [&](const Kv* source) {
      __syncthreads();
      for (int i = static_cast<int>(threadIdx.x); i < n * head_dim; i += kWarps * 32) {
        tile[i / head_dim * (head_dim + 1) + i % head_dim] = to_float(source[key0 * head_dim + i]);
      }
      __syncthreads();
    };

    load_tile(keys);
    const int64_t key = key0 + lane;
    float score = -INFINITY;
    if (here && key <= pos && (window == 0 || pos - key < window)) {
      score = 0;
      for (int i = 0; i < head_dim; ++i) score += queries[warp * head_dim + i] * tile[lane * (head_dim + 1) + i];
      if (softcap != 0) score = softcap * tanhf(score / softcap);
    }
    const float now = fmaxf(best, warp_max(score));
    const float keep = now == -INFINITY ? 0 : expf(best - now);
    const float p = now == -INFINITY || score == -INFINITY ? 0 : expf(score - now);
    total = total * keep + warp_sum(p);
    best = now;

    load_tile(values);
    for (int d = 0; d < kDimsPerLane; ++d) sums[d] *= keep;
    for (int j = 0; j < n; ++j) {
      const float weight = __shfl_sync(~0u, p, j);
      for (int d = 0; d < kDimsPerLane; ++d) {
        const int i = lane + 32 * d;
        if (i < head_dim) sums[d] += weight * tile[j * (head_dim + 1) + i];
      }
    }
  }
  for (int d = 0; d < kDimsPerLane; ++d) {
    const int i = lane + 32 * d;
    if (here && i < head_dim) out[at + i] = from_float<Out>(sums[d] / total);
  }
}

}  // namespace

void plain_attention(cudaStream_t stream, const Attention& a) {
  const LayerConfig& l = a.layer;
  const int64_t group = l.n_head / l.n_head_kv, n_rows = a.n_tokens * group;
  const dim3 grid(blocks_for(n_rows, kWarps), static_cast<unsigned>(l.n_head_kv));
  const size_t shared = static_cast<size_t>((kKeys + kWarps) * l.head_dim + kKeys) * sizeof(float);  // at most 41 KiB
  const auto launch = [&](auto query, auto cached, auto result) {
    using Q = decltype(query);
    using Kv = decltype(cached);
    using Out = decltype(result);
    plain_kernel<<<grid, kWarps * 32, shared, stream>>>(
        static_cast<const Q*>(a.q.data), static_cast<const Kv*>(a.kv.k), static_cast<const Kv*>(a.kv.v),
        static_cast<Out*>(a.out.data), n_rows, static_cast<int>(group), static_cast<int>(l.head_dim), a.kv.n_ctx,
        a.pos0, l.window, a.q_scale, static_cast<float>(l.attn_softcap));
  };
  if (a.kv.f32) {
    launch(float{}, float{}, float{});
  } else if (a.q.type == Number::f32) {
    launch(float{}, __half{}, float{});
  } else {
    with_type(a.out.type, [&](auto result) { launch(__half{}, __half{}, result); });
  }
  check_launch("plain attention");
}

}  // namespace kigo::cuda
