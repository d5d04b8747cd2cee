/// Grouped-query attention over the KV cache, without ever storing a row of scores.
#pragma once
#include <cstddef>
#include <cstdint>

#include "scratch.h"
#include "thread_pool.h"

namespace kigo::cpu {

/// One layer's keys and values, each [n_head_kv][n_ctx][head_dim] in float16 or float32.
struct KvView {
  void* k = nullptr;
  void* v = nullptr;
  bool f16 = true;
  int64_t n_ctx = 0;  ///< positions per head, the stride of a head
  int64_t n_head_kv = 0;
  int64_t head_dim = 0;  ///< a multiple of 8, 32 to 256
};

struct AttentionConfig {
  int64_t n_head = 0;  ///< a multiple of n_head_kv
  float scale = 1;     ///< scores are multiplied by it
  float softcap = 0;   ///< then c·tanh(score/c); 0: off
  int64_t window = 0;  ///< position i sees j where i − j < window; 0: all
};

/// Stores k and v, each [n_tokens][n_head_kv][head_dim], at positions pos0….
void kv_append(const KvView& kv, const float* k, const float* v, int64_t n_tokens, int64_t pos0);

/// Bytes of scratch for up to n_tokens queries that see up to n_kv positions.
size_t attention_scratch_bytes(int64_t n_head, int64_t n_head_kv, int64_t head_dim, int64_t n_tokens, int64_t n_kv,
                               int n_threads);

/// q, out: [n_tokens][n_head][head_dim]. Token t stands at position pos0 + t and sees positions up to its own, which
/// kv holds already. Few tokens go position by position (split over the KV length where heads are few), more of them
/// tile by tile: gqa_attention chooses. Between pieces of work it asks whether to stop, as StopWhen says.
void gqa_attention(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q, int64_t n_tokens,
                   int64_t pos0, float* out, Scratch scratch);
void gqa_attention_decode(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q,
                          int64_t pos, float* out, Scratch scratch);
void gqa_attention_prefill(ThreadPool& pool, const KvView& kv, const AttentionConfig& config, const float* q,
                           int64_t n_tokens, int64_t pos0, float* out, Scratch scratch);

}  // namespace kigo::cpu
