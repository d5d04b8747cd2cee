/**
 * What the exported operations are made of. Each takes host pointers, copies in, runs, copies out, and returns a
 * kigo_status; `cuda_last_error` has the words.
 */
#pragma once

#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/types.h"
#include "cuda/context.h"
#include "cuda/dequantize.h"
#include "cuda/gemm.h"
#include "cuda/packed.h"
#include "cuda/status.h"

#define KIGO_TEST_EXPORT extern "C" __attribute__((visibility("default")))

namespace kigo::cuda::testing {

/** An array on the device. Without values it holds 0xff in every byte: NaN as float16, bfloat16 and float32. */
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t n) : n_(n) {
    check(cudaMalloc(&data_, bytes() + 16), "taking memory for a test");
    check(cudaMemset(data_, 0xff, bytes()), "poisoning memory of a test");
    wait();
  }
  DeviceArray(const T* host, size_t n) : DeviceArray(n) {
    check(cudaMemcpy(data_, host, bytes(), cudaMemcpyHostToDevice), "copying to the device");
    wait();
  }
  ~DeviceArray() { forget(cudaFree(data_)); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t size() const { return n_; }
  size_t bytes() const { return n_ * sizeof(T); }
  /** Waits for the device, then copies everything. */
  void read(T* host) const {
    check(cudaDeviceSynchronize(), "running a test's kernels");
    check(cudaMemcpy(host, data_, bytes(), cudaMemcpyDeviceToHost), "copying from the device");
  }

 private:
  /** Both calls above may return before the device is done, and the streams of sessions do not wait for theirs. */
  static void wait() { check(cudaStreamSynchronize(nullptr), "filling memory of a test"); }

  T* data_ = nullptr;
  size_t n_ = 0;
};

/** Rows of a GGUF file, packed on the device. `bias` [n_out] or NULL, on the host. */
class DeviceMatrix {
 public:
  DeviceMatrix(uint32_t type, const uint8_t* rows, int64_t n_in, int64_t n_out, const float* bias = nullptr)
      : packed_(packed_row_bytes(type, n_in) * static_cast<uint64_t>(n_out)),
        bias_(bias == nullptr ? 0 : static_cast<size_t>(n_out)) {
    const DeviceArray<uint8_t> raw(rows, file_row_bytes(type, n_in) * static_cast<uint64_t>(n_out));
    pack_rows(nullptr, type, raw.data(), n_out, n_in, packed_.data());
    check(cudaDeviceSynchronize(), "packing a test's matrix");
    if (bias != nullptr) {
      check(cudaMemcpy(bias_.data(), bias, bias_.bytes(), cudaMemcpyHostToDevice), "copying a bias");
      check(cudaDeviceSynchronize(), "copying a bias");
    }
    matrix_ = {.type = type,
               .n_in = n_in,
               .n_out = n_out,
               .data = packed_.data(),
               .row_bytes = packed_row_bytes(type, n_in),
               .bias = bias == nullptr ? nullptr : bias_.data()};
  }
  const Matrix& matrix() const { return matrix_; }

 private:
  DeviceArray<uint8_t> packed_;
  DeviceArray<float> bias_;
  Matrix matrix_;
};

/** Traits of device 0, which all tests run on. */
const DeviceTraits& test_device();

/** Of device 0; one for all tests, because cuBLAS takes a tenth of a second to start. */
Gemm& test_gemm();

/** A context on the default stream with 64 MiB of scratch. */
class TestContext {
 public:
  explicit TestContext(Precision precision)
      : scratch_(64 << 20),
        context_{.device = test_device(),
                 .stream = nullptr,
                 .gemm = test_gemm(),
                 .scratch = scratch_.data(),
                 .scratch_bytes = scratch_.bytes(),
                 .precision = precision} {}
  Context& get() { return context_; }

 private:
  DeviceArray<std::byte> scratch_;
  Context context_;
};

}  // namespace kigo::cuda::testing
