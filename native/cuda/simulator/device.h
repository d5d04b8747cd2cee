/**
 * CUDA C++ for a compiler of the host: included in front of every kernel source of the simulator. Qualifiers mean
 * nothing but __shared__, which is one array for the one block that runs; what the hardware knows of a thread and what
 * CUDA has built in are functions; launches are put in order by translate.cmake.
 */
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>
#include <type_traits>

#include "cuda/simulator/block.h"
#include "cuda/simulator/checks.h"
#include "cuda/simulator/queue.h"

#define __CUDACC__
#define __CUDA_ARCH__ (KIGO_SIMULATOR_COMPUTE * 10)
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#undef __align__
#ifdef KIGO_SIMULATOR_CHECKS
// -fsanitize=thread does not see a store of what a call returned, so there are to be no calls.
#define __global__ static __attribute__((flatten))
#else
#define __global__ static
#endif
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

namespace kigo::simulator {

// ---- launches ------------------------------------------------------------------------------------------------

/**
 * kernel<<<grid, block, shared_bytes, stream>>>(arguments…) is launcher(name, grid, …)(kernel)(arguments…), where the
 * kernel comes as a lambda, so that its template's arguments may be deduced.
 */
inline auto launcher(const char* name, dim3 grid, dim3 block, size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return [=](auto kernel) {
    return [=](auto... arguments) {
      enqueue(stream, {nullptr, name, grid, block, shared_bytes, false, [=] { kernel(arguments...); }});
    };
  };
}

template <class... Parameters, class... Arguments>
cudaError_t launch_by_config(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments... arguments) {
  bool early = false;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    early |= config->attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization &&
             config->attrs[i].val.programmaticStreamSerializationAllowed != 0;
  }
  enqueue(config->stream, {reinterpret_cast<const void*>(kernel), "a kernel of a chain", config->gridDim,
                           config->blockDim, config->dynamicSmemBytes, early, [=] { kernel(arguments...); }});
  return cudaGetLastError();
}
#define cudaLaunchKernelEx ::kigo::simulator::launch_by_config

// ---- what lanes do together ------------------------------------------------------------------------------------

template <class T>
const Brought& exchange(Meeting what, unsigned mask, const T& v) {
  constexpr size_t n_words = (sizeof v + 3) / 4;
  static_assert(n_words <= kMostWords);
  uint32_t words[n_words] = {};
  std::memcpy(words, &v, sizeof v);
  if (mask != ~0u) stop(Fault::stuck);  // no kernel of ours does anything with a part of a warp
  return meet(what, words, n_words);
}

template <class T>
T brought_by(const Brought& all, unsigned lane) {
  T v;
  std::memcpy(&v, all.words[lane], sizeof v);
  return v;
}

}  // namespace kigo::simulator

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

template <class T>
T __shfl_sync(unsigned mask, T v, int from) {
  using namespace kigo::simulator;
  return brought_by<T>(exchange(kShuffle, mask, v), static_cast<unsigned>(from) % 32);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int apart) {
  using namespace kigo::simulator;
  return brought_by<T>(exchange(kShuffle, mask, v), lane() ^ static_cast<unsigned>(apart));
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned apart) {
  using namespace kigo::simulator;
  return brought_by<T>(exchange(kShuffle, mask, v), lane() < apart ? lane() : lane() - apart);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  using namespace kigo::simulator;
  const Brought& all = exchange(kVote, mask, predicate);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) votes |= all.words[i][0] != 0 ? 1u << i : 0;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline unsigned __reduce_max_sync(unsigned mask, unsigned v) {
  using namespace kigo::simulator;
  const Brought& all = exchange(kVote, mask, v);
  unsigned most = 0;
  for (unsigned i = 0; i < 32; ++i) most = std::max(most, all.words[i][0]);
  return most;
}
inline void __syncwarp(unsigned mask = ~0u) { kigo::simulator::exchange(kigo::simulator::kSyncWarp, mask, 0); }
inline void __syncthreads() { kigo::simulator::block_barrier(); }

// ---- memory ------------------------------------------------------------------------------------------------------

template <class T>
T __ldg(const T* from) {
  return *from;
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
// Blocks run one after the other, so that every access is atomic and in order.
inline void __threadfence() { kigo::simulator::checks::fenced(); }
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> v) {
  const kigo::simulator::checks::Atomic atomic;
  const T old = *at;
  *at = old + v;
  return old;
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> v) {
  const kigo::simulator::checks::Atomic atomic;
  const T old = *at;
  *at = std::max(old, v);
  return old;
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> v) {
  const kigo::simulator::checks::Atomic atomic;
  const T old = *at;
  *at = std::min(old, v);
  return old;
}
inline unsigned atomicInc(unsigned* at, unsigned most) {
  const kigo::simulator::checks::Atomic atomic;
  const unsigned old = *at;
  *at = old >= most ? 0 : old + 1;
  return old;
}

using std::isfinite;
using std::isnan;

// ---- numbers -----------------------------------------------------------------------------------------------------

[[noreturn]] inline void __trap() { kigo::simulator::stop(kigo::simulator::Fault::trap); }

inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline int __float2int_rn(float v) {
  return std::isnan(v) ? 0 : static_cast<int>(std::nearbyint(std::clamp(v, -0x1p31f, 0x1.fffffep30f)));
}
inline unsigned long long __float2ull_rn(float v) {
  return v > 0 ? static_cast<unsigned long long>(std::nearbyint(std::min(v, 0x1.fffffep63f))) : 0;
}
inline float __double2float_ru(double v) {
  const auto nearest = static_cast<float>(v);
  return static_cast<double>(nearest) < v ? std::nextafter(nearest, INFINITY) : nearest;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fdividef(float a, float b) { return a / b; }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) {
  const auto one = [](__half v, __half w, __half sum) {
    return __float2half_rn(static_cast<float>(double{__half2float(v)} * double{__half2float(w)} + __half2float(sum)));
  };
  return {one(a.x, b.x, c.x), one(a.y, b.y, c.y)};
}
inline float __expf(float v) { return std::exp(v); }
inline float rsqrtf(float v) { return 1 / std::sqrt(v); }
inline int __popc(unsigned v) { return std::popcount(v); }
inline int __clzll(long long v) { return std::countl_zero(static_cast<unsigned long long>(v)); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __dp4a(int a, int b, int sum) {
  for (int i = 0; i < 4; ++i) sum += static_cast<int8_t>(a >> 8 * i) * static_cast<int8_t>(b >> 8 * i);
  return sum;
}
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  const uint64_t bytes = uint64_t{high} << 32 | low;
  unsigned out = 0;
  for (int i = 0; i < 4; ++i) out |= static_cast<unsigned>(bytes >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
  return out;
}

template <class A, class B>
constexpr auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b);
}
template <class A, class B>
constexpr auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
