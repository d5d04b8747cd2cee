/**
 * Attention of one position, split over blocks: a block has up to 8 query heads that share a key/value head, and a run
 * of its positions; the heads are the columns of tensor-core products, so that keys and values are read once, straight
 * from memory into the registers that the products want, without a stop in shared memory.
 *
 * A warp takes 16 positions at a time. With g = lane / 4, c = lane % 4:
 *
 *   scores [16 positions][8 heads] = K · Qᵀ   a lane loads 8 neighbouring dimensions of positions g and g+8: as the
 *       order of the summed dimension is free if both sides have the same, its 16 bytes are what two products want.
 *   output [16 dimensions][8 heads] += Vᵀ · Pᵀ  a lane loads dimensions 8g … 8g+7 of positions 2c, 2c+1, 2c+8, 2c+9 and
 *       pairs neighbours in position; rows g and g+8 of product j are dimensions 8g+2j and 8g+2j+1. P comes from the
 *       scores by transposing 8×8 matrices between lanes.
 *
 * Softmax runs along, in float32, each warp with a maximum of its own; warps meet in shared memory at the end, and
 * blocks in the last of them to arrive.
 */
#include <algorithm>

#include "cuda/decode_attention_meeting.cuh"
#include "cuda/pdl.cuh"
#include "cuda/ptx.cuh"

namespace kigo::cuda {

namespace {

constexpr int kTile = 16;    // positions of a warp at a time
constexpr int kLeast = 192;  // positions of a block, where there are several
constexpr int kShort = 512;  // positions up to which a block takes them all

using Arguments = AttentionArguments;

/** What a block works on. */
struct Place {
  int group, split;  // among the launch's
  int kv_head, first_head, n_heads;

  __device__ explicit Place(const Arguments& a) {
    const int per_kv = a.n_head / a.n_head_kv, parts = (per_kv + kHeads - 1) / kHeads;
    group = static_cast<int>(blockIdx.x) / a.n_splits;
    split = static_cast<int>(blockIdx.x) % a.n_splits;
    kv_head = group / parts;
    const int part = group % parts;
    first_head = kv_head * per_kv + part * kHeads;
    n_heads = min(kHeads, per_kv - part * kHeads);
    writes_cache = part == 0;
  }
  bool writes_cache;
};

/** Positions of a split: [first, end), of those from the window's start up to `position`. */
struct Span {
  int first, end, n_active;

  __device__ Span(const Arguments& a, int split, int position) {
    const int start = a.window > 0 ? max(0, position + 1 - a.window) : 0;
    const int n = position + 1 - start;
    // A block more is to be read by the last one, which takes as long as some nine positions: the fastest is the square
    // root of that many times all positions.
    const int least = n <= kShort ? kShort : max(kLeast, static_cast<int>(3 * sqrtf(static_cast<float>(n))));
    const int share = (n + a.n_splits - 1) / a.n_splits;
    const int chunk = max(least, (share + kTile - 1) / kTile * kTile);
    n_active = (n + chunk - 1) / chunk;
    first = start + split * chunk;
    end = min(first + chunk, position + 1);
  }
};

/** Half-precision queries [8][head_dim], and this position's key and value, in shared memory; zeros behind head_dim. */
template <int dims>
struct Fresh {
  static constexpr int kStride = dims + 8;  // a row's 16-byte pieces fall into other banks than the next row's
  __half q[kHeads][kStride];
  __half k[dims];
  __half v[dims];
};

/**
 * A warp's 16 positions of keys and values. Those of the cache were written by kernels of earlier steps, so they may be
 * loaded before wait_for_producer.
 */
template <int dims>
struct Tile {
  static constexpr int kKeyParts = dims / 32, kValueParts = dims / 64;
  uint4 k[2][kKeyParts];    // positions g and g+8; dimensions 32·part + 8c …
  uint4 v[4][kValueParts];  // positions 2c, 2c+1, 2c+8, 2c+9; dimensions 64·part + 8g …

  __device__ static int key_position(int i, int lane) { return lane / 4 + 8 * i; }
  __device__ static int value_position(int i, int lane) { return lane % 4 * 2 + i % 2 + 8 * (i / 2); }

