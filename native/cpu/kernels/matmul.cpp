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

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows [first, …) of a job, and where their sums go.
Rows rows_of(const Matrix& w, int64_t first, int64_t count) {
  const int64_t stride = row_bytes(w.type, w.n_in);
  return {w.type, w.data + first * stride, stride, std::min(count, w.n_out - first), w.n_in};
}

Output output_of(const MatmulJob& job, int64_t first_row) {
  const float* bias = job.w->bias ? job.w->bias + first_row : nullptr;
  return {job.y + first_row, job.ldy, bias, job.accumulate};
}

constexpr size_t kMaxJobs = 8;  // in one run

/// Jobs cut into pieces of whole rows, numbered through all jobs.
class Pieces {
 public:
  template <class RowsEach>
  Pieces(std::span<const MatmulJob> jobs, RowsEach rows_each) : jobs_(jobs) {
    for (size_t i = 0; i < jobs.size(); ++i) {
      rows_each_[i] = rows_each(*jobs[i].w);
      first_[i] = total_;
      total_ += ceil_div(jobs[i].w->n_out, rows_each_[i]);
    }
  }

  int64_t total() const { return total_; }

  /// body(job, its rows from … on, how many)
  template <class Body>
  void at(int64_t number, Body body) const {
    size_t i = jobs_.size() - 1;
    while (number < first_[i]) --i;
    body(jobs_[i], (number - first_[i]) * rows_each_[i], rows_each_[i]);
  }

 private:
  std::span<const MatmulJob> jobs_;
  int64_t rows_each_[kMaxJobs], first_[kMaxJobs];
  int64_t total_ = 0;
};

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
  if (jobs.size() > kMaxJobs) {
    matmul(pool, jobs.first(kMaxJobs), x, n_tokens, scratch, precision);
    return matmul(pool, jobs.subspan(kMaxJobs), x, n_tokens, scratch, precision);
  }
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
    // About 8 KB each, so that threads end together.
    const Pieces pieces(jobs, [](const Matrix& w) {
      return std::clamp<int64_t>((8 << 10) / row_bytes(w.type, w.n_in), 4, 256) / 4 * 4;
    });
    pool.run([&](int ith, int nth) {
      if (const int64_t first = pieces.total() * ith / nth; first < pieces.total()) {
        pieces.at(first, [](const MatmulJob& job, int64_t row, int64_t n) { ask_for(rows_of(*job.w, row, n)); });
      }
      const QuantizedTokens tokens{scratch.data + ith * n_tokens * token_bytes, n_in};
      if (any_quantized) {
        for (int64_t t = 0; t < n_tokens; ++t) k.quantize_for_gemv(x + t * n_in, tokens, t);
      }
      // A piece takes less than a microsecond: the question is for every 16th.
      pool.for_each(ith, pieces.total(), 4, [&](int64_t number) {
        if (number % 16 == 0 ? pool.asks_to_stop(ith) : pool.stopped()) return;
        pieces.at(number, [&](const MatmulJob& job, int64_t row, int64_t n) {
          const Rows rows = rows_of(*job.w, row, n);
          const Output out = output_of(job, row);
          if (quantized(job))
            k.gemv_quantized(rows, tokens, n_tokens, out);
          else
            k.gemv_float(rows, x, n_tokens, out);
        });
      });
    });
    return;
  }

  const QuantizedTokens tokens{scratch.data, n_in};
  std::byte* const panels = scratch.data + n_tokens * token_bytes;
  const Pieces pieces(jobs, [&](const Matrix&) { return k.gemm_rows; });
  if (any_quantized) {
    pool.run([&](int ith, int) {
      pool.for_each(ith, n_tokens, 0, [&](int64_t t) { k.quantize_for_gemm(x + t * n_in, tokens, t); });
    });
  }
  pool.run([&](int ith, int) {
    std::byte* const panel = panels + static_cast<size_t>(ith) * kPanelBytes;
    pool.for_each(ith, pieces.total(), 0, [&](int64_t number) {
      if (pool.asks_to_stop(ith)) return;
      pieces.at(number, [&](const MatmulJob& job, int64_t row, int64_t n) {
        const Rows rows = rows_of(*job.w, row, n);
        const Output out = output_of(job, row);
        if (quantized(job))
          k.gemm_quantized(rows, tokens, n_tokens, out, panel);
        else
          k.gemm_float(rows, x, n_tokens, out, panel);
      });
    });
  });
}

}  // namespace kigo::cpu
