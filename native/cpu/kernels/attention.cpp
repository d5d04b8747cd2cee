#include "attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "kernel_table.h"

namespace kigo::cpu {
namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Heads that share keys and values are taken together, up to this many.
constexpr int64_t kMaxGroup = 16;
/// Decode: positions of one piece of work, which must outweigh a merge (half a microsecond). Where one or two groups
/// are all there is, shorter ones, so that a second thread has something to do. Never by the number of threads: results
/// would depend on it.
constexpr int64_t split_positions(int64_t n_groups) { return n_groups <= 2 ? 128 : 256; }

/// The heads of a layer cut into groups: `per_head` groups of up to `size` query heads for each key/value head.
struct Groups {
  int64_t heads_per_kv, size, per_head, count;

  Groups(int64_t n_head, int64_t n_head_kv)
      : heads_per_kv(n_head / n_head_kv),
        size(std::min(heads_per_kv, kMaxGroup)),
        per_head(ceil_div(heads_per_kv, size)),
        count(per_head * n_head_kv) {}

  int64_t kv_head(int64_t group) const { return group / per_head; }
  int64_t first_head(int64_t group) const { return kv_head(group) * heads_per_kv + group % per_head * size; }
  int64_t n_heads(int64_t group) const { return std::min(size, heads_per_kv - group % per_head * size); }
};

HeadKv head_of(const KvView& kv, int64_t head) {
  const int64_t offset = head * kv.n_ctx * kv.head_dim * (kv.f16 ? 2 : 4);
  return {static_cast<const std::byte*>(kv.k) + offset, static_cast<const std::byte*>(kv.v) + offset, kv.f16,
          kv.head_dim};
}

/// First position that the query at `pos` sees.
int64_t first_seen(int64_t pos, int64_t window) { return window > 0 ? std::max<int64_t>(0, pos - window + 1) : 0; }

void scale_into(float* out, const float* values, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = values[i] * factor;
}

/// Partial result of one group of heads over one stretch of positions.
struct Partial {
  float max[kMaxGroup];
  float sum[kMaxGroup];
  float out[kMaxGroup * kMaxHeadDim];
};

/// Sums over stretches, each relative to its own maximum, to one head's output.
void merge(const Partial* parts, int64_t n_parts, int64_t head, int64_t head_dim, float* out) {
  float max = -INFINITY;
  for (int64_t i = 0; i < n_parts; ++i) max = std::max(max, parts[i].max[head]);
  float sum = 0;
  std::fill_n(out, head_dim, 0.0f);
  for (int64_t i = 0; i < n_parts; ++i) {
    const float weight = std::exp(parts[i].max[head] - max);
    sum += weight * parts[i].sum[head];
    for (int64_t j = 0; j < head_dim; ++j) out[j] += weight * parts[i].out[head * head_dim + j];
  }
  scale_into(out, out, 1 / sum, head_dim);
}

}  // namespace

void kv_append(const KvView& kv, const float* k, const float* v, int64_t n_tokens, int64_t pos0) {
  const KernelTable& table = kernels();
  for (int64_t head = 0; head < kv.n_head_kv; ++head) {
    for (int64_t t = 0; t < n_tokens; ++t) {
      const int64_t from = (t * kv.n_head_kv + head) * kv.head_dim;
      const int64_t to = (head * kv.n_ctx + pos0 + t) * kv.head_dim;
      if (kv.f16) {
        table.f32_to_f16_row(k + from, static_cast<uint16_t*>(kv.k) + to, kv.head_dim);
        table.f32_to_f16_row(v + from, static_cast<uint16_t*>(kv.v) + to, kv.head_dim);
      } else {
        std::memcpy(static_cast<float*>(kv.k) + to, k + from, static_cast<size_t>(kv.head_dim) * sizeof(float));
        std::memcpy(static_cast<float*>(kv.v) + to, v + from, static_cast<size_t>(kv.head_dim) * sizeof(float));
      }
    }
  }
}

size_t attention_scratch_bytes(int64_t n_head, int64_t n_head_kv, int64_t head_dim, int64_t n_tokens, int64_t n_kv,
                               int n_threads) {
  const size_t tile = Arena::aligned(static_cast<size_t>(kAttentionRows * (head_dim + 2)) * sizeof(float));
  const size_t per_thread = Arena::aligned(attend_work_bytes(head_dim)) + tile;
  // Decode is what a call with one token does, and it may follow with the same scratch.
  const int64_t n_groups = Groups(n_head, n_head_kv).count;
  const int64_t parts = n_groups * (ceil_div(n_kv, split_positions(n_groups)) + 1);
  (void)n_tokens;
  return per_thread * static_cast<size_t>(std::max(1, n_threads)) + static_cast<size_t>(parts) * sizeof(Partial) + 64;
}

