#include <algorithm>
#include <string>

#include "cuda/gemv.h"
#include "cuda/gemv_launch.cuh"

namespace kigo::cuda {

extern template void launch_gemv<kF32>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kF16>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kBF16>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ8_0>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ4_0>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ4_1>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ5_0>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ5_1>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ4_K>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ5_K>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv<kQ6_K>(const Context&, GemvArguments, Use, const GemvShape&);
extern template void launch_gemv_of_two<kQ5_0, kQ8_0>(const Context&, GemvArguments, GemvArguments, const GemvShape&);
extern template void launch_gemv_of_two<kQ4_K, kQ6_K>(const Context&, GemvArguments, GemvArguments, const GemvShape&);

namespace {

int64_t rows_of(const Gemv& gemv) {
  int64_t rows = 0;
  for (int i = 0; i < gemv.n_matrices; ++i) rows += gemv.matrices[i].n_out;
  return rows;
}

bool is_one_type(const Gemv& gemv) {
  return std::all_of(gemv.matrices, gemv.matrices + gemv.n_matrices,
                     [&](const Matrix& m) { return m.type == gemv.matrices[0].type; });
}

GemvArguments arguments(const Gemv& gemv) {
  const Matrix& first = gemv.matrices[0];
  GemvArguments a = {};
  int end = 0;
  for (int i = 0; i < 3; ++i) {
    const Matrix m = i < gemv.n_matrices ? gemv.matrices[i] : Matrix{};
    const ptrdiff_t in_front = gemv.pair ? 0 : end;
    end += static_cast<int>(m.n_out);
    a.parts[i] = {m.data == nullptr ? nullptr : m.data - in_front * static_cast<ptrdiff_t>(first.row_bytes),
                  m.bias == nullptr ? nullptr : m.bias - in_front, end};
    a.biased = a.biased || m.bias != nullptr;
  }
  a.row_bytes = static_cast<uint32_t>(first.row_bytes);
  a.n_rows = end;
  a.gelu = gemv.activation == Activation::gelu;
  a.accumulate = gemv.accumulate;
  a.n_in = static_cast<int>(first.n_in);
  a.ragged = first.n_in % kItem != 0;
  a.shape = row_shape(first.type, first.n_in);
  a.x = gemv.x;
  a.norm = gemv.norm;
  a.eps = gemv.eps;
  a.inverse_n_in = 1 / static_cast<float>(first.n_in);
  a.y = gemv.y;
  a.gate = gemv.gate;
  a.softcap = gemv.softcap;
  a.inverse_softcap = gemv.softcap == 0 ? 0 : 1 / gemv.softcap;
  a.ends = gemv.ends;
  return a;
}

/** Throws INTERNAL for what no use of a product is compiled for. */
void expect_use(const Gemv& gemv) {
  if (gemv.norm != nullptr) {
    if (gemv.accumulate) throw Error(KIGO_INTERNAL, "A matrix product behind a norm is not added to anything.");
    return;
  }
  const bool bare = gemv.n_matrices == 1 && gemv.gate == nullptr && gemv.softcap == 0 && gemv.ends == nullptr;
  if (!bare) throw Error(KIGO_INTERNAL, "A matrix product without a norm is of one matrix, and ends nothing.");
}

Use use_of(const Gemv& gemv) {
  if (gemv.norm == nullptr) return Use::branch;
  return gemv.pair ? Use::pair : Use::project;
}

void launch(const Context& ctx, const Gemv& gemv, const GemvShape& shape) {
  const GemvArguments a = arguments(gemv);
  const Use use = use_of(gemv);
  switch (gemv.matrices[0].type) {
    case kF32: return launch_gemv<kF32>(ctx, a, use, shape);
    case kF16: return launch_gemv<kF16>(ctx, a, use, shape);
    case kBF16: return launch_gemv<kBF16>(ctx, a, use, shape);
    case kQ8_0: return launch_gemv<kQ8_0>(ctx, a, use, shape);
    case kQ4_0: return launch_gemv<kQ4_0>(ctx, a, use, shape);
    case kQ4_1: return launch_gemv<kQ4_1>(ctx, a, use, shape);
    case kQ5_0: return launch_gemv<kQ5_0>(ctx, a, use, shape);
    case kQ5_1: return launch_gemv<kQ5_1>(ctx, a, use, shape);
    case kQ4_K: return launch_gemv<kQ4_K>(ctx, a, use, shape);
    case kQ5_K: return launch_gemv<kQ5_K>(ctx, a, use, shape);
    case kQ6_K: return launch_gemv<kQ6_K>(ctx, a, use, shape);
    default:
      throw Error(KIGO_INTERNAL, "No matrix product for tensor type " + std::to_string(gemv.matrices[0].type) + ".");
  }
}

/** Matrices [first, first + n) of a sequence by themselves. */
Gemv part_of(const Gemv& gemv, int first, int n) {
  Gemv part = gemv;
  for (int i = 0; i < first && part.y != nullptr; ++i) part.y += gemv.matrices[i].n_out;
  for (int i = 0; i < n; ++i) part.matrices[i] = gemv.matrices[first + i];
  part.n_matrices = n;
  return part;
}

/**
 * The kernels of a Gemv, in order: one(part, shape) where matrices are of one type, two(first, second, shape) for
 * queries and keys of one type and values of another, where there is such a kernel.
 */
template <class One, class Two>
void each_kernel(const Gemv& gemv, const DeviceTraits& device, float* spare, One&& one, Two&& two) {
  if (is_one_type(gemv)) return one(gemv, gemv_shape(gemv, device));
  if (gemv.pair) {  // the gate's product by itself, then that of up, which finishes the pair
    Gemv gate = part_of(gemv, 0, 1);
    gate.pair = false;
    gate.y = spare;
    one(gate, gemv_shape(gate, device));
    Gemv up = part_of(gemv, 1, 1);
    up.pair = false;
    up.y = gemv.y;
    up.gate = spare;
    return one(up, gemv_shape(up, device));
  }
  int n_first = 1;
  while (gemv.matrices[n_first].type == gemv.matrices[0].type) ++n_first;
  const Gemv first = part_of(gemv, 0, n_first), second = part_of(gemv, n_first, gemv.n_matrices - n_first);
  const auto types = std::pair(first.matrices[0].type, second.matrices[0].type);
  const bool exists =
      types == std::pair<uint32_t, uint32_t>(kQ4_K, kQ6_K) || types == std::pair<uint32_t, uint32_t>(kQ5_0, kQ8_0);
  const GemvShape shape = gemv_shape(gemv, device);
  if (exists && is_one_type(second) && shape.blocks >= 2) return two(first, second, shape);
  for (int i = 0; i < gemv.n_matrices; ++i) {
    const Gemv part = part_of(gemv, i, 1);
    one(part, gemv_shape(part, device));
  }
}

}  // namespace

void expect_fits(const DeviceTraits& device, uint32_t type, const GemvShape& shape, size_t shared_bytes) {
  if (shape.warps > compiled_shape(type, shape.kind).max_warps) {
    throw Error(KIGO_UNSUPPORTED_QUANTIZATION,
                "A matrix of this model has rows too long for a GPU. The exact mode runs it there, and the CPU.");
  }
  if (shared_bytes <= device.dynamic_shared()) return;
  throw Error(KIGO_UNSUPPORTED_QUANTIZATION,
              "A matrix of this model has rows too long for this GPU: they need " +
                  format_bytes(static_cast<double>(shared_bytes)) + " of shared memory, it has " +
                  format_bytes(static_cast<double>(device.dynamic_shared())) +
                  " for a block. The exact mode runs it there, and the CPU.",
              {{"neededBytes", shared_bytes}});
}

void expect_gemv_fits(const Gemv& gemv, const DeviceTraits& device) {
  const auto one = [&](const Gemv& part, const GemvShape& shape) {
    GemvArguments a = arguments(part);
    const uint32_t type = part.matrices[0].type;
    expect_fits(device, type, shape, cut_one(type, a, part.pair, shape).shared_bytes);
  };
  const auto two = [&](const Gemv& first, const Gemv& second, const GemvShape& shape) {
    GemvArguments a = arguments(first), b = arguments(second);
    const uint32_t type = first.matrices[0].type;
    expect_fits(device, type, shape, cut_two(type, a, second.matrices[0].type, b, shape).shared_bytes);
  };
  each_kernel(gemv, device, nullptr, one, two);
}

/**
 * What won on an H200 for models from 0.5 to 8 billion weights, said in terms that carry over: the records of a row,
 * and the rows that fall to one multiprocessor.
 *
 * Where there is much to do, one block a multiprocessor that fills its registers: blocks that fit twice pile up where
 * the kernel in front ends first, and leave other multiprocessors idle (a tenth of a step of 8 billion weights). Where
 * there is little, half as many blocks: the next kernel starts on the other half meanwhile (a tenth of a step of 0.5
 * billion).
 */
GemvShape gemv_shape(const Gemv& gemv, const DeviceTraits& device) {
  const uint32_t type = gemv.matrices[0].type;
  const int64_t n_in = gemv.matrices[0].n_in, n_sm = device.n_sm;
  const int n_records = row_shape(type, n_in).n_records;
  const int64_t rows_per_sm = (rows_of(gemv) + n_sm - 1) / n_sm;
  // More blocks than multiprocessors where the sums of a block's rows would not fit into its shared memory.
  const int64_t blocks = n_sm * std::max<int64_t>(1, rows_per_sm / 2048), half = std::max<int64_t>(n_sm / 2, 1);
  const auto shape = [&](ShapeKind kind, int64_t most_warps, int64_t n_blocks) {
    const int records = compiled_shape(type, kind).records;
    const int64_t split_k = (n_records + records - 1) / records;
    return GemvShape{.kind = kind,
                     .warps = static_cast<int>(std::max<int64_t>(most_warps / split_k, 1) * split_k),
                     .blocks = static_cast<int>(n_blocks)};
  };
  // Fewer bits are more work a byte: half the multiprocessors are too few for it, but for the shortest products (1.6%
  // of a step of 0.5B Q4_K_M, for output), and two rows at a time are better than four (5%, for down).
  const bool few_bits = !is_float(type) && type != kQ8_0;

  if (n_records == 1 && rows_per_sm < 32) {
    // No more warps than have work: where they leave registers free, the next kernel's blocks fit beside them (3 to 5%
    // of a step of 0.5B). Q8_0 wants more for queries, keys and values all the same.
    const bool least = rows_per_sm <= 8;
    if (few_bits) return shape(kSmall, 8, least ? half : n_sm);
    return shape(kWide, least ? 8 : type == kQ8_0 ? 16 : 12, half);
  }
  if (n_records == 1) {
    const int64_t rounds = (rows_per_sm + 3) / 4;  // of four rows: one for each warp, where so many warps fit
    return shape(kWide, rounds <= 20 ? rounds : 16, blocks);
  }
  if (rows_per_sm * n_records <= 64 && n_records <= 20) {
    return few_bits ? shape(kSmall, 20, n_sm) : shape(kWide, 20, half);
  }
  if (is_float(type))
    return n_records <= 20 ? shape(kLarge, rows_per_sm < 64 ? 20 : 16, blocks) : shape(kLong, 16, blocks);
  if (const int64_t split_k = n_records / 2; n_in % (2 * kRecord) == 0 && split_k <= 16) {
    // All of a block's rows in one round: 1.3% of a step of 8B Q4_K_M, for output.
    return rows_per_sm <= 4 * (16 / split_k) ? shape(kFlat, 16, n_sm) : shape(kLarge, 16, blocks);
  }
  return n_records <= 20 ? shape(kWide, 20, blocks) : shape(kLong, 16, blocks);
}

void enqueue_gemv(const Context& ctx, const Gemv& gemv, const GemvShape& shape) {
  expect_use(gemv);
  launch(ctx, gemv, shape);
}

void enqueue_gemv(const Context& ctx, const Gemv& gemv, float* spare) {
  expect_use(gemv);
  const auto one = [&](const Gemv& part, const GemvShape& shape) { launch(ctx, part, shape); };
  const auto two = [&](const Gemv& first, const Gemv& second, const GemvShape& shape) {
    const GemvArguments a = arguments(first), b = arguments(second);
    if (first.matrices[0].type == kQ4_K) {
      launch_gemv_of_two<kQ4_K, kQ6_K>(ctx, a, b, shape);
    } else {
      launch_gemv_of_two<kQ5_0, kQ8_0>(ctx, a, b, shape);
    }
  };
  each_kernel(gemv, ctx.device, spare, one, two);
}

}  // namespace kigo::cuda
