/**
 * FlashAttention (Dao et al. 2022): tiles of queries stay in registers, tiles of keys and values pass through shared
 * memory, and the softmax is kept up to date as they come.
 *
 * Queries that share a key/value head lie one behind another: row r is head r % group of token r / group. So a few
 * tokens of a model with many heads fill a tile too, and each key is read once for all of them.
 */
#include <cuda_fp16.h>

#include "cuda/attention.h"
#include "cuda/mma.cuh"
#include "cuda/numbers.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kWarps = 4;
constexpr int kRows = kWarps * 16;  // queries of a block
constexpr int kStages = 2;
constexpr int kPiece = 8;  // halves of a 16-byte copy
constexpr float kLog2E = 1.4426950408889634f;

/** Keys of a tile: 256-wide ones half as many, so that two stages fit the 99 KiB of sm_86 and sm_89. */
template <int width>
constexpr int kKeys = width == 256 ? 32 : 64;

template <int width>
constexpr size_t kSharedBytes = (kRows + 2 * kStages * kKeys<width>)*width * sizeof(__half);

/** Where piece c of row r lies: pieces of eight rows of one column are in eight different banks. */
template <int width>
__device__ int place(int r, int c) {
  return r * width + (c ^ (r % 8)) * kPiece;
}

struct Shape {
  int64_t n_rows;  // tokens · group
  int group;
  int head_dim;  // up to `width`; the rest is zero
  int64_t n_ctx;
  int64_t pos0;
  int64_t window;
  float softcap;
};

__device__ uint32_t pack_halves(float low, float high) {
  const __half2 both = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&both);
}

/** blockIdx.x: tile of rows, the latest first as they take longest; blockIdx.y: key/value head. */
template <int width, class Out>
__global__ void __launch_bounds__(kWarps * 32)
    flash_kernel(const __half* q, const __half* keys, const __half* values, Out* out, const Shape s) {
  constexpr int n_keys = kKeys<width>;
  constexpr int n_pieces = width / kPiece;
  extern __shared__ __align__(16) unsigned char shared[];
  __half* q_tile = reinterpret_cast<__half*>(shared);  // [kRows][width]
  __half* kv_tiles = q_tile + kRows * width;           // [kStages][k, v][n_keys][width]
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t row0 = int64_t{gridDim.x - 1 - blockIdx.x} * kRows;
  keys += blockIdx.y * s.n_ctx * s.head_dim;
  values += blockIdx.y * s.n_ctx * s.head_dim;
  const auto offset_of = [&](int64_t row) {
    return ((row / s.group * gridDim.y + blockIdx.y) * s.group + row % s.group) * s.head_dim;
  };

  // The keys that any of these rows sees: [first_key, end_key).
  const int64_t oldest_pos = s.pos0 + row0 / s.group;
  const int64_t end_key = s.pos0 + (min(row0 + kRows, s.n_rows) - 1) / s.group + 1;
  const int64_t first_key = s.window == 0 || oldest_pos < s.window ? 0 : (oldest_pos - s.window + 1) / n_keys * n_keys;
  const int n_tiles = static_cast<int>((end_key - first_key + n_keys - 1) / n_keys);

  const auto copy_tile = [&](int tile) {
    if (tile < n_tiles) {
      __half* k_tile = kv_tiles + tile % kStages * 2 * n_keys * width;
      const int64_t key0 = first_key + int64_t{tile} * n_keys;
      for (int i = static_cast<int>(threadIdx.x); i < n_keys * n_pieces; i += kWarps * 32) {
        const int r = i / n_pieces, c = i % n_pieces;
        const bool inside = key0 + r < end_key && c * kPiece < s.head_dim;
        const int64_t from = inside ? (key0 + r) * s.head_dim + c * kPiece : 0;
        copy_16(k_tile + place<width>(r, c), keys + from, inside);
        copy_16(k_tile + n_keys * width + place<width>(r, c), values + from, inside);
      }
    }
    copies_commit();
  };

  for (int i = static_cast<int>(threadIdx.x); i < kRows * n_pieces; i += kWarps * 32) {
    const int r = i / n_pieces, c = i % n_pieces;
    const bool inside = row0 + r < s.n_rows && c * kPiece < s.head_dim;
    copy_16(q_tile + place<width>(r, c), q + (inside ? offset_of(row0 + r) + c * kPiece : 0), inside);
  }
  copy_tile(0);

  // This lane's two rows, lane/4 and eight further on.
  int64_t pos[2];
  for (int h = 0; h < 2; ++h) pos[h] = s.pos0 + (row0 + warp * 16 + lane / 4 + h * 8) / s.group;
  float best[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  float sums[width / 8][4] = {};

  for (int tile = 0; tile < n_tiles; ++tile) {
    copy_tile(tile + 1);
    copies_wait<1>();
    __syncthreads();
    const __half* k_tile = kv_tiles + tile % kStages * 2 * n_keys * width;
    const __half* v_tile = k_tile + n_keys * width;
    const int64_t key0 = first_key + int64_t{tile} * n_keys;

    float scores[n_keys / 8][4] = {};
#pragma unroll
    for (int d = 0; d < width / 16; ++d) {
      uint32_t a[4];
      load_matrices(a, q_tile + place<width>(warp * 16 + lane % 16, 2 * d + lane / 16));
#pragma unroll
      for (int n = 0; n < n_keys / 16; ++n) {
        uint32_t b[4];
        load_matrices(b, k_tile + place<width>(n * 16 + lane / 16 * 8 + lane % 8, 2 * d + lane / 8 % 2));
        multiply_add<__half>(scores[2 * n], a, b[0], b[1]);
        multiply_add<__half>(scores[2 * n + 1], a, b[2], b[3]);
      }
    }

    const bool masks = key0 + n_keys > oldest_pos + 1 || (s.window != 0 && end_key - 1 - key0 >= s.window);
#pragma unroll
    for (int n = 0; n < n_keys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float& score = scores[n][i];
        if (s.softcap != 0) score = s.softcap * tanhf(score / s.softcap);
        score *= kLog2E;
        const int64_t key = key0 + n * 8 + lane % 4 * 2 + i % 2;
        const int64_t at = pos[i / 2];
        if (masks && (key > at || (s.window != 0 && at - key >= s.window))) score = -INFINITY;
      }
    }

#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float now = best[h];
#pragma unroll
      for (int n = 0; n < n_keys / 8; ++n) now = fmaxf(now, fmaxf(scores[n][2 * h], scores[n][2 * h + 1]));
      now = fmaxf(now, __shfl_xor_sync(~0u, now, 1));
      now = fmaxf(now, __shfl_xor_sync(~0u, now, 2));
      const float base = now == -INFINITY ? 0 : now;  // nothing seen yet: every weight is exp2(-inf)
      const float keep = exp2f(best[h] - base);
      best[h] = now;
      total[h] *= keep;
#pragma unroll
      for (int d = 0; d < width / 8; ++d) {
        sums[d][2 * h] *= keep;
        sums[d][2 * h + 1] *= keep;
      }
#pragma unroll
      for (int n = 0; n < n_keys / 8; ++n) {
        for (int i = 2 * h; i < 2 * h + 2; ++i) {
          scores[n][i] = exp2f(scores[n][i] - base);
          total[h] += scores[n][i];
        }
      }
    }

#pragma unroll
    for (int n = 0; n < n_keys / 16; ++n) {
      const uint32_t a[4] = {pack_halves(scores[2 * n][0], scores[2 * n][1]),
                             pack_halves(scores[2 * n][2], scores[2 * n][3]),
                             pack_halves(scores[2 * n + 1][0], scores[2 * n + 1][1]),
                             pack_halves(scores[2 * n + 1][2], scores[2 * n + 1][3])};
#pragma unroll
      for (int d = 0; d < width / 16; ++d) {
        uint32_t b[4];
        load_matrices_transposed(b, v_tile + place<width>(n * 16 + lane % 16, 2 * d + lane / 16));
        multiply_add<__half>(sums[2 * d], a, b[0], b[1]);
        multiply_add<__half>(sums[2 * d + 1], a, b[2], b[3]);
      }
    }
    __syncthreads();  // this stage is overwritten next
  }
  copies_wait<0>();

