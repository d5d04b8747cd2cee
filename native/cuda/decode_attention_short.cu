/**
 * Attention of one position over few: a block a query head. Heads that share keys and values each read them, from the
 * second cache but for the first; what counts here is how soon the first load is followed by the last store.
 *
 * A lane has 8 neighbouring dimensions of one position, so a warp has 32·8/dims positions at a time. Softmax runs along
 * in float32, with a maximum for each position of that step; they meet in the warp's registers at the end, and warps
 * in shared memory.
 */
#include "cuda/decode_attention.cuh"
#include "cuda/pdl.cuh"
#include "cuda/ptx.cuh"

namespace kigo::cuda {

namespace {

/** What a block makes of this position for its warps. */
template <int dims>
struct Newest {
  float q[dims];
  __half k[dims];
  __half v[dims];
};

/** What the warps have, not yet divided by `total`. */
template <int dims, int warps>
struct Results {
  float out[warps][dims];
  float most[warps];
  float total[warps];
};

struct Eight {
  float v[8];
};
__device__ Eight from_halves(const uint4& bits) {
  const auto* pairs = reinterpret_cast<const __half2*>(&bits);
  Eight to;
  for (int i = 0; i < 4; ++i) {
    const float2 two = __half22float2(pairs[i]);
    to.v[2 * i] = two.x;
    to.v[2 * i + 1] = two.y;
  }
  return to;
}

/** A lane's part of the softmax so far. */
struct Running {
  float most = kLowest, total = 0;
  Eight out = {};

  __device__ void scale_to(float now) {
    const float factor = exp2f(most - now);
    most = now;
    total *= factor;
    for (float& v : out.v) v *= factor;
  }
  /** With the lane `apart`, which has the same dimensions of other positions. */
  __device__ void meet(int apart) {
    scale_to(fmaxf(most, __shfl_xor_sync(~0u, most, apart)));
    total += __shfl_xor_sync(~0u, total, apart);
    for (float& v : out.v) v += __shfl_xor_sync(~0u, v, apart);
  }
};

/** `ahead`: positions of a lane that are on their way at once. */
template <int dims, int warps, int ahead, bool plain>
__global__ __launch_bounds__(warps * 32, 1) void short_attention(const __grid_constant__ AttentionArguments arguments) {
  const AttentionArguments a = known<dims, plain>(arguments);
  constexpr int kLanes = dims / 8;            // that share a position
  constexpr int kStep = warps * 32 / kLanes;  // positions of the block at a time
  __shared__ __align__(16) Newest<dims> newest;
  __shared__ __align__(16) Results<dims, warps> results;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int kv_head = static_cast<int>(blockIdx.y), member = static_cast<int>(blockIdx.x);
  const int head = kv_head * static_cast<int>(gridDim.x) + member;

  release_consumer();
  // The length changes only behind a step's last layer, and the cache up to there was written by steps before.
  const int position = a.state->length;
  const int start = a.window > 0 ? max(0, position + 1 - a.window) : 0;
  const int d = lane % kLanes * 8;
  const int64_t at = kv_head * a.n_ctx * a.head_dim + d;
  const int first = start + warp * (32 / kLanes);  // position of the warp's first lane; the same for all its lanes
  const int mine = first + lane / kLanes;
  uint4 k[ahead], v[ahead];
  const auto load = [&](uint4(&to)[ahead], const __half* from, int p) {
#pragma unroll
    for (int i = 0; i < ahead; ++i, p += kStep) {
      to[i] = p < position && d < a.head_dim ? load_16(from + at + static_cast<int64_t>(p) * a.head_dim) : uint4{};
    }
  };
  load(k, a.k, mine);
  load(v, a.v, mine);
  float2 turn[Head<dims>::kPairs];
  if (warp < 2) {
    for (int i = 0; i < Head<dims>::kPairs; ++i) {
      const int p = Head<dims>::pair(i, lane);
      turn[i] = p < a.n_rot / 2 ? __ldg(a.rope + static_cast<int64_t>(position) * (a.n_rot / 2) + p) : float2{1, 0};
    }
  }

  wait_for_producer();
  if (warp < 3) {  // query, key, value
    const int row = warp == 0 ? head : warp == 1 ? a.n_head + kv_head : a.n_head + a.n_head_kv + kv_head;
    Head<dims> part;
    part.load(a, a.qkv + row * a.head_dim, lane);
    const float* norm = warp == 0 ? a.q_norm : a.k_norm;
    if (warp < 2) {
      if (norm != nullptr) part.normalise(a, norm, lane);
      part.rotate(turn);
    }
    if (warp == 0) {
      part.store(a, newest.q, a.softcap != 0 ? a.scale : a.scale * kLog2E, lane);
    } else {
      part.store(a, warp == 1 ? newest.k : newest.v, 1, lane);
    }
  }
  __syncthreads();
  if (member == 0 && 8 * static_cast<int>(threadIdx.x) < 2 * a.head_dim) {
    const int i = 8 * static_cast<int>(threadIdx.x), to = i < a.head_dim ? i : i - a.head_dim;
    __half* cache = (i < a.head_dim ? a.k : a.v) + (kv_head * a.n_ctx + position) * a.head_dim;
    *reinterpret_cast<uint4*>(cache + to) =
        *reinterpret_cast<const uint4*>((i < a.head_dim ? newest.k : newest.v) + to);
  }

  Eight q;
  for (int i = 0; i < 8; ++i) q.v[i] = newest.q[d + i];
  Running running;
  for (int step = 0; first + step <= position; step += ahead * kStep) {
    float scores[ahead];
    float most = running.most;
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      const int p = mine + step + i * kStep;
      if (first + step + i * kStep > position) break;
      if (p == position) {
        k[i] = *reinterpret_cast<const uint4*>(newest.k + d);
        v[i] = *reinterpret_cast<const uint4*>(newest.v + d);
      }
      const Eight key = from_halves(k[i]);
      float score = 0;
      for (int j = 0; j < 8; ++j) score = fmaf(q.v[j], key.v[j], score);
      for (int apart = kLanes / 2; apart > 0; apart /= 2) score += __shfl_xor_sync(~0u, score, apart);
      scores[i] = p <= position ? score_of(score, a) : kLowest;
      most = fmaxf(most, scores[i]);
    }
    const bool more = first + step + ahead * kStep <= position;
    if (more) load(k, a.k, mine + step + ahead * kStep);
    running.scale_to(most);
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      if (first + step + i * kStep > position) break;
      const float weight = exp2f(scores[i] - most);
      const Eight value = from_halves(v[i]);
      running.total += weight;
      for (int j = 0; j < 8; ++j) running.out.v[j] = fmaf(weight, value.v[j], running.out.v[j]);
    }
    if (more) load(v, a.v, mine + step + ahead * kStep);
  }
  for (int apart = kLanes; apart < 32; apart *= 2) running.meet(apart);
  if (lane < kLanes) {
    for (int i = 0; i < 8; ++i) results.out[warp][d + i] = running.out.v[i];
  }
  if (lane == 0) {
    results.most[warp] = running.most;
    results.total[warp] = running.total;
  }
  __syncthreads();

