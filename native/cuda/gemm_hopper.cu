/**
 * One warp copies tiles of x and w into a ring of stages with Hopper's bulk tensor copies; warpgroups of 64 rows each
 * multiply them with wgmma, which reads both tiles from shared memory and keeps the sums in registers. A stage's
 * `full` barrier says that its tiles have come, `empty` that all warpgroups are done with them.
 *
 * compute-sanitizer's racecheck reports nothing here, but it does not look at bulk copies and wgmma: with stages given
 * back before they are multiplied it reports nothing either, and the test's numbers are wrong. That there is no race
 * follows from the barriers. A stage is read only behind its `full` phase, which ends when both copies have arrived
 * with all their bytes. It is written again only behind its `empty` phase, to which each warpgroup arrives once
 * wait_group says that the wgmmas that read it have ended; one thread speaks for the four warps, as in CUTLASS's
 * pipelines, because a wgmma is one operation of them all. The parity of both is the number of times that the ring went
 * round, and no side can be a whole round ahead of the other, since each waits for the other in every stage.
 */
#include <cuda.h>

#include "cuda/gemm_hopper.h"
#include "cuda/numbers.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kDepth = 64;  // values of a row in a stage: 128 bytes, one swizzle of the copies

/** What a block computes: `rows` of x times `outs` of w, 64 rows a warpgroup. */
template <int rows, int outs, int stages>
struct Tile {
  static constexpr int kRows = rows, kOuts = outs;
  static constexpr int kConsumers = rows / 64;  // warpgroups
  static constexpr int kThreads = kConsumers * 128 + 32;
  static constexpr int kHalves = (rows + outs) * kDepth;
  static constexpr size_t kStageBytes = kHalves * 2;
  static constexpr size_t kSharedBytes = stages * kStageBytes + 1024;  // stages begin at multiples of 1024
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)                                 // elsewhere nvcc warns that nobody reads them
  static constexpr int kStages = stages;
  static constexpr int kOutsPerStep = outs < 128 ? outs : 128;  // of one wgmma
#endif
};
// Wide tiles read x and w the fewest times, smaller ones leave fewer multiprocessors idle where there is little to do.
using Wide = Tile<128, 256, 4>;
using Middle = Tile<128, 128, 6>;
using Small = Tile<64, 64, 6>;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

__device__ uint32_t address(const void* shared) { return static_cast<uint32_t>(__cvta_generic_to_shared(shared)); }

__device__ void barrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address(barrier)), "r"(arrivals) : "memory");
}

__device__ void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address(barrier)) : "memory");
}

__device__ void barrier_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address(barrier)), "r"(bytes) : "memory");
}

/** Waits for the end of the barrier's phase of this parity. */
__device__ void barrier_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t done = 0;
  while (done == 0) {
    asm volatile(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(address(barrier)), "r"(parity)
        : "memory");
  }
}

/** Begins the copy of a box of the map from (column, row) on; zeros where it leaves the matrix. */
__device__ void copy_box(void* shared, const CUtensorMap* map, int column, int row, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
          address(shared)),
      "l"(map), "r"(address(barrier)), "r"(column), "r"(row)
      : "memory");
}

/**
 * A tile for wgmma: rows of 128 bytes whose 16-byte pieces are exchanged in groups of eight rows, 1024 bytes a group.
 */
__device__ uint64_t descriptor(const void* tile) {
  constexpr uint64_t kGroupBytes = 1024, kSwizzle128 = 1;
  return (address(tile) & 0x3ffff) >> 4 | uint64_t{1} << 16 | kGroupBytes >> 4 << 32 | kSwizzle128 << 62;
}

// Eight registers of a sum, as operands of an instruction.
#define KIGO_SUM_8(s, i)                                                                                      \
  "+f"(s[i]), "+f"(s[i + 1]), "+f"(s[i + 2]), "+f"(s[i + 3]), "+f"(s[i + 4]), "+f"(s[i + 5]), "+f"(s[i + 6]), \
      "+f"(s[i + 7])
#define KIGO_SUM_32(s, i) KIGO_SUM_8(s, i), KIGO_SUM_8(s, i + 8), KIGO_SUM_8(s, i + 16), KIGO_SUM_8(s, i + 24)
#define KIGO_WGMMA_128(s, x, w, type)                                                                              \
  asm volatile(                                                                                                    \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                                                 \
      " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, "     \
      "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, "  \
      "%43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, " \
      "%64, %65, 1, 1, 1, 0, 0;"                                                                                   \
      : KIGO_SUM_32(s, 0), KIGO_SUM_32(s, 32)                                                                      \
      : "l"(x), "l"(w))
#define KIGO_WGMMA_64(s, x, w, type)                                                                           \
  asm volatile(                                                                                                \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                                              \
      " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, " \
      "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, 1, 1, 1, 0, 0;"                            \
      : KIGO_SUM_32(s, 0)                                                                                      \
      : "l"(x), "l"(w))

