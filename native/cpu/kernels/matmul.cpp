#include "matmul.h"

#include <algorithm>
#include <cassert>

#include "kernel_table.h"

namespace kigo::cpu {
namespace {

/// A job cut into pieces of whole rows, which threads take one by one.
struct Pieces {
  int64_t rows_each;
  int64_t count;
};

/// Rows [first, …) of a job, and where their sums go.
Rows rows_of(const Matrix& w, int64_t first, int64_t count) {
  const int64_t stride = row_bytes(w.type, w.n_in);
  return {w.type, w.data + first * stride, stride, std::min(count, w.n_out - first), w.n_in};
}

Output output_of(const MatmulJob& job, int64_t first_row, int64_t first_token) {
  const float* bias = job.w->bias ? job.w->bias + first_row : nullptr;
  return {job.y + first_token * job.ldy + first_row, job.ldy, bias, job.accumulate};
}

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Calls body(job, first row, rows) for every piece of every job, on whichever thread is free.
template <class Cut, class Body>
void for_pieces(ThreadPool& pool, int ith, std::span<const MatmulJob> jobs, Cut cut, Body body) {
  int64_t total = 0;
  for (const MatmulJob& job : jobs) total += cut(job).count;
  for (int64_t piece; (piece = pool.take(ith, total)) >= 0;) {
    for (const MatmulJob& job : jobs) {
      const Pieces pieces = cut(job);
      if (piece < pieces.count) {
        body(job, piece * pieces.rows_each, pieces.rows_each);
        break;
      }
      piece -= pieces.count;
    }
  }
}

}  // namespace

size_t matmul_scratch_bytes(int64_t n_in, int64_t n_tokens, int n_threads) {
  // Few tokens: each thread quantises them for itself. Many: one copy for all, and a panel for each.
  constexpr int64_t kFewTokens = 8;
  const auto token = static_cast<size_t>(QuantizedTokens::token_bytes(n_in));
  const auto threads = static_cast<size_t>(std::max(1, n_threads));
  const size_t few = threads * static_cast<size_t>(std::min(n_tokens, kFewTokens)) * token;
  const size_t many = static_cast<size_t>(n_tokens) * token + threads * kPanelBytes;
  return std::max(few, many) + 64;
}

void matmul(ThreadPool& pool, std::span<const MatmulJob> jobs, const float* x, int64_t n_tokens, Scratch scratch,
            Precision precision) {
  if (jobs.empty() || n_tokens <= 0) return;
  const KernelTable& k = kernels();
  const int64_t n_in = jobs[0].w->n_in;
  const int64_t token_bytes = QuantizedTokens::token_bytes(n_in);
  assert(scratch.bytes >= matmul_scratch_bytes(n_in, n_tokens, pool.size()));
  const auto quantized = [&](const MatmulJob& job) {
    assert(job.w->n_in == n_in);
    return precision == Precision::fast && is_quantized(job.w->type);
  };
  const bool any_quantized = std::any_of(jobs.begin(), jobs.end(), quantized);

  if (n_tokens <= k.gemv_max_tokens) {
    pool.run([&](int ith, int) {
      const QuantizedTokens tokens{scratch.data + ith * n_tokens * token_bytes, n_in};
      if (any_quantized) {
        for (int64_t t = 0; t < n_tokens; ++t) k.quantize_for_gemv(x + t * n_in, tokens, t);
      }
      // Pieces of about 16 KB: small enough that threads end together, large enough for the prefetches.
      const auto cut = [&](const MatmulJob& job) -> Pieces {
        const int64_t rows = std::clamp<int64_t>((16 << 10) / row_bytes(job.w->type, n_in), 4, 256) / 4 * 4;
        return {rows, ceil_div(job.w->n_out, rows)};
      };
      for_pieces(pool, ith, jobs, cut, [&](const MatmulJob& job, int64_t first, int64_t count) {
        const Rows rows = rows_of(*job.w, first, count);
        const Output out = output_of(job, first, 0);
        if (quantized(job))
          k.gemv_quantized(rows, tokens, n_tokens, out);
        else
          k.gemv_float(rows, x, n_tokens, out);
      });
    });
    return;
  }

  const QuantizedTokens tokens{scratch.data, n_in};
  std::byte* const panels = scratch.data + n_tokens * token_bytes;
  if (any_quantized) {
    pool.run([&](int ith, int) {
      for (int64_t t; (t = pool.take(ith, n_tokens)) >= 0;) k.quantize_for_gemm(x + t * n_in, tokens, t);
    });
  }
  pool.run([&](int ith, int) {
    std::byte* const panel = panels + static_cast<size_t>(ith) * kPanelBytes;
    const auto cut = [&](const MatmulJob& job) -> Pieces { return {k.gemm_rows, ceil_div(job.w->n_out, k.gemm_rows)}; };
    for_pieces(pool, ith, jobs, cut, [&](const MatmulJob& job, int64_t first, int64_t count) {
      const Rows rows = rows_of(*job.w, first, count);
      const Output out = output_of(job, first, 0);
      if (quantized(job))
        k.gemm_quantized(rows, tokens, n_tokens, out, panel);
      else
        k.gemm_float(rows, x, n_tokens, out, panel);
    });
  });
}

}  // namespace kigo::cpu
