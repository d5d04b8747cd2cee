/** The matrix products, each kernel by itself, over host memory. */
#include <vector>

#include "cuda/cublas.h"
#include "cuda/gemm.h"
#include "cuda/gemm_hopper.h"
#include "cuda/numbers.cuh"
#include "cuda/testing/testing.h"

using namespace kigo;
using namespace kigo::cuda;
using namespace kigo::cuda::testing;

namespace {

template <class T>
std::vector<T> rounded(const float* values, size_t n) {
  std::vector<T> result(n);
  for (size_t i = 0; i < n; ++i) result[i] = T(values[i]);
  return result;
}

template <class T>
void read(const DeviceArray<T>& from, float* to) {
  std::vector<T> values(from.size());
  from.read(values.data());
  for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<float>(values[i]);
}

}  // namespace

/** 1: this machine has the kernel. 0 f32 on the plain cores, 1 tensor cores, 2 Hopper's, 3 cuBLAS. */
KIGO_TEST_EXPORT kigo_status cuda_has_gemm(int32_t* has, int32_t kernel) {
  return guarded(
      [&] { *has = kernel < 2 || (kernel == 2 && hopper_runs(test_device())) || (kernel == 3 && Cublas::is_here()); });
}

/**
 * y [n_rows][n_out] (+)= x [n_rows][ldx] · w [n_out][n_in]ᵀ with numbers rounded to `type` (0 float32, 1 float16,
 * 2 bfloat16), y of that type too where y_rounded.
 */
KIGO_TEST_EXPORT kigo_status cuda_multiply(float* y, const float* x, int64_t ldx, const float* w, int32_t type,
                                           int32_t y_rounded, int32_t accumulate, int64_t n_rows, int64_t n_in,
                                           int64_t n_out, int32_t kernel) {
  return guarded([&] {
    test_device();
    with_type(static_cast<Number>(type), [&](auto zero) {
      using T = decltype(zero);
      const auto kind = static_cast<Number>(type);
      const std::vector<T> xs = rounded<T>(x, static_cast<size_t>(n_rows * ldx));
      const std::vector<T> ws = rounded<T>(w, static_cast<size_t>(n_out * n_in));
      const DeviceArray<T> in(xs.data(), xs.size()), weights(ws.data(), ws.size());
      const DeviceArray<float> wide(y, static_cast<size_t>(n_rows * n_out));
      const DeviceArray<T> narrow(static_cast<size_t>(n_rows * n_out));
      Product product = {.x = {kind, in.data(), ldx},
                         .w = {kind, weights.data(), n_in},
                         .y = {Number::f32, wide.data(), n_out},
                         .n_rows = n_rows,
                         .n_in = n_in,
                         .n_out = n_out,
                         .accumulate = accumulate != 0};
      if (y_rounded != 0) product.y = {kind, narrow.data(), n_out};
      switch (kernel) {
        case 0: multiply_f32(nullptr, product); break;
        case 1: multiply_halves(nullptr, product); break;
        case 2: multiply_hopper(nullptr, test_device(), product); break;
        default: {
          static Cublas* const cublas = new Cublas;  // as test_gemm
          cublas->multiply(product);
        }
      }
      y_rounded != 0 ? read(narrow, y) : read(wide, y);
    });
  });
}