void gqa_attention(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q, int64_t n_tokens,
                   int64_t pos0, float* out, Scratch scratch) {
  if (n_tokens == 1)
    gqa_attention_decode(pool, kv, config, q, pos0, out, scratch);
  else
    gqa_attention_prefill(pool, kv, config, q, n_tokens, pos0, out, scratch);
}

void gqa_attention_decode(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q,
                          int64_t pos, float* out, Scratch scratch) {
  const KernelTable& k = kernels();
  const Groups groups(config.n_head, kv.n_head_kv);
  const int64_t dim = kv.head_dim, from = first_seen(pos, config.window), n = pos + 1 - from;
  const int64_t n_parts = ceil_div(n, split_positions(groups.count));
  Arena arena(scratch);
  const size_t work_bytes = Arena::aligned(attend_work_bytes(dim));
  std::byte* const work = arena.take<std::byte>(work_bytes * static_cast<size_t>(pool.size()));
  Partial* const parts = arena.take<Partial>(static_cast<size_t>(groups.count * n_parts));

  pool.run([&](int ith, int) {
    pool.for_each(ith, groups.count * n_parts, 0, [&](int64_t item) {
      if (pool.asks_to_stop(ith)) return;
      const int64_t group = item / n_parts, part = item % n_parts;
      const QueryTile tile{q + groups.first_head(group) * dim,
                           0,
                           groups.n_heads(group),
                           1,
                           pos,
                           config.window,
                           config.scale,
                           config.softcap};
      const int64_t first = from + part * n / n_parts, last = from + (part + 1) * n / n_parts;
      Partial& p = parts[item];
      k.attend_decode(head_of(kv, groups.kv_head(group)), tile, first, last, p.out, p.max, p.sum,
                      work + static_cast<size_t>(ith) * work_bytes);
      if (n_parts > 1) return;
      for (int64_t h = 0; h < tile.group; ++h) {
        scale_into(out + (groups.first_head(group) + h) * dim, p.out + h * dim, 1 / p.sum[h], dim);
      }
    });
  });
  if (n_parts == 1) return;
  pool.run([&](int ith, int) {
    pool.for_each(ith, config.n_head, 0, [&](int64_t head) {
      const int64_t within = head % groups.heads_per_kv;
      const int64_t group = head / groups.heads_per_kv * groups.per_head + within / groups.size;
      merge(parts + group * n_parts, n_parts, within % groups.size, dim, out + head * dim);
    });
  });
}

void gqa_attention_prefill(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q,
                           int64_t n_tokens, int64_t pos0, float* out, Scratch scratch) {
  const KernelTable& k = kernels();
  const Groups groups(config.n_head, kv.n_head_kv);
  const int64_t dim = kv.head_dim, stride = config.n_head * dim;
  const int64_t tile_tokens = kAttentionRows / groups.size, n_tiles = ceil_div(n_tokens, tile_tokens);
  Arena arena(scratch);
  const size_t work_bytes = Arena::aligned(attend_work_bytes(dim));
  const size_t tile_values =
      Arena::aligned(static_cast<size_t>(kAttentionRows * (dim + 2)) * sizeof(float)) / sizeof(float);
  std::byte* const work = arena.take<std::byte>(work_bytes * static_cast<size_t>(pool.size()));
  float* const results = arena.take<float>(tile_values * static_cast<size_t>(pool.size()));

  pool.run([&](int ith, int) {
    float* const sums = results + static_cast<size_t>(ith) * tile_values;
    float* const max = sums + kAttentionRows * dim;
    float* const sum = max + kAttentionRows;
    pool.for_each(ith, groups.count * n_tiles, 0, [&](int64_t item) {
      if (pool.asks_to_stop(ith)) return;
      // The last tiles see most positions: they come first, so that no thread is left with a long one at the end.
      const int64_t group = item % groups.count, first = (n_tiles - 1 - item / groups.count) * tile_tokens;
      const int64_t offset = first * stride + groups.first_head(group) * dim;
      const QueryTile tile{q + offset,   stride,        groups.n_heads(group), std::min(tile_tokens, n_tokens - first),
                           pos0 + first, config.window, config.scale,          config.softcap};
      k.attend_prefill(head_of(kv, groups.kv_head(group)), tile, first_seen(tile.pos0, config.window),
                       tile.pos0 + tile.n_tokens, sums, max, sum, work + static_cast<size_t>(ith) * work_bytes);
      for (int64_t t = 0; t < tile.n_tokens; ++t) {
        for (int64_t g = 0; g < tile.group; ++g) {
          const int64_t row = t * tile.group + g;
          scale_into(out + offset + t * stride + g * dim, sums + row * dim, 1 / sum[row], dim);
        }
      }
    });
  });
}

}  // namespace kigo::cpu
