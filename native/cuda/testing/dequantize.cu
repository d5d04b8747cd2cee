/** Packing and dequantising, and how fast they are. */
#include <algorithm>

#include "cuda/testing/testing.h"

using namespace kigo;
using namespace kigo::cuda;
using namespace kigo::cuda::testing;

namespace {

/** Milliseconds of one call, the median of 21. */
template <class Body>
double time_ms(Body&& body) {
  cudaEvent_t start, end;
  check(cudaEventCreate(&start), "timing");
  check(cudaEventCreate(&end), "timing");
  std::vector<float> times;
  for (int i = 0; i < 24; ++i) {
    float ms = 0;
    check(cudaEventRecord(start), "timing");
    body();
    check(cudaEventRecord(end), "timing");
    check(cudaEventSynchronize(end), "timing");
    check(cudaEventElapsedTime(&ms, start, end), "timing");
    if (i >= 3) times.push_back(ms);
  }
  forget(cudaEventDestroy(start));
  forget(cudaEventDestroy(end));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

/** rows [n_rows] of a file -> out [n][n_in] float32: rows row_first … of them, packed and dequantised. */
KIGO_TEST_EXPORT kigo_status cuda_dequantize_f32(uint32_t type, const uint8_t* rows, int64_t n_rows, int64_t n_in,
                                                 int64_t row_first, int64_t n, float* out) {
  return guarded([&] {
    test_device();
    const DeviceMatrix matrix(type, rows, n_in, n_rows);
    const DeviceArray<float> result(static_cast<size_t>(n * n_in));
    dequantize_f32(nullptr, matrix.matrix(), row_first, n, result.data());
    result.read(out);
  });
}

/** The same as float16 or bfloat16 bits. */
KIGO_TEST_EXPORT kigo_status cuda_dequantize_half(uint32_t type, const uint8_t* rows, int64_t n_rows, int64_t n_in,
                                                  int32_t bf16, uint16_t* out) {
  return guarded([&] {
    test_device();
    const DeviceMatrix matrix(type, rows, n_in, n_rows);
    const DeviceArray<uint16_t> result(static_cast<size_t>(n_rows * n_in));
    dequantize_half(nullptr, matrix.matrix(), 0, n_rows, bf16 != 0, result.data());
    result.read(out);
  });
}

/** out [n_tokens][n_in] = scale · rows tokens[…]. */
KIGO_TEST_EXPORT kigo_status cuda_gather_rows(uint32_t type, const uint8_t* rows, int64_t n_rows, int64_t n_in,
                                              const int32_t* tokens, int64_t n_tokens, float scale, float* out) {
  return guarded([&] {
    test_device();
    const DeviceMatrix matrix(type, rows, n_in, n_rows);
    const DeviceArray<int32_t> ids(tokens, static_cast<size_t>(n_tokens));
    const DeviceArray<float> result(static_cast<size_t>(n_tokens * n_in));
    gather_rows(nullptr, matrix.matrix(), ids.data(), n_tokens, scale, result.data());
    result.read(out);
  });
}

/** Gigabytes a second, read and written, of packing rows and of dequantising them to float16. */
KIGO_TEST_EXPORT kigo_status cuda_dequantize_speed(uint32_t type, int64_t n_rows, int64_t n_in, double* pack_rate,
                                                   double* half_rate) {
  return guarded([&] {
    test_device();
    const uint64_t n = static_cast<uint64_t>(n_rows);
    std::vector<uint8_t> bytes(file_row_bytes(type, n_in) * n);
    uint32_t state = 1;
    for (uint8_t& b : bytes) b = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    const DeviceArray<uint8_t> raw(bytes.data(), bytes.size());
    const DeviceMatrix packed(type, bytes.data(), n_in, n_rows);
    const DeviceArray<uint8_t> again(packed.matrix().row_bytes * n);
    const DeviceArray<uint16_t> halves(n * static_cast<uint64_t>(n_in));
    const double pack_ms = time_ms([&] { pack_rows(nullptr, type, raw.data(), n_rows, n_in, again.data()); });
    const double half_ms = time_ms([&] { dequantize_half(nullptr, packed.matrix(), 0, n_rows, false, halves.data()); });
    *pack_rate = static_cast<double>(raw.bytes() + again.bytes()) / pack_ms / 1e6;
    *half_rate = static_cast<double>(again.bytes() + halves.bytes()) / half_ms / 1e6;
  });
}