/** sums [64 rows × outs] += x [64 × 16] · w [outs × 16]ᵀ, asynchronously; outs is 128 or 64. */
template <class T, int n>
__device__ void multiply_add_group(float (&sums)[n], uint64_t x, uint64_t w) {
  if constexpr (std::is_same_v<T, __half>) {
    if constexpr (n == 64) {
      KIGO_WGMMA_128(sums, x, w, "f16");
    } else {
      KIGO_WGMMA_64(sums, x, w, "f16");
    }
  } else {
    if constexpr (n == 64) {
      KIGO_WGMMA_128(sums, x, w, "bf16");
    } else {
      KIGO_WGMMA_64(sums, x, w, "bf16");
    }
  }
}

__device__ void group_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ void group_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int pending>
__device__ void group_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

/** Two neighbouring outputs of a row, in one store where the row allows: `pairs`. */
template <class Y>
__device__ void store_pair(Y* to, float a, float b, bool accumulate, bool both, bool pairs) {
  if (both && pairs) {
    auto* pair = reinterpret_cast<Pack<Y, 2>*>(to);
    if (accumulate) {
      const Pack<Y, 2> before = *pair;
      a += to_float(before.values[0]);
      b += to_float(before.values[1]);
    }
    *pair = {rounded<Y>(a), rounded<Y>(b)};
    return;
  }
  to[0] = rounded<Y>(accumulate ? to_float(to[0]) + a : a);
  if (both) to[1] = rounded<Y>(accumulate ? to_float(to[1]) + b : b);
}

#endif

/** blockIdx.x: tile of rows, so that neighbours share weights; blockIdx.y: tile of outputs. */
template <class T, class Y, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    hopper_kernel(const __grid_constant__ CUtensorMap x_map, const __grid_constant__ CUtensorMap w_map, Y* y,
                  int64_t ldy, int64_t n_rows, int64_t n_in, int64_t n_out, bool accumulate) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  constexpr int n_stages = Tile::kStages, rows = Tile::kRows, outs = Tile::kOuts;
  extern __shared__ unsigned char shared[];
  T* stages = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(shared) + 1023) / 1024 * 1024);
  __shared__ uint64_t full[n_stages], empty[n_stages];
  const int n_steps = static_cast<int>((n_in + kDepth - 1) / kDepth);
  const int64_t row0 = int64_t{blockIdx.x} * rows, out0 = int64_t{blockIdx.y} * outs;

  if (threadIdx.x == 0) {
    for (int i = 0; i < n_stages; ++i) {
      barrier_init(&full[i], 1);
      barrier_init(&empty[i], Tile::kConsumers);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();

  if (threadIdx.x >= Tile::kConsumers * 128) {  // the producer
    if (threadIdx.x % 32 != 0) return;
    for (int step = 0; step < n_steps; ++step) {
      const int stage = step % n_stages;
      if (step >= n_stages) barrier_wait(&empty[stage], (step / n_stages - 1) % 2);
      T* tile = stages + stage * Tile::kHalves;
      barrier_expect(&full[stage], Tile::kStageBytes);
      copy_box(tile, &x_map, step * kDepth, static_cast<int>(row0), &full[stage]);
      copy_box(tile + rows * kDepth, &w_map, step * kDepth, static_cast<int>(out0), &full[stage]);
    }
    return;
  }

  const int group = static_cast<int>(threadIdx.x / 128), lane = static_cast<int>(threadIdx.x % 32);
  constexpr int step_outs = Tile::kOutsPerStep;
  float sums[outs / step_outs][step_outs / 2] = {};
  for (int step = 0; step < n_steps; ++step) {
    const int stage = step % n_stages;
    barrier_wait(&full[stage], step / n_stages % 2);
    const T* x_tile = stages + stage * Tile::kHalves + group * 64 * kDepth;
    const T* w_tile = stages + stage * Tile::kHalves + rows * kDepth;
    group_fence();
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
#pragma unroll
      for (int o = 0; o < outs / step_outs; ++o) {
        multiply_add_group<T>(sums[o], descriptor(x_tile + k), descriptor(w_tile + o * step_outs * kDepth + k));
      }
    }
    group_commit();
    group_wait<1>();  // the step before is done: its stage may be filled again
    if (step > 0 && threadIdx.x % 128 == 0) barrier_arrive(&empty[(step - 1) % n_stages]);
  }
  group_wait<0>();

  const int64_t first_row = row0 + group * 64 + threadIdx.x % 128 / 32 * 16 + lane / 4;
  const bool pairs = ldy % 2 == 0 && reinterpret_cast<uintptr_t>(y) % (2 * sizeof(Y)) == 0;
#pragma unroll
  for (int o = 0; o < outs / step_outs; ++o) {
#pragma unroll
    for (int i = 0; i < step_outs / 2;
         i += 2) {  // pairs: rows lane/4 and eight further on, then the next eight outputs
      const int64_t row = first_row + i / 2 % 2 * 8;
      const int64_t out = out0 + o * step_outs + i / 4 * 8 + lane % 4 * 2;
      if (row >= n_rows || out >= n_out) continue;
      store_pair(y + row * ldy + out, sums[o][i], sums[o][i + 1], accumulate, out + 1 < n_out, pairs);
    }
  }
#else
  __trap();  // hopper_runs
#endif
}

