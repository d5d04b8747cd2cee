/** Which shapes the GEMV kernel is compiled in, and the choice among them at run time. */
#pragma once

#include <utility>

#include "cuda/gemv_kernel.cuh"

namespace kigo::cuda {

/** Calls body(std::integral_constant<int, kind>). */
template <uint32_t type, class Body>
void with_kind(int kind, Body&& body) {
  const auto try_all = [&]<int... each>(std::integer_sequence<int, each...>) {
    ((each == kind && (body(std::integral_constant<int, each>{}), true)) || ...);
  };
  try_all(std::make_integer_sequence<int, shape_kinds(type)>{});
}

/** Throws UNSUPPORTED_QUANTIZATION where a block has too few warps for a row, or too little shared memory on this GPU.
 */
void expect_fits(const DeviceTraits& device, uint32_t type, const GemvShape& shape, size_t shared_bytes);

/** A launch's blocks, and the bytes of shared memory of each. */
struct Cut {
  int blocks;
  int n_first;  // of them for the first of two types
  size_t shared_bytes;
};

/** Fills in how the work of one type is cut up. */
inline Cut cut_one(uint32_t type, GemvArguments& a, bool pair, const GemvShape& shape) {
  const int64_t run = run_of_rows(compiled_shape(type, shape.kind).rows, pair);
  const int blocks = static_cast<int>(std::min<int64_t>(shape.blocks, (a.n_rows + run - 1) / run));
  return {blocks, blocks, cut(type, a, pair, shape, blocks)};
}

/** The same of two types, which get blocks by their bytes. */
inline Cut cut_two(uint32_t first, GemvArguments& a, uint32_t second, GemvArguments& b, const GemvShape& shape) {
  const double bytes_a = static_cast<double>(a.n_rows) * a.row_bytes,
               bytes_b = static_cast<double>(b.n_rows) * b.row_bytes;
  const int blocks = shape.blocks;
  const int n_first = std::clamp(static_cast<int>(blocks * bytes_a / (bytes_a + bytes_b) + 0.5), 1, blocks - 1);
  return {blocks, n_first,
          std::max(cut(first, a, false, shape, n_first), cut(second, b, false, shape, blocks - n_first))};
}

/** One kernel for arguments of one type; in gemv_*.cu. */
template <uint32_t type>
void launch_gemv(const Context& ctx, GemvArguments a, Use use, const GemvShape& shape) {
  const Cut cut = cut_one(type, a, use == Use::pair, shape);
  expect_fits(ctx.device, type, shape, cut.shared_bytes);
  with_kind<type>(shape.kind, [&](auto kind) {
    const auto kernel = use == Use::project ? gemv_kernel<type, kind, Use::project>
                        : use == Use::pair  ? gemv_kernel<type, kind, Use::pair>
                                            : gemv_kernel<type, kind, Use::branch>;
    launch_early(ctx.device, ctx.stream, "multiplying a matrix with a vector", kernel,
                 static_cast<unsigned>(cut.blocks), static_cast<unsigned>(shape.warps * 32), cut.shared_bytes, a);
  });
}

/** One kernel for two types; the shape is for both together. */
template <uint32_t first, uint32_t second>
void launch_gemv_of_two(const Context& ctx, GemvArguments a, GemvArguments b, const GemvShape& shape) {
  const Cut cut = cut_two(first, a, second, b, shape);
  expect_fits(ctx.device, first, shape, cut.shared_bytes);
  with_kind<first>(shape.kind, [&](auto kind) {
    launch_early(ctx.device, ctx.stream, "multiplying matrices with a vector", gemv_kernel_of_two<first, second, kind>,
                 static_cast<unsigned>(cut.blocks), static_cast<unsigned>(shape.warps * 32), cut.shared_bytes, a, b,
                 cut.n_first);
  });
}

}  // namespace kigo::cuda
