/**
 * FlashAttention (Dao et al. 2022): tiles of queries stay in registers, tiles of keys and values pass through shared
 * memory, and the softmax is kept up to date as they come.
 *
 * Queries that share a key/value head lie one behind another: row r is head r % group of token r / group. So a few
 * tokens of a model with many heads fill a tile too, and each key is read once for all of them.
 *
 * A few tokens far into a context are few tiles of rows before many keys: then several blocks share the keys of a tile,
 * and a second kernel puts their results together. (37 tokens of 8B behind 4,096: 118 µs a layer without that.)
 */
#include <cuda_fp16.h>

#include <algorithm>
#include <type_traits>

#include "cuda/attention.h"
#include "cuda/numbers.cuh"
#include "cuda/ptx.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kWarps = 4;
constexpr int kRows = kWarps * 16;  // queries of a block
constexpr int kStages = 2;
constexpr int kPiece = 8;  // halves of a 16-byte copy
constexpr float kLog2E = 1.4426950408889634f;
constexpr int kBlocksPerSm = 2;  // that 128-wide tiles leave room for
/** Tiles of keys that a block of a shared tile has at least. */
constexpr int64_t kFewestTiles = 8;

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

/** What the blocks that share keys leave of each query, for n_parts of them and all n queries. */
struct Parts {
  float* sums;     // [n_parts][n][head_dim], of values weighted by exp2(score - best)
  float2* totals;  // [n_parts][n] {best, sum of the weights}
};

/** blockIdx.x: tile of rows, the latest first as they take longest; blockIdx.y: key/value head; blockIdx.z: part of the
 * keys. */
template <int width, class Out>
__global__ void __launch_bounds__(kWarps * 32) flash_kernel(const __half* q, const __half* keys, const __half* values,
                                                            Out* out, const Parts parts, const Shape s) {
  constexpr int n_keys = kKeys<width>;
  constexpr int n_pieces = width / kPiece;
  extern __shared__ __align__(16) unsigned char shared[];
  __half* q_tile = reinterpret_cast<__half*>(shared);  // [kRows][width]
  __half* kv_tiles = q_tile + kRows * width;           // [kStages][k, v][n_keys][width]
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t row0 = int64_t{gridDim.x - 1 - blockIdx.x} * kRows;
  keys += blockIdx.y * s.n_ctx * s.head_dim;
  values += blockIdx.y * s.n_ctx * s.head_dim;
  const auto query_of = [&](int64_t row) { return (row / s.group * gridDim.y + blockIdx.y) * s.group + row % s.group; };

  // The keys that any of these rows sees: [first_key, end_key), of which this block takes its part.
  const int64_t oldest_pos = s.pos0 + row0 / s.group;
  const int64_t end_key = s.pos0 + (min(row0 + kRows, s.n_rows) - 1) / s.group + 1;
  int64_t first_key = s.window == 0 || oldest_pos < s.window ? 0 : (oldest_pos - s.window + 1) / n_keys * n_keys;
  const int all_tiles = static_cast<int>((end_key - first_key + n_keys - 1) / n_keys);
  const int n_parts = static_cast<int>(gridDim.z), part = static_cast<int>(blockIdx.z);
  const int first_tile = all_tiles * part / n_parts, n_tiles = all_tiles * (part + 1) / n_parts - first_tile;
  first_key += first_tile * n_keys;

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
    copy_16(q_tile + place<width>(r, c), q + (inside ? query_of(row0 + r) * s.head_dim + c * kPiece : 0), inside);
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
    const auto write = [&](auto* to, float scale) {
      using T = std::remove_reference_t<decltype(*to)>;
#pragma unroll
      for (int d = 0; d < width / 8; ++d) {
        const int i = d * 8 + lane % 4 * 2;
        if (i >= s.head_dim) continue;
        to[i] = from_float<T>(sums[d][2 * h] * scale);
        to[i + 1] = from_float<T>(sums[d][2 * h + 1] * scale);
      }
    };
    if (n_parts == 1) {
      write(out + query_of(row) * s.head_dim, 1 / total[h]);
    } else {
      const int64_t at = part * s.n_rows * gridDim.y + query_of(row);
      write(parts.sums + at * s.head_dim, 1);
      if (lane % 4 == 0) parts.totals[at] = {best[h], total[h]};
    }
  }
}