  const int i = static_cast<int>(threadIdx.x);
  if (i >= a.head_dim) return;
  float most = kLowest, total = 0, out = 0;
  for (const float v : results.most) most = fmaxf(most, v);
  for (int w = 0; w < warps; ++w) {
    const float factor = exp2f(results.most[w] - most);
    total = fmaf(factor, results.total[w], total);
    out = fmaf(factor, results.out[w][i], out);
  }
  a.out[head * a.head_dim + i] = __fdividef(out, total);
}

template <int dims, int warps, int ahead>
void launch(const Context& ctx, const AttentionArguments& a) {
  const dim3 grid(static_cast<unsigned>(a.n_head / a.n_head_kv), static_cast<unsigned>(a.n_head_kv));
  const auto kernel =
      is_plain(a, dims) ? short_attention<dims, warps, ahead, true> : short_attention<dims, warps, ahead, false>;
  launch_early(ctx.device, ctx.stream, "attention of one position", kernel, grid, warps * 32, 0, a);
}

}  // namespace

void launch_short_attention(const Context& ctx, const AttentionArguments& a) {
  // With 64 dimensions, more warps are in the way of the next kernel's (2% of a step of 0.5B); with 128, fewer take
  // longer (2% of a step of 8B Q4_K_M).
  if (a.head_dim <= 64) return launch<64, 8, 8>(ctx, a);
  if (a.head_dim <= 128) return launch<128, 16, 4>(ctx, a);
  launch<256, 16, 4>(ctx, a);
}

}  // namespace kigo::cuda
