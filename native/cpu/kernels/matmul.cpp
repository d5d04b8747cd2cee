#include "matmul.h"

#include <algorithm>
#include <cassert>

#include "kernel_table.h"

namespace kigo::cpu {
namespace {

/// Starts the way of a thread's first weights to its cache; they arrive while the activations are rounded.
void ask_for(const Rows& rows) {
#if defined(__GNUC__)
  const int64_t bytes = std::min<int64_t>(rows.n_rows * rows.stride, 8 << 10);
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(rows.data + i);
#else
  (void)rows;
#endif
}

/// A job cut into pieces of whole rows, which threads take one by one.
struct Pieces {
  int64_t rows_each;
  int64_t count;
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows [first, …) of a job, and where their sums go.
Rows rows_of(const Matrix& w, int64_t first, int64_t count) {
  const int64_t stride = row_bytes(w.type, w.n_in);
  return {w.type, w.data + first * stride, stride, std::min(count, w.n_out - first), w.n_in};
}

Output output_of(const MatmulJob& job, int64_t first_row, int64_t first_token) {
  const float* bias = job.w->bias ? job.w->bias + first_row : nullptr;
  return {job.y + first_token * job.ldy + first_row, job.ldy, bias, job.accumulate};
}

/// The pieces of all jobs, numbered through: piece `number` lies in a job from a row on.
struct Place {
  const MatmulJob* job;
  int64_t first_row, n_rows;
};

template <class Cut>
int64_t count_pieces(std::span<const MatmulJob> jobs, Cut cut) {
  int64_t total = 0;
  for (const MatmulJob& job : jobs) total += cut(job).count;
  return total;
}

template <class Cut>
Place find_piece(std::span<const MatmulJob> jobs, Cut cut, int64_t number) {
  for (const MatmulJob& job : jobs) {
    const Pieces pieces = cut(job);
    if (number < pieces.count) return {&job, number * pieces.rows_each, pieces.rows_each};
    number -= pieces.count;
  }
  return {};  // not reached: number < count_pieces()
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
    // Small enough that threads end together.
    const auto cut = [n_in](const MatmulJob& job) -> Pieces {
      const int64_t rows = std::clamp<int64_t>((8 << 10) / row_bytes(job.w->type, n_in), 4, 256) / 4 * 4;
      return {rows, ceil_div(job.w->n_out, rows)};
    };
    const int64_t n_pieces = count_pieces(jobs, cut);
    pool.run([&](int ith, int nth) {
      if (const int64_t first = n_pieces * ith / nth; first < n_pieces) {
        const Place place = find_piece(jobs, cut, first);
        ask_for(rows_of(*place.job->w, place.first_row, place.n_rows));
      }
      const QuantizedTokens tokens{scratch.data + ith * n_tokens * token_bytes, n_in};
      if (any_quantized) {
        for (int64_t t = 0; t < n_tokens; ++t) k.quantize_for_gemv(x + t * n_in, tokens, t);
      }
      for (int64_t piece; (piece = pool.take(ith, n_pieces)) >= 0;) {
        const Place place = find_piece(jobs, cut, piece);
        const Rows rows = rows_of(*place.job->w, place.first_row, place.n_rows);
        const Output out = output_of(*place.job, place.first_row, 0);
        if (quantized(*place.job))
          k.gemv_quantized(rows, tokens, n_tokens, out);
        else
          k.gemv_float(rows, x, n_tokens, out);
      }
    });
    return;
  }

  const QuantizedTokens tokens{scratch.data, n_in};
  std::byte* const panels = scratch.data + n_tokens * token_bytes;
  const auto cut = [&](const MatmulJob& job) -> Pieces { return {k.gemm_rows, ceil_div(job.w->n_out, k.gemm_rows)}; };
  const int64_t n_pieces = count_pieces(jobs, cut);
  if (any_quantized) {
    pool.run([&](int ith, int) {
      for (int64_t t; (t = pool.take(ith, n_tokens)) >= 0;) k.quantize_for_gemm(x + t * n_in, tokens, t);
    });
  }
  pool.run([&](int ith, int) {
    std::byte* const panel = panels + static_cast<size_t>(ith) * kPanelBytes;
    for (int64_t piece; (piece = pool.take(ith, n_pieces)) >= 0;) {
      const Place place = find_piece(jobs, cut, piece);
      const Rows rows = rows_of(*place.job->w, place.first_row, place.n_rows);
      const Output out = output_of(*place.job, place.first_row, 0);
      if (quantized(*place.job))
        k.gemm_quantized(rows, tokens, n_tokens, out, panel);
      else
        k.gemm_float(rows, x, n_tokens, out, panel);
    }
  });
}

}  // namespace kigo::cpu