/** A warp a query: the parts' sums, on one scale. */
template <class Out>
__global__ void __launch_bounds__(kWarps * 32)
    combine_kernel(const Parts parts, int n_parts, int64_t n, int head_dim, Out* out) {
  const int64_t query = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (query >= n) return;
  const auto totals = [&](int part) { return parts.totals[part * n + query]; };
  float best = -INFINITY, total = 0;
  for (int part = 0; part < n_parts; ++part) best = fmaxf(best, totals(part).x);
  for (int part = 0; part < n_parts; ++part) total += totals(part).y * exp2f(totals(part).x - best);
  for (int i = static_cast<int>(threadIdx.x % 32); i < head_dim; i += 32) {
    float sum = 0;
    for (int part = 0; part < n_parts; ++part) {
      sum += parts.sums[(part * n + query) * head_dim + i] * exp2f(totals(part).x - best);
    }
    out[query * head_dim + i] = from_float<Out>(sum / total);
  }
}

/** Into how many parts the keys of a tile of rows go: as many as keep the GPU busy. */
int64_t count_parts(const Context& ctx, const Attention& a, int64_t n_blocks, int n_keys) {
  const int64_t seen = a.pos0 + a.n_tokens;
  const int64_t keys = a.layer.window == 0 ? seen : std::min(seen, a.layer.window + a.n_tokens);
  const auto query_bytes = static_cast<size_t>(a.layer.head_dim) * sizeof(float) + sizeof(float2);
  const auto room = static_cast<int64_t>(a.spare_bytes / query_bytes) / (a.n_tokens * a.layer.n_head);
  const int64_t wanted = ctx.device.n_sm * kBlocksPerSm / n_blocks;
  return std::max<int64_t>(1, std::min({wanted, keys / (n_keys * kFewestTiles), room}));
}

template <int width>
void launch(const Context& ctx, const Attention& a) {
  const LayerConfig& l = a.layer;
  const int64_t group = l.n_head / l.n_head_kv;
  const Shape shape = {.n_rows = a.n_tokens * group,
                       .group = static_cast<int>(group),
                       .head_dim = static_cast<int>(l.head_dim),
                       .n_ctx = a.kv.n_ctx,
                       .pos0 = a.pos0,
                       .window = l.window,
                       .softcap = static_cast<float>(l.attn_softcap)};
  dim3 grid(blocks_for(shape.n_rows, kRows), static_cast<unsigned>(l.n_head_kv));
  const int64_t n_parts = count_parts(ctx, a, int64_t{grid.x} * grid.y, kKeys<width>), n = a.n_tokens * l.n_head;
  grid.z = static_cast<unsigned>(n_parts);
  auto* totals = reinterpret_cast<float2*>(a.spare);
  const Parts parts = {.sums = reinterpret_cast<float*>(totals + n_parts * n), .totals = totals};
  with_type(a.out.type, [&](auto zero) {
    using Out = decltype(zero);
    check(cudaFuncSetAttribute(flash_kernel<width, Out>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               kSharedBytes<width>),
          "asking for shared memory");
    flash_kernel<width, Out><<<grid, kWarps * 32, kSharedBytes<width>, ctx.stream>>>(
        static_cast<const __half*>(a.q.data), static_cast<const __half*>(a.kv.k), static_cast<const __half*>(a.kv.v),
        static_cast<Out*>(a.out.data), parts, shape);
    if (n_parts > 1) {
      combine_kernel<<<blocks_for(n, kWarps), kWarps * 32, 0, ctx.stream>>>(
          parts, static_cast<int>(n_parts), n, shape.head_dim, static_cast<Out*>(a.out.data));
    }
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
    launch<64>(ctx, a);
  } else if (a.layer.head_dim <= 128) {
    launch<128>(ctx, a);
  } else {
    launch<256>(ctx, a);
  }
}

}  // namespace kigo::cuda