  /** Positions [first, first + 16) that lie before `end`; zeros for the others. */
  __device__ void load_keys(const Arguments& a, const __half* keys, int first, int end, int lane) {
    for (int i = 0; i < 2; ++i) {
      const int position = first + key_position(i, lane);
      for (int part = 0; part < kKeyParts; ++part) {
        const int d = part * 32 + lane % 4 * 8;
        k[i][part] = position < end && d < a.head_dim ? load_16(keys + position * a.head_dim + d) : uint4{};
      }
    }
  }
  __device__ void load_values(const Arguments& a, const __half* values, int first, int end, int lane) {
    for (int i = 0; i < 4; ++i) {
      const int position = first + value_position(i, lane);
      for (int part = 0; part < kValueParts; ++part) {
        const int d = part * 64 + lane / 4 * 8;
        v[i][part] = position < end && d < a.head_dim ? load_16(values + position * a.head_dim + d) : uint4{};
      }
    }
  }
  __device__ void take_keys(const Tile& other) {
    for (int i = 0; i < 2; ++i) {
      for (int part = 0; part < kKeyParts; ++part) k[i][part] = other.k[i][part];
    }
  }
  __device__ void take_values(const Tile& other) {
    for (int i = 0; i < 4; ++i) {
      for (int part = 0; part < kValueParts; ++part) v[i][part] = other.v[i][part];
    }
  }
  /** The newest position comes from shared memory: the cache has it only when this kernel has ended. */
  __device__ void take_fresh_key(const Fresh<dims>& fresh, int first, int position, int lane) {
    for (int i = 0; i < 2; ++i) {
      if (first + key_position(i, lane) != position) continue;
      for (int part = 0; part < kKeyParts; ++part) {
        k[i][part] = *reinterpret_cast<const uint4*>(&fresh.k[part * 32 + lane % 4 * 8]);
      }
    }
  }
  __device__ void take_fresh_value(const Fresh<dims>& fresh, int first, int position, int lane) {
    for (int i = 0; i < 4; ++i) {
      if (first + value_position(i, lane) != position) continue;
      for (int part = 0; part < kValueParts; ++part) {
        v[i][part] = *reinterpret_cast<const uint4*>(&fresh.v[part * 64 + lane / 4 * 8]);
      }
    }
  }
};

__device__ uint32_t pack(float low, float high) {
  const __half2 h = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&h);
}

/** Maximum and sum over the lanes that hold the same heads. */
__device__ float max_of_positions(float v) {
  for (int apart = 4; apart < 32; apart *= 2) v = fmaxf(v, __shfl_xor_sync(~0u, v, apart));
  return v;
}
__device__ float sum_of_positions(float v) {
  for (int apart = 4; apart < 32; apart *= 2) v += __shfl_xor_sync(~0u, v, apart);
  return v;
}

/** What a warp has seen so far: of heads 2c and 2c+1 the largest score (base 2), the sum of weights, and the output. */
template <int dims>
struct Running {
  static constexpr int kProducts = dims / 16;
  float most[2] = {kLowest, kLowest};
  float total[2] = {0, 0};       // of this lane's positions
  float out[kProducts][4] = {};  // product 4·part + j: dimensions 64·part + 8g + 2j of both heads, then the next one

  /** Queries come from shared memory each time: with 256 dimensions there are no registers left to keep them in. */
  __device__ void scores(float (&s)[4], const Tile<dims>& tile, const Fresh<dims>& fresh, int lane) const {
    for (float& v : s) v = 0;
    for (int part = 0; part < dims / 32; ++part) {
      const uint4 q = load_shared_16(&fresh.q[lane / 4][part * 32 + lane % 4 * 8]);
      const uint4 near = tile.k[0][part], far = tile.k[1][part];
      multiply_add<__half>(s, {near.x, far.x, near.y, far.y}, q.x, q.y);
      multiply_add<__half>(s, {near.z, far.z, near.w, far.w}, q.z, q.w);
    }
  }