#pragma unroll
  for (int h = 0; h < 2; ++h) {
    total[h] += __shfl_xor_sync(~0u, total[h], 1);
    total[h] += __shfl_xor_sync(~0u, total[h], 2);
    const int64_t row = row0 + warp * 16 + lane / 4 + h * 8;
    if (row >= s.n_rows) continue;
    Out* to = out + offset_of(row);
#pragma unroll
    for (int d = 0; d < width / 8; ++d) {
      const int i = d * 8 + lane % 4 * 2;
      if (i >= s.head_dim) continue;
      to[i] = from_float<Out>(sums[d][2 * h] / total[h]);
      to[i + 1] = from_float<Out>(sums[d][2 * h + 1] / total[h]);
    }
  }
}

template <int width>
void launch(cudaStream_t stream, const Attention& a) {
  const LayerConfig& l = a.layer;
  const int64_t group = l.n_head / l.n_head_kv;
  const Shape shape = {.n_rows = a.n_tokens * group,
                       .group = static_cast<int>(group),
                       .head_dim = static_cast<int>(l.head_dim),
                       .n_ctx = a.kv.n_ctx,
                       .pos0 = a.pos0,
                       .window = l.window,
                       .softcap = static_cast<float>(l.attn_softcap)};
  const dim3 grid(blocks_for(shape.n_rows, kRows), static_cast<unsigned>(l.n_head_kv));
  with_type(a.out.type, [&](auto zero) {
    using Out = decltype(zero);
    check(cudaFuncSetAttribute(flash_kernel<width, Out>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               kSharedBytes<width>),
          "asking for shared memory");
    flash_kernel<width, Out><<<grid, kWarps * 32, kSharedBytes<width>, stream>>>(
        static_cast<const __half*>(a.q.data), static_cast<const __half*>(a.kv.k), static_cast<const __half*>(a.kv.v),
        static_cast<Out*>(a.out.data), shape);
  });
  check_launch("flash attention");
}

}  // namespace

bool flash_attention_runs(const DeviceTraits& device, int64_t head_dim) {
  const size_t needed = head_dim <= 64 ? kSharedBytes<64> : head_dim <= 128 ? kSharedBytes<128> : kSharedBytes<256>;
  return needed <= device.shared_per_block;
}

void flash_attention(Context& ctx, const Attention& a) {
  if (a.layer.head_dim <= 64) {
    launch<64>(ctx.stream, a);
  } else if (a.layer.head_dim <= 128) {
    launch<128>(ctx.stream, a);
  } else {
    launch<256>(ctx.stream, a);
  }
}

}  // namespace kigo::cuda
