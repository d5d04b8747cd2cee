/** Packed weights on the GPU are the numbers of the file, bit for bit. */
#include "cpu/kernels/dequantize.h"
#include "cpu/kernels/types.h"
#include "cpu/kernels/vector.h"
#include "kernels_testing.h"
#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::cpu;
using namespace kigo::cpu::testing;

namespace {

using Dequantize = kigo_status(uint32_t, const uint8_t*, int64_t, int64_t, int64_t, int64_t, float*);
using DequantizeHalf = kigo_status(uint32_t, const uint8_t*, int64_t, int64_t, int32_t, uint16_t*);
using GatherRows = kigo_status(uint32_t, const uint8_t*, int64_t, int64_t, const int32_t*, int64_t, float, float*);
using Speed = kigo_status(uint32_t, int64_t, int64_t, double*, double*);

/** Rows shorter than a record, of several, and with a shorter last one; of floats any length. */
std::vector<int64_t> widths(Type type) {
  switch (block_size(type)) {
    case 1: return {1, 7, 64, 895, 1024, 2050};
    case 32: return {32, 96, 896, 1024, 1056, 4864};
    default: return {256, 768, 1024, 1280, 2304, 4096};
  }
}

struct Rows {
  int64_t n_rows, n_in;
  std::vector<uint8_t> bytes;
  std::vector<float> values;  // as the CPU twin has them
};

Rows random_rows(Type type, int64_t n_rows, int64_t n_in) {
  Random random(static_cast<uint64_t>(type) * 1000 + static_cast<uint64_t>(n_in));
  Rows rows = {n_rows, n_in, {}, std::vector<float>(static_cast<size_t>(n_rows * n_in))};
  for (int64_t r = 0; r < n_rows; ++r) {
    const std::vector<uint8_t> row = random_weights(type, n_in, random, 0.02f);
    rows.bytes.insert(rows.bytes.end(), row.begin(), row.end());
    dequantize_row(type, row.data(), &rows.values[static_cast<size_t>(r * n_in)], n_in);
  }
  return rows;
}

}  // namespace

TEST_CASE("cuda: packed and dequantised weights are the CPU twin's, bit for bit") {
  const auto dequantize = test::cuda_function<Dequantize>("cuda_dequantize_f32");
  if (dequantize == nullptr) return;
  for (const Type type : kAllTypes) {
    for (const int64_t n_in : widths(type)) {
      CAPTURE(type_name(type));
      CAPTURE(n_in);
      const Rows rows = random_rows(type, 5, n_in);
      std::vector<float> out(rows.values.size());
      KIGO_REQUIRE_CUDA(dequantize(type, rows.bytes.data(), 5, n_in, 0, 5, out.data()));
      CHECK(std::memcmp(out.data(), rows.values.data(), out.size() * sizeof(float)) == 0);

      std::vector<float> part(static_cast<size_t>(2 * n_in));
      KIGO_REQUIRE_CUDA(dequantize(type, rows.bytes.data(), 5, n_in, 3, 2, part.data()));
      CHECK(std::memcmp(part.data(), &rows.values[static_cast<size_t>(3 * n_in)], part.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("cuda: halves are the nearest to the weights") {
  const auto dequantize = test::cuda_function<DequantizeHalf>("cuda_dequantize_half");
  if (dequantize == nullptr) return;
  for (const Type type : kAllTypes) {
    const int64_t n_in = widths(type).back();
    CAPTURE(type_name(type));
    const Rows rows = random_rows(type, 3, n_in);
    std::vector<uint16_t> f16(rows.values.size()), bf16(rows.values.size());
    KIGO_REQUIRE_CUDA(dequantize(type, rows.bytes.data(), 3, n_in, 0, f16.data()));
    KIGO_REQUIRE_CUDA(dequantize(type, rows.bytes.data(), 3, n_in, 1, bf16.data()));
    int wrong = 0;
    for (size_t i = 0; i < rows.values.size(); ++i) {
      wrong += f16[i] != f32_to_f16(rows.values[i]);
      const auto bits = std::bit_cast<uint32_t>(rows.values[i]);
      wrong += bf16[i] != static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda: rows are gathered by number and scaled") {
  const auto gather = test::cuda_function<GatherRows>("cuda_gather_rows");
  if (gather == nullptr) return;
  for (const Type type : kAllTypes) {
    const int64_t n_in = widths(type)[4];
    CAPTURE(type_name(type));
    const Rows rows = random_rows(type, 11, n_in);
    const std::vector<int32_t> tokens = {10, 0, 3, 3, 7};
    std::vector<float> out(tokens.size() * static_cast<size_t>(n_in));
    KIGO_REQUIRE_CUDA(gather(type, rows.bytes.data(), 11, n_in, tokens.data(), 5, 1.75f, out.data()));
    int wrong = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t row = static_cast<size_t>(tokens[i / static_cast<size_t>(n_in)]);
      wrong += out[i] != 1.75f * rows.values[row * static_cast<size_t>(n_in) + i % static_cast<size_t>(n_in)];
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda: speed of packing and dequantising" * doctest::skip()) {
  const auto speed = test::cuda_function<Speed>("cuda_dequantize_speed");
  if (speed == nullptr) return;
  for (const Type type : kAllTypes) {
    for (const auto& [n_rows, n_in] : {std::pair<int64_t, int64_t>{28672, 4096}, {4864, 896}}) {
      if (n_in % block_size(type) != 0) continue;
      double pack = 0, half = 0;
      KIGO_REQUIRE_CUDA(speed(type, n_rows, n_in, &pack, &half));
      MESSAGE(type_name(type) << " " << n_rows << "x" << n_in << ": packed at " << static_cast<int>(pack)
                              << " GB/s, to float16 at " << static_cast<int>(half) << " GB/s");
    }
  }
}