  /** Scores of positions behind `end` or in front of the window are not to count. */
  __device__ void add_scores(const Arguments& a, float (&s)[4], int first, int end, int lane, uint32_t (&weights)[2]) {
    for (int i = 0; i < 4; ++i) s[i] = first + lane / 4 + i / 2 * 8 < end ? score_of(s[i], a) : kLowest;
    for (int h = 0; h < 2; ++h) {
      const float now = fmaxf(most[h], max_of_positions(fmaxf(s[h], s[2 + h])));
      const float shrink = exp2f(most[h] - now);
      most[h] = now;
      total[h] *= shrink;
      for (auto& product : out) {
        product[h] *= shrink;
        product[2 + h] *= shrink;
      }
      for (int i = h; i < 4; i += 2) {
        s[i] = exp2f(s[i] - now);
        total[h] += s[i];
      }
    }
    for (int i = 0; i < 2; ++i) weights[i] = transpose(pack(s[2 * i], s[2 * i + 1]));
  }

  __device__ void add_values(const Tile<dims>& tile, const uint32_t (&weights)[2]) {
    for (int part = 0; part < dims / 64; ++part) {
      for (int j = 0; j < 4; ++j) {
        const auto word = [&](int i) { return reinterpret_cast<const uint32_t*>(&tile.v[i][part])[j]; };
        const uint32_t even = __byte_perm(word(0), word(1), 0x5410), odd = __byte_perm(word(0), word(1), 0x7632);
        const uint32_t even_8 = __byte_perm(word(2), word(3), 0x5410), odd_8 = __byte_perm(word(2), word(3), 0x7632);
        multiply_add<__half>(out[part * 4 + j], {even, odd, even_8, odd_8}, weights[0], weights[1]);
      }
    }
  }
};

template <int dims, int warps, bool plain>
__global__ __launch_bounds__(warps * 32, 1) void decode_attention(const __grid_constant__ Arguments arguments) {
  const Arguments a = known<dims, plain>(arguments);
  extern __shared__ __align__(16) std::byte shared[];
  auto& fresh = *reinterpret_cast<Fresh<dims>*>(shared);
  auto& of_warps = *reinterpret_cast<Partial<dims>(*)[warps]>(shared + sizeof(Fresh<dims>));
  __shared__ bool is_last;
  constexpr int n_positions = warps * kTile;  // at a time
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Place place(a);

  release_consumer();
  // All that stands in memory already: the cache up to here, the turns of this position. The length changes only
  // behind a step's last layer, and a step begins only when the one in front of it has ended.
  const int position = a.state->length;
  const Span span(a, place.split, position);
  if (place.split >= span.n_active) {
    wait_for_producer();
    return;
  }
  const int64_t head_at = place.kv_head * a.n_ctx * a.head_dim;
  const int tile_first = span.first + warp * kTile;
  // What is on its way at once, from here on: as many tiles as there are registers for.
  constexpr int keys_ahead = dims < 256 ? 2 : 1, values_ahead = dims < 128 ? 2 : dims < 256 ? 1 : 0;
  Tile<dims> tile, next;
  const __half *keys = a.k + head_at, *values = a.v + head_at;
  const int cached_end = min(span.end, position);
  tile.load_keys(a, keys, tile_first, cached_end, lane);
  if (values_ahead > 0) tile.load_values(a, values, tile_first, cached_end, lane);
  if (keys_ahead > 1) next.load_keys(a, keys, tile_first + n_positions, cached_end, lane);
  if (values_ahead > 1) next.load_values(a, values, tile_first + n_positions, cached_end, lane);
  float2 turn[Head<dims>::kPairs];
  for (int i = 0; i < Head<dims>::kPairs; ++i) {
    const int p = Head<dims>::pair(i, lane);
    turn[i] = p < a.n_rot / 2 ? __ldg(a.rope + static_cast<int64_t>(position) * (a.n_rot / 2) + p) : float2{1, 0};
  }
  const bool has_newest = span.end == position + 1;

  wait_for_producer();
  const Exchange<dims> exchange(a, place.group);
  // A warp a head of queries; the first two, or the only ones without one, load the key or the value beside it.
  const float* key_from = a.qkv + (a.n_head + place.kv_head) * a.head_dim;
  const int key_warp = place.n_heads + 2 <= warps ? place.n_heads : 0;
  const bool has_key = has_newest && warp == key_warp, has_value = has_newest && warp == key_warp + 1;
  Head<dims> newest = {};
  if (has_key) newest.load(a, key_from, lane);
  if (has_value) newest.load(a, key_from + a.n_head_kv * a.head_dim, lane);
  // The scale goes into the queries: products of keys and bare queries can leave float16's range.
  const float scale = a.softcap != 0 ? a.scale : a.scale * kLog2E;
  for (int h = warp; h < kHeads; h += warps) {
    Head<dims> head = {};
    if (h < place.n_heads) {
      head.load(a, a.qkv + (place.first_head + h) * a.head_dim, lane);
      if (a.q_norm != nullptr) head.normalise(a, a.q_norm, lane);
      head.rotate(turn);
    }
    head.store(a, fresh.q[h], scale, lane);
  }
  if (has_key) {
    if (a.k_norm != nullptr) newest.normalise(a, a.k_norm, lane);
    newest.rotate(turn);
  }
  if (has_key || has_value) newest.store(a, has_key ? fresh.k : fresh.v, 1, lane);
  __syncthreads();
  if (has_newest && place.writes_cache && 8 * threadIdx.x < 2 * a.head_dim) {
    const int d = 8 * static_cast<int>(threadIdx.x), to = d < a.head_dim ? d : d - a.head_dim;
    const __half* from = d < a.head_dim ? fresh.k : fresh.v;
    __half* cache = (d < a.head_dim ? a.k : a.v) + head_at + static_cast<int64_t>(position) * a.head_dim;
    *reinterpret_cast<uint4*>(cache + to) = *reinterpret_cast<const uint4*>(from + to);
  }
  if (span.n_active > 1) exchange.clear_theirs(place.split, span.n_active);

  Running<dims> running;
  for (int first = tile_first; first < span.end; first += n_positions) {
    const bool newest = first + kTile > position;
    float scores[4];
    uint32_t weights[2];
    if (newest) tile.take_fresh_key(fresh, first, position, lane);
    running.scores(scores, tile, fresh, lane);
    if (values_ahead == 0) tile.load_values(a, values, first, cached_end, lane);
    if (keys_ahead > 1) {
      tile.take_keys(next);
      next.load_keys(a, keys, first + keys_ahead * n_positions, cached_end, lane);
    }
    running.add_scores(a, scores, first, span.end, lane, weights);
    if (newest) tile.take_fresh_value(fresh, first, position, lane);
    running.add_values(tile, weights);
    if (values_ahead > 1) {
      tile.take_values(next);
      next.load_values(a, values, first + values_ahead * n_positions, cached_end, lane);
    } else if (values_ahead == 1) {
      tile.load_values(a, values, first + n_positions, cached_end, lane);
    }
    if (keys_ahead == 1) tile.load_keys(a, keys, first + n_positions, cached_end, lane);
  }

  Partial<dims>& mine = of_warps[warp];
  const int g = lane / 4, c = lane % 4;
  for (int h = 0; h < 2; ++h) {
    for (int part = 0; part < dims / 64; ++part) {
      const auto& o = &running.out[part * 4];
      auto* to = reinterpret_cast<float4*>(&mine.out[2 * c + h][part * 64 + g * 8]);
      to[0] = {o[0][h], o[0][2 + h], o[1][h], o[1][2 + h]};
      to[1] = {o[2][h], o[2][2 + h], o[3][h], o[3][2 + h]};
    }
    const float total = sum_of_positions(running.total[h]);
    if (g == 0) mine.weight[2 * c + h] = {running.most[h], total};
  }
  // Counts round: the last one leaves 0.
  const auto last = static_cast<unsigned>(span.n_active) - 1;
  unsigned n_arrived = 0;
  if (last > 0 && threadIdx.x == 0) n_arrived = atomicInc(&exchange.meeting->n_arrived, last);
  __syncthreads();

  float* out = a.out + place.first_head * a.head_dim;
  // Loops that stay small: what runs once takes as long as its instructions have from the second cache.
  constexpr int kPieces = dims / 4;  // of a head
#pragma unroll 1
  for (int i = threadIdx.x; i < place.n_heads * kPieces; i += warps * 32) {
    const int head = i / kPieces, d = i % kPieces * 4;
    if (d >= a.head_dim) continue;
    const Combined sum = combine_warps(of_warps, head, d);
    if (last == 0) {
      *reinterpret_cast<float4*>(out + head * a.head_dim + d) = sum.result();
      continue;
    }
    const auto& [x, y, z, w] = sum.out;
    publish(exchange.out(place.split, head, d), {number(x), number(y), number(z), number(w)});
    if (d == 0) publish(exchange.weight(place.split, head), {number(sum.weight.most), number(sum.weight.total)});
  }
  if (last == 0) return;
  if (threadIdx.x == 0) is_last = n_arrived == last;
  __syncthreads();
  if (is_last) gather(a, exchange, of_warps, place.split, span.n_active, place.n_heads, out);
}

int64_t positions_at_most(const LayerConfig& layer, int64_t max_length) {
  return layer.window > 0 ? std::min(layer.window, max_length) : max_length;
}

int64_t dims_of(const LayerConfig& layer) { return layer.head_dim <= 64 ? 64 : layer.head_dim <= 128 ? 128 : 256; }

template <int dims, int warps>
constexpr size_t kSharedBytes = sizeof(Fresh<dims>) + warps * sizeof(Partial<dims>);

template <int dims, int warps = 8>
void launch(const Context& ctx, const Arguments& a, int64_t groups) {
  const auto kernel = is_plain(a, dims) ? decode_attention<dims, warps, true> : decode_attention<dims, warps, false>;
  launch_early(ctx.device, ctx.stream, "attention of one position", kernel, static_cast<unsigned>(groups * a.n_splits),
               warps * 32, kSharedBytes<dims, warps>, a);
}

}  // namespace

