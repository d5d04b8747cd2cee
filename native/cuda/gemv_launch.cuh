/** Which shapes the GEMV kernel is compiled in, and the choice among them at run time. */
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "cuda/gemv_kernel.cuh"

namespace kigo::cuda {

struct CompiledShape {
  int rows, records, depth, max_warps, min_blocks;
};
/** Places in a type's list. */
enum ShapeKind { kWide, kSmall, kLarge, kTall };

/** A lane's part of a record is 64 bytes of float types, and 18 to 36 of quantised ones: fewer fit in registers. */
template <uint32_t type>
inline constexpr auto kCompiledShapes = [] {
  // BF16 has its activations in float32, and with them no registers for four rows.
  if constexpr (is_float(type)) {
    return std::array<CompiledShape, 4>{
        {{type == kBF16 ? 2 : 4, 1, 1, 20, 1}, {2, 1, 1, 20, 1}, {2, 1, 2, 16, 1}, {1, 1, 2, 24, 1}}};
  } else {
    return std::array<CompiledShape, 4>{{{4, 1, 1, 20, 1}, {2, 1, 1, 12, 2}, {2, 2, 2, 16, 1}, {2, 2, 1, 24, 1}}};
  }
}();

/** Calls body(std::integral_constant<size_t, place>) with the place of the compiled shape that `shape` asks for. */
template <uint32_t type, class Body>
void with_compiled(const GemvShape& shape, Body&& body) {
  const auto is = [&](const CompiledShape& s) {
    return s.rows == shape.rows && s.records == shape.records && s.depth == shape.depth && shape.warps <= s.max_warps;
  };
  const auto try_all = [&]<size_t... place>(std::index_sequence<place...>) {
    return ((is(kCompiledShapes<type>[place]) && (body(std::integral_constant<size_t, place>{}), true)) || ...);
  };
  if (try_all(std::make_index_sequence<kCompiledShapes<type>.size()>{})) return;
  throw Error(KIGO_INTERNAL, "A matrix product was asked for in a shape that is not compiled.");
}

/** A type's shapes, where it is known only at run time. */
std::vector<CompiledShape> compiled_shapes(uint32_t type);

/** Throws UNSUPPORTED_QUANTIZATION where a block of this GPU has less shared memory. */
void expect_shared(const DeviceTraits& device, size_t bytes);

/** A launch's blocks, and the bytes of shared memory of each. */
struct Cut {
  int blocks;
  int n_first;  // of them for the first of two types
  size_t shared_bytes;
};

/** Fills in how the work of one type is cut up. */
inline Cut cut_one(uint32_t type, GemvArguments& a, bool pair, const GemvShape& shape) {
  const int64_t run = run_of_rows(shape.rows, pair);
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
void launch_gemv(const Context& ctx, GemvArguments a, bool pair, const GemvShape& shape) {
  const Cut cut = cut_one(type, a, pair, shape);
  expect_shared(ctx.device, cut.shared_bytes);
  with_compiled<type>(shape, [&](auto place) {
    constexpr CompiledShape s = kCompiledShapes<type>[place];
    constexpr auto single = gemv_kernel<type, s.rows, s.records, s.depth, s.max_warps, s.min_blocks, false>;
    constexpr auto of_pair = gemv_kernel<type, s.rows, s.records, s.depth, s.max_warps, s.min_blocks, true>;
    launch_early(ctx.device, ctx.stream, "multiplying a matrix with a vector", pair ? of_pair : single,
                 static_cast<unsigned>(cut.blocks), static_cast<unsigned>(shape.warps * 32), cut.shared_bytes, a);
  });
}

/** One kernel for two types; the shape is for both together. */
template <uint32_t first, uint32_t second>
void launch_gemv_of_two(const Context& ctx, GemvArguments a, GemvArguments b, const GemvShape& shape) {
  const Cut cut = cut_two(first, a, second, b, shape);
  expect_shared(ctx.device, cut.shared_bytes);
  with_compiled<first>(shape, [&](auto place) {
    constexpr CompiledShape s = kCompiledShapes<first>[place];
    launch_early(ctx.device, ctx.stream, "multiplying matrices with a vector",
                 gemv_kernel_of_two<first, second, s.rows, s.records, s.depth, s.max_warps, s.min_blocks>,
                 static_cast<unsigned>(cut.blocks), static_cast<unsigned>(shape.warps * 32), cut.shared_bytes, a, b,
                 cut.n_first);
  });
}

}  // namespace kigo::cuda
