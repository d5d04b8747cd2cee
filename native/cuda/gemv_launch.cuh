/** Which shapes the GEMV kernel is compiled in, and the choice among them at run time. */
#pragma once

#include "cuda/gemv_kernel.cuh"

namespace kigo::cuda {

/** A lane's part of a record is 64 bytes of float types, and 18 to 36 of quantised ones: fewer fit in registers. */
struct CompiledShape {
  int rows, records, depth, max_warps;
};
inline constexpr CompiledShape kFloatShapes[] = {
    {4, 1, 1, 20}, {2, 1, 1, 20}, {1, 1, 2, 24}, {2, 1, 2, 16}, {1, 2, 2, 16}};
inline constexpr CompiledShape kQuantShapes[] = {
    {4, 1, 1, 20}, {2, 1, 1, 20}, {1, 2, 2, 24}, {2, 2, 2, 16}, {1, 4, 2, 16}};
/** Places in these lists. */
enum ShapeKind { kWide, kSmall, kSplit, kLarge, kLong };

constexpr CompiledShape compiled_shape(uint32_t type, ShapeKind kind) {
  return is_float(type) ? kFloatShapes[kind] : kQuantShapes[kind];
}

/** Calls body(std::integral_constant<ShapeKind, …>) with the kind of `shape`. */
template <class Body>
void with_kind(uint32_t type, const GemvShape& shape, Body&& body) {
  const auto is = [&](ShapeKind kind) {
    const CompiledShape s = compiled_shape(type, kind);
    return s.rows == shape.rows && s.records == shape.records && s.depth == shape.depth && shape.warps <= s.max_warps;
  };
  if (is(kWide)) return body(std::integral_constant<ShapeKind, kWide>{});
  if (is(kSmall)) return body(std::integral_constant<ShapeKind, kSmall>{});
  if (is(kSplit)) return body(std::integral_constant<ShapeKind, kSplit>{});
  if (is(kLarge)) return body(std::integral_constant<ShapeKind, kLarge>{});
  if (is(kLong)) return body(std::integral_constant<ShapeKind, kLong>{});
  throw Error(KIGO_INTERNAL, "A matrix product was asked for in a shape that is not compiled.");
}

void expect_shared(const Context& ctx, size_t bytes);

/** One kernel for arguments of one type; in gemv_*.cu. */
template <uint32_t type>
void launch_gemv(const Context& ctx, const GemvArguments& a, const GemvShape& shape) {
  const int64_t run = std::max(shape.rows, a.pair ? 2 : 1);
  const int blocks = static_cast<int>(std::min<int64_t>(shape.blocks, (a.n_rows + run - 1) / run));
  const size_t bytes = gemv_shared_bytes(type, a, shape, blocks);
  expect_shared(ctx, bytes);
  with_kind(type, shape, [&](auto kind) {
    constexpr CompiledShape s = compiled_shape(type, kind);
    launch_early(ctx.device, ctx.stream, "multiplying a matrix with a vector",
                 gemv_kernel<type, s.rows, s.records, s.depth, s.max_warps>, static_cast<unsigned>(blocks),
                 static_cast<unsigned>(shape.warps * 32), bytes, a);
  });
}

/** One kernel for two types; the shape is for both together. */
template <uint32_t first, uint32_t second>
void launch_gemv_of_two(const Context& ctx, const GemvArguments& a, const GemvArguments& b, const GemvShape& shape) {
  const double bytes_a = static_cast<double>(a.n_rows) * a.row_bytes,
               bytes_b = static_cast<double>(b.n_rows) * b.row_bytes;
  const int blocks = shape.blocks;
  const int n_first = std::clamp(static_cast<int>(blocks * bytes_a / (bytes_a + bytes_b) + 0.5), 1, blocks - 1);
  const size_t bytes =
      std::max(gemv_shared_bytes(first, a, shape, n_first), gemv_shared_bytes(second, b, shape, blocks - n_first));
  expect_shared(ctx, bytes);
  with_kind(first, shape, [&](auto kind) {
    constexpr CompiledShape s = compiled_shape(first, kind);
    launch_early(ctx.device, ctx.stream, "multiplying matrices with a vector",
                 gemv_kernel_of_two<first, second, s.rows, s.records, s.depth, s.max_warps>,
                 static_cast<unsigned>(blocks), static_cast<unsigned>(shape.warps * 32), bytes, a, b, n_first);
  });
}

}  // namespace kigo::cuda