int64_t attention_groups(const LayerConfig& layer) {
  const int64_t per_kv = layer.n_head / layer.n_head_kv;
  return layer.n_head_kv * ((per_kv + kHeads - 1) / kHeads);
}

int attention_splits(const LayerConfig& layer, const DeviceTraits& device, int64_t max_length) {
  const int64_t n = positions_at_most(layer, max_length);
  if (n <= kShort) return 1;
  return static_cast<int>(std::clamp<int64_t>(device.n_sm / attention_groups(layer), 1, (n + kLeast - 1) / kLeast));
}

int64_t attention_partials(const LayerConfig& layer, const DeviceTraits& device, int64_t max_length) {
  const int n_splits = attention_splits(layer, device, max_length);
  return n_splits == 1 ? 0 : n_splits * kHeads * (dims_of(layer) + 2);
}

void enqueue_decode_attention(const Context& ctx, const DecodeAttention& attention) {
  const LayerConfig& l = attention.layer;
  const Arguments a = {.n_head = static_cast<int>(l.n_head),
                       .n_head_kv = static_cast<int>(l.n_head_kv),
                       .head_dim = static_cast<int>(l.head_dim),
                       .n_rot = static_cast<int>(l.n_rot),
                       .window = static_cast<int>(l.window),
                       .neox = l.rope == Rope::neox,
                       .scale = static_cast<float>(l.attn_scale),
                       .softcap = static_cast<float>(l.attn_softcap),
                       .inverse_softcap = l.attn_softcap == 0 ? 0 : static_cast<float>(1 / l.attn_softcap),
                       .eps = attention.eps,
                       .k = static_cast<__half*>(attention.kv.k),
                       .v = static_cast<__half*>(attention.kv.v),
                       .n_ctx = attention.kv.n_ctx,
                       .qkv = attention.qkv,
                       .q_norm = attention.q_norm,
                       .k_norm = attention.k_norm,
                       .rope = attention.rope,
                       .state = attention.state,
                       .out = attention.out,
                       .partials = attention.partials,
                       .partials_stride = static_cast<int>(attention.partials_stride),
                       .meetings = attention.meetings,
                       .n_splits = attention_splits(l, ctx.device, attention.max_length)};
  if (positions_at_most(l, attention.max_length) <= kShort) return launch_short_attention(ctx, a);
  const int64_t groups = attention_groups(l);
  switch (dims_of(l)) {
    case 64: return launch<64>(ctx, a, groups);
    case 128: return launch<128>(ctx, a, groups);
    default:  // before sm_80, a block has too little shared memory for the results of eight warps
      return kSharedBytes<256, 8> <= ctx.device.dynamic_shared() ? launch<256>(ctx, a, groups)
                                                                 : launch<256, 4>(ctx, a, groups);
  }
}

}  // namespace kigo::cuda
