/** The kinds of number that activations are kept in, and what a matrix product reads. */
#pragma once

#include <cstddef>
#include <cstdint>

namespace kigo::cuda {

/** float32 in the exact mode; halves for the tensor cores. */
enum class Number { f32, f16, bf16 };

constexpr size_t size_of(Number type) { return type == Number::f32 ? 4 : 2; }

/** n_rows rows of numbers, `ld` apart, on the device. */
struct Rows {
  Number type = Number::f32;
  const void* data = nullptr;
  int64_t ld = 0;
};

/** The same to write to. */
struct RowsOut {
  Number type = Number::f32;
  void* data = nullptr;
  int64_t ld = 0;
  operator Rows() const { return {type, data, ld}; }
};

}  // namespace kigo::cuda
