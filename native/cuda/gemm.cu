#include "cuda/cublas.h"
#include "cuda/gemm.h"
#include "cuda/gemm_hopper.h"
#include "cuda/numbers.cuh"
#include "cuda/ptx.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

// ---- plain cores ---------------------------------------------------------------------------------------------

constexpr int kPlainTile = 64, kPlainDepth = 16, kPlainThreads = 256;

/** A tile of 64 rows × 64 outputs a block, 4 × 4 of them a thread. */
template <class T, class Y>
__global__ void __launch_bounds__(kPlainThreads)
    plain_kernel(const T* x, int64_t ldx, const T* w, int64_t ldw, Y* y, int64_t ldy, int64_t n_rows, int64_t n_in,
                 int64_t n_out, bool accumulate) {
  __shared__ __align__(16) float x_tile[kPlainDepth][kPlainTile + 4], w_tile[kPlainDepth][kPlainTile + 4];
  const int64_t row0 = int64_t{blockIdx.x} * kPlainTile, out0 = int64_t{blockIdx.y} * kPlainTile;
  const int thread_row = static_cast<int>(threadIdx.x) / 16 * 4, thread_out = static_cast<int>(threadIdx.x) % 16 * 4;
  float sums[4][4] = {};
  for (int64_t i0 = 0; i0 < n_in; i0 += kPlainDepth) {
    for (int place = static_cast<int>(threadIdx.x); place < kPlainTile * kPlainDepth; place += kPlainThreads) {
      const int r = place / kPlainDepth, i = place % kPlainDepth;
      const bool inside = i0 + i < n_in;
      x_tile[i][r] = inside && row0 + r < n_rows ? to_float(x[(row0 + r) * ldx + i0 + i]) : 0;
      w_tile[i][r] = inside && out0 + r < n_out ? to_float(w[(out0 + r) * ldw + i0 + i]) : 0;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kPlainDepth; ++i) {
      const float4 a = *reinterpret_cast<const float4*>(&x_tile[i][thread_row]);
      const float4 b = *reinterpret_cast<const float4*>(&w_tile[i][thread_out]);
      const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int o = 0; o < 4; ++o) sums[r][o] = fmaf(as[r], bs[o], sums[r][o]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < 4; ++r) {
#pragma unroll
    for (int o = 0; o < 4; ++o) {
      const int64_t row = row0 + thread_row + r, out = out0 + thread_out + o;
      if (row >= n_rows || out >= n_out) continue;
      Y& to = y[row * ldy + out];
      to = rounded<Y>(accumulate ? to_float(to) + sums[r][o] : sums[r][o]);
    }
  }
}

template <class T>
void multiply_plain(cudaStream_t stream, const Product& p) {
  const dim3 grid(blocks_for(p.n_rows, kPlainTile), blocks_for(p.n_out, kPlainTile));
  const auto launch = [&](auto result) {
    using Y = decltype(result);
    plain_kernel<<<grid, kPlainThreads, 0, stream>>>(static_cast<const T*>(p.x.data), p.x.ld,
                                                     static_cast<const T*>(p.w.data), p.w.ld, static_cast<Y*>(p.y.data),
                                                     p.y.ld, p.n_rows, p.n_in, p.n_out, p.accumulate);
  };
  if (p.y.type == Number::f32) {
    launch(float{});
  } else {
    launch(T{});
  }
  check_launch("a matrix product");
}

// ---- tensor cores --------------------------------------------------------------------------------------------

constexpr int kTile = 128;     // rows and outputs of a block
constexpr int kDepth = 32;     // values of a row in a stage
constexpr int kStages = 4;     // of copies on their way
constexpr int kThreads = 256;  // 2 × 4 warps of 64 rows × 32 outputs
constexpr int kPiece = 8;      // values of a 16-byte copy
constexpr int kStageValues = 2 * kTile * kDepth;
constexpr size_t kSharedBytes = kStages * kStageValues * 2;  // 64 KiB: what sm_75 has

/**
 * Where piece c of row r of a stage's tile lies: rows of 64 bytes, their four pieces exchanged so that eight rows of
 * one column of pieces are in eight different banks.
 */
__device__ inline int place(int r, int c) { return r * kDepth + (c ^ (r / 2 % 4)) * kPiece; }

/** A tile of 128 rows × 128 outputs a block; blockIdx.x counts rows, so that neighbours share weights. */
template <class T, class Y>
__global__ void __launch_bounds__(kThreads, 2)
    tensor_kernel(const T* x, int64_t ldx, const T* w, int64_t ldw, Y* y, int64_t ldy, int64_t n_rows, int64_t n_in,
                  int64_t n_out, bool accumulate) {
  extern __shared__ __align__(16) unsigned char shared[];
  T* stages = reinterpret_cast<T*>(shared);  // [kStages][x tile, w tile][kTile][kDepth]
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t row0 = int64_t{blockIdx.x} * kTile, out0 = int64_t{blockIdx.y} * kTile;
  const int warp_row = warp / 4 * 64, warp_out = warp % 4 * 32;
  const int n_steps = static_cast<int>((n_in + kDepth - 1) / kDepth);

  // Each thread copies the same piece of two rows of x and of w, stage after stage.
  constexpr int kApart = kThreads / (kDepth / kPiece);
  const int r = static_cast<int>(threadIdx.x) / (kDepth / kPiece),
            c = static_cast<int>(threadIdx.x) % (kDepth / kPiece);
  const T* x_from = x + (row0 + r) * ldx + c * kPiece;
  const T* w_from = w + (out0 + r) * ldw + c * kPiece;
  const auto copy_stage = [&](int step) {
    if (step < n_steps) {
      T* tile = stages + step % kStages * kStageValues;
      const bool inside = step * kDepth + c * kPiece < n_in;
#pragma unroll
      for (int i = 0; i < kTile; i += kApart) {
        const bool has_row = inside && row0 + r + i < n_rows, has_out = inside && out0 + r + i < n_out;
        copy_16(tile + place(r + i, c), has_row ? x_from + i * ldx + step * kDepth : x, has_row);
        copy_16(tile + kTile * kDepth + place(r + i, c), has_out ? w_from + i * ldw + step * kDepth : w, has_out);
      }
    }
    copies_commit();
  };

  float sums[4][4][4] = {};  // [16 rows][8 outputs]
  for (int step = 0; step < kStages - 1; ++step) copy_stage(step);
  for (int step = 0; step < n_steps; ++step) {
    copies_wait<kStages - 2>();
    __syncthreads();
    copy_stage(step + kStages - 1);  // into the stage that everyone has left

    const T* x_tile = stages + step % kStages * kStageValues;
    const T* w_tile = x_tile + kTile * kDepth;
#pragma unroll
    for (int k = 0; k < kDepth / 16; ++k) {
      uint32_t a[4][4], b[2][4];
#pragma unroll
      for (int m = 0; m < 4; ++m) load_matrices(a[m], x_tile + place(warp_row + m * 16 + lane % 16, 2 * k + lane / 16));
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        load_matrices(b[n], w_tile + place(warp_out + n * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      }
#pragma unroll
      for (int m = 0; m < 4; ++m) {
#pragma unroll
        for (int n = 0; n < 4; ++n) multiply_add<T>(sums[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
      }
    }
  }
  copies_wait<0>();

#pragma unroll
  for (int m = 0; m < 4; ++m) {
#pragma unroll
    for (int n = 0; n < 4; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t row = row0 + warp_row + m * 16 + lane / 4 + i / 2 * 8;
        const int64_t out = out0 + warp_out + n * 8 + lane % 4 * 2 + i % 2;
        if (row >= n_rows || out >= n_out) continue;
        Y& to = y[row * ldy + out];
        to = rounded<Y>(accumulate ? to_float(to) + sums[m][n][i] : sums[m][n][i]);
      }
    }
  }
}

template <class T>
void multiply_tensor(cudaStream_t stream, const Product& p) {
  const dim3 grid(blocks_for(p.n_rows, kTile), blocks_for(p.n_out, kTile));
  const auto launch = [&](auto result) {
    using Y = decltype(result);
    check(cudaFuncSetAttribute(tensor_kernel<T, Y>, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes),
          "asking for shared memory");
    tensor_kernel<<<grid, kThreads, kSharedBytes, stream>>>(
        static_cast<const T*>(p.x.data), p.x.ld, static_cast<const T*>(p.w.data), p.w.ld, static_cast<Y*>(p.y.data),
        p.y.ld, p.n_rows, p.n_in, p.n_out, p.accumulate);
  };
  if (p.y.type == Number::f32) {
    launch(float{});
  } else {
    launch(T{});
  }
  check_launch("a matrix product on the tensor cores");
}

bool is_aligned(const Rows& rows) { return rows.ld % kPiece == 0 && reinterpret_cast<uintptr_t>(rows.data) % 16 == 0; }

}  // namespace

void multiply_f32(cudaStream_t stream, const Product& product) { multiply_plain<float>(stream, product); }

void multiply_halves(cudaStream_t stream, const Product& p) {
  const bool pieces = p.n_in % kPiece == 0 && is_aligned(p.x) && is_aligned(p.w);
  if (p.x.type == Number::f16) {
    pieces ? multiply_tensor<__half>(stream, p) : multiply_plain<__half>(stream, p);
  } else {
    pieces ? multiply_tensor<__nv_bfloat16>(stream, p) : multiply_plain<__nv_bfloat16>(stream, p);
  }
}

Gemm::Gemm(const DeviceTraits& device) : device_(device) {
  check(cudaSetDevice(device.index), "choosing a GPU");
  hopper_ = hopper_runs(device);
  if (Cublas::is_here()) cublas_ = std::make_unique<Cublas>();
}

Gemm::~Gemm() = default;

std::string Gemm::description() {
  return Cublas::is_here() ? Cublas::description() : "own GEMM: " + Cublas::description();
}

void Gemm::bind(cudaStream_t stream, void* workspace) {
  stream_ = stream;
  if (cublas_ != nullptr) cublas_->bind(stream, workspace, kWorkspaceBytes);
}

void Gemm::multiply(const Product& product) {
  if (product.x.type == Number::f32) {
    multiply_f32(stream_, product);
  } else if (cublas_ != nullptr) {
    cublas_->multiply(product);
  } else if (hopper_ && is_aligned(product.x) && is_aligned(product.w)) {
    multiply_hopper(stream_, device_, product);
  } else {
    multiply_halves(stream_, product);
  }
}

}  // namespace kigo::cuda