/** cuTensorMapEncodeTiled of the driver, which the runtime finds for us. */
using EncodeTiled = decltype(&cuTensorMapEncodeTiled);
EncodeTiled encode_tiled() {
  static const EncodeTiled found = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult result = {};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result),
          "looking for the driver's tensor maps");
    if (function == nullptr) throw Error(KIGO_DEVICE_UNAVAILABLE, "The NVIDIA driver has no tensor maps.");
    return reinterpret_cast<EncodeTiled>(function);
  }();
  return found;
}

/** A matrix as the bulk copies see it, in boxes of kDepth values of `box_rows` rows. */
CUtensorMap map_of(const Rows& rows, int64_t n_rows, int64_t n_in, int box_rows) {
  CUtensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(n_in), static_cast<cuuint64_t>(n_rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(rows.ld) * 2};
  const cuuint32_t box[] = {kDepth, static_cast<cuuint32_t>(box_rows)}, steps[] = {1, 1};
  const CUresult made = encode_tiled()(
      &map, rows.type == Number::f16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
      const_cast<void*>(rows.data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (made != CUDA_SUCCESS) {
    throw Error(KIGO_INTERNAL, "The driver refused a tensor map (" + std::to_string(static_cast<int>(made)) + ").");
  }
  return map;
}

template <class T, class Y, class Tile>
void launch(cudaStream_t stream, const Product& p) {
  check(
      cudaFuncSetAttribute(hopper_kernel<T, Y, Tile>, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes),
      "asking for shared memory");
  const dim3 grid(blocks_for(p.n_rows, Tile::kRows), blocks_for(p.n_out, Tile::kOuts));
  hopper_kernel<T, Y, Tile><<<grid, Tile::kThreads, Tile::kSharedBytes, stream>>>(
      map_of(p.x, p.n_rows, p.n_in, Tile::kRows), map_of(p.w, p.n_out, p.n_in, Tile::kOuts), static_cast<Y*>(p.y.data),
      p.y.ld, p.n_rows, p.n_in, p.n_out, p.accumulate);
  check_launch("a matrix product on the tensor cores");
}

/** Products that the busiest multiprocessor computes, over how well a tile of this size uses it. */
template <class Tile>
double cost(const Product& p, int n_sm, double efficiency) {
  const int64_t tiles = int64_t{blocks_for(p.n_rows, Tile::kRows)} * blocks_for(p.n_out, Tile::kOuts);
  return static_cast<double>((tiles + n_sm - 1) / n_sm * Tile::kRows * Tile::kOuts) / efficiency;
}

template <class T, class Y>
void launch_fitting(cudaStream_t stream, const DeviceTraits& device, const Product& p) {
  const double wide = cost<Wide>(p, device.n_sm, 1), middle = cost<Middle>(p, device.n_sm, 0.85),
               small = cost<Small>(p, device.n_sm, 0.6);
  if (wide <= middle && wide <= small) {
    launch<T, Y, Wide>(stream, p);
  } else if (middle <= small) {
    launch<T, Y, Middle>(stream, p);
  } else {
    launch<T, Y, Small>(stream, p);
  }
}

template <class T>
void multiply(cudaStream_t stream, const DeviceTraits& device, const Product& p) {
  if (p.y.type == Number::f32) {
    launch_fitting<T, float>(stream, device, p);
  } else {
    launch_fitting<T, T>(stream, device, p);
  }
}

}  // namespace

bool hopper_runs(const DeviceTraits& device) {
  if (device.compute != 90) return false;
  cudaFuncAttributes attributes = {};
  const cudaError_t found = cudaFuncGetAttributes(&attributes, hopper_kernel<__half, float, Middle>);
  if (found == cudaErrorInvalidDeviceFunction || found == cudaErrorNoKernelImageForDevice) {
    forget(found);
    return false;
  }
  check(found, "looking for the matrix product of this GPU");
  return attributes.binaryVersion == 90;
}

void multiply_hopper(cudaStream_t stream, const DeviceTraits& device, const Product& product) {
  if (product.x.type == Number::f16) {
    multiply<__half>(stream, device, product);
  } else {
    multiply<__nv_bfloat16>(stream, device, product);
  }
}

}  // namespace kigo::cuda
